-- Threads that belong to an agent and a person, with what they hold; input that waits for its turn; what a run was like.

-- agent_id, user_id: whose thread it is; NULL: nobody's. active: the one that this agent and this person are at. agent_state: what the client
-- keeps with the thread, and how often it was replaced. used_hour: the hour of last_used_at, so that a list in the order of use has an index
-- that hardly ever changes. waited: something has waited behind an active run of it; where nothing ever has, nobody looks when one ends. Counters: all messages of the thread and input that waits for it, without what the active run has written so far.
ALTER TABLE threads
    ADD COLUMN agent_id            uuid,
    ADD COLUMN user_id             text,
    ADD COLUMN active              bool NOT NULL DEFAULT false,
    ADD COLUMN agent_state         jsonb,
    ADD COLUMN agent_state_version int8 NOT NULL DEFAULT 0,
    ADD COLUMN archived_at         timestamptz,
    ADD COLUMN last_used_at        timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN used_hour           int4 NOT NULL DEFAULT 0,
    ADD COLUMN message_count       int8 NOT NULL DEFAULT 0,
    ADD COLUMN total_bytes         int8 NOT NULL DEFAULT 0,
    ADD COLUMN token_count         int8 NOT NULL DEFAULT 0,
    ADD COLUMN waited              bool NOT NULL DEFAULT false;

-- bytes: of its texts, as they were written. token_count: of an answer as its provider counts, else an estimate. tool_name: of a tool's result.
ALTER DOMAIN message_role DROP CONSTRAINT message_role_check;
ALTER DOMAIN message_role ADD CONSTRAINT message_role_check CHECK (VALUE IN ('user', 'assistant', 'tool', 'system'));
ALTER TABLE messages
    ADD COLUMN bytes       int4 NOT NULL DEFAULT 0,
    ADD COLUMN token_count int4 NOT NULL DEFAULT 0,
    ADD COLUMN tool_name   text;

-- message_count, total_bytes, token_count: of the messages that the run wrote, as long as they are in the thread. thread_bytes: what the thread
-- held when the run became its active one. user_bytes_left: what the person had left then. steered: input waits that this run is to see.
-- first_token_ms: from when the run was due to the first token that a model gave.
ALTER TABLE runs
    ADD COLUMN user_id         text,
    ADD COLUMN message_count   int4 NOT NULL DEFAULT 0,
    ADD COLUMN total_bytes     int8 NOT NULL DEFAULT 0,
    ADD COLUMN token_count     int8 NOT NULL DEFAULT 0,
    ADD COLUMN thread_bytes    int8 NOT NULL DEFAULT 0,
    ADD COLUMN user_bytes_left int8,
    ADD COLUMN steered         bool NOT NULL DEFAULT false,
    ADD COLUMN iterations      int4 NOT NULL DEFAULT 0,
    ADD COLUMN tools_used      text[],
    ADD COLUMN first_token_ms  int8;

UPDATE messages
SET bytes = octet_length(content::text) + coalesce(octet_length(tool_calls::text), 0) + coalesce(octet_length(opaque::text), 0)
    + coalesce(octet_length(tool_call_id), 0) + coalesce(octet_length(attachments::text), 0);
UPDATE runs r
SET message_count = m.messages, total_bytes = m.bytes, iterations = m.answers
FROM (
    SELECT run_id, count(*) AS messages, sum(bytes) AS bytes, count(*) FILTER (WHERE role = 'assistant') AS answers
    FROM messages
    WHERE run_id IS NOT NULL
    GROUP BY run_id) m
WHERE r.id = m.run_id;
UPDATE threads t
SET message_count = coalesce(m.messages, 0), total_bytes = coalesce(m.bytes, 0),
    last_used_at = greatest(t.created_at, m.last), used_hour = floor(date_part('epoch', greatest(t.created_at, m.last)) / 3600)
FROM threads o
LEFT JOIN (
    SELECT thread_id, max(created_at) AS last,
        count(*) FILTER (WHERE NOT of_active) AS messages, sum(bytes) FILTER (WHERE NOT of_active) AS bytes
    FROM (
        SELECT m.*, m.run_id IS NOT NULL AND m.run_id IS NOT DISTINCT FROM h.active_run AS of_active
        FROM messages m
        JOIN threads h ON h.id = m.thread_id) n
    GROUP BY thread_id) m ON m.thread_id = o.id
WHERE t.id = o.id;
UPDATE threads t
SET waited = true
WHERE EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = t.id AND r.status = 'queued' AND r.held IS NOT NULL);
UPDATE runs r
SET thread_bytes = t.total_bytes
FROM threads t
WHERE t.active_run = r.id;

