#pragma once
/* Inside the store: what changes a blob together with what has it. */

#include "shared/store/files/blobs.h"
#include "shared/store/rows.h"

/* Of the table's alias b. */
#define BLOB_REF_COLUMNS "b.id, b.store, encode(b.sha256, 'hex'), b.bytes"

/* Content that is written becomes a blob, in the same statement as what will have it. Parameters
 * $1 to $5 are tenant, id, digest, bytes and quota (blob_content_values). Where the tenant has the
 * same content already that counts once more, and what was written is spare. What comes behind
 * takes the one row of `settled` (id); there is none where it was not to be, and why the columns
 * SQL_SETTLED_AS tell.
 *
 * `condition` is one more for all of it. Who does the same at once with the same content fails with
 * -E_CONFLICT, and finds it when he tries again. */
/* clang-format off */
#define SQL_SETTLE(condition) \
    "mine AS MATERIALIZED (" \
    "    SELECT id" \
    "    FROM blobs" \
    "    WHERE id = $2" \
    "      AND tenant_id = $1" \
    "      AND state = 'writing'" \
    "      AND " condition \
    "    FOR UPDATE)," \
    " twin AS (" \
    "    UPDATE blobs" \
    "    SET refs = refs + 1" \
    "    WHERE tenant_id = $1" \
    "      AND sha256 = $3" \
    "      AND state = 'ready'" \
    "      AND EXISTS (SELECT FROM mine)" \
    "    RETURNING id)," \
    " room AS (" \
    "    INSERT INTO tenant_files AS held (tenant_id, bytes)" \
    "    SELECT $1, $4" \
    "    FROM mine" \
    "    WHERE NOT EXISTS (SELECT FROM twin)" \
    "      AND $4 <= $5" \
    "    ON CONFLICT (tenant_id) DO UPDATE" \
    "    SET bytes = held.bytes + excluded.bytes" \
    "    WHERE held.bytes + excluded.bytes <= $5" \
    "    RETURNING 1)," \
    " kept AS (" \
    "    UPDATE blobs" \
    "    SET state = CASE WHEN EXISTS (SELECT FROM twin) THEN 'unwanted' ELSE 'ready' END," \
    "        sha256 = $3," \
    "        bytes = $4," \
    "        refs = CASE WHEN EXISTS (SELECT FROM twin) THEN 0 ELSE 1 END," \
    "        touched_at = now()" \
    "    FROM mine" \
    "    WHERE blobs.id = mine.id" \
    "      AND (EXISTS (SELECT FROM twin) OR EXISTS (SELECT FROM room))" \
    "    RETURNING blobs.id)," \
    " settled AS (" \
    "    SELECT coalesce((SELECT id FROM twin), kept.id) AS id" \
    "    FROM kept)"
#define SQL_SETTLED_AS "EXISTS (SELECT FROM mine), EXISTS (SELECT FROM twin)"
#define SETTLE_TYPES   "uuyii"

/* Blobs are let go by what was deleted, the CTE `gone` (blob_id): those that nobody has any more
 * become unwanted, and their bytes are the tenant's again. */
#define SQL_LET_GO \
    "loose AS (" \
    "    SELECT blob_id, count(*) AS refs" \
    "    FROM gone" \
    "    GROUP BY blob_id)," \
    " released AS (" \
    "    UPDATE blobs b" \
    "    SET refs = b.refs - loose.refs," \
    "        state = CASE WHEN b.refs > loose.refs THEN b.state ELSE 'unwanted' END," \
    "        touched_at = now()" \
    "    FROM loose" \
    "    WHERE b.id = loose.blob_id" \
    "    RETURNING b.tenant_id, b.bytes, b.state)," \
    " freed AS (" \
    "    UPDATE tenant_files held" \
    "    SET bytes = held.bytes - sum.bytes" \
    "    FROM (" \
    "        SELECT tenant_id, sum(bytes) AS bytes" \
    "        FROM released" \
    "        WHERE state = 'unwanted'" \
    "        GROUP BY tenant_id) sum" \
    "    WHERE held.tenant_id = sum.tenant_id)"
/* clang-format on */

/* Fills the first five. `content` must live as long as they. */
void blob_content_values(const struct store *store, const struct blob_content *content,
                         struct pg_value values[5]);

/* What became of it, by the two columns at `column` of the result's row: 0 and *out_spare,
 * BLOB_LOST or FILES_FULL; `there`: what was to have it is. */
MUSTCHECK int blob_settled(const struct pg_result *result, int column, bool there, bool *out_spare);
