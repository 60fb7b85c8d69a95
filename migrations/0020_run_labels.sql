-- Runs by their metadata, of which most have none; and those of a user in their order.
CREATE INDEX runs_metadata ON runs USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';
DROP INDEX runs_user;
CREATE INDEX runs_user ON runs (tenant_id, user_id, id) WHERE user_id IS NOT NULL;
