-- Summaries of threads (shared/store/summaries), which runs are given in place of old messages. At most one a thread. It speaks of all messages up to
-- `position`, of which there were `messages`, with about source_tokens; NULL: there is none. making: the run that makes the next one. tried_tokens: how
-- many tokens stood behind the summary when that was begun last, and nothing was stored since; NULL: nothing was tried.
CREATE TABLE thread_summaries (
    thread_id      uuid PRIMARY KEY REFERENCES threads (id) ON DELETE CASCADE,
    tenant_id      uuid NOT NULL,
    summary        text,
    position       int8 NOT NULL DEFAULT 0,
    messages       int8 NOT NULL DEFAULT 0,
    tokens         int8 NOT NULL DEFAULT 0,
    source_tokens  int8 NOT NULL DEFAULT 0,
    model          text,
    run_id         uuid,
    created_at     timestamptz,
    making         uuid,
    tried_tokens   int8
);
