#pragma once
/* The gateway: calls of models that a client makes through us without a run. What the calls of a
 * scheduler share. They go through the same gate as those of workers, so all of them together keep
 * the limits of providers and tenants, and leave alone what does not answer; and they count on the
 * same budgets as runs.
 *
 * It is thin on purpose: no cache, no routing, nothing stored but what was used.
 */

#include "providers/spending/spending.h"
#include "providers/vectors/vectors.h"
#include "shared/base/compiler.h"
#include "shared/fiber/budget.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/service.h"

struct buf;
struct gate;
struct http_client;
struct metric_table;
struct pg;
struct provider_registry;
struct redis;
struct tracer;

struct gateway_options {
    struct pg *pg;            /* for budgets and what was used */
    struct pg *fleet;         /* for the number of workers */
    struct redis *redis;      /* for the limits, and what calls hold of budgets */
    struct http_client *http; /* to the providers */
    struct provider_registry *registry;
    struct tracer *tracer; /* NULL: telemetry is off */
    size_t calls_max;      /* at once */
    int64_t wait_ms;       /* the longest that a call stands in line for its limits */
};

/* Lifetime: process. Its members are for model_call.c and the metrics. */
struct gateway {
    struct pg *pg;
    struct pg *fleet;
    struct redis *redis;
    struct http_client *http;
    struct gate *gate;
    struct spending_book spendings;
    struct provider_registry *registry; /* replaced while calls are under way, which hold theirs */
    struct tracer *tracer;
    size_t calls_max;
    int64_t wait_ms;
    struct budget replies; /* bytes of replies that arrive */
    struct cond ended;     /* signalled when `ending` becomes true */
    bool ending;           /* nobody stands in line any more */
    struct service share;
    struct service workers;

    size_t calls;   /* now */
    size_t waiting; /* of these, in line for a limit or a budget */
    uint64_t crowded;
    uint64_t gone;
};

/* The options' pointers must outlive it. */
struct gateway *gateway_start(const struct gateway_options *options);

/* Calls that stand in line end at once, and further ones do not begin to. Accepts NULL. */
void gateway_end(struct gateway *gateway);

/* When no call is under way. Accepts NULL. */
SUSPENDS void gateway_stop(struct gateway *gateway);

/* From now on names of models mean what this registry says. It must outlive the gateway, or be
 * there until the next one is set. */
void gateway_set_registry(struct gateway *gateway, struct provider_registry *registry);

/* What vectors are made by here (providers/vectors/vectors.h). Without a gateway (NULL) no provider
 * is asked, and only the model that is built in makes any. */
struct vectors_means gateway_vectors(struct gateway *gateway, struct provider_registry *registry);

/* Bytes of replies that arrive, of all calls together. */
#define GATEWAY_REPLY_BYTES ((size_t)256 << 20)

void gateway_metrics_render(const struct gateway *gateway, struct buf *out);
extern const struct metric_table gateway_metrics;
