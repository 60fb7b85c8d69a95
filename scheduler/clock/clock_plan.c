/* Schedules that are due: their times become firings, and they move on. */

#include "scheduler/clock/clock_internal.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/schedules/schedule_plan.h"
#include "shared/schedules/schedule_times.h"

#define PAGES_MAX 64 /* of a round */

/* Firings of one statement, and those of one more schedule: behind an outage each may have a
 * thousand. */
#define FIRINGS_MAX 500

enum { WAIT_MAX_MS = 1000, WAIT_UNKNOWN_S = 3600 };

/* Its expression or its zone is not known to this version, or the zone's file is not there: others
 * may know it, and so may this process later. */
static void put_off(const struct schedule_due *due, struct schedule_plan *out,
                    const struct error *err)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_SCHEDULE, due->schedule.id, id);
    log_warn("a schedule can't be understood, and is looked at again in an hour",
             LOG_STR("schedule", id), LOG_ERROR(err));
    *out = (struct schedule_plan){
        .schedule = due->schedule.id,
        .turn = due->schedule.turn,
        .moves = true,
        .next = due->schedule.next,
        .due = due->standing.now_s + WAIT_UNKNOWN_S,
    };
}

static int plan(const struct schedule_due *due, struct arena *arena, struct schedule_plan *out,
                struct error *err)
{
    struct timetable table;

    if (schedule_timetable(&due->schedule, &table, err) < 0) {
        put_off(due, out, err);
        return 0;
    }
    return plan_due(due, &table, arena, out, err);
}

/* As many of those that are due as one statement takes: *out_count. Others run between them, since
 * thousands of times may be looked for. */
SUSPENDS static int plan_some(const struct schedules_due *due, struct arena *arena,
                              struct schedule_plan *plans, size_t *out_count, struct error *err)
{
    size_t firings = 0;
    int r = 0;

    for (*out_count = 0; r == 0 && *out_count < due->count && firings < FIRINGS_MAX;) {
        r = plan(&due->items[*out_count], arena, &plans[*out_count], err);
        firings += r == 0 ? plans[*out_count].count : 0;
        *out_count += r == 0;
        fiber_yield();
    }
    return r;
}

/* *out_more: there may be others that are due. Schedules that another scheduler has planned
 * meanwhile are left as it has them. */
SUSPENDS static int plan_page(struct clockwork *clockwork, struct arena *arena, bool *out_more,
                              struct error *err)
{
    struct schedule_plan *plans;
    struct schedules_due due;
    int64_t wait_ms, done, firings;
    size_t count;
    int r = schedules_due(clockwork->options.pg, arena, &due, &wait_ms, err);

    if (r < 0)
        return r;
    *out_more = due.count == SCHEDULES_DUE_MAX;
    clockwork->plan_wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
    if (due.count == 0)
        return 0;
    plans = arena_calloc(arena, due.count, sizeof(*plans));
    if (!plans)
        return error_set(err, E_LIMIT, "too many schedules are due");
    r = plan_some(&due, arena, plans, &count, err);
    if (r == 0)
        r = schedules_fire(clockwork->options.pg, plans, count, &done, &firings, err);
    if (r < 0)
        return r;
    *out_more = *out_more || count < due.count;
    clockwork->planned += (uint64_t)firings;
    service_wake(&clockwork->begin);
    return 0;
}

int clock_plan_round(void *arg, struct error *err)
{
    struct clockwork *clockwork = arg;
    bool more = true;
    int r = 0;

    clockwork->plan_wait_ms = WAIT_MAX_MS;
    for (int i = 0; r == 0 && more && i < PAGES_MAX; i++) {
        struct arena arena;

        arena_init(&arena, 0);
        r = plan_page(clockwork, &arena, &more, err);
        arena_deinit(&arena);
        service_beat(&clockwork->plan);
    }
    return r;
}
