-- Agents with a name in addresses, and the key with which each was made (NULL: before that was kept).
ALTER TABLE agents
    ADD COLUMN slug       text,
    ADD COLUMN created_by uuid;

-- One expression, so that no plan finds a slug by way of all the tenant's agents.
CREATE UNIQUE INDEX agents_slug ON agents ((tenant_id::text || '/' || slug)) WHERE deleted_at IS NULL AND slug IS NOT NULL;
