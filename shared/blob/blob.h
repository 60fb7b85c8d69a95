#pragma once
/* Where the bytes of files lie: one interface, and kinds of stores behind it (blob_internal.h):
 * Postgres, a directory, S3. What is known of a blob is a row (shared/store/files/blobs.h), which
 * also says in which store it lies; so the setting may change, and what was written before stays
 * where it is.
 *
 * A draft is a blob that is being written: begun, written to, finished, and then made a file's by
 * the store. What holds a draft holds blob_held_bytes. Whatever ends it early, blob_draft_end takes
 * back what there is; and where the process dies, the sweep does (blob_sweep). */

#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/blob/s3.h"
#include "shared/store/files/blobs.h"

struct blob_draft;
struct blob_stores;
struct error;
struct pg;

struct blob_options {
    const char *store;     /* of what is written: "postgres", "directory", "s3"; required */
    struct pg *pg;         /* for rows and chunks; required */
    struct pg *pg_chunks;  /* for chunks that are written, which need not be on disk before what
                               * comes after them is; default: pg */
    const char *directory; /* NULL: there is none */
    struct s3_options s3;  /* without a bucket: there is none */
    int64_t silent_ms;     /* drafts that are not written to for so long are given up */
};

/* Strings are copied. Returns 0, or -E_INVALID where what the store needs is not there. */
MUSTCHECK int blob_stores_open(const struct blob_options *options, struct blob_stores **out,
                               struct error *err);
void blob_stores_close(struct blob_stores *stores); /* accepts NULL */

/* What a draft holds at most, and what one read does. */
size_t blob_held_bytes(const struct blob_stores *stores);
#define BLOB_READ_BYTES ((size_t)256 << 10)

/* Returns 0 with *out, which blob_draft_end frees; -E_UNAVAILABLE where the store can't be reached
 * or has no room, and so for all below; or what pg_exec does. */
SUSPENDS MUSTCHECK int blob_draft_begin(struct blob_stores *stores, struct uuid tenant,
                                        struct blob_draft **out, struct error *err);
/* BLOB_LOST: the draft was given up meanwhile. */
SUSPENDS MUSTCHECK int blob_draft_write(struct blob_draft *draft, struct text bytes,
                                        struct error *err);
/* All bytes are where they are to be, and safe there. Fills id, sha256 and bytes. */
SUSPENDS MUSTCHECK int blob_draft_finish(struct blob_draft *draft, struct blob_content *out,
                                         struct error *err);
/* Ends and frees it: `kept`, or whatever it has written is taken back, as far as that can be done
 * now. Accepts NULL. */
SUSPENDS void blob_draft_end(struct blob_draft *draft, bool kept);

/* Reads up to `size` (at most BLOB_READ_BYTES) bytes from `at` on, which is below ref->bytes; at
 * least one. -E_NOT_FOUND: they are not there. */
SUSPENDS MUSTCHECK int blob_read(struct blob_stores *stores, const struct blob_ref *ref, int64_t at,
                                 uint8_t *to, size_t size, size_t *out_count, struct error *err);

/* One round of the sweep: deletes bytes and rows of what nobody wants. *out_gone: how many.
 * One that can't be deleted ends the round with what it failed with, and comes last from then on: a
 * store that is away keeps nobody from deleting in another. */
SUSPENDS MUSTCHECK int blob_sweep(struct blob_stores *stores, size_t *out_gone, struct error *err);
