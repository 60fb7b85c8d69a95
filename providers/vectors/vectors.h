#pragma once
/* Vectors of texts that are ours: of messages, of what is known of a user, of what is looked for.
 * The one face of this folder, for schedulers and workers alike.
 *
 *     vectors_make ──► the model that is built in: made here (offloaded where it takes long)
 *                  └─► any other: the cache, and for what is not there the model's provider
 *
 * A caller that gets no vectors goes on with words alone, and says that it does: a search that is a
 * little worse is better than none. So whatever goes wrong with a provider is one condition, and
 * nothing is waited for beyond the caller's deadline. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/embed/vector_bytes.h"

struct error;
struct gate;
struct http_client;
struct pg;
struct provider_registry;
struct redis;
struct spending_book;

/* Texts of one request of vectors_make, and bytes of one text: of longer ones the rest is not
 * looked at. The models of most vendors take 8,192 tokens. */
#define VECTORS_TEXTS_MAX      1024
#define VECTORS_TEXT_BYTES_MAX ((size_t)16 << 10)

/* What a process makes them by. Borrowed during the call. Without a gate only the model that is
 * built in makes any. */
struct vectors_means {
    struct pg *pg; /* for the cache, for budgets, and for what was used */
    struct redis *redis;
    struct http_client *http;
    struct gate *gate;
    struct spending_book *spendings;
    struct provider_registry *registry; /* the present one */
};

/* Some models make other vectors of a question than of what answers it. */
enum vectors_purpose { VECTORS_DOCUMENT, VECTORS_QUERY };

struct vectors_ask {
    const struct text *texts; /* UTF-8; up to VECTORS_TEXTS_MAX */
    size_t count;
    struct text model; /* as the registry knows it; empty: memory.embedding_model */
    enum vectors_purpose purpose;
    struct uuid tenant; /* whose they are, and who pays */
    struct text user;   /* empty: nobody's */
    struct uuid run;    /* for which they are made; zero: none. Where it is gone by the time
                                  * of the answer, so is perhaps its user: nothing is kept of him */
    int64_t requests_per_minute; /* of the tenant; 0: no limit */
    int64_t tokens_per_minute;
    int64_t deadline_ms; /* clock_ms */
};

struct vectors {
    struct text *items; /* one for each text, in their order: vector_bytes.h. TEXT_NONE: the text is
                         * empty, or no UTF-8, and like nothing */
    size_t count;
    size_t dimensions;
    struct text model; /* "provider/model": vectors of another one can't be compared with these */
};

enum { VECTORS_AWAY = 1 };

/* The name of the model that makes vectors now, in the arena, as struct vectors has it. Returns 0;
 * VECTORS_AWAY with *err: it is none that makes any; or -E_LIMIT. */
MUSTCHECK int vectors_model(const struct vectors_means *means, struct arena *arena,
                            struct text *out, struct error *err);

/* Vectors of texts, in the arena. Returns 0; VECTORS_AWAY: the model can't be asked now, its
 * answers are no vectors, it is not configured, or a budget or limit is in the way (*err says
 * which, for a log); -E_CANCELED; or -E_LIMIT: the arena is full. */
SUSPENDS MUSTCHECK int vectors_make(const struct vectors_means *means,
                                    const struct vectors_ask *ask, struct arena *arena,
                                    struct vectors *out, struct error *err);
