-- Runs of other kinds than an agent's belong to no thread, and bring one answer: `result`, as the endpoint says it that they stand for.
ALTER TABLE runs ALTER COLUMN thread_id DROP NOT NULL;
ALTER TABLE runs ADD COLUMN result json;
DO $$
BEGIN
    ALTER TABLE runs ALTER COLUMN result SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
