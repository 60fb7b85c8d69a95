-- Retention: what is kept of threads, runs and batches, and for how long (shared/store/retention).

-- As the API has it: {"action": "keep" | "archive" | "delete", "after": seconds, "then_delete_after": seconds}. NULL: nothing is said here. Of an
-- agent it is a member of its spec; the column is what sweeps look at without reading specs.
ALTER TABLE tenants ADD COLUMN retention jsonb;
ALTER TABLE schedules ADD COLUMN retention jsonb;
ALTER TABLE agents ADD COLUMN retention jsonb GENERATED ALWAYS AS (nullif((spec -> 'retention')::text, 'null')::jsonb) STORED;
CREATE INDEX agents_retention ON agents (tenant_id) WHERE retention IS NOT NULL;
CREATE INDEX schedules_retention ON schedules (tenant_id) WHERE retention IS NOT NULL;

-- Since when nobody has used it, plus this many seconds, a thread goes; NULL: never.
CREATE FUNCTION penstock_delete_after(retention jsonb) RETURNS int8
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE retention ->> 'action'
        WHEN 'delete' THEN (retention ->> 'after')::int8
        WHEN 'archive' THEN (retention ->> 'after')::int8 + (retention ->> 'then_delete_after')::int8 END;

-- Threads in the order of their use, one by one: sweeps go on where they were. Those in no list have an index of their own, since there may be many
-- times as many.
DROP INDEX threads_used;
CREATE INDEX threads_used ON threads (uuid_hash(tenant_id), used_hour, id) WHERE NOT hidden;
CREATE INDEX threads_used_hidden ON threads (uuid_hash(tenant_id), used_hour, id) WHERE hidden;

-- A firing by its run, and the oldest firings; the schedule whose lasting thread one is.
CREATE INDEX schedule_firings_id ON schedule_firings (id);
CREATE INDEX schedules_thread ON schedules (thread_id) WHERE thread_id IS NOT NULL;

-- Who sweeps, and how far it is. began_at: of the pass that is under way; NULL: none. done_to: what was due then is gone.
CREATE TABLE retention_state (
    id           int2 PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    owner        int8,
    lease_until  timestamptz NOT NULL DEFAULT 'epoch',
    began_at     timestamptz,
    done_to      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
INSERT INTO retention_state DEFAULT VALUES;
