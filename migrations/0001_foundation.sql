-- Penstock's foundation: tenants, agents, threads, messages, runs and the workers that execute them.
--
-- Ids are UUIDv7, given by the programs. Few indexes and few foreign keys, on purpose: a run costs
-- about a dozen writes, and each index and each key is paid for on every one of them. What a
-- checkpoint changes is in no index, so those updates stay within their page (HOT). Allowed words are
-- domains and not CHECKs of the tables: Postgres parses a table's CHECKs anew for every statement
-- that writes it, which was a seventh of the cost of a run, and a domain's once per session.

CREATE DOMAIN run_status AS text CHECK (VALUE IN (
    'queued', 'in_progress', 'requires_action', 'cancelling', 'completed', 'failed', 'incomplete',
    'cancelled', 'expired'));
CREATE DOMAIN run_priority AS int2 CHECK (VALUE BETWEEN 0 AND 2);
CREATE DOMAIN message_role AS text CHECK (VALUE IN ('user', 'assistant', 'tool'));
CREATE DOMAIN step_type AS text CHECK (VALUE IN ('message_creation', 'tool_calls'));
CREATE DOMAIN step_status AS text CHECK (VALUE IN (
    'in_progress', 'completed', 'failed', 'cancelled', 'expired'));
CREATE DOMAIN call_class AS text CHECK (VALUE IN ('pure', 'idempotent', 'once'));
CREATE DOMAIN call_state AS text CHECK (VALUE IN ('intent', 'done', 'unknown'));
CREATE DOMAIN worker_state AS text CHECK (VALUE IN ('up', 'draining', 'dead'));

CREATE TABLE tenants (
    id          uuid PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- hash: SHA-256 of the whole key, which is stored nowhere. prefix: its first 12 characters.
CREATE TABLE api_keys (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name          text NOT NULL,
    hash          bytea NOT NULL UNIQUE,
    prefix        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id);

CREATE TABLE agents (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    version     int8 NOT NULL DEFAULT 1,
    name        text,
    spec        jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz
);
CREATE INDEX agents_tenant ON agents (tenant_id, id) WHERE deleted_at IS NULL;

CREATE TABLE agent_versions (
    agent_id    uuid NOT NULL,
    version     int8 NOT NULL,
    spec        jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent_id, version)
);

-- active_run is the thread's mutex: set where it is NULL when a run is created, cleared by the
-- statement that makes the run terminal.
CREATE TABLE threads (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    active_run      uuid,
    metadata        jsonb NOT NULL DEFAULT '{}',
    tool_resources  jsonb,
    created_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 60);
CREATE INDEX threads_tenant ON threads (tenant_id, id);

