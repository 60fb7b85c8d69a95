-- What a model thought before a step, where its API tells that: for people, it is sent to nobody. At most 256 KiB.
ALTER TABLE run_steps ADD COLUMN reasoning text;

DO $$
BEGIN
    ALTER TABLE run_steps ALTER COLUMN reasoning SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
