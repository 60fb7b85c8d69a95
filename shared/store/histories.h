#pragma once
/* The histories of many threads, in as few statements as possible: what messages_history gives,
 * for the fibers of a worker.
 *
 * While one group is being read the next one gathers, and a group is one statement. It holds
 * HISTORY_GROUP_BYTES of each thread at most, so its memory is bounded whatever the threads hold; a
 * history that is longer is read by messages_history, alone. One per process.
 */

#include "shared/base/histogram.h"
#include "shared/store/messages.h"

#define HISTORY_GROUP_BYTES 65536 /* of one history in a group */
#define HISTORY_GROUP_COUNT 100   /* messages of it */

struct histories;

/* Borrows `pg`. To be called in a fiber. Free it before the pg is closed, when nobody reads any
 * more. */
struct histories *histories_new(struct pg *pg);
SUSPENDS void histories_free(struct histories *histories); /* accepts NULL */

/* As messages_history, in what it gives and in what it returns. `store` is on the same pg; its
 * arena is filled before the answer of the group is freed. */
SUSPENDS MUSTCHECK int histories_get(struct histories *histories, const struct store *store,
                                     struct uuid thread, const struct history_limits *limits,
                                     struct message_list *out, struct error *err);

struct histories_stats {
    struct histogram size; /* histories of a group */
    uint64_t alone;        /* histories that were then read alone */
};

const struct histories_stats *histories_stats(const struct histories *histories);
