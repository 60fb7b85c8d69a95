-- What is known of a tenant's users: pairs of a key and any JSON. agent_id: the agent that alone knows it; all zeros: all agents do.
-- value_bytes: what the value takes as text, so that what is read of a user for a run is bounded without reading it. Texts are compared and
-- ordered by their bytes.
CREATE TABLE user_memory (
    tenant_id    uuid NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    agent_id     uuid NOT NULL,
    key          text COLLATE "C" NOT NULL,
    value        jsonb NOT NULL,
    value_bytes  int4 NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, agent_id, key)
);

-- Runs of a user, wherever they were made, to be deleted with him.
CREATE INDEX runs_user ON runs (tenant_id, user_id) WHERE user_id IS NOT NULL;
