#pragma once
/* Texts to vectors: what is asked, what is answered, and what a wire format does for it. embed.h
 * makes the calls.
 *
 * Ownership: a request borrows all that it points to; a reply lives in the arena that the caller
 * put into it.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct trace_headers;

struct embedding_request {
    const struct text *texts; /* UTF-8, none of them empty */
    size_t count;
    int64_t dimensions; /* of each vector; 0: the model's own */
    struct text idempotency_key;
    const struct trace_headers *trace; /* as of chat_request */
    int64_t deadline_ms;               /* clock_ms; 0: the provider's time-outs alone */
};

struct embedding_reply {
    struct arena *arena; /* the caller sets it; owns the rest */
    float *values;       /* count times dimensions, in the order of the texts */
    size_t count;
    size_t dimensions;
    struct chat_usage usage;
    struct text model; /* as the provider names it; may be empty */
    struct provider_limits limits;

    /* The texts that the document at hand is about: a part of them where there are many. */
    size_t batch_first;
    size_t batch_count;
};

/* More values a vector than any model gives. */
#define EMBEDDING_DIMENSIONS_MAX 16384

/* Of one request: with 3,072 values each, the vectors take 48 MiB. */
#define EMBEDDING_TEXTS_MAX 4096

/* Of one text. Models take 8,192 tokens or less, a few 32,768. */
#define EMBEDDING_TEXT_BYTES_MAX ((size_t)256 << 10)

struct provider_embedding {
    size_t texts_max; /* of one request */

    /* As encode of struct provider. */
    MUSTCHECK int (*encode)(const struct provider_target *target,
                            const struct embedding_request *request, struct provider_wire *wire,
                            struct error *err);

    /* Reads a checked document (json_raw_check) that holds no error: embedding_reply_add for each
     * vector, and embedding_reply_note. Returns 0, or -E_PROTOCOL when it is no reply, or
     * -E_LIMIT. */
    MUSTCHECK int (*read)(struct text json, struct embedding_reply *out, struct error *err);

    /* Where there is nobody to ask, in place of both: all vectors of a checked request, into a
     * reply that has begun. NULL: by encode and read. Returns as provider_embed. */
    SUSPENDS MUSTCHECK int (*make)(const struct provider_target *target,
                                   const struct embedding_request *request,
                                   struct embedding_reply *out,
                                   struct provider_failure_info *out_failure, struct error *err);
};

/* Begins a reply of `count` vectors, all of them in one batch; the first one will tell their
 * length. */
void embedding_reply_begin(struct embedding_reply *reply, size_t count);

/* Sets the vector of the text `index` of the batch from an array of numbers, a value of json_raw.h,
 * or from a string with little-endian floats in base64. Returns 0, -E_PROTOCOL (it is neither, it
 * has another length than the first, it is there twice, or no such text was sent), or -E_LIMIT. */
MUSTCHECK int embedding_reply_add(struct embedding_reply *reply, size_t index, struct text value,
                                  struct error *err);

/* Adds what a batch cost, in tokens of input, and notes the model, a value; what is no string is no
 * name. Returns 0 or -E_LIMIT. */
MUSTCHECK int embedding_reply_note(struct embedding_reply *reply, int64_t tokens, struct text model,
                                   struct error *err);

/* Whether each text of the batch has its vector. Returns 0 or -E_PROTOCOL. */
MUSTCHECK int embedding_reply_check(const struct embedding_reply *reply, struct error *err);
