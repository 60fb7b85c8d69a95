/* Deliveries in flight are few (FLYING_MAX) and of a lane fewer (LANE_MAX), so a receiver that
 * keeps each for its fifteen seconds costs the others nothing but places, which are taken by turns:
 * the next round goes on behind the lane that the last one came to. A tenant with many such lanes
 * has half of the places that others leave to it (store/hooks/outbox.c). */

#include "scheduler/outbox/outbox_sender.h"

#include <stdlib.h>

#include "scheduler/outbox/hook_send.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/gather.h"
#include "shared/fiber/service.h"
#include "shared/hooks/hook_tries.h"
#include "shared/hooks/hook_types.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/hooks/outbox.h"
#include "shared/trace/trace_context.h"

enum {
    PERIOD_MS = 400,
    KEEP_PERIOD_MS = 5000,
    KEEP_MORE_MS = 20,
    FLYING_MAX = 256,
    LANE_MAX = 8,
    GRACE_MS = 2000,       /* for what is in flight when the scheduler leaves */
    SETTLE_PAUSE_MS = 500, /* after a failure */
    SETTLE_TRIES = 40,     /* well within a lease */
};

struct outbox_sender {
    struct outbox_sender_options options;
    struct service service;
    struct service keeper;
    struct gather *gather;
    int64_t holder;
    struct outbox_lane lanes[FLYING_MAX];
    size_t lanes_count;
    size_t flying;
    struct list flights;
    struct cond landed;
    struct uuid after;
    bool more;      /* to do at once */
    bool keep_more; /* the same of the keeper */
    bool full;      /* something had to wait for a place */
    bool settling_troubled;
    uint64_t moved;
    uint64_t delivered;
    uint64_t failed;
    uint64_t dead;
    uint64_t skipped;
    struct outbox_counts counts;
};

/* A delivery that is on its way, in a fiber of its own. */
struct flight {
    struct outbox_sender *sender;
    struct list link;
    struct fiber *fiber;
    struct uuid lane;
    struct uuid delivery;
    struct uuid tenant;
    int64_t tries;
    bool there;
    bool of_endpoint; /* whose URL may refer to secrets, which that of a run may not */
    char *url;
    char id[ID_TEXT_SIZE];
    char type[HOOK_TYPE_MAX + 1];
    struct trace_context context; /* of what it tells of */
    bool traced;                  /* there is one */
    char *state;                  /* of that */
    struct hook_secret secret;
    struct hook_secret previous;
    struct buf body;
};

struct settle_ask {
    struct gather_item item;
    struct outbox_outcome outcome;
};

/* ---- what is in flight of each lane ---- */

static struct outbox_lane *find_lane(struct outbox_sender *sender, struct uuid lane)
{
    for (size_t i = 0; i < sender->lanes_count; i++)
        if (uuid_equal(sender->lanes[i].lane, lane))
            return &sender->lanes[i];
    return NULL;
}

static void lane_begin(struct outbox_sender *sender, struct uuid id, struct uuid tenant)
{
    struct outbox_lane *lane = find_lane(sender, id);

    if (!lane) {
        ASSERT(sender->lanes_count < FLYING_MAX);
        lane = &sender->lanes[sender->lanes_count++];
        *lane = (struct outbox_lane){id, tenant, 0};
    }
    lane->flying++;
    if (lane->flying >= LANE_MAX)
        sender->full = true;
    sender->flying++;
}

static void lane_end(struct outbox_sender *sender, struct uuid id)
{
    struct outbox_lane *lane = find_lane(sender, id);

    ASSERT(lane && lane->flying > 0);
    if (--lane->flying == 0)
        *lane = sender->lanes[--sender->lanes_count];
    sender->flying--;
}

/* ---- what became of deliveries ---- */

static void tell_disabled(const struct outbox_disabled_list *disabled)
{
    for (size_t i = 0; i < disabled->count; i++) {
        char name[ID_TEXT_SIZE];

        id_format(ID_WEBHOOK, disabled->items[i].id, name);
        log_warn("a webhook is disabled: nothing is sent to it any more", LOG_STR("webhook", name),
                 LOG_STR("reason", disabled->items[i].reason.ptr));
    }
}

/* Written again until it is known to be there: what is not would be sent once more. */
SUSPENDS static int write_outcomes(struct outbox_sender *sender,
                                   const struct outbox_outcome *outcomes, size_t count,
                                   struct error *err)
{
    int r = 0;

