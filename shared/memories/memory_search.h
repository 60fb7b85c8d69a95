#pragma once
/* What is known of a user that a question is about: all that lives of him is compared, a slice at a
 * time, in the process that asks (shared/recall/rank.h), on a thread where it is much. */

#include "shared/store/users/memories.h"

#define MEMORY_SEARCH_MAX 50 /* hits */

/* Bytes of a question that are looked at. */
#define MEMORY_QUERY_BYTES ((size_t)8 << 10)

struct memory_search {
    struct text user;
    struct text question; /* UTF-8 */
    bool as_agent; /* what `agent` knows: its own, and what all know. Else: all of the user */
    struct uuid agent;
    unsigned kinds;   /* a bit each (1 << MEMORY_FACT); 0: all */
    int limit;        /* 1 to MEMORY_SEARCH_MAX */
    double threshold; /* of a score; RECALL_THRESHOLD_DEFAULT (rank.h) where nobody says one */
    struct text
        vector;        /* of the question (vector_bytes.h); TEXT_NONE: it could not be had, so words
                          * count alone */
    struct text model; /* that made it */
};

struct memory_found {
    struct memory memory;
    double score; /* 0 to 1 */
};

struct memory_findings {
    struct memory_found *items; /* best first */
    size_t count;
    size_t compared;
    bool unseen;   /* some have no vector of the model that made the question's */
    bool degraded; /* words counted alone, for all or for those that have no vector of the model */
};

/* Into the store's arena. */
SUSPENDS MUSTCHECK int memory_search(const struct store *store, const struct memory_search *search,
                                     struct memory_findings *out, struct error *err);
