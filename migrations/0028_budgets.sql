-- What a thread, a user, an agent or a tenant may spend in a day, in a month or in all (shared/store/budgets).

-- subject: the id of the thread or the agent as text, the name of the user, '' of the tenant. warned: the period (its first day; of one without end '-infinity')
-- of which somebody was told that most of it is spent.
CREATE TABLE budgets (
    id               uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL,
    kind             text NOT NULL,
    subject          text NOT NULL,
    thread_id        uuid REFERENCES threads (id) ON DELETE CASCADE,
    period           text NOT NULL,
    max_tokens       int8,
    max_cost_micros  int8,
    at_limit         text NOT NULL,
    fallback_model   text,
    warned           date,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, kind, subject)
);
CREATE INDEX budgets_tenant ON budgets (tenant_id, id);
CREATE INDEX budgets_thread ON budgets (thread_id) WHERE thread_id IS NOT NULL;

-- What was spent, by the day (of UTC). Workers append to budget_deltas, a row for each budget of a group of writes; schedulers fold these rows into budget_days, so that
-- no writer waits for another one's row. What is spent is the sum of both.
CREATE TABLE budget_deltas (
    budget_id    uuid NOT NULL,
    day          date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    tokens       int8 NOT NULL,
    cost_micros  int8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX budget_deltas_budget ON budget_deltas (budget_id);
CREATE TABLE budget_days (
    budget_id    uuid NOT NULL REFERENCES budgets (id) ON DELETE CASCADE,
    day          date NOT NULL,
    tokens       int8 NOT NULL,
    cost_micros  int8 NOT NULL,
    PRIMARY KEY (budget_id, day)
) WITH (fillfactor = 70);

-- The budgets that a run counts on: those that there were when it was made. NULL: none.
ALTER TABLE runs ADD COLUMN budgets uuid[];

ALTER DOMAIN run_wait DROP CONSTRAINT run_wait_check;
ALTER DOMAIN run_wait ADD CONSTRAINT run_wait_check CHECK (VALUE IN ('backoff', 'rate_limit', 'calls', 'budget'));
