-- Runs without an agent, calls that end their run, hidden threads and such that are erased, and messages from outside that carry calls and their
-- results.

-- A run of a model alone has no agent. usage_deltas has all zeros for it, as for calls without a run.
ALTER TABLE runs ALTER COLUMN agent_id DROP NOT NULL;
ALTER TABLE run_steps ALTER COLUMN agent_id DROP NOT NULL;

-- 'left': the run ended with the call, and whoever made the run answers it. Not looked for in the rows there are: all words of before are allowed.
ALTER DOMAIN call_state DROP CONSTRAINT call_state_check;
ALTER DOMAIN call_state ADD CONSTRAINT call_state_check
    CHECK (VALUE IN ('intent', 'open', 'done', 'unknown', 'cancelled', 'left')) NOT VALID;

-- hidden: in no list of threads, in no search, and nobody's active one. erase_at: when it is looked at to be deleted; NULL: it stays.
ALTER TABLE threads
    ADD COLUMN hidden   bool NOT NULL DEFAULT false,
    ADD COLUMN erase_at timestamptz;
CREATE INDEX threads_erase ON threads (erase_at) WHERE erase_at IS NOT NULL;

-- Those of lists. Hidden threads may be many times as many as the others.
DROP INDEX threads_tenant;
DROP INDEX threads_used;
DROP INDEX threads_agent;
CREATE INDEX threads_tenant ON threads (tenant_id, id) WHERE NOT hidden;
CREATE INDEX threads_used ON threads (uuid_hash(tenant_id), used_hour) WHERE NOT hidden;
CREATE INDEX threads_agent ON threads (tenant_id, agent_id, id) WHERE agent_id IS NOT NULL AND NOT hidden;

-- As the messages have them that these become.
ALTER TABLE thread_inputs
    ADD COLUMN hidden       bool NOT NULL DEFAULT false,
    ADD COLUMN tool_calls   jsonb,
    ADD COLUMN tool_call_id text,
    ADD COLUMN tool_name    text;
