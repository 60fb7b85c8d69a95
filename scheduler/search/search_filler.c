/* A service whose round does what there is to do, a transaction for each job. How many messages a
 * transaction looks at follows from how long the last one took. One that fails, for whatever reason
 * that lies in what it reads, is tried again with half as many, down to the one message that it
 * fails for, which is left out.
 */

#include "scheduler/search/search_filler.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"
#include "shared/store/search/search_fill.h"

enum {
    PERIOD_MS = 1000,
    REST_MIN_MS = 20,
    BACKLOG_RESTS = 4,
    /* Of a transaction: what runs beside it should not notice. */
    SLOW_MS = 200,
    FAST_MS = 50,
    BATCH_FIRST = 50, /* so few take long only where everything does: fewer would not help */
    LATE_BATCHES = 10,
};

struct search_filler {
    struct search_filler_options options;
    struct service service;
    int batches[SEARCH_JOBS];
    bool bare[SEARCH_JOBS]; /* the next message is left out */
    int64_t wait_ms;        /* until the next round */
    uint64_t filled;
    uint64_t skipped;
    int64_t behind;
    int64_t backlog;
};

int search_filler_batch(int batch, int64_t took_ms, bool failed, bool late)
{
    if (failed)
        return batch > 1 ? batch / 2 : 1;
    if (late)
        took_ms = 0;
    if (took_ms > SLOW_MS && batch > BATCH_FIRST)
        return batch / 2 > BATCH_FIRST ? batch / 2 : BATCH_FIRST;
    if (took_ms < FAST_MS || batch < BATCH_FIRST)
        return batch * 2 < SEARCH_BATCH_MAX ? batch * 2 : SEARCH_BATCH_MAX;
    return batch;
}

/* Whether it lies in what was read, and not in the database's state. */
static bool is_of_content(int r)
{
    return r == -E_REJECTED || r == -E_CONTENT || r == -E_TIMEOUT || r == -E_LIMIT;
}

/* One transaction. *took_ms is how long it took. */
SUSPENDS static int fill(struct search_filler *filler, enum search_job job,
                         struct search_filled *out, int64_t *took_ms, struct error *err)
{
    const struct search_round round = {filler->options.scope, job, filler->batches[job],
                                       filler->bare[job]};
    int64_t before_ms = clock_ms();
    int r = search_fill(filler->options.pg, &round, out, err);
    bool late;

    *took_ms = clock_ms() - before_ms;
    late = r == 0 && job == SEARCH_TAIL && out->behind > (int64_t)round.batch * LATE_BATCHES;
    filler->batches[job] = search_filler_batch(round.batch, *took_ms, r < 0, late);
    filler->bare[job] = round.batch == 1 && !round.bare && is_of_content(r);
    if (r < 0 || out->elsewhere)
        return r;
    if (out->skipped)
        log_warn("messages that can not be searched", LOG_INT("messages", out->skipped));
    filler->filled += (uint64_t)(out->filled - out->skipped);
    filler->skipped += (uint64_t)out->skipped;
    filler->backlog = out->backlog;
    return 0;
}

static int64_t at_least(int64_t ms)
{
    return ms > REST_MIN_MS ? ms : REST_MIN_MS;
}

static void wait_at_most(struct search_filler *filler, int64_t wait_ms)
{
    if (wait_ms < filler->wait_ms)
        filler->wait_ms = wait_ms;
}

static int fill_round(void *arg, struct error *err)
{
    struct search_filler *filler = arg;
    struct search_filled tail = {0};
    struct search_filled rest = {0};
    int64_t took_ms;
    int r;

    filler->wait_ms = service_spread_ms(PERIOD_MS);
    r = fill(filler, SEARCH_TAIL, &tail, &took_ms, err);
    if (r < 0)
        return r;
    if (tail.elsewhere) { /* who has the turn knows */
        filler->behind = 0;
        filler->backlog = 0;
        return 0;
    }
    filler->behind = tail.behind;
    if (tail.more)
        wait_at_most(filler, at_least(took_ms));
    if (tail.queued)
        r = fill(filler, SEARCH_QUEUE, &rest, &took_ms, err);
    else if (tail.backlog > 0)
        r = fill(filler, SEARCH_BACKLOG, &rest, &took_ms, err);
    if (r == 0 && rest.more)
        wait_at_most(filler, at_least(BACKLOG_RESTS * took_ms));
    return r;
}

static int64_t wait_ms(void *arg)
{
    const struct search_filler *filler = arg;

    return filler->wait_ms;
}

struct search_filler *search_filler_start(const struct search_filler_options *options)
{
    struct search_filler *filler = xcalloc(1, sizeof(*filler));
    struct service_options service = {
        .name = "filling of search",
        .round = fill_round,
        .arg = filler,
        .wait_ms = wait_ms,
        .late = true,
        .trouble = "messages have to wait until they can be found",
        .recovered = "messages can be found again",
    };

    ASSERT(options->pg);
    ASSERT(options->scope != SEARCH_OFF);
    filler->options = *options;
    filler->wait_ms = service_spread_ms(PERIOD_MS);
    for (size_t i = 0; i < SEARCH_JOBS; i++)
        filler->batches[i] = BATCH_FIRST;
    service_start(&filler->service, &service);
    return filler;
}

void search_filler_stop(struct search_filler *filler)
{
    if (!filler)
        return;
    service_stop(&filler->service);
    free(filler);
}

static const struct metric rows[] = {
    METRIC_COUNTS(search_filler, METRIC_UINT64, filled, "penstock_search_filled_total",
                  "Messages that can be found since this process took them in."),
    METRIC_COUNTS(search_filler, METRIC_UINT64, skipped, "penstock_search_skipped_total",
                  "Messages whose text Postgres refuses: nothing finds them."),
    METRIC_COUNTS(search_filler, METRIC_UINT64, service.failures, "penstock_search_failures_total",
                  "Rounds that failed."),
    METRIC_SHOWS(search_filler, METRIC_INT64, behind, "penstock_search_behind",
                 "Messages, hidden ones included, behind the last one that was looked at: 0 in "
                 "processes that had no turn just now."),
    METRIC_SHOWS(search_filler, METRIC_INT64, backlog, "penstock_search_backlog",
                 "Older messages, hidden ones included, that wait to be looked at."),
};

const struct metric_table search_filler_metrics = METRIC_TABLE(rows);

void search_filler_metrics_render(const struct search_filler *filler, struct buf *out)
{
    metric_table_render(&search_filler_metrics, filler, out);
}
