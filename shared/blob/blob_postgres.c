/* Blobs in Postgres: chunks of 256 KiB, in backups and replicas like all else.
 *
 * Chunks are written over a connection whose commits wait for no disk. What makes them a file is
 * committed later and does wait, and then all that was logged before it is on disk, too.
 */

#include "shared/blob/blob_internal.h"
#include "shared/store/files/blob_chunks.h"

static int put(struct blob_writer *writer, int64_t at, struct text piece, bool last,
               struct error *err)
{
    (void)last;
    if (piece.len == 0)
        return 0;
    return blob_chunk_put(writer->stores->pg_chunks, writer->id, at, piece, err);
}

static void end(struct blob_writer *writer)
{
    (void)writer;
}

static int read_piece(struct blob_stores *stores, const struct blob_ref *ref, int64_t at,
                      uint8_t *to, size_t size, size_t *out_count, struct error *err)
{
    return blob_chunk_get(stores->pg, ref->id, at, to, size, out_count, err);
}

static int remove_chunks(struct blob_stores *stores, const struct blob_place *place,
                         struct error *err)
{
    bool more = true;
    int r = 0;

    while (r == 0 && more)
        r = blob_chunks_delete(stores->pg_chunks, place->id, &more, err);
    return r;
}

const struct blob_kind blob_postgres = {
    .name = "postgres",
    .piece_bytes = BLOB_CHUNK_BYTES,
    .put = put,
    .end = end,
    .read = read_piece,
    .remove = remove_chunks,
};
