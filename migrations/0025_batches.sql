-- Batches: the lines of a file as runs of the lowest priority, a wave of them at a time. A scheduler works on a batch while its lease holds;
-- whoever takes it over raises the fence, and each write of an owner compares both.
--
-- at_byte, at_line: the cursor. What lies before it in the input has its row in batch_lines, or is answered. ending: what the batch becomes when
-- its files are written; NULL: completed.
CREATE TABLE batches (
    id                  uuid PRIMARY KEY,
    tenant_id           uuid NOT NULL,
    endpoint            text NOT NULL,
    input_file          uuid NOT NULL,
    window_seconds      int8 NOT NULL,
    output_seconds      int8,
    metadata            jsonb NOT NULL DEFAULT '{}',
    state               text NOT NULL DEFAULT 'validating' CHECK (state IN
        ('validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled')),
    ending              text CHECK (ending IN ('failed', 'expired', 'cancelled')),
    owner               int8,
    fence               int8 NOT NULL DEFAULT 0,
    lease_until         timestamptz NOT NULL DEFAULT 'epoch',
    lines               int8 NOT NULL DEFAULT 0,
    input_bytes         int8 NOT NULL DEFAULT 0,
    at_byte             int8 NOT NULL DEFAULT 0,
    at_line             int8 NOT NULL DEFAULT 0,
    completed           int8 NOT NULL DEFAULT 0,
    failed              int8 NOT NULL DEFAULT 0,
    prompt_tokens       int8 NOT NULL DEFAULT 0,
    completion_tokens   int8 NOT NULL DEFAULT 0,
    cached_tokens       int8 NOT NULL DEFAULT 0,
    cache_write_tokens  int8 NOT NULL DEFAULT 0,
    reasoning_tokens    int8 NOT NULL DEFAULT 0,
    cost_micros         int8 NOT NULL DEFAULT 0,
    model               text,
    errors              jsonb,
    output_file         uuid,
    error_file          uuid,
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz NOT NULL,
    in_progress_at      timestamptz,
    finalizing_at       timestamptz,
    cancelling_at       timestamptz,
    ended_at            timestamptz
) WITH (fillfactor = 50);
CREATE INDEX batches_tenant ON batches (tenant_id, id);
CREATE INDEX batches_open ON batches (id) WHERE state IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- Lines that are not answered yet. made: its run is there, or was.
CREATE TABLE batch_lines (
    batch_id   uuid NOT NULL,
    line       int8 NOT NULL,
    run_id     uuid NOT NULL,
    custom_id  text NOT NULL,
    at_byte    int8 NOT NULL,
    bytes      int8 NOT NULL,
    made       bool NOT NULL,
    PRIMARY KEY (batch_id, line)
);

-- What the batch's files will hold, as it comes.
CREATE TABLE batch_output (
    batch_id  uuid NOT NULL,
    of_error  bool NOT NULL,
    chunk     int8 GENERATED ALWAYS AS IDENTITY,
    lines     text NOT NULL,
    PRIMARY KEY (batch_id, of_error, chunk)
);
DO $$
BEGIN
    ALTER TABLE batch_output ALTER COLUMN lines SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
