-- What calls of models cost, in millionths of a dollar, and of their tokens those that are counted apart.
ALTER TABLE runs
    ADD COLUMN cached_tokens      int8 NOT NULL DEFAULT 0,
    ADD COLUMN cache_write_tokens int8 NOT NULL DEFAULT 0,
    ADD COLUMN reasoning_tokens   int8 NOT NULL DEFAULT 0,
    ADD COLUMN cost_micros        int8 NOT NULL DEFAULT 0;

-- How many of the conversation's messages a call left out at most, since the model's context was too small for all.
ALTER TABLE runs ADD COLUMN messages_left_out int4 NOT NULL DEFAULT 0;

-- The sums of a thread's runs, without the active one: what ends a run adds it, what makes one active takes it out.
ALTER TABLE threads
    ADD COLUMN prompt_tokens      int8 NOT NULL DEFAULT 0,
    ADD COLUMN completion_tokens  int8 NOT NULL DEFAULT 0,
    ADD COLUMN cached_tokens      int8 NOT NULL DEFAULT 0,
    ADD COLUMN cache_write_tokens int8 NOT NULL DEFAULT 0,
    ADD COLUMN reasoning_tokens   int8 NOT NULL DEFAULT 0,
    ADD COLUMN cost_micros        int8 NOT NULL DEFAULT 0;
UPDATE threads t
SET prompt_tokens = s.prompt, completion_tokens = s.completion
FROM (
    SELECT r.thread_id, sum(r.prompt_tokens) AS prompt, sum(r.completion_tokens) AS completion
    FROM runs r
    JOIN threads o ON o.id = r.thread_id AND o.active_run IS DISTINCT FROM r.id
    WHERE r.prompt_tokens > 0 OR r.completion_tokens > 0
    GROUP BY r.thread_id) s
WHERE t.id = s.thread_id;

-- Of the call of a model that a step came from. model: what answered, as "provider/model". tried: models that could not answer before it, as
-- [{model, code, message}].
ALTER TABLE run_steps
    ADD COLUMN model             text,
    ADD COLUMN cost_micros       int8,
    ADD COLUMN tried             jsonb,
    ADD COLUMN messages_left_out int4;

-- What was used in an hour. Workers append to usage_deltas, a row for each kind that a write has; schedulers fold these rows into usage_hourly,
-- so that no writer waits for another one's row. Whoever reads asks the view usage_by_hour, which has both.
CREATE TABLE usage_deltas (
    tenant_id          uuid NOT NULL,
    hour               timestamptz NOT NULL DEFAULT date_trunc('hour', now(), 'UTC'),
    agent_id           uuid NOT NULL,
    provider           text NOT NULL,
    model              text NOT NULL,
    calls              int8 NOT NULL,
    prompt_tokens      int8 NOT NULL,
    completion_tokens  int8 NOT NULL,
    cached_tokens      int8 NOT NULL,
    cache_write_tokens int8 NOT NULL,
    reasoning_tokens   int8 NOT NULL,
    cost_micros        int8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE TABLE usage_hourly (
    LIKE usage_deltas,
    PRIMARY KEY (tenant_id, hour, agent_id, provider, model)
) WITH (fillfactor = 70);
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);
CREATE VIEW usage_by_hour AS
    SELECT tenant_id, hour, agent_id, provider, model,
           sum(calls)::int8 AS calls,
           sum(prompt_tokens)::int8 AS prompt_tokens,
           sum(completion_tokens)::int8 AS completion_tokens,
           sum(cached_tokens)::int8 AS cached_tokens,
           sum(cache_write_tokens)::int8 AS cache_write_tokens,
           sum(reasoning_tokens)::int8 AS reasoning_tokens,
           sum(cost_micros)::int8 AS cost_micros
    FROM (SELECT * FROM usage_hourly UNION ALL SELECT * FROM usage_deltas) u
    GROUP BY tenant_id, hour, agent_id, provider, model;

CREATE OR REPLACE VIEW run_results AS
    SELECT r.id,
           'run_' || replace(r.id::text, '-', '') AS run_id,
           r.tenant_id,
           'thread_' || replace(r.thread_id::text, '-', '') AS thread_id,
           'asst_' || replace(r.agent_id::text, '-', '') AS agent_id,
           r.status::text AS status,
           (SELECT penstock_text(m.content) FROM messages m WHERE m.id = r.result_message)
               AS answer,
           r.last_error ->> 'code' AS error_code,
           r.last_error ->> 'message' AS error_message,
           r.prompt_tokens,
           r.completion_tokens,
           r.created_at,
           r.started_at,
           CASE WHEN r.status IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired')
               THEN coalesce(r.completed_at, r.failed_at, r.cancelled_at, r.updated_at)
           END AS finished_at,
           r.cached_tokens,
           r.cache_write_tokens,
           r.reasoning_tokens,
           r.cost_micros
      FROM runs r;

DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'penstock_reader') THEN
        GRANT SELECT ON usage_by_hour TO penstock_reader;
    END IF;
END $$;
