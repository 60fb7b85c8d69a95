/* What becomes of the times of a schedule: each policy, with whatever is at work. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/schedules/schedule_plan.h"
#include "shared/schedules/schedule_times.h"

#define T0   INT64_C(1800000000) /* a time of each schedule here: on the minute */
#define STEP 600

static const struct uuid run_at_work = {{1, 2, 3}};

struct planned {
    struct arena arena;
    struct schedule_due due;
    struct timetable table;
    struct schedule_plan plan;
};

/* Every ten minutes, with T0 as the next time, at so many seconds behind it. */
static struct planned plan_of(enum schedule_catch_up catch_up, int64_t window_s, int64_t behind_s)
{
    struct planned planned = {
        .due = {.schedule = {.id = {{7}},
                             .every_s = STEP,
                             .starts_at = T0 - 10 * STEP,
                             .zone = TEXT("UTC"),
                             .catch_up = catch_up,
                             .window_s = window_s,
                             .next = T0,
                             .due = T0,
                             .turn = 5},
                .standing = {.now_s = T0 + behind_s}},
    };
    struct error err;

    arena_init(&planned.arena, 0);
    cr_assert_eq(schedule_timetable(&planned.due.schedule, &planned.table, &err), 0);
    return planned;
}

static void go(struct planned *planned)
{
    struct error err;

    cr_assert_eq(plan_due(&planned->due, &planned->table, &planned->arena, &planned->plan, &err),
                 0);
    cr_assert_eq(planned->plan.turn, 5);
    cr_assert(planned->plan.moves);
}

static const struct new_firing *firing(const struct planned *planned, size_t i)
{
    cr_assert_lt(i, planned->plan.count);
    return &planned->plan.firings[i];
}

Test(plan, what_is_on_time_fires_and_the_schedule_moves_on)
{
    for (enum schedule_catch_up catch_up = CATCH_UP_NONE; catch_up < CATCH_UP_COUNT; catch_up++)
        for (int64_t behind_s = 0; behind_s <= PLAN_LATE_S; behind_s += 20) {
            struct planned planned = plan_of(catch_up, 3600, behind_s);

            go(&planned);
            cr_assert_eq(planned.plan.count, 1);
            cr_assert_eq(firing(&planned, 0)->state, FIRING_DUE);
            cr_assert_eq(firing(&planned, 0)->cause, CAUSE_TIME);
            cr_assert_eq(firing(&planned, 0)->nominal, T0);
            cr_assert_eq(planned.plan.next, T0 + STEP);
            cr_assert_eq(planned.plan.due, T0 + STEP);
            cr_assert_eq(planned.plan.fires, 1);
            cr_assert_eq(planned.plan.last_fire, T0);
            arena_deinit(&planned.arena);
        }
}

/* Every policy, window and outage: each time that has come is told of exactly once, what fires is
 * the end of them, in order, and what is next is the first that has not come. */
Test(plan, each_time_is_told_of_once)
{
    static const int64_t windows[] = {60, 600, 3600, 86400};

    for (enum schedule_catch_up catch_up = CATCH_UP_NONE; catch_up < CATCH_UP_COUNT; catch_up++)
        for (size_t w = 0; w < ARRAY_LENGTH(windows); w++)
            for (int64_t behind_s = 0; behind_s < 30 * STEP; behind_s += 37) {
                struct planned planned = plan_of(catch_up, windows[w], behind_s);
                int64_t at_s = T0;
                size_t fires = 0;

                go(&planned);
                for (size_t i = 0; i < planned.plan.count; i++) {
                    const struct new_firing *one = firing(&planned, i);
                    int64_t late_s = T0 + behind_s - one->nominal;

                    cr_assert_eq(one->nominal, at_s);
                    at_s += one->times * STEP;
                    if (one->state == FIRING_MISSED) {
                        cr_assert_eq(i, 0);
                        cr_assert_eq(one->until, one->times > 1 ? at_s - STEP : 0);
                        continue;
                    }
                    cr_assert_eq(one->times, 1);
                    cr_assert_eq(one->cause, late_s > PLAN_LATE_S ? CAUSE_CATCH_UP : CAUSE_TIME);
                    cr_assert_eq(one->state, fires == 0 ? FIRING_DUE : FIRING_WAITING);
                    cr_assert(late_s <= PLAN_LATE_S ||
                              (catch_up != CATCH_UP_NONE && late_s <= windows[w]));
                    fires++;
                }
                cr_assert_eq(planned.plan.next, at_s);
                cr_assert_gt(at_s, T0 + behind_s);
                cr_assert_eq((int64_t)fires, planned.plan.fires);
                cr_assert(catch_up == CATCH_UP_ALL || fires <= 1);
                if (catch_up == CATCH_UP_ALL)
                    cr_assert_geq((int64_t)fires,
                                  (windows[w] < behind_s ? windows[w] : behind_s) / STEP);
                arena_deinit(&planned.arena);
            }
}

