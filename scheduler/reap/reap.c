/* Five services: one sweeps, one looks at the locks and leases of workers, one looks after the
 * queue, one folds what was used and called into hours, one erases threads that are to leave
 * nothing behind. The look wakes the sweep when it found a worker dead, and looks again at the very
 * moment that a lease lapses. It never waits for a sweep: one after a mass death may take a minute,
 * and looks that lie far apart say nothing. What was ended or given back is logged, since it is
 * what operators look for after a crash; the sweeps that found nothing are not.
 *
 * The looks also show whether Postgres was there all along and its clock went evenly: only then
 * does a lease that lapsed say that its worker died (evidence.h).
 */

#include "scheduler/reap/reap.h"

#include <stdlib.h>

#include "scheduler/reap/evidence.h"
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/service.h"
#include "shared/postgres/postgres.h"
#include "shared/queue/queue.h"
#include "shared/store/budgets/budgets.h"
#include "shared/store/fleet/erasures.h"
#include "shared/store/fleet/reaper.h"
#include "shared/store/fleet/worker_locks.h"
#include "shared/store/threads/user_bytes.h"
#include "shared/store/tools/tool_stats.h"
#include "shared/store/usage/usage.h"

enum {
    PERIOD_MS = 1000,
    LOOK_MS = 400,
    UPKEEP_MS = 60000,
    FOLD_MS = 15000,
    ERASE_MS = 5000,
    CONSUMER_IDLE_MS = 120000,
    /* A statement ends within 5 s (REQUEST_TIMEOUT_MS of scheduler.c). Between two beats of the
     * sweeper lie a wait of 1.25 s and a batch of five statements: 26.25 s. Between two of the
     * looker lie a wait of 0.5 s and three statements: 15.5 s. */
    SWEEP_STUCK_MS = 30000,
    LOOK_STUCK_MS = 20000,
};

struct reap {
    struct reap_options options;
    struct service sweeper;
    struct service looker;
    struct service upkeeper;
    struct service folder;
    struct service eraser;
    struct contact contact;
    struct suspects suspects;
    int64_t lapse_ms; /* from the last look on, until the first lease lapses */
    struct reaper_report total;
    int64_t lapsed; /* workers declared dead by their lease */
    int64_t gone;   /* and by their lock */
    int64_t erased; /* threads */
    uint64_t sweeps;
    bool paused;
};

static void add(struct reap *reap, const struct reaper_report *report)
{
    reap->total.requeued += report->requeued;
    reap->total.failed += report->failed;
    reap->total.cancelled += report->cancelled;
    reap->total.expired += report->expired;
    reap->total.settled += report->settled;
    reap->total.promoted += report->promoted;
    reap->total.rows_deleted += report->rows_deleted;
    if (report->requeued || report->failed || report->cancelled || report->expired)
        log_info("reaped", LOG_INT("requeued", report->requeued), LOG_INT("failed", report->failed),
                 LOG_INT("cancelled", report->cancelled), LOG_INT("expired", report->expired));
}

static int sweep_round(void *arg, struct error *err)
{
    struct reap *reap = arg;
    struct reaper_report report;
    int r;

    do {
        report = (struct reaper_report){0};
        r = reaper_sweep(reap->options.sweeps, &reap->options.listener, &report, err);
        add(reap, &report);
        reap->sweeps++;
        service_beat(&reap->sweeper);
    } while (r == 0 && report.more && !fiber_canceled());
    return r;
}

/* Consumers of workers that are gone. Redis may be away: then there is nothing to look after. */
static int upkeep_round(void *arg, struct error *err)
{
    struct reap *reap = arg;
    size_t dropped;
    int r = 0;

    for (int shard = 0; r != -E_CANCELED && shard < reap->options.shards; shard++) {
        r = queue_collect(reap->options.queue, shard, CONSUMER_IDLE_MS, &dropped, err);
        if (r < 0 && r != -E_CANCELED)
            log_debug("upkeep of the queue failed", LOG_ERROR(err));
    }
    return r;
}

