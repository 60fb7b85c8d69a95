-- Runs of kind 'memory' work for a thread (thread_id), which may have an active run meanwhile: they make what later runs are told. about: of what; of a
-- tenant at most one waits for its first start about the same. NULL: a run of another kind.
ALTER TABLE runs ADD COLUMN about text COLLATE "C";
CREATE UNIQUE INDEX runs_about_waits ON runs (tenant_id, about) WHERE about IS NOT NULL AND status = 'queued' AND started_at IS NULL;
CREATE INDEX runs_about ON runs (tenant_id, about) WHERE about IS NOT NULL;
