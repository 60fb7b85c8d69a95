-- Search over the visible messages of threads. What is searched is filled behind the back of whoever writes messages (docs/search.md).

-- The text of a message that is searched: the first 256 KiB of it, or a little less. Of a text with many characters that take several bytes
-- the first 128 or 64 Ki characters, so that nothing is cut within a character.
CREATE FUNCTION penstock_search_text(content jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT CASE WHEN octet_length(left(t, 262144)) <= 262144 THEN left(t, 262144)
                        WHEN octet_length(left(t, 131072)) <= 262144 THEN left(t, 131072)
                        ELSE left(t, 65536) END
              FROM (SELECT penstock_text(content) AS t) whole);

-- The same number of characters, with a blank for each that is no part of a word. Postgres' parser would find hosts, paths and compound words
-- in a text, and takes minutes for some texts of a few hundred KiB ("a_a_a_…"); of words between blanks it takes a tenth of a second.
CREATE FUNCTION penstock_search_plain(t text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN translate(t, E'!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r\u00a0¡¿«»‘’‚“”„‹›–—…·、。「」『』！（），．：；？', repeat(' ', 66));

-- What a message is found by: its words, its tenant's id and its user's name, which are words that no text has. Empty where Postgres refuses the
-- text, whatever the reason: such a message is found by nothing.
CREATE FUNCTION penstock_search_words(tenant uuid, owner text, content jsonb) RETURNS tsvector
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY['t=' || tenant] || CASE WHEN owner IS NULL THEN '{}' ELSE ARRAY['u=' || md5(owner)] END)
        || to_tsvector('pg_catalog.simple', coalesce(penstock_search_plain(penstock_search_text(content)), ''));
EXCEPTION
    WHEN OTHERS THEN RETURN '';
END $$;

-- A row for each message that can be found. The key makes a message that is deleted, by whichever statement, leave search in that statement; it
-- costs nothing where messages are written.
CREATE TABLE message_search (
    message_id  uuid PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    tenant_id   uuid NOT NULL,
    thread_id   uuid NOT NULL,
    position    int8 NOT NULL,
    words       tsvector NOT NULL
);
CREATE INDEX message_search_words ON message_search USING gin (words) WITH (gin_pending_list_limit = 512);
CREATE INDEX message_search_newest ON message_search (tenant_id, position);

-- How far it is. All messages up to `final` were looked at; up to `mark` they will all be visible or gone once no transaction before `mark_xmax`
-- is under way; up to `seen` those were looked at that were visible. From `backlog_at` to `backlog_to` older ones wait.
CREATE TABLE search_state (
    id          int2 PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    scope       text NOT NULL DEFAULT 'users' CHECK (scope IN ('users', 'all')),
    final       int8 NOT NULL DEFAULT 0,
    seen        int8 NOT NULL DEFAULT 0,
    mark        int8 NOT NULL DEFAULT 0,
    mark_xmax   int8 NOT NULL DEFAULT 0,
    marked_at   timestamptz NOT NULL DEFAULT 'epoch',
    backlog_at  int8 NOT NULL DEFAULT 0,
    backlog_to  int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
INSERT INTO search_state DEFAULT VALUES;

-- Threads whose messages are to be looked at again since they got a user, or another one; `done`: up to which position.
CREATE TABLE search_queue (
    thread_id  uuid PRIMARY KEY,
    done       int8 NOT NULL DEFAULT 0
);

-- The newest messages, by their position: an index of the visible ones, which only grows at its end. Each costs a fiftieth at most of what
-- it costs to store it.
CREATE INDEX messages_visible ON messages (position) WHERE NOT hidden;
