#pragma once
/* Bytes of blobs in Postgres, BLOB_CHUNK_BYTES in a row. */

#include "shared/store/store.h"

#define BLOB_CHUNK_BYTES ((size_t)256 << 10)

/* Writes the chunk that begins `at` bytes behind the blob's first; it may be written again. */
SUSPENDS MUSTCHECK int blob_chunk_put(struct pg *pg, struct uuid blob, int64_t at,
                                      struct text bytes, struct error *err);

/* Reads up to `size` bytes from `at` on, as many as its chunk has. *out_count 0: there are none. */
SUSPENDS MUSTCHECK int blob_chunk_get(struct pg *pg, struct uuid blob, int64_t at, uint8_t *to,
                                      size_t size, size_t *out_count, struct error *err);

/* Deletes some of a blob's chunks. *out_more: there may be more. */
SUSPENDS MUSTCHECK int blob_chunks_delete(struct pg *pg, struct uuid blob, bool *out_more,
                                          struct error *err);
