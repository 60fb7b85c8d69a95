-- What a run waits for outside of itself is an open call in its ledger (shared/store/runs/waits.h).

-- kind: who or what settles the call; NULL: the worker executes it. due_at: when its time comes.
-- No domain here, nor for runs.kind: adding a column of a domain with a CHECK rewrites the table.
ALTER TABLE tool_calls ADD COLUMN kind text;
ALTER TABLE tool_calls ADD COLUMN due_at timestamptz;

ALTER DOMAIN call_state DROP CONSTRAINT call_state_check;
ALTER DOMAIN call_state ADD CONSTRAINT call_state_check
    CHECK (VALUE IN ('intent', 'open', 'done', 'unknown', 'cancelled'));

-- Calls of the client's functions had a class of their own.
UPDATE tool_calls c SET kind = 'client', class = 'pure',
    state = CASE WHEN c.state <> 'intent' THEN c.state::text
        ELSE coalesce((SELECT CASE WHEN r.status = 'requires_action' THEN 'open'
                                   WHEN r.status IN ('queued', 'in_progress', 'cancelling') THEN 'intent'
                                   ELSE 'cancelled' END
                         FROM runs r WHERE r.id = c.run_id), 'cancelled') END
  WHERE c.class = 'client';
ALTER DOMAIN call_class DROP CONSTRAINT call_class_check;
ALTER DOMAIN call_class ADD CONSTRAINT call_class_check
    CHECK (VALUE IN ('pure', 'idempotent', 'once'));

-- kind: which kind of work the run is. open_calls: how many calls the run waits for; of a run that
-- ended, how many it still waited for. wakes_at: when the first of them is due. parked_at: since
-- when it waits; parked_ms: how long it waited in all, which is no time of work.
ALTER TABLE runs ADD COLUMN kind text NOT NULL DEFAULT 'agent';
ALTER TABLE runs ADD COLUMN open_calls int2 NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN wakes_at timestamptz;
ALTER TABLE runs ADD COLUMN parked_at timestamptz;
ALTER TABLE runs ADD COLUMN parked_ms int8;
CREATE INDEX runs_wakes ON runs (wakes_at) WHERE wakes_at IS NOT NULL;

ALTER DOMAIN run_wait DROP CONSTRAINT run_wait_check;
UPDATE runs r SET wait_kind = 'calls', parked_at = r.updated_at,
    open_calls = (SELECT count(*) FROM tool_calls c WHERE c.run_id = r.id AND c.state = 'open')
  WHERE r.status = 'requires_action';
UPDATE runs SET wait_kind = NULL WHERE wait_kind = 'tool_outputs';
ALTER DOMAIN run_wait ADD CONSTRAINT run_wait_check CHECK (VALUE IN ('backoff', 'rate_limit', 'calls'));