-- An expression, so that no plan finds a thread by way of all of the tenant's.
CREATE INDEX threads_used ON threads (uuid_hash(tenant_id), used_hour);
CREATE INDEX threads_agent ON threads (tenant_id, agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX threads_user ON threads (tenant_id, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX threads_metadata ON threads USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';
CREATE UNIQUE INDEX threads_active ON threads (tenant_id, agent_id, user_id) WHERE active;

-- What all threads of a person hold. A function, so that statements about threads of nobody do not carry its plan.
CREATE FUNCTION penstock_user_bytes(tenant uuid, person text) RETURNS int8
    LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN (SELECT coalesce(sum(b.bytes), 0) FROM (
        SELECT u.total_bytes AS bytes FROM user_bytes u WHERE u.tenant_id = tenant AND u.user_id = person
        UNION ALL
        SELECT d.bytes FROM user_deltas d WHERE d.tenant_id = tenant AND d.user_id = person) b);
END $$;

-- Whatever changes a thread appends the difference to user_deltas, and schedulers fold these rows into user_bytes, so that no writer waits for
-- another one's row.
CREATE TABLE user_bytes (
    tenant_id    uuid NOT NULL,
    user_id      text NOT NULL,
    total_bytes  int8 NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
) WITH (fillfactor = 70);
CREATE INDEX user_bytes_none ON user_bytes (total_bytes) WHERE total_bytes = 0;
CREATE TABLE user_deltas (
    tenant_id  uuid NOT NULL,
    user_id    text NOT NULL,
    bytes      int8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX user_deltas_user ON user_deltas (tenant_id, user_id);

CREATE FUNCTION penstock_count_user() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.user_id = NEW.user_id THEN
        INSERT INTO user_deltas VALUES (NEW.tenant_id, NEW.user_id, NEW.total_bytes - OLD.total_bytes);
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.user_id IS NOT NULL AND OLD.total_bytes <> 0 THEN
        INSERT INTO user_deltas VALUES (OLD.tenant_id, OLD.user_id, -OLD.total_bytes);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.user_id IS NOT NULL AND NEW.total_bytes <> 0 THEN
        INSERT INTO user_deltas VALUES (NEW.tenant_id, NEW.user_id, NEW.total_bytes);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER threads_count_new AFTER INSERT ON threads
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION penstock_count_user();
CREATE TRIGGER threads_count_changed AFTER UPDATE ON threads
    FOR EACH ROW WHEN ((OLD.user_id IS NOT NULL OR NEW.user_id IS NOT NULL)
        AND (OLD.user_id, OLD.total_bytes) IS DISTINCT FROM (NEW.user_id, NEW.total_bytes)) EXECUTE FUNCTION penstock_count_user();
CREATE TRIGGER threads_count_gone AFTER DELETE ON threads
    FOR EACH ROW WHEN (OLD.user_id IS NOT NULL) EXECUTE FUNCTION penstock_count_user();

-- Messages that were sent while a run was active: they join the thread when it ends, or, with steers, at its next step.
CREATE SEQUENCE input_places;
CREATE TABLE thread_inputs (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    thread_id    uuid NOT NULL,
    place        int8 NOT NULL DEFAULT nextval('input_places'),
    steers       bool NOT NULL,
    role         message_role NOT NULL,
    content      jsonb NOT NULL,
    attachments  jsonb,
    metadata     jsonb NOT NULL DEFAULT '{}',
    bytes        int4 NOT NULL,
    token_count  int4 NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX thread_inputs_thread ON thread_inputs (thread_id, place);

-- What a person used, too.
ALTER TABLE usage_deltas ADD COLUMN user_id text NOT NULL DEFAULT '';
ALTER TABLE usage_hourly ADD COLUMN user_id text NOT NULL DEFAULT '';
ALTER TABLE usage_hourly DROP CONSTRAINT usage_hourly_pkey;
ALTER TABLE usage_hourly ADD PRIMARY KEY (tenant_id, hour, agent_id, user_id, provider, model);
CREATE OR REPLACE VIEW usage_by_hour AS
    SELECT tenant_id, hour, agent_id, provider, model,
           sum(calls)::int8 AS calls,
           sum(prompt_tokens)::int8 AS prompt_tokens,
           sum(completion_tokens)::int8 AS completion_tokens,
           sum(cached_tokens)::int8 AS cached_tokens,
           sum(cache_write_tokens)::int8 AS cache_write_tokens,
           sum(reasoning_tokens)::int8 AS reasoning_tokens,
           sum(cost_micros)::int8 AS cost_micros,
           user_id
    FROM (SELECT * FROM usage_hourly UNION ALL SELECT * FROM usage_deltas) u
    GROUP BY tenant_id, hour, agent_id, user_id, provider, model;
