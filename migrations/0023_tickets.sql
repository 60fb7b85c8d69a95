-- Tickets: what a page connects with in place of an API key: once, within seconds. hash: SHA-256 of the ticket, which is stored nowhere.
-- thread_id: the only thread that it is good for. A crash of the server may take all of them, whose time would be over anyway.
CREATE UNLOGGED TABLE tickets (
    hash        bytea PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    key_id      uuid NOT NULL,
    thread_id   uuid,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX tickets_expiry ON tickets (expires_at);