Test(plan, thousands_of_times_are_caught_up_or_counted_within_bounds)
{
    struct planned every = plan_of(CATCH_UP_ALL, INT64_C(100) * 86400, INT64_C(40) * 86400);
    struct planned cron = plan_of(CATCH_UP_NONE, 60, INT64_C(365) * 86400);
    struct error err;

    go(&every);
    cr_assert_eq(every.plan.fires, PLAN_TIMES_MAX);
    cr_assert_eq(firing(&every, 0)->times, INT64_C(40) * 144 + 1 - PLAN_TIMES_MAX);
    cron.due.schedule.every_s = 0;
    cron.due.schedule.cron = TEXT("* * * * *");
    cr_assert_eq(schedule_timetable(&cron.due.schedule, &cron.table, &err), 0);
    go(&cron);
    cr_assert_eq(firing(&cron, 0)->times, PLAN_COUNT_MAX);
    cr_assert_eq(firing(&cron, 0)->until, T0 + INT64_C(365) * 86400 - 60);
    arena_deinit(&every.arena);
    arena_deinit(&cron.arena);
}

Test(plan, the_last_time_ends_the_schedule)
{
    struct planned planned = plan_of(CATCH_UP_LATEST, 3600, 0);
    struct error err;

    planned.due.schedule.ends_at = T0 + 1;
    cr_assert_eq(schedule_timetable(&planned.due.schedule, &planned.table, &err), 0);
    go(&planned);
    cr_assert_eq(firing(&planned, 0)->state, FIRING_DUE);
    cr_assert_eq(planned.plan.next, 0);
    cr_assert_eq(planned.plan.due, 0);
    arena_deinit(&planned.arena);
}

/* The delay is no lateness, and what is next is delayed by the same. */
Test(plan, a_delay_moves_all_times_alike)
{
    struct planned planned = plan_of(CATCH_UP_NONE, 60, 0);
    int64_t delay_s;

    planned.due.schedule.jitter_s = 300;
    delay_s = schedule_delay_s(planned.due.schedule.id, 300);
    cr_assert(delay_s >= 0 && delay_s <= 300);
    planned.due.standing.now_s = T0 + delay_s;
    go(&planned);
    cr_assert_eq(firing(&planned, 0)->cause, CAUSE_TIME);
    cr_assert_eq(firing(&planned, 0)->nominal, T0);
    cr_assert_eq(planned.plan.next, T0 + STEP);
    cr_assert_eq(planned.plan.due, T0 + STEP + delay_s);
    arena_deinit(&planned.arena);
}

