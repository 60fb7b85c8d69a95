-- Secrets of tenants (shared/secrets/envelope.h). sealed: the value under a data key; wrapped: that key under the master key `key_id`. Both are bound to tenant
-- and name, so that a row that is copied opens nowhere. version: raised by each new value.
CREATE TABLE secrets (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    name          text NOT NULL,
    version       int8 NOT NULL DEFAULT 1,
    key_id        text NOT NULL,
    wrapped       bytea NOT NULL,
    sealed        bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz
);
CREATE UNIQUE INDEX secrets_name ON secrets (tenant_id, name);
CREATE INDEX secrets_tenant ON secrets (tenant_id, id);