    for (int tries = 0; tries < SETTLE_TRIES; tries++) {
        struct outbox_disabled_list disabled = {NULL, 0};
        struct arena arena;
        struct store store = {.pg = sender->options.pg, .arena = &arena};

        arena_init(&arena, 0);
        r = outbox_settle(&store, sender->holder, outcomes, count, &disabled, err);
        if (r == 0)
            tell_disabled(&disabled);
        arena_deinit(&arena);
        if (r != -E_UNAVAILABLE && r != -E_AMBIGUOUS && r != -E_TIMEOUT)
            return r;
        if (fiber_sleep(SETTLE_PAUSE_MS, err) < 0)
            return r;
    }
    return r;
}

static void settle_batch(void *arg, struct gather_batch *batch)
{
    struct outbox_sender *sender = arg;
    struct outbox_outcome *outcomes = xcalloc(OUTBOX_SETTLE_MAX, sizeof(*outcomes));
    size_t count = 0;
    struct error err;
    int r;

    for (size_t i = 0; i < batch->count; i++) {
        const struct settle_ask *ask = GATHER_ASK(batch, i, struct settle_ask);

        if (ask)
            outcomes[count++] = ask->outcome;
    }
    r = count > 0 ? write_outcomes(sender, outcomes, count, &err) : 0;
    if (r < 0 && !sender->settling_troubled)
        log_warn("what became of webhooks can't be written: they will be sent once more",
                 LOG_ERROR(&err));
    sender->settling_troubled = r < 0;
    free(outcomes);
}

static void count_outcome(struct outbox_sender *sender, const struct outbox_outcome *outcome)
{
    sender->delivered += outcome->end == OUTBOX_DELIVERED;
    sender->skipped += outcome->end == OUTBOX_SKIPPED;
    sender->failed += outcome->end == OUTBOX_FAILED || outcome->end == OUTBOX_GONE;
    sender->dead +=
        outcome->end == OUTBOX_GONE || (outcome->end == OUTBOX_FAILED && outcome->wait_ms < 0);
}

/* Texts of the outcome live as long as the reply. */
static struct outbox_outcome outcome_of(const struct flight *flight, const struct hook_reply *reply)
{
    static const enum outbox_end ends[] = {
        [HOOK_OK] = OUTBOX_DELIVERED,
        [HOOK_FAILED] = OUTBOX_FAILED,
        [HOOK_GONE] = OUTBOX_GONE,
        [HOOK_CANCELED] = OUTBOX_RELEASED,
    };
    struct outbox_outcome outcome = {
        .id = flight->delivery,
        .end = ends[reply->result],
        .status = reply->status,
        .duration_ms = reply->duration_ms,
        .error = reply->error[0] ? text_of(reply->error) : TEXT_NONE,
        .answer = reply->answer.len > 0 ? buf_text(&reply->answer) : TEXT_NONE,
        .lane_wait_ms = reply->retry_after_ms,
    };

    if (outcome.end == OUTBOX_FAILED)
        outcome.wait_ms =
            hook_wait_ms((int)flight->tries + 1, (uint32_t)random_below((uint64_t)UINT32_MAX + 1));
    if (outcome.wait_ms > 0 && outcome.wait_ms < outcome.lane_wait_ms)
        outcome.wait_ms = outcome.lane_wait_ms;
    return outcome;
}

SUSPENDS static void settle(struct outbox_sender *sender, const struct outbox_outcome *outcome)
{
    struct settle_ask ask = {.outcome = *outcome};
    struct error err;

    count_outcome(sender, outcome);
    fiber_shield_enter();
    if (gather_ask(sender->gather, &ask.item, &err) < 0)
        log_warn("a webhook will be sent once more", LOG_ERROR(&err));
    fiber_shield_leave();
}

/* ---- a flight ---- */

static void flight_free(struct flight *flight)
{
    list_remove(&flight->link);
    buf_deinit(&flight->body);
    free(flight->url);
    free(flight->state);
    free(flight);
}

