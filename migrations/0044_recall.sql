-- What a run was told of its user when it began (docs/learning.md): {"memories": [{"id", "kind", "text", "score", "age"}], "degraded"}. Whoever goes on with
-- the run tells the same. NULL: nothing was looked for.
ALTER TABLE runs ADD COLUMN recalled json;

-- How far a thread was gone through for memories of a user, by agents that share what they learn (agent_id zeros) or by one alone. pending: what is to
-- be kept, and was not yet said to be: a worker that dies leaves it, and the next one keeps it. Its members are those of worker/memory/learned.h.
CREATE TABLE memory_marks (
    thread_id  uuid NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    user_id    text COLLATE "C" NOT NULL,
    agent_id   uuid NOT NULL,
    tenant_id  uuid NOT NULL,
    position   int8 NOT NULL DEFAULT 0,
    pending    json,
    PRIMARY KEY (thread_id, user_id, agent_id)
);
CREATE INDEX memory_marks_user ON memory_marks (tenant_id, user_id);
