-- Declared tools of tenants (shared/tools/http_tool.h). definition: as it was written, without its name. secrets: the names of those that it refers to.
CREATE TABLE tools (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    name        text NOT NULL,
    version     int8 NOT NULL DEFAULT 1,
    definition  json NOT NULL,
    secrets     text[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tools_name ON tools (tenant_id, name);
CREATE INDEX tools_tenant ON tools (tenant_id, id);