static void fly(void *arg)
{
    struct flight *flight = arg;
    struct outbox_sender *sender = flight->sender;
    const struct hook_message message = {
        .url = flight->url,
        .vault = {flight->of_endpoint ? sender->options.pg : NULL, sender->options.master_keys,
                  flight->tenant},
        .secret = &flight->secret,
        .previous = &flight->previous,
        .id = flight->id,
        .body = buf_text(&flight->body),
        .trace =
            {
                .tracer = sender->options.tracer,
                .context = flight->traced ? &flight->context : NULL,
                .type = text_of(flight->type),
                .tries = flight->tries,
            },
    };
    struct hook_reply reply;

    if (flight->there) {
        struct outbox_outcome outcome;

        hook_send(sender->options.http, &sender->options.guard, &message, &reply);
        outcome = outcome_of(flight, &reply);
        settle(sender, &outcome);
        buf_deinit(&reply.answer);
    } else {
        settle(sender, &(struct outbox_outcome){.id = flight->delivery,
                                                .end = OUTBOX_SKIPPED,
                                                .error = TEXT("The webhook was deleted.")});
    }
    lane_end(sender, flight->lane);
    flight_free(flight);
    cond_broadcast(&sender->landed);
    if (sender->full)
        service_wake(&sender->service);
}

static void read_trace(struct flight *flight, const struct outbox_delivery *delivery)
{
    text_excerpt(delivery->type, flight->type, sizeof(flight->type));
    flight->traced = traceparent_parse(delivery->traceparent, &flight->context);
    if (!flight->traced || delivery->tracestate.len == 0)
        return;
    flight->state = xstrndup(delivery->tracestate.ptr, delivery->tracestate.len);
    flight->context.state = text_of(flight->state);
}

static void start_flight(struct outbox_sender *sender, const struct outbox_delivery *delivery)
{
    struct flight *flight = xcalloc(1, sizeof(*flight));
    const struct hook_event event = {delivery->event, delivery->type, delivery->created_at,
                                     delivery->data, delivery->texts};

    flight->sender = sender;
    flight->lane = delivery->lane;
    flight->delivery = delivery->id;
    flight->tenant = delivery->tenant;
    flight->of_endpoint = uuid_equal(delivery->lane, delivery->endpoint);
    flight->tries = delivery->tries;
    flight->there = delivery->there;
    flight->secret = delivery->secret;
    flight->previous = delivery->previous;
    buf_init(&flight->body, 0);
    if (sender->options.tracer)
        read_trace(flight, delivery);
    if (flight->there) {
        flight->url = xstrndup(delivery->url.ptr, delivery->url.len);
        id_format(ID_EVENT, delivery->event, flight->id);
        hook_body_write(&event, &flight->body);
    }
    lane_begin(sender, flight->lane, delivery->tenant);
    list_add(&sender->flights, &flight->link);
    flight->fiber = fiber_spawn("webhook", fly, flight);
}

/* ---- rounds ---- */

SUSPENDS static int take_some(struct outbox_sender *sender, struct error *err)
{
    const struct outbox_wish wish = {
        .holder = sender->holder,
        .lanes = sender->lanes,
        .lanes_count = sender->lanes_count,
        .lane_max = LANE_MAX,
        .room = (int64_t)(FLYING_MAX - sender->flying),
        .after = sender->after,
    };
    struct arena arena;
    struct store store = {.pg = sender->options.pg, .arena = &arena};
    struct outbox_taken taken;
    int r;

    if (wish.room <= 0) {
        sender->full = true;
        return 0;
    }
    arena_init(&arena, 0);
    r = outbox_take(&store, &wish, &taken, err);
    if (r == 0) {
        for (size_t i = 0; i < taken.count; i++)
            start_flight(sender, &taken.items[i]);
        sender->after = taken.round ? (struct uuid){{0}} : taken.last;
        sender->more = sender->more || !taken.round;
        sender->full = sender->full || sender->flying >= FLYING_MAX;
    }
    arena_deinit(&arena);
    return r;
}

static int go_round(void *arg, struct error *err)
{
    struct outbox_sender *sender = arg;
    int64_t moved = 0;
    int r = outbox_move(sender->options.pg, &moved, err);

    sender->moved += (uint64_t)moved;
    sender->more = moved >= OUTBOX_MOVE_MAX;
    sender->full = false;
    for (size_t i = 0; i < sender->lanes_count; i++)
        sender->full = sender->full || sender->lanes[i].flying >= LANE_MAX;
    return r == 0 ? take_some(sender, err) : r;
}

static int64_t wait_ms(void *arg)
{
    const struct outbox_sender *sender = arg;

    if (sender->more && sender->flying < FLYING_MAX)
        return 0;
    return service_spread_ms(PERIOD_MS);
}

