-- Memories: sentences that are known of a tenant's users. agent_id: the agent that alone knows it; all zeros: all agents do. sha256 is that of the
-- text without case, signs and spaces that say nothing: equal ones of a user and scope are one row. words: the stems of the text, for searches,
-- which read those of a user and compare them in the process that asks. vector: one byte a dimension, of the model that is named beside it.
-- replaced_at: something else is true since then, and this is kept for a while as history, of the memory that superseded_by names.
CREATE TABLE memories (
    tenant_id         uuid NOT NULL,
    user_id           text COLLATE "C" NOT NULL,
    id                uuid NOT NULL,
    agent_id          uuid NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('fact', 'preference', 'episode')),
    text              text NOT NULL CHECK (octet_length(text) BETWEEN 1 AND 2048),
    words             text NOT NULL,
    sha256            bytea NOT NULL,
    source            text NOT NULL CHECK (source IN ('api', 'run', 'tool')),
    source_run        uuid,
    source_thread     uuid,
    version           int8 NOT NULL DEFAULT 1,
    vector            bytea,
    vector_model      text,
    recalls           int8 NOT NULL DEFAULT 0,
    last_recalled_at  timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    replaced_at       timestamptz,
    superseded_by     uuid,
    PRIMARY KEY (tenant_id, user_id, id)
) WITH (fillfactor = 90);

-- A search reads the vectors of all rows: they stay in the row where they fit, and are not compressed in vain elsewhere.
ALTER TABLE memories ALTER COLUMN vector SET STORAGE MAIN;

CREATE UNIQUE INDEX memories_text ON memories (tenant_id, user_id, agent_id, sha256) WHERE replaced_at IS NULL;

-- The history of a user, and what of it is over.
CREATE INDEX memories_replaced ON memories (tenant_id, user_id, replaced_at) WHERE replaced_at IS NOT NULL;
CREATE INDEX memories_over ON memories (replaced_at) WHERE replaced_at IS NOT NULL;
