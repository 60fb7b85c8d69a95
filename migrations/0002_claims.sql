-- Who holds an unanswered idempotency key: it is told from others when it repeats its claim or
-- gives it back. NULL: claimed before this column was there.
ALTER TABLE idempotency_keys ADD COLUMN claim_id uuid;
