/* The list of hints that wait to be sent, and the service that sends them: those of one shard and
 * lane at a time. */

#include "scheduler/dispatch/fast.h"

#include <stdlib.h>

#include "scheduler/dispatch/ownership.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"

enum {
    FAST_MAX = 4096,   /* hints that wait to be sent */
    REST_MS = 3600000, /* it is woken when there is something to do */
};

struct waiting_hint {
    struct new_run run;
    int lane;
};

struct fast {
    struct dispatch_common *common;
    struct fast_counts counts;
    struct service service;
    struct waiting_hint *hints;
    size_t count;
    struct queue_hint *sent_hints; /* those of a batch on its way */
    struct uuid *sent_tenants;
};

enum fast_way fast_way_of(const struct fast_view *view)
{
    bool small = view->priority <= EXPRESS_PRIORITY_MAX && view->busy < view->small;

    if (view->capped)
        return view->owned && !view->waits ? FAST_TICK : FAST_NONE;
    if (!view->owned) {
        if (view->priority <= EXPRESS_PRIORITY_MAX && view->busy < view->small / 2)
            return FAST_EXPRESS;
        return view->ready <= view->slots / 4 ? FAST_ORDINARY : FAST_NONE;
    }
    if (view->waits)
        return FAST_NONE;
    if (small)
        return FAST_EXPRESS;
    return view->backlog ? FAST_TICK : FAST_ORDINARY;
}

static enum fast_way way_of(const struct fast *fast, const struct new_run *run)
{
    const struct dispatch_common *common = fast->common;
    const struct dispatch_shard *shard = &common->shards[run->shard];
    struct tenant_load load = loads_of(common->loads, run->tenant);
    struct fast_view view = {
        .owned = common->ownership && ownership_has(common->ownership, run->shard),
        .backlog = shard->backlog,
        .waits = dispatch_shard_waits(shard, run->tenant),
        .capped = load.max_running > 0,
        .priority = run->priority,
        .busy = load.busy,
        .small = common->small,
        .ready = fast->counts.ready,
        .slots = fast->counts.slots,
    };

    return fast_way_of(&view);
}

enum fast_way fast_hint(struct fast *fast, const struct new_run *run)
{
    struct dispatch_common *common = fast->common;
    struct dispatch_shard *shard = &common->shards[run->shard];
    enum fast_way way = way_of(fast, run);

    if (way == FAST_TICK || way == FAST_NONE || fast->count == FAST_MAX)
        return way;
    if (way == FAST_EXPRESS && shard->backlog && shard->memory.fair)
        fair_charge(shard->memory.fair, run->priority, run->tenant,
                    loads_of(common->loads, run->tenant).weight);
    loads_note(common->loads, run->tenant);
    fast->hints[fast->count++] =
        (struct waiting_hint){*run, way == FAST_EXPRESS ? QUEUE_EXPRESS : run->priority};
    service_wake(&fast->service);
    return way;
}

/* Takes the hints of the first one's shard and lane off the list. */
static struct dispatch_shard *take_batch(struct fast *fast, struct dispatch_batch *out)
{
    struct queue_hint *hints = fast->sent_hints;
    struct uuid *tenants = fast->sent_tenants;
    struct waiting_hint first = fast->hints[0];
    size_t kept = 0;

    *out = (struct dispatch_batch){HINT_FAST, first.lane, hints, tenants, 0};
    for (size_t i = 0; i < fast->count; i++) {
        struct waiting_hint hint = fast->hints[i];

        if (hint.run.shard == first.run.shard && hint.lane == first.lane) {
            tenants[out->count] = hint.run.tenant;
            hints[out->count++] =
                (struct queue_hint){hint.run.id, 0, dispatch_is_read(fast->common, hint.run.id)};
        } else {
            fast->hints[kept++] = hint;
        }
    }
    fast->count = kept;
    return &fast->common->shards[first.run.shard];
}

/* Failures are left to the tick, which meets them too and tells. What found no room is a backlog,
 * and the express lane's overflow is the tick's, too. */
SUSPENDS static int send_batch(struct fast *fast, struct error *err)
{
    struct dispatch_batch batch;
    struct dispatch_shard *shard = take_batch(fast, &batch);
    size_t sent = 0;
    int r = dispatch_shard_send(shard, &batch, &sent, err);

    if (r == 0 && sent == batch.count)
        return 0;
    if (batch.lane != QUEUE_EXPRESS)
        shard->backlog = true;
    if (r == 0)
        dispatch_shard_wake(shard);
    return r == -E_CANCELED ? r : 0;
}

SUSPENDS static int fast_round(void *arg, struct error *err)
{
    struct fast *fast = arg;
    int r = 0;

    while (r == 0 && fast->count > 0)
        r = send_batch(fast, err);
    return r;
}

void fast_set_counts(struct fast *fast, const struct fast_counts *counts)
{
    fast->counts = *counts;
}

struct fast *fast_start(struct dispatch_common *common)
{
    struct fast *fast = xcalloc(1, sizeof(*fast));
    struct service_options service = {
        .name = "dispatch-fast",
        .round = fast_round,
        .arg = fast,
        .period_ms = REST_MS,
    };

    fast->common = common;
    fast->hints = xcalloc(FAST_MAX, sizeof(*fast->hints));
    fast->sent_hints = xcalloc(FAST_MAX, sizeof(*fast->sent_hints));
    fast->sent_tenants = xcalloc(FAST_MAX, sizeof(*fast->sent_tenants));
    service_start(&fast->service, &service);
    return fast;
}

void fast_stop(struct fast *fast)
{
    service_stop(&fast->service);
    free(fast->hints);
    free(fast->sent_hints);
    free(fast->sent_tenants);
    free(fast);
}
