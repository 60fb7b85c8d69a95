#pragma once
/* Finding messages by their words: those that search_fill.h has filled in, the newest first. */

#include "shared/store/search/search_query.h"
#include "shared/store/store.h"

#define SEARCH_LIMIT_MAX 100

/* Who asks for too much is told so after this time: a statement's limit on a connection for
 * searches, which plans each of them for its values (pg_options.custom_plans). */
#define SEARCH_TIMEOUT_MS 2000

struct search_request {
    struct text query; /* as a person writes it, 1 to SEARCH_QUERY_MAX characters */
    struct text user;  /* of the threads; TEXT_NONE: any */
    struct uuid agent; /* of the threads; zero: any */
    enum { SEARCH_ANY_THREAD, SEARCH_ARCHIVED, SEARCH_NOT_ARCHIVED } archived;
    int limit;         /* 1..SEARCH_LIMIT_MAX */
    struct uuid after; /* a message that was found; zero: from the newest on */
};

struct search_hit {
    struct uuid message_id;
    struct uuid thread_id;
    struct text role;
    struct text snippet;    /* a part of its text around the first word */
    struct text highlights; /* JSON: [[from,to],…] in characters of the snippet */
    struct text title;      /* of the thread, as what follows; TEXT_NONE: none */
    struct text user;       /* TEXT_NONE: none */
    struct uuid agent;      /* zero: none */
    int64_t created_at;     /* of the message */
};

struct search_hits {
    struct search_hit *items;
    size_t count;
    bool has_more;
};

/* Returns 0; CURSOR_MISSING; SEARCH_EMPTY: there is no word in the query, or only such that must
 * not be there; SEARCH_BROAD: it took too long; or what pg_exec does. */
SUSPENDS MUSTCHECK int search_messages(const struct store *store,
                                       const struct search_request *request,
                                       struct search_hits *out, struct error *err);