/* Most of it is spent: whoever looks after the tenant is to know. */
static void warn_of(const struct purse *purse)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_BUDGET, purse->id, id);
    log_warn("most of a budget is spent", LOG_STR("budget", id), LOG_STR("kind", purse->kind.ptr),
             LOG_INT("max_tokens", purse->max_tokens), LOG_INT("spent_tokens", purse->spent_tokens),
             LOG_INT("max_cost_micros", purse->max_cost_micros),
             LOG_INT("spent_cost_micros", purse->spent_cost_micros));
}

static int fold_budgets(struct reap *reap, bool *more, struct error *err)
{
    struct purse_list warned = {0};
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = budgets_fold(reap->options.sweeps, &arena, &warned, more, err);
    for (size_t i = 0; i < warned.count; i++)
        warn_of(&warned.items[i]);
    arena_deinit(&arena);
    return r;
}

static int fold_round(void *arg, struct error *err)
{
    struct reap *reap = arg;
    bool more = true;
    int r = 0;

    while (r == 0 && more && !fiber_canceled())
        r = usage_fold(reap->options.sweeps, &more, err);
    more = true;
    while (r == 0 && more && !fiber_canceled())
        r = user_bytes_fold(reap->options.sweeps, &more, err);
    more = true;
    while (r == 0 && more && !fiber_canceled())
        r = tool_stats_fold(reap->options.sweeps, &more, err);
    more = true;
    while (r == 0 && more && !fiber_canceled())
        r = fold_budgets(reap, &more, err);
    return r;
}

static int erase_round(void *arg, struct error *err)
{
    struct reap *reap = arg;
    bool more = true;
    int r = 0;

    while (r == 0 && more && !fiber_canceled()) {
        int64_t erased = 0;

        r = threads_erase_due(reap->options.sweeps, &erased, &more, err);
        reap->erased += erased;
    }
    return r;
}

static int end_suspects(struct reap *reap, const struct worker_locks *locks, struct error *err)
{
    int64_t workers[SUSPECTS_MAX];
    struct dead_workers dead = {0};
    const struct locks_sight sight = {
        .free = locks->free,
        .free_count = locks->free_count,
        .back = locks->back,
        .alive = locks->alive,
    };
    size_t count = suspects_look(&reap->suspects, &sight, clock_ms(), workers);
    int r;

    if (count == 0)
        return 0;
    r = worker_locks_declare_dead(reap->options.looks, workers, count, &dead, err);
    if (r < 0)
        return r;
    if (dead.count == 0)
        return 0;
    reap->gone += dead.count;
    log_warn("workers declared dead: their processes are gone", LOG_STR("workers", dead.names));
    service_wake(&reap->sweeper);
    return 0;
}

/* As the look saw it; who renewed since is spared. */
static int end_lapsed(struct reap *reap, const struct worker_locks *locks, struct error *err)
{
    int64_t until_ms = contact_judge_until(&reap->contact, clock_ms());
    struct dead_workers dead = {0};
    bool paused = false;
    int r;

    if (locks->lapse_ms >= 0) {
        reap->paused = false;
        return 0;
    }
    r = reaper_declare_lapsed(reap->options.looks, until_ms, &dead, &paused, err);
    if (r < 0)
        return r;
    if (dead.count)
        log_warn("workers declared dead: their leases lapsed", LOG_STR("workers", dead.names));
    if (paused && !reap->paused)
        log_warn("leases lapsed that are not taken for deaths yet: it may be the database, its "
                 "clock, or the way there that stood still");
    reap->lapsed += dead.count;
    reap->paused = paused;
    if (dead.count)
        service_wake(&reap->sweeper);
    return 0;
}

/* What breaks the connection frees locks and stops renewals: what was seen before does not count.
 */
static int look(void *arg, struct error *err)
{
    struct reap *reap = arg;
    struct worker_locks locks;
    struct pg_stats stats;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = worker_locks_look(reap->options.looks, &arena, &locks, err);
    pg_stats_get(reap->options.looks, &stats);
    if (r == 0) {
        if (reap->contact.reconnects != stats.reconnects)
            suspects_forget(&reap->suspects);
        contact_note(&reap->contact, clock_ms(), locks.server_wall_ms, stats.reconnects);
        reap->lapse_ms = locks.lapse_ms;
        r = end_suspects(reap, &locks, err);
        if (r == 0)
            r = end_lapsed(reap, &locks, err);
    } else {
        reap->lapse_ms = INT64_MAX;
        suspects_forget(&reap->suspects);
        contact_lost(&reap->contact);
    }
    arena_deinit(&arena);
    return r;
}

