#pragma once
/* The rehearsal LLM as a server: the paths of all dialects (dialects/dialects.c), and
 *
 *     GET /healthz
 *     GET /rehearsal/stats   {"calls","in_flight","peak_in_flight","closed_by_client","refused",
 *                             "kept","rules":{name: count},"keys":[{"key","model","requests",
 *                             "tokens","limited","in_flight","peak_in_flight"}]}
 *
 *     DELETE /v1/responses/ID   a stored response, which the next request could go on behind
 *
 * `kept` counts these, `closed_by_client` calls whose client was gone before the end of the reply.
 * The ledger has a line of JSON for each call of a model: ledger.h.
 */

#include "providers/rehearsal/script/script.h"
#include "shared/base/compiler.h"

struct error;
struct rehearsal;

struct rehearsal_options {
    const char *host;      /* numeric; default 127.0.0.1 */
    int port;              /* 0: any free one */
    struct script *script; /* borrowed */
    const char *ledger;    /* file to append to; NULL: none */
    bool bodies;           /* requests and replies go into the ledger, too */
    int64_t delay_ms;      /* where the script says nothing */
};

/* Returns 0 with *out, or -E_SYSTEM. From a fiber. */
MUSTCHECK int rehearsal_open(const struct rehearsal_options *options, struct rehearsal **out,
                             struct error *err);
int rehearsal_port(const struct rehearsal *rehearsal);

/* Lets calls in work finish until the deadline; accepts NULL. */
SUSPENDS void rehearsal_close(struct rehearsal *rehearsal, int64_t deadline_ms);
