#pragma once
/* Endpoints: what is served, as tables.
 *
 * A resource exports a table of its own (assistants/resources.h), surfaces.c lists the tables,
 * and at start they become one list, which the router, the metrics and the documents read. An
 * endpoint says what it takes and what it gives; the kernel (api.c) sees to both, so its
 * function begins with a body that was checked.
 */

#include "shared/base/compiler.h"
#include "shared/check/fields.h"
#include "shared/http_server/router.h"

struct request;

/* TAKES_JSON, GIVES_JSON: returns 0 with the reply in request->reply (status 200), or -E_INVALID
 * with request->failure. GIVES_BYTES, GIVES_EVENTS and GIVES_SOCKET: the function replies by
 * itself, with http_stream_begin, http_reply or http_upgrade, and returns 0; or, while it has not,
 * -E_INVALID with request->failure. */
typedef int (*endpoint_fn)(struct request *request);

/* `stream` is as GIVES_EVENTS: instead of the reply that `handle` has made, the events of what it
 * shows. `finish` is as GIVES_JSON: it makes another reply of that one. */

enum endpoint_takes {
    TAKES_NOTHING, /* a body is read up to ENDPOINT_IGNORED_MAX, and not looked at */
    TAKES_JSON,    /* an object that the table `body` describes */
    TAKES_RAW,     /* bytes of any type: exchange->body */
    TAKES_FORM,    /* multipart/form-data, which the function reads as it comes: http_body_read */
};

enum endpoint_gives { GIVES_JSON, GIVES_BYTES, GIVES_EVENTS, GIVES_SOCKET };

#define ENDPOINT_IGNORED_MAX ((size_t)64 << 10)

enum endpoint_flags {
    ENDPOINT_CREATES = 1, /* honours Idempotency-Key */
    ENDPOINT_LARGE = 2,   /* may give megabytes: pages, messages, steps, assistants */
    ENDPOINT_FILES = 4,   /* moves the bytes of files: takes its room where they do */
    ENDPOINT_PUBLIC = 8,  /* may be asked without a key */
    ENDPOINT_TICKET = 16, /* may be asked with a ticket in place of a key */
};

struct endpoint {
    enum http_method method;
    const char *pattern;
    endpoint_fn handle;
    endpoint_fn stream; /* NULL, or, where the body says `stream`: called behind `handle` */
    endpoint_fn finish; /* NULL, or, where it does not: called behind `handle`, once its reply is
                         * kept with the idempotency key */
    /* NULL, or tells request->failure in another way than by a status, whoever found it: replies by
     * itself and returns 0, or -E_INVALID where it can't. */
    endpoint_fn refuse;
    enum endpoint_takes takes;
    enum endpoint_gives gives;
    const struct fields *body; /* of TAKES_JSON */
    const char *const
        *query;            /* the query's members, ended by NULL; NULL: none. "x[KEY]": any key */
    size_t body_bytes_max; /* 0: the server's */
    unsigned flags;
};

struct endpoint_table {
    const struct endpoint *items;
    size_t count;
};

/* `const struct endpoint_table x = ENDPOINT_TABLE(array);` */
#define ENDPOINT_TABLE(array)                                                                      \
    {                                                                                              \
        array, ARRAY_LENGTH(array)                                                                 \
    }

/* All endpoints of some tables, with their router. */
struct endpoints {
    const struct endpoint **items;
    size_t count;
    struct route *routes; /* routes[i] is that of items[i] */
    struct router *router;
};

/* The tables are borrowed and must outlive it. Owns: endpoints_deinit. */
void endpoints_init(struct endpoints *endpoints, const struct endpoint_table *const *tables,
                    size_t count);
void endpoints_deinit(struct endpoints *endpoints);

/* As router_find, with the endpoint's place. */
MUSTCHECK int endpoints_find(const struct endpoints *endpoints, struct http_exchange *exchange,
                             size_t *out, char allow[64], struct error *err);
