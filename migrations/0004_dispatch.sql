-- Indexes of dispatch: who has ready runs, who has how many in work, what waits for which reason.

-- By tenant before due time: the oldest few runs of each tenant are found without walking over the
-- backlog of another.
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (shard, priority, tenant_id, due_at, id)
    WHERE status = 'queued' AND held IS NULL;
CREATE INDEX runs_running ON runs (tenant_id, shard) WHERE status IN ('in_progress', 'cancelling');
CREATE INDEX runs_parked ON runs (wait_kind, due_at)
    WHERE status = 'queued' AND wait_kind IS NOT NULL;
CREATE INDEX tenants_special ON tenants (id) WHERE weight <> 1 OR max_running IS NOT NULL;
