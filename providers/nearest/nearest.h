#pragma once
/* Older messages of a thread that are nearest to what was said last: the strategy `vector`
 * (providers/context/strategy_vector.c). The one face of this folder.
 *
 *     nearest_choose: messages that have no vectors yet get theirs, as many as there is time for
 *        ──► the newest NEAREST_VECTORS by vector and words, older ones by words alone
 *        ──► the best, each with its turn ──► positions
 *
 * What is read is bounded however long the thread is. Where no vectors can be had, words decide
 * alone. What was not done in time nearest_fill does, behind the runs' backs. */

#include "providers/vectors/vectors.h"
#include "shared/store/leases/run_nearest.h"
#include "shared/store/threads/messages.h"

/* Messages whose vectors are looked at for a choice. */
#define NEAREST_VECTORS 2000

/* Of the messages that are chosen, all texts. */
#define NEAREST_BYTES ((int64_t)512 << 10)

struct nearest_ask {
    struct uuid thread;
    struct text user;            /* of the thread; empty: nobody's */
    struct text said;            /* what the messages are to be near to */
    int64_t below;               /* the position before which they are */
    int64_t top_k;               /* turns, at most */
    double threshold;            /* a turn below this is not near */
    int64_t requests_per_minute; /* of the tenant; 0: no limit */
    int64_t tokens_per_minute;
    int64_t deadline_ms; /* for vectors; what is chosen then is chosen by what there is */
};

struct nearest_found {
    struct nearest_choice choice; /* in the store's arena */
    bool degraded;                /* words decided alone, of all messages or of some */
    bool more;                    /* messages are left that have no vectors: nearest_fill */
};

/* Returns 0 with *out; or -E_CANCELED, -E_LIMIT, or what pg_exec does. */
SUSPENDS MUSTCHECK int nearest_choose(const struct vectors_means *means, const struct store *store,
                                      const struct nearest_ask *ask, struct nearest_found *out,
                                      struct error *err);

/* Where others lie between, of a history. */
struct nearest_breaks {
    size_t *items; /* in front of these messages, ascending */
    size_t count;
    size_t near; /* so many messages at the front were chosen */
};

/* Puts what was chosen in front of the newest messages of the thread, all in the store's arena. */
SUSPENDS MUSTCHECK int nearest_read(const struct store *store, struct uuid thread,
                                    const struct nearest_choice *choice,
                                    struct message_list *history, struct nearest_breaks *out,
                                    struct error *err);

/* Gives vectors to the messages of the thread below ask->below, as long as there is time; `said` is
 * not looked at. *out_more: some have none. Returns 0; VECTORS_AWAY with *err; or as above. */
SUSPENDS MUSTCHECK int nearest_fill(const struct vectors_means *means, const struct store *store,
                                    const struct nearest_ask *ask, bool *out_more,
                                    struct error *err);
