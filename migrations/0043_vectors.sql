-- Vectors of texts that a provider's model has made (providers/vectors), so that the same text is asked for once. Those of the model that is built in
-- are made anew, which costs less. user_id: whose text it is; '': nobody's. purpose: 0 a text that is found, 1 one that is looked for.
-- used: the last day on which it was; what was not for 30 days goes.
CREATE TABLE embeddings (
    tenant_id  uuid NOT NULL,
    user_id    text NOT NULL DEFAULT '',
    model      text NOT NULL,
    purpose    int2 NOT NULL,
    digest     bytea NOT NULL,
    used       date NOT NULL DEFAULT CURRENT_DATE,
    vector     bytea NOT NULL,
    PRIMARY KEY (tenant_id, user_id, model, purpose, digest)
) WITH (toast_tuple_target = 8160);
ALTER TABLE embeddings ALTER COLUMN vector SET STORAGE EXTERNAL;
CREATE INDEX embeddings_used ON embeddings (used);

-- Messages as they are found by what they are about, for runs whose memory_strategy is vector (providers/nearest). A row for each message that was
-- said in words, made when such a run needs it. model: of the vector; '': there is none, since the model could not be asked.
-- words: its stems as numbers that hold for this thread alone, so that an index finds those of a thread without looking at others.
CREATE TABLE message_vectors (
    message_id  uuid PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    tenant_id   uuid NOT NULL,
    thread_id   uuid NOT NULL,
    position    int8 NOT NULL,
    model       text NOT NULL,
    words       int8[] NOT NULL,
    vector      bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE message_vectors ALTER COLUMN vector SET STORAGE EXTERNAL;
CREATE INDEX message_vectors_thread ON message_vectors (thread_id, position);
CREATE INDEX message_vectors_words ON message_vectors USING gin (words) WITH (gin_pending_list_limit = 512);

-- Which of a thread's messages have theirs, of which model: all from position `oldest` to `newest`.
CREATE TABLE thread_vectors (
    thread_id  uuid PRIMARY KEY REFERENCES threads (id) ON DELETE CASCADE,
    model      text NOT NULL,
    oldest     int8 NOT NULL,
    newest     int8 NOT NULL
) WITH (fillfactor = 70);

-- Older messages that a run was given since they are near to what was said last: their positions, chosen once, before its first call. NULL: none was
-- chosen (yet).
ALTER TABLE runs ADD COLUMN nearest int8[];
