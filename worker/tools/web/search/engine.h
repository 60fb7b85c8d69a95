#pragma once
/* A search engine: how it is asked, and how its answer is read. Pure: bytes in, values out.
 *
 * A new one is a file with its `struct search_engine`, and a row of the table in engines.c and of
 * the kinds in shared/config/config_search.c. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_client/http_client.h"
#include "shared/net/domain.h"

struct error;
struct json_object;

#define SEARCH_COUNT_MAX 20
#define SEARCH_HEADERS   3

enum search_freshness { FRESH_ANY, FRESH_DAY, FRESH_WEEK, FRESH_MONTH, FRESH_YEAR };

struct search_ask {
    struct text query;
    int count; /* 1 to SEARCH_COUNT_MAX */
    enum search_freshness freshness;
    struct domain_rules rules; /* engines are told, and need not heed it */
};

/* One HTTP request. Texts of headers are borrowed from the account, or static. */
struct search_request {
    const char *method;
    struct buf url;
    struct buf body;
    struct buf secret; /* what a header says: "Bearer …" */
    struct http_header headers[SEARCH_HEADERS];
    size_t header_count;
};

struct search_result {
    struct text title;
    struct text url;
    struct text snippet;
    struct text date; /* empty: it is not said */
};

struct search_results {
    struct arena *arena; /* of the texts */
    struct search_result items[SEARCH_COUNT_MAX];
    size_t count;
    size_t others; /* that were left out: of other domains, or no addresses */
    size_t most;   /* no more are taken */
    const struct domain_rules *rules;
    const struct domain_rules *asked; /* by the model */
};

/* Where an engine is, and what it knows us by. */
struct search_account {
    const char *base_url; /* without a slash at its end */
    const char *api_key;  /* "": none */
};

struct search_engine {
    const char *kind;
    void (*build)(const struct search_ask *ask, const struct search_account *account,
                  struct search_request *out);

    /* Of a reply with the status 200. Returns 0, with no results where there are none;
     * -E_UNAVAILABLE or -E_PROTOCOL: it is none, whatever its status says. */
    MUSTCHECK int (*read)(struct json_object *reply, struct search_results *out, struct error *err);

    const char *(*explain)(int status); /* what another status means; NULL, also as a result: what
                                         * it means to HTTP */
};

/* NULL: there is none. */
const struct search_engine *search_engine_find(const char *kind);

/* Appends "?name=value" or "&name=value", encoded. */
void search_url_add(struct search_request *request, const char *name, struct text value);

/* The query with "site:…" where the results are to be of some domains, for engines that have no
 * other way to be told. */
void search_query_write(const struct search_ask *ask, struct buf *out);

/* Adds what an engine has found, cleaned: one line of UTF-8 each, bounded. `is_html`: it has tags.
 * What has no address of http or https, or is of another domain, is left out. */
struct search_found {
    struct text title;
    struct text url;
    struct text snippet;
    struct text date;
    bool is_html;
};
void search_results_add(struct search_results *results, const struct search_found *found);

/* Appends what the model is told. */
void search_results_write(const struct search_results *results, struct text query, struct buf *out);

extern const struct search_engine search_engine_searxng;
extern const struct search_engine search_engine_brave;
extern const struct search_engine search_engine_tavily;
