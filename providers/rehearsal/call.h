#pragma once
/* One call of a model, from its request to its line in the ledger. */

#include "providers/rehearsal/dialects/dialect.h"
#include "providers/rehearsal/kept.h"
#include "providers/rehearsal/ledger.h"
#include "providers/rehearsal/meters.h"
#include "shared/base/compiler.h"
#include "shared/http_server/http_server.h"

/* What all calls share. */
struct call_service {
    struct script *script;
    struct http_server *server;
    struct ledger ledger;
    struct meters meters;
    struct kept kept;
    int64_t delay_ms; /* where the script says nothing */
    uint64_t calls;
    uint64_t in_flight;
    uint64_t peak_in_flight;
    uint64_t closed_by_client;
    uint64_t refused;
};

/* Serves a request that a route leads to a chat or to embeddings. */
SUSPENDS void call_serve(struct call_service *service, struct http_exchange *exchange,
                         const struct route *route);

/* DELETE of a stored response. */
SUSPENDS void call_delete_kept(struct call_service *service, struct http_exchange *exchange,
                               const struct route *route, struct text id);

/* The body and the status of an error, in the dialect's shape. */
int call_error(const struct dialect *dialect, int status, const char *message, struct buf *body);
