#include "shared/schedules/schedule_plan.h"

#include "shared/schedules/schedule_times.h"

static bool is_late(enum firing_cause cause)
{
    return cause == CAUSE_CATCH_UP || cause == CAUSE_BACKFILL;
}

enum firing_state plan_state(enum schedule_overlap overlap, enum firing_cause cause,
                             const struct schedule_standing *standing)
{
    bool behind_late =
        uuid_is_zero(standing->in_way) ? standing->waiting_all > 0 : is_late(standing->in_way_by);

    if (uuid_is_zero(standing->in_way) && standing->waiting_all == 0)
        return FIRING_DUE;
    if (is_late(cause))
        return FIRING_WAITING;
    if (overlap == OVERLAP_CANCEL)
        return FIRING_DUE;
    if (standing->waiting > 0 || (overlap == OVERLAP_SKIP && !behind_late))
        return FIRING_SKIPPED;
    return FIRING_WAITING;
}

struct planning {
    const struct schedule_due *due;
    struct schedule_standing standing; /* with what is planned so far */
    struct new_firing *firings;
    size_t count;
    struct arena *arena;
    struct schedule_plan *plan;
};

static int begin(struct planning *planning, size_t max, struct error *err)
{
    const struct schedule *schedule = &planning->due->schedule;

    *planning->plan = (struct schedule_plan){.schedule = schedule->id, .turn = schedule->turn};
    planning->standing = planning->due->standing;
    planning->firings = arena_calloc(planning->arena, max, sizeof(*planning->firings));
    planning->plan->firings = planning->firings;
    return planning->firings ? 0 : error_set(err, E_LIMIT, "too many times of one schedule");
}

static struct text why_skipped(const struct planning *planning)
{
    char run[ID_TEXT_SIZE];

    if (uuid_is_zero(planning->standing.in_way))
        return TEXT("another time waits already");
    id_format(ID_RUN, planning->standing.in_way, run);
    return text_of(arena_printf(planning->arena, "%s was still at work", run));
}

static struct new_firing *add(struct planning *planning, struct uuid id, enum firing_cause cause,
                              int64_t nominal)
{
    struct new_firing *firing = &planning->firings[planning->count++];
    enum schedule_overlap overlap = planning->due->schedule.overlap;

    *firing = (struct new_firing){.id = id,
                                  .cause = cause,
                                  .state = plan_state(overlap, cause, &planning->standing),
                                  .nominal = nominal,
                                  .times = 1};
    planning->plan->count = planning->count;
    if (firing->state == FIRING_SKIPPED) {
        firing->detail = why_skipped(planning);
        return firing;
    }
    planning->plan->fires++;
    planning->plan->last_fire = nominal;
    if (firing->state == FIRING_DUE) {
        planning->standing.in_way = firing->id;
        planning->standing.in_way_by = cause;
        return firing;
    }
    planning->standing.waiting += !is_late(cause);
    planning->standing.waiting_all++;
    return firing;
}

/* Those from `next` up to and with last_s, told as one. */
static void add_missed(struct planning *planning, const struct timetable *table, int64_t last_s)
{
    struct new_firing *firing = &planning->firings[planning->count++];
    int64_t first_s = planning->due->schedule.next;
    int64_t times = 1;

    if (table->kind == TIMETABLE_EVERY)
        times += (last_s - first_s) / table->interval.every_s;
    else
        for (int64_t at_s = first_s; at_s < last_s && times < PLAN_COUNT_MAX; times++)
            if (timetable_next(table, at_s, &at_s) != 0)
                break;
    *firing = (struct new_firing){.id = uuid_new(),
                                  .cause = CAUSE_TIME,
                                  .state = FIRING_MISSED,
                                  .nominal = first_s,
                                  .until = last_s > first_s ? last_s : 0,
                                  .times = times,
                                  .detail = TEXT("nobody was there at the time")};
    planning->plan->count = planning->count;
}

/* No time before this one is caught up. */
static int64_t oldest(const struct schedule *schedule, int64_t now_s)
{
    int64_t on_time_s = now_s - PLAN_LATE_S;
    int64_t window_s = now_s - schedule->window_s;

    if (schedule->catch_up == CATCH_UP_NONE || window_s > on_time_s)
        return on_time_s;
    return window_s;
}

