#pragma once
/* Vectors that providers have made, by what they were made of: the table embeddings. They belong to
 * a tenant and a user, so nobody learns from a hit what others have said, and go with both. */

#include "shared/base/digest.h"
#include "shared/store/store.h"

struct vector_owner {
    struct uuid tenant;
    struct text user;  /* empty: nobody */
    struct text model; /* "provider/model" */
    int64_t purpose;   /* 0 or 1, as the caller has it */
};

/* Looks for vectors by the digests of their texts. out[i] becomes the vector of digest i, in the
 * arena, where it is there, and stays otherwise. Those that are found are noted as used today.
 * Returns 0, or what pg_exec does, or -E_LIMIT. */
SUSPENDS MUSTCHECK int vector_cache_find(struct pg *pg, const struct vector_owner *owner,
                                         const uint8_t (*digests)[SHA256_BYTES], size_t count,
                                         struct arena *arena, struct text *out, struct error *err);

/* Keeps vectors, all of them of one length; those that are there stay as they are. */
SUSPENDS MUSTCHECK int vector_cache_keep(struct pg *pg, const struct vector_owner *owner,
                                         const uint8_t (*digests)[SHA256_BYTES],
                                         const struct text *vectors, size_t count,
                                         struct error *err);

/* Whether the run for which vectors are made is still there. */
SUSPENDS MUSTCHECK int vector_cache_run(struct pg *pg, struct uuid run, bool *out_there,
                                        struct error *err);

/* Deletes up to `rows` of those that nobody has used for VECTOR_CACHE_DAYS. */
#define VECTOR_CACHE_DAYS 30
SUSPENDS MUSTCHECK int vector_cache_sweep(struct pg *pg, int64_t rows, int64_t *out_count,
                                          struct error *err);
