#pragma once
/* One call of a model for a client, in a fiber of its own: so the fiber of the client's connection
 * can see the client go, and hand on what the model says while it says it.
 *
 *     start ──► budgets ──► gate ──► provider_call ──► what was used is stored ──► over
 *               ▲            │             │
 *               │            └► in line ──►┤
 *               └──────────────────────────┘ with another key, or the next model
 *
 * When the client goes away, model_call_end cancels it, and with it the request to the provider.
 * Nothing else is tried again: clients do that by themselves, and what a provider refuses for its
 * limits is told to them with the time to wait.
 */

#include "providers/chat_event.h"
#include "providers/embed.h"
#include "providers/openai_api/chat_request.h"
#include "providers/provider.h"
#include "scheduler/gateway/call_account.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/store/access/tenants.h"
#include "shared/trace/trace_context.h"

struct fiber;
struct gateway;

/* From its beginning to its end, the time in line included: what OpenAI's clients wait. */
#define MODEL_CALL_MS 600000

struct model_call {
    /* The caller's; all of it outlives the call. */
    struct text models[1 + CHAT_FALLBACKS_MAX]; /* in the order in which they are asked */
    size_t models_count;
    const struct chat_request *request;    /* of an embedding: what it is estimated by */
    const struct embedding_request *texts; /* NULL: a conversation */
    const struct chat_sink *sink;          /* of a conversation; NULL: nobody watches */
    struct arena *arena;                   /* for the reply */
    struct uuid tenant;
    struct tenant_rates rates;
    struct text user; /* whom it is counted for, and whose budget it is on; empty: nobody */
    enum chat_turn turn;
    struct trace_context trace; /* in which it is made */
    bool traced;                /* it is in one */

    /* What came of it, once it is `over`. */
    bool over;
    bool answered;
    struct chat_reply reply;
    struct embedding_reply vectors;
    struct provider_failure_info failure; /* of the last model that was asked */

    /* Its own. */
    struct gateway *gateway;
    struct uuid id;
    struct fiber *fiber;
    struct fiber *waiter; /* woken when something was said, and when it is over */
    struct log_context log;
    char name[ID_TEXT_SIZE]; /* the key by which a provider may know a repetition */
    int64_t deadline_ms;
    int64_t patience_ms; /* until when it stands in line */
    struct provider_registry *registry;
    struct provider_target target;
    struct chat_request asked;
    struct chat_sink listener;
    size_t keys_failed;      /* of the target's, in a row */
    bool has_next;           /* there is another model to be asked */
    struct chat_usage usage; /* as far as it was told while the reply arrives */
    bool spoken;             /* what a model said was handed on: no other one may be asked */
    size_t held;             /* bytes of the gateway's budget */
    struct call_account account;
};

enum { MODEL_CALL_CROWDED = 1 };

/* Starts a call whose first part the caller has filled, and the rest zeroed. Returns 0: it is to be
 * ended by model_call_end; or MODEL_CALL_CROWDED: too many are under way. */
MUSTCHECK int model_call_start(struct gateway *gateway, struct model_call *call);

/* Cancels it where it is not over, waits for its end, and gives back what it held. */
SUSPENDS void model_call_end(struct model_call *call);