/* The times that are to fire, the latest first. Returns how many. */
static size_t find_times(const struct schedule *schedule, const struct timetable *table,
                         int64_t now_s, int64_t *times)
{
    size_t max = schedule->catch_up == CATCH_UP_ALL ? PLAN_TIMES_MAX : 1;
    int64_t from_s = oldest(schedule, now_s);
    int64_t at_s = now_s;
    size_t count = 0;

    if (from_s < schedule->next)
        from_s = schedule->next;
    while (count < max && timetable_last(table, at_s, &at_s) == 0 && at_s >= from_s) {
        times[count++] = at_s;
        at_s--;
    }
    return count;
}

static void move_on(struct planning *planning, const struct timetable *table, int64_t now_s)
{
    const struct schedule *schedule = &planning->due->schedule;
    struct schedule_plan *plan = planning->plan;

    plan->moves = true;
    if (timetable_next(table, now_s > schedule->next ? now_s : schedule->next, &plan->next) == 0)
        plan->due = plan->next + schedule_delay_s(schedule->id, schedule->jitter_s);
}

int plan_due(const struct schedule_due *due, const struct timetable *table, struct arena *arena,
             struct schedule_plan *out, struct error *err)
{
    const struct schedule *schedule = &due->schedule;
    struct planning planning = {.due = due, .arena = arena, .plan = out};
    /* A time is as late as it would be without its delay. */
    int64_t now_s = due->standing.now_s - schedule_delay_s(schedule->id, schedule->jitter_s);
    int64_t *times = arena_calloc(arena, PLAN_TIMES_MAX, sizeof(*times));
    size_t count;
    int64_t missed_s;
    int r;

    if (!times)
        return error_set(err, E_LIMIT, "too many times of one schedule");
    count = find_times(schedule, table, now_s, times);
    r = begin(&planning, count + 1, err);
    if (r < 0)
        return r;
    if (timetable_last(table, count > 0 ? times[count - 1] - 1 : now_s, &missed_s) == 0 &&
        missed_s >= schedule->next)
        add_missed(&planning, table, missed_s);
    for (size_t i = count; i-- > 0;)
        (void)add(&planning, uuid_new(),
                  now_s - times[i] > PLAN_LATE_S ? CAUSE_CATCH_UP : CAUSE_TIME, times[i]);
    move_on(&planning, table, now_s);
    return 0;
}

int plan_manual(const struct schedule_due *due, struct uuid id, struct arena *arena,
                struct schedule_plan *out, struct error *err)
{
    struct planning planning = {.due = due, .arena = arena, .plan = out};
    int r = begin(&planning, 1, err);

    if (r == 0)
        (void)add(&planning, id, CAUSE_MANUAL, due->standing.now_s);
    return r;
}

/* As if it had always been so. */
static struct timetable without_begin(const struct timetable *table, int64_t from_s)
{
    struct timetable always = *table;

    always.starts_s = INT64_MIN;
    if (table->kind == TIMETABLE_EVERY && table->interval.start_s > from_s) {
        int64_t every_s = table->interval.every_s;

        always.interval.start_s -= ((table->interval.start_s - from_s) / every_s + 1) * every_s;
    }
    return always;
}

int plan_backfill(const struct schedule_due *due, const struct timetable *table,
                  const int64_t from_to_s[2], struct arena *arena, struct schedule_plan *out,
                  struct error *err)
{
    struct planning planning = {.due = due, .arena = arena, .plan = out};
    struct timetable always = without_begin(table, from_to_s[0]);
    int64_t at_s = from_to_s[0];
    int r = begin(&planning, PLAN_TIMES_MAX, err);

    if (r < 0)
        return r;
    while (timetable_next(&always, at_s, &at_s) == 0 && at_s <= from_to_s[1]) {
        if (planning.count == PLAN_TIMES_MAX)
            return PLAN_TOO_MANY;
        (void)add(&planning, uuid_new(), CAUSE_BACKFILL, at_s);
    }
    out->last_fire = 0;
    return 0;
}
