-- Files of tenants. A file is a name for a blob, and equal content of a tenant is one blob, which knows how many files and parts of uploads
-- have it. Where its bytes lie stands in `store`: here (blob_chunks), in a directory or in S3, under its id.
--
-- writing: its bytes are still coming (touched_at moves); ready: they are all there; unwanted: they are to be deleted, and then the row.
-- hint: what its store needs to take back what it has begun.
CREATE TABLE blobs (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    store       text NOT NULL,
    state       text NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'ready', 'unwanted')),
    hint        text,
    sha256      bytea,
    bytes       int8 NOT NULL DEFAULT 0,
    refs        int8 NOT NULL DEFAULT 0,
    touched_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX blobs_content ON blobs (tenant_id, sha256) WHERE state = 'ready';
CREATE INDEX blobs_left ON blobs (state, touched_at) WHERE state <> 'ready';

-- Each but the last of a blob has 256 KiB. Not compressed: what is large mostly is already, and a piece is read without the rest.
CREATE TABLE blob_chunks (
    blob_id  uuid NOT NULL,
    at       int8 NOT NULL,
    bytes    bytea NOT NULL,
    PRIMARY KEY (blob_id, at)
);
ALTER TABLE blob_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What the ready blobs of a tenant take.
CREATE TABLE tenant_files (
    tenant_id  uuid PRIMARY KEY,
    bytes      int8 NOT NULL
);

CREATE TABLE files (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    blob_id     uuid NOT NULL,
    filename    text NOT NULL,
    purpose     text NOT NULL,
    bytes       int8 NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz
);
CREATE INDEX files_tenant ON files (tenant_id, id);
CREATE INDEX files_purpose ON files (tenant_id, purpose, id);
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;

-- Files that come in parts. file_seconds: how long the file is to be kept; NULL: until it is deleted.
CREATE TABLE uploads (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    filename      text NOT NULL,
    purpose       text NOT NULL,
    mime_type     text NOT NULL,
    bytes         int8 NOT NULL,
    file_seconds  int8,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'completed', 'cancelled', 'expired')),
    file_id       uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX uploads_pending ON uploads (expires_at) WHERE status = 'pending';
CREATE INDEX uploads_expired ON uploads (id) WHERE status = 'expired';
CREATE INDEX uploads_over ON uploads (created_at) WHERE status <> 'pending';

CREATE TABLE upload_parts (
    id          uuid PRIMARY KEY,
    upload_id   uuid NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    tenant_id   uuid NOT NULL,
    blob_id     uuid NOT NULL,
    bytes       int8 NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX upload_parts_upload ON upload_parts (upload_id, id);