static int keep(void *arg, struct error *err)
{
    struct outbox_sender *sender = arg;
    struct pg *pg = sender->options.pg;
    bool marks = false;
    bool skips = false;
    bool old = false;
    int r = outbox_mark(pg, &marks, err);

    if (r == 0)
        r = outbox_skip(pg, &skips, err);
    if (r == 0)
        r = outbox_forget(pg, sender->options.keep_days, &old, err);
    if (r == 0)
        r = outbox_count(pg, &sender->counts, err);
    sender->keep_more = r == 0 && (marks || skips || old);
    return r;
}

static int64_t keep_wait_ms(void *arg)
{
    const struct outbox_sender *sender = arg;

    return sender->keep_more ? KEEP_MORE_MS : service_spread_ms(KEEP_PERIOD_MS);
}

struct outbox_sender *outbox_sender_start(const struct outbox_sender_options *options)
{
    struct outbox_sender *sender = xcalloc(1, sizeof(*sender));
    const struct service_options service = {
        .name = "webhooks",
        .round = go_round,
        .arg = sender,
        .wait_ms = wait_ms,
        .trouble = "webhooks can't be sent",
        .recovered = "webhooks are sent again",
    };
    const struct service_options keeper = {
        .name = "keeper of webhooks",
        .round = keep,
        .arg = sender,
        .wait_ms = keep_wait_ms,
        .trouble = "webhooks can't be looked after",
        .recovered = "webhooks are looked after again",
    };
    const struct gather_options gather = {
        .name = "ends of webhooks",
        .fn = settle_batch,
        .arg = sender,
        .lanes = 1,
        .batch_max = OUTBOX_SETTLE_MAX,
        .batch_max_bytes = (size_t)4 << 20,
    };

    ASSERT(options->pg && options->http);
    sender->options = *options;
    sender->holder = (int64_t)(1 + random_below(INT64_MAX - 1));
    list_init(&sender->flights);
    cond_init(&sender->landed);
    sender->gather = gather_new(&gather);
    service_start(&sender->service, &service);
    service_start(&sender->keeper, &keeper);
    return sender;
}

SUSPENDS static void await_flights(struct outbox_sender *sender, int64_t deadline_ms)
{
    struct error err;

    while (sender->flying > 0)
        if (cond_wait(&sender->landed, deadline_ms, &err) < 0)
            return;
}

void outbox_sender_stop(struct outbox_sender *sender)
{
    if (!sender)
        return;
    service_stop(&sender->service);
    service_stop(&sender->keeper);
    await_flights(sender, deadline_in(GRACE_MS));
    list_for_each (at, &sender->flights)
        fiber_cancel(CONTAINER_OF(at, struct flight, link)->fiber);
    await_flights(sender, DEADLINE_NONE);
    gather_free(sender->gather);
    free(sender);
}

static const struct metric rows[] = {
    METRIC_COUNTS(outbox_sender, METRIC_UINT64, moved, "penstock_webhook_events_total",
                  "Events that webhooks wanted, and that this scheduler made deliveries of."),
    METRIC_COUNTS(outbox_sender, METRIC_UINT64, delivered, "penstock_webhook_delivered_total",
                  "Deliveries of webhooks that their receiver answered by 2xx."),
    METRIC_COUNTS(outbox_sender, METRIC_UINT64, failed, "penstock_webhook_tries_failed_total",
                  "Tries of webhooks that failed."),
    METRIC_COUNTS(outbox_sender, METRIC_UINT64, dead, "penstock_webhook_dead_total",
                  "Deliveries of webhooks that were given up."),
    METRIC_COUNTS(outbox_sender, METRIC_UINT64, skipped, "penstock_webhook_skipped_total",
                  "Deliveries of webhooks that were deleted meanwhile."),
    METRIC_SHOWS(outbox_sender, METRIC_SIZE, flying, "penstock_webhook_flying",
                 "Deliveries that this scheduler is sending."),
    METRIC_SHOWS(outbox_sender, METRIC_INT64, counts.events, "penstock_webhook_events_waiting",
                 "Events that are no deliveries yet, counted up to 10000."),
    METRIC_SHOWS(outbox_sender, METRIC_INT64, counts.failing, "penstock_webhook_lanes_failing",
                 "Webhooks and hosts whose last three tries failed."),
    METRIC_SHOWS(outbox_sender, METRIC_INT64, counts.disabled, "penstock_webhooks_disabled",
                 "Webhooks that were disabled because they failed for days or are gone."),
};

const struct metric_table outbox_sender_metrics = METRIC_TABLE(rows);

void outbox_sender_metrics_render(const struct outbox_sender *sender, struct buf *out)
{
    metric_table_render(&outbox_sender_metrics, sender, out);
}