-- Order within a thread is `position`: the clocks of two processes differ, so their ids do not sort.
-- opaque: what the provider wants back with the message (reasoning, signatures), for it alone.
CREATE TABLE messages (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    thread_id     uuid NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    position      int8 GENERATED ALWAYS AS IDENTITY,
    run_id        uuid,
    seq           int8,
    agent_id      uuid,
    role          message_role NOT NULL,
    hidden        bool NOT NULL DEFAULT false,
    content       jsonb NOT NULL,
    tool_calls    jsonb,
    tool_call_id  text,
    opaque        jsonb,
    attachments   jsonb,
    metadata      jsonb NOT NULL DEFAULT '{}',
    status        text NOT NULL DEFAULT 'completed',
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_thread ON messages (thread_id, position);
CREATE UNIQUE INDEX messages_run ON messages (run_id, seq) WHERE run_id IS NOT NULL;

-- Every write of a worker carries (owner, fence, step). owner stays when a run ends, as a record.
CREATE TABLE runs (
    id                 uuid PRIMARY KEY,
    tenant_id          uuid NOT NULL,
    thread_id          uuid NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    agent_id           uuid NOT NULL,
    agent_version      int8 NOT NULL,
    shard              int2 NOT NULL DEFAULT 0,
    priority           run_priority NOT NULL DEFAULT 1,
    errors             int2 NOT NULL DEFAULT 0,
    crashes            int2 NOT NULL DEFAULT 0,
    status             run_status NOT NULL DEFAULT 'queued',
    due_at             timestamptz NOT NULL DEFAULT now(),
    owner              int8,
    fence              int8 NOT NULL DEFAULT 0,
    step               int8 NOT NULL DEFAULT 0,
    spec               jsonb NOT NULL,
    metadata           jsonb NOT NULL DEFAULT '{}',
    prompt_tokens      int8 NOT NULL DEFAULT 0,
    completion_tokens  int8 NOT NULL DEFAULT 0,
    last_error         jsonb,
    incomplete_reason  text,
    result_message     uuid,
    created_at         timestamptz NOT NULL DEFAULT now(),
    started_at         timestamptz,
    completed_at       timestamptz,
    failed_at          timestamptz,
    cancelled_at       timestamptz,
    expires_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX runs_ready ON runs (shard, priority, due_at, id) WHERE status = 'queued';
CREATE INDEX runs_owned ON runs (owner) WHERE status IN ('in_progress', 'cancelling');
CREATE INDEX runs_thread ON runs (thread_id, id);
CREATE INDEX runs_tenant ON runs (tenant_id, id);
CREATE INDEX runs_expiry ON runs (expires_at)
    WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling');

-- The moves between states, for people and for the test that compares them with the program's.
CREATE TABLE run_transitions (
    from_status  run_status NOT NULL,
    to_status    run_status NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO run_transitions VALUES
    ('queued', 'in_progress'), ('queued', 'cancelled'), ('queued', 'expired'),
    ('queued', 'failed'),
    ('in_progress', 'completed'), ('in_progress', 'failed'), ('in_progress', 'incomplete'),
    ('in_progress', 'expired'), ('in_progress', 'cancelling'), ('in_progress', 'requires_action'),
    ('in_progress', 'queued'),
    ('requires_action', 'queued'), ('requires_action', 'cancelling'),
    ('requires_action', 'cancelled'), ('requires_action', 'expired'),
    ('cancelling', 'cancelled'), ('cancelling', 'failed'), ('cancelling', 'expired');

CREATE TABLE run_steps (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    thread_id   uuid NOT NULL,
    run_id      uuid NOT NULL,
    agent_id    uuid NOT NULL,
    seq         int8 NOT NULL,
    type        step_type NOT NULL,
    status      step_status NOT NULL,
    message_id  uuid,
    tool_calls  jsonb,
    usage       jsonb,
    last_error  jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    UNIQUE (run_id, seq)
) WITH (fillfactor = 60);

-- An intent is written before a call is made, its result after: what a crash leaves as an intent may
-- or may not have had its effect.
CREATE TABLE tool_calls (
    run_id           uuid NOT NULL,
    call_no          int8 NOT NULL,
    call_id          text NOT NULL,
    name             text NOT NULL,
    arguments        text NOT NULL,
    class            call_class NOT NULL,
    state            call_state NOT NULL,
    idempotency_key  text NOT NULL,
    result           text,
    is_error         bool NOT NULL DEFAULT false,
    PRIMARY KEY (run_id, call_no)
) WITH (fillfactor = 60);

-- One row per worker process, renewed every two seconds: few rows, many versions of each.
CREATE TABLE workers (
    worker_id    int8 PRIMARY KEY,
    host         text NOT NULL,
    pid          int8 NOT NULL,
    state        worker_state NOT NULL DEFAULT 'up',
    slots        int8 NOT NULL,
    busy         int8 NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- status_code is NULL while the first request is being worked on.
CREATE TABLE idempotency_keys (
    tenant_id     uuid NOT NULL,
    key           text NOT NULL,
    request_hash  bytea NOT NULL,
    status_code   int8,
    response      jsonb,
    object_id     uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- For services that read Postgres directly: docs/database.md.

-- 'run_0193…' (any prefix, or none) as the uuid that the tables hold; an error if it is no id.
CREATE FUNCTION penstock_uuid(id text) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(id, '^.*_', '')::uuid;

-- The text parts of a message's content, joined.
CREATE FUNCTION penstock_text(content jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT string_agg(CASE jsonb_typeof(part -> 'text')
                                  WHEN 'object' THEN part -> 'text' ->> 'value'
                                  ELSE part ->> 'text' END, '' ORDER BY place)
              FROM jsonb_array_elements(content) WITH ORDINALITY AS parts (part, place)
             WHERE part ->> 'type' = 'text');

CREATE VIEW run_results AS
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
           END AS finished_at
      FROM runs r;

CREATE VIEW thread_messages AS
    SELECT m.thread_id AS thread,
           m.tenant_id,
           'thread_' || replace(m.thread_id::text, '-', '') AS thread_id,
           'msg_' || replace(m.id::text, '-', '') AS message_id,
           'run_' || replace(m.run_id::text, '-', '') AS run_id,
           m.position,
           m.role::text AS role,
           penstock_text(m.content) AS text,
           m.created_at
      FROM messages m
     WHERE NOT m.hidden;

-- Roles belong to the whole server: another database's migration may be making it right now, and a
-- user who may not create roles can still migrate.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'penstock_reader') THEN
        CREATE ROLE penstock_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'not allowed to create the role penstock_reader: create it, then GRANT SELECT ON run_results, thread_messages TO penstock_reader';
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'penstock_reader') THEN
        GRANT SELECT ON run_results, thread_messages TO penstock_reader;
    END IF;
END $$;
