#pragma once
/* Rows of blobs: which content there is, where it lies, and what is to be deleted.
 *
 *   writing ── all bytes are there ──► ready ── what had it is gone ──► unwanted
 *      │                                                                  ▲   │
 *      └── given up; silent for too long; the tenant has it already ──────┘   ▼
 *                                                        bytes deleted: no row
 *
 * A row is there before the first byte, and after the last one is gone: so nothing lies anywhere
 * that no row knows of. */

#include "shared/base/digest.h"
#include "shared/store/store.h"

#define BLOB_STORE_NAME_SIZE 16
#define BLOB_HINT_MAX        1024

/* Where the bytes of a blob lie. */
struct blob_place {
    struct uuid id;
    char store[BLOB_STORE_NAME_SIZE];
    struct text hint;
};

/* What was written. */
struct blob_content {
    struct uuid id;
    uint8_t sha256[SHA256_BYTES];
    int64_t bytes;
    int64_t quota; /* of all the tenant's blobs */
};

/* What a file or a part has. */
struct blob_ref {
    struct uuid id;
    char store[BLOB_STORE_NAME_SIZE];
    uint8_t sha256[SHA256_BYTES];
    int64_t bytes;
};

SUSPENDS MUSTCHECK int blob_begin(const struct store *store, struct uuid id, const char *where,
                                  struct error *err);

/* It is still being written. `hint` TEXT_NONE: as it is. BLOB_LOST. */
SUSPENDS MUSTCHECK int blob_touch(struct pg *pg, struct uuid id, struct text hint,
                                  struct error *err);

/* It is not to be: a writing one becomes unwanted. Returns 0 when its bytes may be deleted;
 * BLOB_KEPT when they may not, since it became a file's after all, or may just now. */
SUSPENDS MUSTCHECK int blob_give_up(struct pg *pg, struct uuid id, struct error *err);

/* The bytes of an unwanted one are gone. */
SUSPENDS MUSTCHECK int blob_forget(struct pg *pg, struct uuid id, struct error *err);

/* The bytes of an unwanted one can't be deleted now: others come first. */
SUSPENDS MUSTCHECK int blob_postpone(struct pg *pg, struct uuid id, struct error *err);

/* How many bytes the tenant's blobs take. */
SUSPENDS MUSTCHECK int blobs_held(const struct store *store, int64_t *out, struct error *err);

/* Gives up those that nobody has written to for `silent_ms`, and lists up to `limit` unwanted ones,
 * the longest unwanted first. */
struct blob_places {
    struct blob_place *items;
    size_t count;
};
SUSPENDS MUSTCHECK int blobs_left(const struct store *store, int64_t silent_ms, int limit,
                                  struct blob_places *out, struct error *err);

/* Reads the columns of BLOB_REF_COLUMNS; inside the store. */
struct row;
void blob_ref_read(struct row *row, struct blob_ref *out);
