#pragma once
/* Texts to vectors: what is asked, what is answered, and what a wire format does for it.
 *
 * Ownership: a request borrows all that it points to; a reply lives in the arena that the caller
 * put into it.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct embedding_request {
    const struct text *texts;
    size_t count;
    int64_t dimensions; /* of each vector; 0: the model's own */
    struct text idempotency_key;
    int64_t deadline_ms; /* clock_ms; 0: the provider's time-outs alone */
};

struct embedding_reply {
    struct arena *arena; /* the caller sets it; owns the rest */
    float *values;       /* count times dimensions, in the order of the texts */
    size_t count;
    size_t dimensions;
    struct chat_usage usage;
    struct text model; /* as the provider names it; may be empty */
    struct provider_limits limits;
};

/* More values a vector than any model gives. */
#define EMBEDDING_DIMENSIONS_MAX 16384

struct provider_embedding {
    size_t texts_max; /* of one request */

    /* As encode of struct provider. */
    MUSTCHECK int (*encode)(const struct provider_target *target,
                            const struct embedding_request *request, struct provider_wire *wire,
                            struct error *err);

    /* Reads a checked document (json_raw_check) that holds no error: embedding_reply_add for each
     * vector, model, usage. Returns 0, or -E_PROTOCOL when it is no reply, or -E_LIMIT. */
    MUSTCHECK int (*read)(struct text json, struct embedding_reply *out, struct error *err);
};

/* Makes room for `count` vectors whose length the first one tells. Returns 0 or -E_LIMIT. */
MUSTCHECK int embedding_reply_begin(struct embedding_reply *reply, size_t count, struct error *err);

/* Sets the vector of the text `index` from an array of numbers, a value of json_raw.h, or from a
 * string with little-endian floats in base64. Returns 0, -E_PROTOCOL (it is neither, it has
 * another length than the first, it is there twice, or no such text was sent), or -E_LIMIT. */
MUSTCHECK int embedding_reply_add(struct embedding_reply *reply, size_t index, struct text value,
                                  struct error *err);

/* Whether each text has its vector. Returns 0 or -E_PROTOCOL. */
MUSTCHECK int embedding_reply_check(const struct embedding_reply *reply, struct error *err);
