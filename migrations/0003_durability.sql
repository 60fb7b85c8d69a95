-- What the whole durability protocol keeps: who dispatches which shard, runs that wait behind another
-- run of their thread or for something outside, and how a worker's end is seen at once.

-- weight: share of the workers beside other tenants that wait. max_running: runs in work at once;
-- NULL: no limit.
ALTER TABLE tenants ADD COLUMN weight int8 NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000);
ALTER TABLE tenants ADD COLUMN max_running int8 CHECK (max_running >= 1);

-- Why a run that is not being worked on waits.
CREATE DOMAIN run_wait AS text CHECK (VALUE IN ('backoff', 'rate_limit', 'tool_outputs'));

-- held: its place behind the thread's active run (multitask_strategy); NULL: not held. input: its
-- messages, which join the thread when it becomes the active run. rolls_back: runs whose messages
-- leave the thread at that moment. required_action: what the client must do, as the API shows it.
ALTER TABLE runs ADD COLUMN held int8;
ALTER TABLE runs ADD COLUMN input jsonb;
ALTER TABLE runs ADD COLUMN rolls_back uuid[];
ALTER TABLE runs ADD COLUMN wait_kind run_wait;
ALTER TABLE runs ADD COLUMN required_action jsonb;
CREATE SEQUENCE run_places;
CREATE INDEX runs_held ON runs (thread_id, held) WHERE status = 'queued' AND held IS NOT NULL;
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (shard, priority, due_at, id)
    WHERE status = 'queued' AND held IS NULL;

-- A run that ended badly may be given another chance by a person.
INSERT INTO run_transitions VALUES ('failed', 'queued'), ('expired', 'queued');

-- The run with whose submission a message came.
ALTER TABLE messages ADD COLUMN submitted_with uuid;

-- A call that the client executes: it stays an intent until the client gives its output.
ALTER DOMAIN call_class DROP CONSTRAINT call_class_check;
ALTER DOMAIN call_class ADD CONSTRAINT call_class_check
    CHECK (VALUE IN ('pure', 'idempotent', 'once', 'client'));

-- A worker holds the session advisory lock of its id. lock_boot: when the server started that
-- granted it (pg_postmaster_start_time): a restart frees all locks and says nothing about workers.
ALTER TABLE workers ADD COLUMN lock_boot timestamptz;

-- Scheduler processes, and which of them dispatches a shard. term counts the owners.
CREATE TABLE schedulers (
    scheduler_id  int8 PRIMARY KEY,
    host          text NOT NULL,
    pid           int8 NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT now(),
    lease_until   timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE TABLE shard_leases (
    shard        int2 PRIMARY KEY,
    owner        int8,
    term         int8 NOT NULL DEFAULT 0,
    lease_until  timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