Test(plan, ids_are_spread_over_the_whole_jitter)
{
    int counts[10] = {0};

    for (int i = 0; i < 10000; i++) {
        int64_t delay_s = schedule_delay_s(uuid_new(), 999);

        cr_assert(delay_s >= 0 && delay_s <= 999);
        counts[delay_s / 100]++;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        cr_assert(counts[i] > 800 && counts[i] < 1200, "%d", counts[i]);
}

/* All that may be said of overlaps: what comes, what is in its way, what waits. */
Test(plan, one_run_is_at_work_at_a_time)
{
    static const enum firing_state D = FIRING_DUE, W = FIRING_WAITING, S = FIRING_SKIPPED;
    const struct {
        struct schedule_standing standing;
        enum firing_state skip, queue, cancel, late;
    } rules[] = {
        {{.waiting = 0}, D, D, D, D},
        {{.in_way = run_at_work, .in_way_by = CAUSE_TIME}, S, W, D, W},
        {{.in_way = run_at_work, .in_way_by = CAUSE_MANUAL}, S, W, D, W},
        {{.in_way = run_at_work, .in_way_by = CAUSE_TIME, .waiting = 1, .waiting_all = 1},
         S,
         S,
         D,
         W},
        /* What is on time goes before what is caught up, and is not skipped for it. */
        {{.in_way = run_at_work, .in_way_by = CAUSE_CATCH_UP}, W, W, D, W},
        {{.in_way = run_at_work, .in_way_by = CAUSE_BACKFILL, .waiting_all = 9}, W, W, D, W},
        {{.in_way = run_at_work, .in_way_by = CAUSE_BACKFILL, .waiting = 1, .waiting_all = 9},
         S,
         S,
         D,
         W},
        {{.waiting_all = 3}, W, W, D, W},
        {{.waiting = 1, .waiting_all = 1}, S, S, D, W},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
        for (enum firing_cause cause = CAUSE_TIME; cause < CAUSE_COUNT; cause++) {
            bool late = cause == CAUSE_CATCH_UP || cause == CAUSE_BACKFILL;
            const struct schedule_standing *standing = &rules[i].standing;

            cr_assert_eq(plan_state(OVERLAP_SKIP, cause, standing),
                         late ? rules[i].late : rules[i].skip, "%zu", i);
            cr_assert_eq(plan_state(OVERLAP_QUEUE, cause, standing),
                         late ? rules[i].late : rules[i].queue, "%zu", i);
            cr_assert_eq(plan_state(OVERLAP_CANCEL, cause, standing),
                         late ? rules[i].late : rules[i].cancel, "%zu", i);
        }
}

Test(plan, it_is_said_what_a_time_was_skipped_for)
{
    struct planned planned = plan_of(CATCH_UP_LATEST, 3600, 0);

    planned.due.standing.in_way = run_at_work;
    planned.due.standing.in_way_by = CAUSE_TIME;
    go(&planned);
    cr_assert_eq(firing(&planned, 0)->state, FIRING_SKIPPED);
    cr_assert(text_starts(firing(&planned, 0)->detail, "run_010203"));
    cr_assert_eq(planned.plan.fires, 0);
    cr_assert_eq(planned.plan.last_fire, 0);
    arena_deinit(&planned.arena);
}

Test(plan, the_past_is_filled_up_to_a_bound)
{
    struct planned planned = plan_of(CATCH_UP_NONE, 60, 0);
    int64_t before_start[2] = {T0 - 100 * STEP, T0 - 90 * STEP};
    int64_t many[2] = {T0 - 1001 * STEP, T0};
    int64_t most[2] = {T0 - 1000 * STEP, T0};
    struct error err;

    cr_assert_eq(plan_backfill(&planned.due, &planned.table, before_start, &planned.arena,
                               &planned.plan, &err),
                 0);
    cr_assert_eq(planned.plan.count, 10);
    cr_assert_not(planned.plan.moves);
    for (size_t i = 0; i < 10; i++) {
        cr_assert_eq(firing(&planned, i)->nominal, T0 - (99 - (int64_t)i) * STEP);
        cr_assert_eq(firing(&planned, i)->state, i == 0 ? FIRING_DUE : FIRING_WAITING);
        cr_assert_eq(firing(&planned, i)->cause, CAUSE_BACKFILL);
    }
    cr_assert_eq(
        plan_backfill(&planned.due, &planned.table, many, &planned.arena, &planned.plan, &err),
        PLAN_TOO_MANY);
    cr_assert_eq(
        plan_backfill(&planned.due, &planned.table, most, &planned.arena, &planned.plan, &err), 0);
    cr_assert_eq(planned.plan.count, PLAN_TIMES_MAX);
    arena_deinit(&planned.arena);
}
