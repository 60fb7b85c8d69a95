-- What a thread says of how much of it its runs are given (shared/agent/context_settings.h): {"strategy", "config"}. NULL: nothing. A run's spec keeps
-- it as it stood when the run was made.
ALTER TABLE threads ADD COLUMN memory jsonb;