static int64_t look_wait_ms(void *arg)
{
    const struct reap *reap = arg;
    int64_t wait_ms = lapse_wait_ms(reap->lapse_ms, service_spread_ms(LOOK_MS));

    return suspects_wait_ms(&reap->suspects, clock_ms(), wait_ms);
}

struct reap *reap_start(const struct reap_options *options)
{
    struct reap *reap = xcalloc(1, sizeof(*reap));
    struct service_options sweeper = {
        .name = "reaper",
        .round = sweep_round,
        .arg = reap,
        .period_ms = PERIOD_MS,
        .stuck_ms = SWEEP_STUCK_MS,
        .late = true,
        .trouble = "reaping has to wait",
        .recovered = "reaping goes on",
    };
    struct service_options looker = {
        .name = "look at the locks of workers",
        .round = look,
        .arg = reap,
        .wait_ms = look_wait_ms,
        .stuck_ms = LOOK_STUCK_MS,
    };
    struct service_options upkeeper = {
        .name = "upkeep of the queue",
        .round = upkeep_round,
        .arg = reap,
        .period_ms = UPKEEP_MS,
        .late = true,
    };
    struct service_options folder = {
        .name = "folding of usage",
        .round = fold_round,
        .arg = reap,
        .period_ms = FOLD_MS,
        .late = true,
        .trouble = "what was used has to wait to be folded into hours",
        .recovered = "what was used is folded into hours again",
    };

    struct service_options eraser = {
        .name = "erasing of threads",
        .round = erase_round,
        .arg = reap,
        .period_ms = ERASE_MS,
        .late = true,
        .trouble = "threads that are to be erased have to wait",
        .recovered = "threads are erased again",
    };

    reap->options = *options;
    if (reap->options.shards < 1)
        reap->options.shards = 1;
    service_start(&reap->sweeper, &sweeper);
    service_start(&reap->looker, &looker);
    service_start(&reap->upkeeper, &upkeeper);
    service_start(&reap->folder, &folder);
    service_start(&reap->eraser, &eraser);
    return reap;
}

void reap_stop(struct reap *reap)
{
    if (!reap)
        return;
    service_stop(&reap->eraser);
    service_stop(&reap->folder);
    service_stop(&reap->upkeeper);
    service_stop(&reap->looker);
    service_stop(&reap->sweeper);
    free(reap);
}

static void add_reaped(struct buf *out, const char *name, const void *from)
{
    const struct reap *reap = from;
    const struct {
        const char *what;
        int64_t count;
    } lines[] = {
        {"worker_lapsed", reap->lapsed},          {"worker_gone", reap->gone},
        {"run_requeued", reap->total.requeued},   {"run_failed", reap->total.failed},
        {"run_cancelled", reap->total.cancelled}, {"run_expired", reap->total.expired},
        {"run_promoted", reap->total.promoted},   {"row_deleted", reap->total.rows_deleted},
        {"call_settled", reap->total.settled},    {"thread_erased", reap->erased},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        metric_sample(out, name, lines[i].count, "what", lines[i].what, NULL);
}

static void add_judges(struct buf *out, const char *name, const void *from)
{
    const struct reap *reap = from;

    metric_sample(out, name, contact_judge_until(&reap->contact, clock_ms()) != 0, NULL);
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_COUNTER, "penstock_reaped_total", "what",
                    "What the reaper ended or gave back.", add_reaped),
    METRIC_COUNTS(reap, METRIC_UINT64, sweeps, "penstock_reaper_sweeps_total", "Sweeps."),
    METRIC_COUNTS(reap, METRIC_UINT64, sweeper.failures, "penstock_reaper_failures_total",
                  "Sweeps that failed."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_reaper_judges_leases", NULL,
                    "Whether a lease that lapsed is taken for the death of its worker now: not "
                    "before Postgres was there for 5 s.",
                    add_judges),
};

const struct metric_table reap_metrics = METRIC_TABLE(rows);

void reap_metrics_render(const struct reap *reap, struct buf *out)
{
    metric_table_render(&reap_metrics, reap, out);
}
