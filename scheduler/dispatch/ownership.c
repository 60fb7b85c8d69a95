/* Two or three times a second it renews the leases, looks who lives and what is free, and gives or
 * takes a difference. A lease counts from before the request that renewed it was sent, so the
 * database's never ends before ours does.
 *
 * What is owned may be wrong for a moment: a shard that was given up is ticked by its next owner
 * at once, one that lapsed by us after a long pause as well. That costs a hint given twice.
 */

#include "scheduler/dispatch/ownership.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"
#include "shared/store/dispatch/shards.h"
#include "shared/store/fleet/workers.h"

enum {
    LOOK_MS = 400,
    UNABLE_MS = 500, /* Redis restarted, or a connection made anew, is no reason to leave */
    UNABLE_LOOK_MS = 100,
    STUCK_MS = 30000
};

struct ownership {
    struct ownership_options options;
    struct scheduler_row row;
    char host[256];
    struct service service;
    int64_t terms[SHARDS_MAX]; /* 0: not ours */
    int count;
    int64_t good_until_ms;
    int64_t able_ms; /* when it was able to dispatch, the last time */
    int live;        /* schedulers, this one included */
    uint64_t taken;
    uint64_t given;
    bool back; /* it left the shards to others */
};

int ownership_share(int shards, int live, int rank)
{
    if (live < 1)
        return 0;
    return shards / live + (rank < shards % live);
}

bool ownership_has(const struct ownership *ownership, int shard)
{
    return ownership->terms[shard] > 0 && clock_ms() < ownership->good_until_ms;
}

int ownership_count(const struct ownership *ownership)
{
    return clock_ms() < ownership->good_until_ms ? ownership->count : 0;
}

static void set_owned(struct ownership *ownership, const struct shards_view *view)
{
    int64_t terms[SHARDS_MAX] = {0};
    bool changed = false;

    for (int i = 0; i < view->owned_count; i++)
        terms[view->owned[i].shard] = view->owned[i].term;
    for (int i = 0; i < ownership->options.shards; i++) {
        bool was = ownership->terms[i] > 0;
        bool is = terms[i] > 0;

        ownership->taken += terms[i] != ownership->terms[i] && is;
        ownership->given += was && !is;
        changed = changed || was != is;
        ownership->terms[i] = terms[i];
    }
    ownership->count = view->owned_count;
    if (!changed)
        return;
    log_info("shards of this scheduler", LOG_INT("owned", view->owned_count),
             LOG_INT("of", ownership->options.shards), LOG_INT("schedulers", view->live));
    if (ownership->options.changed)
        ownership->options.changed(ownership->options.arg);
}

/* Returns 0, or what failed. */
static int look(struct ownership *ownership, struct error *err)
{
    struct pg *pg = ownership->options.pg;
    int64_t sent_ms = clock_ms();
    struct shards_view view;
    int share;
    int r = shards_renew(pg, &ownership->row, &view, err);

    if (r < 0)
        return r;
    ownership->good_until_ms = sent_ms + SHARDS_LEASE_MS;
    ownership->live = view.live;
    share = ownership_share(ownership->options.shards, view.live, view.rank);
    if (view.owned_count == share || (view.owned_count < share && view.free == 0)) {
        set_owned(ownership, &view);
        return 0;
    }
    if (view.owned_count > share)
        r = shards_give(pg, &ownership->row, view.owned_count - share, err);
    else
        r = shards_take(pg, &ownership->row, share - view.owned_count, err);
    if (r == 0)
        r = shards_look(pg, &ownership->row, &view, err);
    if (r == 0)
        set_owned(ownership, &view);
    return r;
}

/* Gives all up and takes no part, so that the others share all among them. Returns 0, or what
 * failed. */
static int stand_back(struct ownership *ownership, struct error *err)
{
    int r;

    if (ownership->live == 0)
        return 0;
    r = shards_leave(ownership->options.pg, &ownership->row, err);
    if (r < 0)
        return r;
    log_warn("Redis can't be reached: the other schedulers dispatch alone",
             LOG_INT("schedulers", ownership->live - 1));
    ownership->live = 0;
    ownership->good_until_ms = 0;
    set_owned(ownership, &(struct shards_view){0});
    return 0;
}

/* Alone, it may as well keep what it has. */
static bool stands_back(struct ownership *ownership)
{
    int64_t now_ms = clock_ms();

    if (ownership->options.able(ownership->options.arg))
        ownership->able_ms = now_ms;
    return now_ms - ownership->able_ms >= UNABLE_MS && ownership->live != 1;
}

static int ownership_round(void *arg, struct error *err)
{
    struct ownership *ownership = arg;

    ownership->back = stands_back(ownership);
    return ownership->back ? stand_back(ownership, err) : look(ownership, err);
}

static int64_t ownership_wait_ms(void *arg)
{
    const struct ownership *ownership = arg;

    return ownership->back ? UNABLE_LOOK_MS : service_spread_ms(LOOK_MS);
}

struct ownership *ownership_start(const struct ownership_options *options)
{
    struct ownership *ownership = xcalloc(1, sizeof(*ownership));
    struct service_options service = {
        .name = "ownership",
        .round = ownership_round,
        .arg = ownership,
        .wait_ms = ownership_wait_ms,
        .stuck_ms = STUCK_MS,
        .trouble = "the shards' leases can't be renewed",
        .recovered = "the shards' leases are renewed again",
    };

    ASSERT(options->shards >= 1 && options->shards <= SHARDS_MAX);
    ownership->options = *options;
    ownership->able_ms = clock_ms();
    gethostname(ownership->host, sizeof(ownership->host) - 1);
    ownership->row =
        (struct scheduler_row){workers_new_id(), ownership->host, getpid(), options->shards};
    service_start(&ownership->service, &service);
    return ownership;
}

void ownership_stop(struct ownership *ownership)
{
    struct error err;

    if (!ownership)
        return;
    service_stop(&ownership->service);
    /* Without Postgres the leases lapse by themselves. */
    if (pg_is_ready(ownership->options.pg) &&
        shards_leave(ownership->options.pg, &ownership->row, &err) < 0)
        log_info("the shards could not be given back", LOG_ERROR(&err));
    free(ownership);
}

static void add_owned(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, ownership_count(from), NULL);
}

static void add_terms(struct buf *out, const char *name, const void *from)
{
    const struct ownership *ownership = from;

    for (int i = 0; i < ownership->options.shards; i++) {
        char shard[12];

        if (!ownership_has(ownership, i))
            continue;
        snprintf(shard, sizeof(shard), "%d", i);
        metric_sample(out, name, ownership->terms[i], "shard", shard, NULL);
    }
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_shards_owned", NULL,
                    "Shards that this scheduler dispatches.", add_owned),
    METRIC_COUNTS(ownership, METRIC_UINT64, taken, "penstock_shards_taken_total", "Shards taken."),
    METRIC_COUNTS(ownership, METRIC_UINT64, given, "penstock_shards_given_total",
                  "Shards given up or lost."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_shard_term", "shard",
                    "How often a shard has changed its owner.", add_terms),
};

const struct metric_table ownership_metrics = METRIC_TABLE(rows);

void ownership_metrics_render(const struct ownership *ownership, struct buf *out)
{
    metric_table_render(&ownership_metrics, ownership, out);
}
