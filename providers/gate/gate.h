#pragma once
/* The gate in front of every call of a model: it may begin when the limits of the provider's key
 * and model allow it, and while that provider does not fail again and again. All workers share both
 * (shared/limits).
 *
 * What the limits are is known from the table of models, from the configuration, and from what the
 * provider's replies say, which outranks both. A model that nothing limits passes at once. A call
 * that may begin soon is waited for here; one that may not goes back to the queue with its run,
 * which keeps its place in the line: runs go in the order of their priority, then of their age.
 *
 * Of a provider's keys the one is used that has room first. What a provider may do at once in all,
 * and what a tenant may use in a minute, is taken together with the limits of the key and model.
 */

#include "providers/gate/known.h"
#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/limits/limits.h"

struct error;
struct gate;
struct redis;

/* Longer waits are no work for a worker's slot. */
#define GATE_HOLD_MS 3000

/* Redis outlives it. */
struct gate *gate_new(struct redis *redis);
void gate_free(struct gate *gate); /* accepts NULL */

/* Learns which providers other workers found failing. Returns 0 also while Redis is away; or
 * -E_CANCELED. */
SUSPENDS MUSTCHECK int gate_share(struct gate *gate, struct error *err);

/* How many workers there are, for the share of each while Redis is away. */
void gate_set_workers(struct gate *gate, int64_t workers);

struct gate_call {
    const struct provider_target *target;
    const struct chat_request *request;
    struct uuid run; /* whose call it is: the same each time that it asks; older ones go first */
    int priority;    /* 0 goes first */
    struct uuid tenant;
    int64_t tenant_requests_per_minute; /* 0: no limit */
    int64_t tenant_tokens_per_minute;
    int64_t call_ms; /* what it may take */
};

/* A call on its way through. What it points to lives in it and in the target: it may not be moved,
 * and the target outlives it. */
struct gate_visit {
    const struct provider_target *target;
    size_t key; /* of the target's keys, the one that it is to be made with */
    char name[KNOWN_NAME_SIZE];
    char tenant_name[KNOWN_TENANT_SIZE];
    char id[ID_TEXT_SIZE];
    struct limit_place place;
    struct limit_place also[LIMIT_ALSO_MAX];
    struct limit_ask ask;
    struct limit_grant grant;
    int64_t began_ms;
    bool taken; /* to be settled */
    bool trial; /* the breaker lets this one through, to see */
};

enum { GATE_LATER = 1, GATE_SHUT };

/* Waits until the call may begin. Returns 0: it may, with the key that the visit names, and
 * gate_leave is to be called afterwards; GATE_LATER with *out_wait_ms: ask again after that,
 * nothing is to be left; GATE_SHUT with *out_wait_ms: the provider has failed again and again, and
 * is left alone for so long; or -E_CANCELED. */
SUSPENDS MUSTCHECK int gate_enter(struct gate *gate, const struct gate_call *call,
                                  struct gate_visit *visit, int64_t *out_wait_ms,
                                  struct error *err);

/* A call that was told GATE_LATER is not asked about again: it stands in no line any more. Waits
 * for nothing. */
void gate_quit(struct gate *gate, const struct gate_call *call);

/* What came of a call: its usage and limits, or a failure. */
struct gate_outcome {
    enum provider_failure failure; /* PROVIDER_OK: it was answered */
    int status;                    /* of HTTP; 0: there was none */
    int64_t retry_after_ms;        /* of a failure; -1: not said */
    struct chat_usage usage;
    const struct provider_limits *limits; /* as its headers say */
};

/* Returns whether the same call may be made at once with another key of the provider: this one is
 * refused, its quota is used up, or it has met its limit. It is left out, or held, for a while; but
 * so may be all others, hence whoever calls again counts how often. */
bool gate_leave(struct gate *gate, struct gate_visit *visit, const struct gate_outcome *outcome);

/* A call that was not made after all. */
void gate_give_back(struct gate *gate, struct gate_visit *visit);

struct gate_stats {
    struct limits_stats limits;
    uint64_t left_alone; /* models now, that this worker has heard of or found out */
};
void gate_stats_get(const struct gate *gate, struct gate_stats *out);
