/* The follower hears, the sweeper looks, both wake. */

#include "scheduler/waits/waits.h"

#include <stdlib.h>

#include "scheduler/waits/ended_runs.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/events/follower.h"
#include "shared/fiber/service.h"
#include "shared/metrics/metric_table.h"
#include "shared/queue/queue.h"
#include "shared/store/polls/settled_runs.h"

enum {
    SWEEP_MS = 1000,
    ASK_AGAIN_MS = 1000,
    STUCK_MS = 20000, /* a statement ends within 5 s, and each is a beat */
};

struct waits {
    struct waits_options options;
    struct waiting *waiting;
    struct ended_runs *ended;
    struct follower *follower;
    struct service sweeper;
    int64_t asked_ms; /* when the workers were asked for news last */
    uint64_t by_message;
    uint64_t by_sweep;
    uint64_t remembered;
};

void waits_hear(struct waits *waits, enum news_kind kind, struct uuid id)
{
    switch (kind) {
    case NEWS_SETTLED:
        waits->by_message += waiting_wake(waits->waiting, id);
        if (waits->options.settled)
            waits->options.settled(id, waits->options.arg);
        break;
    case NEWS_CHANGED:
        ended_runs_forget(waits->ended, id);
        break;
    case NEWS_THREAD_GONE:
        ended_runs_forget_thread(waits->ended, id);
        break;
    case NEWS_KINDS:
        break;
    }
}

static void on_news(enum news_kind kind, struct uuid id, void *arg)
{
    waits_hear(arg, kind, id);
}

static void on_message(void *arg, struct text line)
{
    (void)news_read(line, on_news, arg);
}

static void ask_for_news(struct waits *waits)
{
    waits->asked_ms = clock_ms();
    queue_ask_news(waits->options.queue);
}

/* One statement's worth of runs. */
static int sweep_some(struct waits *waits, const struct uuid *runs, size_t count, struct error *err)
{
    CLEANUP(freep) size_t *settled = xcalloc(count, sizeof(*settled));
    size_t settled_count = 0;
    int r = runs_settled(waits->options.pg, runs, count, settled, &settled_count, err);

    for (size_t i = 0; i < settled_count; i++)
        waits->by_sweep += waiting_wake(waits->waiting, runs[settled[i]]);
    service_beat(&waits->sweeper);
    return r;
}

static int sweep_round(void *arg, struct error *err)
{
    struct waits *waits = arg;
    size_t max = waiting_runs_count(waits->waiting);
    CLEANUP(freep) struct uuid *runs = NULL;
    size_t count;
    int r = 0;

    if (max == 0)
        return 0;
    ask_for_news(waits);
    runs = xcalloc(max, sizeof(*runs));
    count = waiting_runs(waits->waiting, runs, max);
    for (size_t at = 0; r == 0 && at < count; at += SETTLED_BATCH_MAX) {
        size_t left = count - at;

        r = sweep_some(waits, runs + at, left < SETTLED_BATCH_MAX ? left : SETTLED_BATCH_MAX, err);
    }
    return r;
}

struct waits *waits_start(const struct waits_options *options)
{
    struct waits *waits = xcalloc(1, sizeof(*waits));
    const struct service_options sweeper = {
        .name = "sweep of waited runs",
        .round = sweep_round,
        .arg = waits,
        .period_ms = SWEEP_MS,
        .stuck_ms = STUCK_MS,
        .late = true,
    };
    const struct waiting_options waiting = {
        .max = options->max,
        .max_of_one = options->max_of_one,
    };
    const struct follower_options follower = {
        .redis_url = options->redis_url,
        .channel = NEWS_CHANNEL,
        .hear = on_message,
        .arg = waits,
    };

    waits->options = *options;
    waits->asked_ms = clock_ms() - ASK_AGAIN_MS;
    waits->waiting = waiting_new(&waiting);
    waits->ended = ended_runs_new();
    waits->follower = follower_start(&follower);
    service_start(&waits->sweeper, &sweeper);
    return waits;
}

void waits_stop(struct waits *waits)
{
    if (!waits)
        return;
    service_stop(&waits->sweeper);
    follower_stop(waits->follower);
    ended_runs_free(waits->ended);
    waiting_free(waits->waiting);
    free(waits);
}

bool waits_join(struct waits *waits, struct waiter *waiter, struct uuid run, size_t *held)
{
    if (!waiting_join(waits->waiting, waiter, run, held))
        return false;
    if (clock_ms() - waits->asked_ms >= ASK_AGAIN_MS)
        ask_for_news(waits);
    return true;
}

void waits_leave(struct waits *waits, struct waiter *waiter)
{
    waiting_leave(waits->waiting, waiter);
}

void waits_end(struct waits *waits)
{
    if (waits)
        waiting_end(waits->waiting);
}

bool waits_have_ended(const struct waits *waits)
{
    return waiting_has_ended(waits->waiting);
}

struct ended_runs *waits_ended_runs(struct waits *waits)
{
    return waits->ended;
}

void waits_count_remembered(struct waits *waits)
{
    waits->remembered++;
}

static void add_waiting(struct buf *out, const char *name, const void *from)
{
    const struct waits *waits = from;

    metric_sample(out, name, (int64_t)waiting_count(waits->waiting), NULL);
}

static void add_wakes(struct buf *out, const char *name, const void *from)
{
    const struct waits *waits = from;

    metric_sample(out, name, (int64_t)waits->by_message, "by", "message", NULL);
    metric_sample(out, name, (int64_t)waits->by_sweep, "by", "sweep", NULL);
}

static void add_hears(struct buf *out, const char *name, const void *from)
{
    const struct waits *waits = from;

    metric_sample(out, name, follower_hears(waits->follower), NULL);
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_waiting_requests", NULL,
                    "Requests that wait for the end of a run.", add_waiting),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_waiting_wakeups_total", "by",
                    "Waiting requests that were woken: by a message, or by the sweep that finds "
                    "what no message told.",
                    add_wakes),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_waiting_hears", NULL,
                    "Whether the messages of others are heard (1), or Redis is away (0).",
                    add_hears),
    METRIC_COUNTS(waits, METRIC_UINT64, remembered, "penstock_ended_runs_remembered_total",
                  "Ended runs that were shown without asking the database."),
};

const struct metric_table waits_metrics = METRIC_TABLE(rows);

void waits_metrics_render(const struct waits *waits, struct buf *out)
{
    metric_table_render(&waits_metrics, waits, out);
}
