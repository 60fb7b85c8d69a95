-- Specs are kept as they were written: models answer in the order in which a schema names its members,
-- and jsonb sorts them. These rewrite their tables; that of runs is held for as long.
ALTER TABLE agents ALTER COLUMN spec TYPE json;
ALTER TABLE agent_versions ALTER COLUMN spec TYPE json;
ALTER TABLE runs ALTER COLUMN spec TYPE json;

-- Why a message is not whole (its status is 'incomplete'): 'max_tokens', 'content_filter'.
ALTER TABLE messages ADD COLUMN incomplete_reason text;
