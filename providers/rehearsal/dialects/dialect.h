#pragma once
/* A dialect: how a vendor's clients and servers talk, the server's side. A struct of functions, all
 * pure, and a row in the table of dialects.c.
 *
 * A dialect writes what its vendor writes, from the types of the vendor's own SDK, and refuses what
 * its vendor refuses. It uses nothing of providers/formats, which read and write the client's side:
 * a mistake that both shared would not be seen.
 */

#include "providers/rehearsal/reply/answer.h"
#include "providers/rehearsal/reply/event_list.h"
#include "providers/rehearsal/request/limit.h"
#include "providers/rehearsal/request/problem.h"
#include "providers/rehearsal/request/reader.h"
#include "shared/base/compiler.h"

enum endpoint {
    ENDPOINT_CHAT,
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_MODELS, /* GET; the others are POST */
};

/* Where a path leads. */
struct route {
    const struct dialect *dialect;
    enum endpoint endpoint;
    struct text model; /* where the path names it; else TEXT_NONE */
    bool stream;       /* the path says that the reply is to be streamed */
    enum event_framing framing;
};

/* Embeddings as a reply has them: one vector after another. */
struct vectors {
    const struct conversation *conversation;
    const struct embedding_request *request;
    const float *values; /* request->count * request->dimensions */
    int64_t tokens;
};

/* Adds a header to the reply. */
typedef void (*dialect_header_fn)(void *arg, const char *name, struct text value);

#define DIALECT_SHORT_ID_CHARS 9
#define DIALECT_CALL_ID_SIZE   64
#define DIALECT_KEPT_ID_SIZE   48

struct dialect {
    const char *name;              /* in the ledger */
    const char *call_prefix;       /* of the ids of calls */
    bool short_call_ids;           /* they are DIALECT_SHORT_ID_CHARS letters and digits instead */
    const char *request_id_header; /* where the vendor has one of its own; else NULL */

    /* Fills endpoint, model, stream and framing, and may leave them as they are: chat, none, no,
     * EVENTS_SSE. False: the path is not this dialect's. */
    bool (*route)(struct text path, struct text query, struct route *out);

    const char *const *key_headers; /* that may hold the caller's key, ended by NULL */

    /* A chat: reads as strictly as the vendor; 0 or CONVERSATION_REFUSED with *problem. */
    int (*read)(const struct request *request, struct conversation *out, struct problem *problem);
    void (*write)(const struct answer *answer, struct buf *out);
    void (*write_events)(const struct answer *answer, struct event_list *out);

    /* What is stored of an answer: its items as an array, and the id by which the next request
     * names it. NULL: the dialect stores nothing. */
    void (*write_kept)(const struct answer *answer, struct buf *out);
    void (*kept_id)(const struct answer *answer, char out[DIALECT_KEPT_ID_SIZE]);

    /* NULL: the dialect has no embeddings. The reader fills of the conversation model, user (the
     * first text), text_bytes and messages_sha256. */
    int (*read_embedding)(const struct request *request, struct conversation *out,
                          struct embedding_request *embedding, struct problem *problem);
    void (*write_vectors)(const struct vectors *vectors, struct buf *out);

    void (*write_models)(struct buf *out); /* NULL: it has no list of models */

    /* The body of an error, the status that the vendor has for it, and its last event in a stream
     * that has begun. */
    int (*write_error)(const struct problem *problem, struct buf *out);
    void (*write_event_error)(const struct problem *problem, struct event_list *out);

    /* Headers beside the framing; `limits` has LIMIT_KINDS, or is NULL where no key and model is
     * known yet. NULL: the vendor has none. */
    void (*write_headers)(const struct limit_state *limits, const struct problem *problem,
                          dialect_header_fn add, void *arg);
};

/* The rows. */
extern const struct dialect dialect_openai_chat;
extern const struct dialect dialect_openai_responses;
extern const struct dialect dialect_openai_embeddings;
extern const struct dialect dialect_groq;
extern const struct dialect dialect_mistral;
extern const struct dialect dialect_anthropic;
extern const struct dialect dialect_gemini;
extern const struct dialect dialect_ollama;

/* Where a path leads. A path that nobody knows gets OpenAI's dialect, and false. */
MUSTCHECK bool dialect_route(struct text path, struct text query, struct route *out);

/* The id of an answer's call of that number. `mark` stands at its end (reply/seal.h); "": none. A
 * short id has no room for it. */
void dialect_call_id(const struct dialect *dialect, const struct answer *answer, size_t number,
                     const char *mark, char out[DIALECT_CALL_ID_SIZE]);
