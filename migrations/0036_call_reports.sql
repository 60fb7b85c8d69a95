-- How calls of tools went (shared/store/tools/call_report.h). took_ms: of the call; NULL: no worker made it. went: what that and the result do not
-- say, as {tries, bytes, is_cut, results}; NULL for most.
ALTER TABLE tool_calls
    ADD COLUMN took_ms int8,
    ADD COLUMN went    jsonb;

-- How many there were in an hour. Workers append to tool_deltas, a row for each tool and bucket that a write has; schedulers fold these rows into
-- tool_hourly, as they do with usage. bucket: of their times (shared/store/tools/tool_times.h); -1: of those whose end nobody knows.
CREATE TABLE tool_deltas (
    tenant_id  uuid NOT NULL,
    tool       text NOT NULL,
    hour       timestamptz NOT NULL DEFAULT date_trunc('hour', now(), 'UTC'),
    bucket     int2 NOT NULL,
    calls      int8 NOT NULL,
    errors     int8 NOT NULL,
    took_ms    int8 NOT NULL,
    max_ms     int8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE TABLE tool_hourly (
    LIKE tool_deltas,
    PRIMARY KEY (tenant_id, tool, hour, bucket)
) WITH (fillfactor = 70);
CREATE INDEX tool_hourly_hour ON tool_hourly (hour);
