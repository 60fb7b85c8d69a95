/* Schedules: a time fires once, whoever plans it, and what became of it is noted once. */

#include "fixture.h"

#include "shared/store/schedules/schedule_clock.h"
#include "shared/store/schedules/thread_compaction.h"

static struct schedule must_schedule(const struct store *store, bool lasting)
{
    int64_t now_s = clock_wall_ms() / 1000;
    struct schedule wanted = {.id = uuid_new(),
                              .agent = uuid_new(),
                              .every_s = 60,
                              .zone = TEXT("UTC"),
                              .window_s = 3600,
                              .lasting = lasting,
                              .max_failures = 2,
                              .request = TEXT("{}"),
                              .metadata = TEXT("{}"),
                              .next = now_s - 5,
                              .due = now_s - 5};
    struct schedule made;

    MUST(schedule_create(store, &wanted, 1000, &made, &test_err));
    return made;
}

/* One firing of this state, and the next time. */
static int64_t fire(struct pg *pg, const struct schedule *schedule, struct uuid id,
                    enum firing_state state)
{
    const struct new_firing firing = {
        .id = id, .state = state, .nominal = schedule->next, .times = 1};
    const struct schedule_plan plan = {.schedule = schedule->id,
                                       .turn = schedule->turn,
                                       .moves = true,
                                       .next = schedule->next + 60,
                                       .due = schedule->next + 60,
                                       .last_fire = schedule->next,
                                       .fires = 1,
                                       .firings = &firing,
                                       .count = 1};
    int64_t done, firings;

    MUST(schedules_fire(pg, &plan, 1, &done, &firings, &test_err));
    cr_assert_eq(done, firings);
    return done;
}

static void fires_once(struct store *store)
{
    struct schedule schedule = must_schedule(store, false);
    struct schedules_due due;
    struct schedule later;
    int64_t wait_ms;

    MUST(schedules_due(store->pg, store->arena, &due, &wait_ms, &test_err));
    cr_assert_eq(due.count, 1);
    cr_assert(uuid_is_zero(due.items[0].standing.in_way));
    cr_assert_eq(fire(store->pg, &schedule, uuid_new(), FIRING_DUE), 1);
    cr_assert_eq(fire(store->pg, &schedule, uuid_new(), FIRING_DUE), 0, "its turn is over");
    MUST(schedules_due(store->pg, store->arena, &due, &wait_ms, &test_err));
    cr_assert_eq(due.count, 0);
    cr_assert(wait_ms > 50000 && wait_ms <= 60000, "%lld", (long long)wait_ms);
    MUST(schedule_get(store, schedule.id, &later, &test_err));
    cr_assert_eq(later.next, schedule.next + 60);
    cr_assert_eq(later.fired, 1);
    cr_assert_eq(later.last_fire, schedule.next);
    /* Whoever changes it has it planned anew. */
    GIVES(SCHEDULE_MOVED, schedule_put(store, &schedule, &schedule, &test_err));
    MUST(schedule_put(store, &later, &schedule, &test_err));
    cr_assert_eq(fire(store->pg, &later, uuid_new(), FIRING_DUE), 0);
    /* No time has two runs, whatever the turn. */
    schedule.next = later.last_fire;
    cr_assert_eq(sql_int("SELECT count(*) FROM schedule_firings"), 1);
}

Test(schedules, a_time_fires_once)
{
    with_store(fires_once);
}

static void a_time_has_one_run(struct store *store)
{
    struct schedule schedule = must_schedule(store, false);
    const struct new_firing firing = {
        .id = uuid_new(), .cause = CAUSE_BACKFILL, .nominal = schedule.next, .times = 1};
    struct schedule_plan plan = {.schedule = schedule.id, .firings = &firing, .count = 1};
    int64_t done, firings;

    fire(store->pg, &schedule, uuid_new(), FIRING_DUE);
    MUST(schedule_get(store, schedule.id, &schedule, &test_err));
    plan.turn = schedule.turn;
    MUST(schedules_fire(store->pg, &plan, 1, &done, &firings, &test_err));
    cr_assert_eq(done, 1);
    cr_assert_eq(firings, 0);
}

Test(schedules, a_time_has_one_run)
{
    with_store(a_time_has_one_run);
}

static void waits_for_nobody(struct store *store)
{
    struct schedule held = must_schedule(store, false), free = must_schedule(store, false);
    struct lock_holder holder;
    char query[160];

    (void)snprintf(query, sizeof(query), "SELECT 1 FROM schedules WHERE id = '%s' FOR UPDATE",
                   show(held.id));
    lock_rows(&holder, another_pg(), query, 500);
    cr_assert_eq(fire(store->pg, &held, uuid_new(), FIRING_DUE), 0);
    cr_assert_eq(fire(store->pg, &free, uuid_new(), FIRING_DUE), 1);
    fiber_join(holder.fiber);
    cr_assert_eq(fire(store->pg, &held, uuid_new(), FIRING_DUE), 1);
    pg_close(holder.pg);
}

Test(schedules, a_schedule_that_somebody_holds_is_left_for_another_round)
{
    with_store(waits_for_nobody);
}

static struct firings_taken take(const struct store *store)
{
    struct firings_taken taken;

    MUST(firings_take(store->pg, store->arena, &taken, &test_err));
    return taken;
}

static void is_taken_by_one(struct store *store)
{
    struct schedule schedule = must_schedule(store, false);
    struct uuid id = uuid_new();
    struct firing_start start = {.schedule = schedule.id, .id = id, .state = FIRING_STARTED};
    struct firings_taken taken;
    int64_t count;

    fire(store->pg, &schedule, id, FIRING_DUE);
    taken = take(store);
    cr_assert_eq(taken.count, 1);
    cr_assert(uuid_equal(taken.items[0].firing.id, id));
    cr_assert_eq(taken.items[0].firing.tries, 1);
    cr_assert_eq(take(store).count, 0, "somebody has it");
    /* Who took it is gone. */
    sql_do("UPDATE schedule_firings SET taken_until = now()");
    cr_assert_eq(take(store).items[0].firing.tries, 2);
    MUST(firings_started(store->pg, &start, 1, &count, &test_err));
    cr_assert_eq(count, 1);
    MUST(firings_started(store->pg, &start, 1, &count, &test_err));
    cr_assert_eq(count, 0, "it was noted before");
    sql_do("UPDATE schedule_firings SET taken_until = now()");
    cr_assert_eq(take(store).count, 0);
}

Test(schedules, a_firing_is_taken_by_one_at_a_time)
{
    with_store(is_taken_by_one);
}

/* A run that is at work, then ends so. */
static void started(const struct store *store, const struct schedule *schedule, const char *status)
{
    struct run run = must_run(store);
    struct firing_start start = {.schedule = schedule->id, .id = run.id, .state = FIRING_STARTED};
    struct schedule now;
    int64_t count;

    MUST(schedule_get(store, schedule->id, &now, &test_err));
    cr_assert_eq(fire(store->pg, &now, run.id, FIRING_DUE), 1);
    MUST(firings_started(store->pg, &start, 1, &count, &test_err));
    sql_do("UPDATE runs SET status = '%s' WHERE id = '%s'", status, show(run.id));
}

static void failures_are_counted(struct store *store)
{
    struct schedule schedule = must_schedule(store, true);
    struct schedule now;
    int64_t ended, paused;

    started(store, &schedule, "failed");
    MUST(firings_settle(store->pg, &ended, &paused, &test_err));
    cr_assert_eq(ended, 1);
    MUST(schedule_get(store, schedule.id, &now, &test_err));
    cr_assert_eq(now.failures, 1);
    started(store, &schedule, "completed");
    started(store, &schedule, "in_progress");
    started(store, &schedule, "cancelled");
    MUST(firings_settle(store->pg, &ended, &paused, &test_err));
    cr_assert_eq(ended, 2);
    MUST(schedule_get(store, schedule.id, &now, &test_err));
    cr_assert_eq(now.failures, 0);
    cr_assert_eq(now.state, SCHEDULE_ACTIVE);
    started(store, &schedule, "expired");
    started(store, &schedule, "incomplete");
    MUST(firings_settle(store->pg, &ended, &paused, &test_err));
    cr_assert_eq(paused, 1);
    MUST(firings_settle(store->pg, &ended, &paused, &test_err));
    cr_assert_eq(ended + paused, 0, "each end is noted once");
    MUST(schedule_get(store, schedule.id, &now, &test_err));
    cr_assert_eq(now.failures, 2);
    cr_assert_eq(now.state, SCHEDULE_PAUSED);
    cr_assert_str_eq(now.pause_code.ptr, "failures");
    cr_assert_gt(now.turn, schedule.turn + 6, "who planned it meanwhile does it anew");
    cr_assert_eq(sql_int("SELECT count(*) FROM schedule_firings WHERE tell"), 4);
}

Test(schedules, failures_in_a_row_pause_it)
{
    with_store(failures_are_counted);
}

static void waits_its_turn(struct store *store)
{
    struct schedule schedule = must_schedule(store, false);
    struct schedule now;
    struct schedule_due due;
    int64_t count, paused;

    started(store, &schedule, "in_progress");
    for (int i = 0; i < 2; i++) {
        MUST(schedule_get(store, schedule.id, &now, &test_err));
        fire(store->pg, &now, uuid_new(), FIRING_WAITING);
    }
    MUST(schedule_look(store, schedule.id, &due, &test_err));
    cr_assert_not(uuid_is_zero(due.standing.in_way));
    cr_assert_eq(due.standing.waiting, 2);
    MUST(firings_promote(store->pg, &count, &test_err));
    cr_assert_eq(count, 0);
    sql_do("UPDATE runs SET status = 'completed'");
    MUST(firings_settle(store->pg, &count, &paused, &test_err));
    MUST(firings_promote(store->pg, &count, &test_err));
    cr_assert_eq(count, 1);
    MUST(firings_promote(store->pg, &count, &test_err));
    cr_assert_eq(count, 0, "one at a time");
    cr_assert_eq(sql_int("SELECT count(*) FROM schedule_firings WHERE state = 'due' AND nominal ="
                         " (SELECT min(nominal) FROM schedule_firings WHERE state <> 'ended')"),
                 1);
}

Test(schedules, what_waits_is_due_one_after_the_other)
{
    with_store(waits_its_turn);
}

static void is_compacted(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft message = user_message("[{\"type\":\"text\",\"text\":\"some words\"}]");
    struct message got;
    int64_t bytes, count;

    for (int i = 0; i < 10; i++) {
        message.id = uuid_new();
        message.role = i % 2 ? MESSAGE_ASSISTANT : MESSAGE_USER;
        MUST(messages_create(store, thread, &message, TEXT_NONE, &got, NULL, &test_err));
    }
    bytes = sql_int("SELECT total_bytes FROM threads WHERE id = '%s'", show(thread));
    MUST(thread_compact(store, thread, bytes / 2, &count, &test_err));
    cr_assert_eq(count, 6, "what stays begins with a user");
    cr_assert_eq(sql_int("SELECT total_bytes FROM threads WHERE id = '%s'", show(thread)),
                 bytes * 4 / 10);
    cr_assert_eq(sql_int("SELECT message_count FROM threads WHERE id = '%s'", show(thread)), 4);
    MUST(thread_compact(store, thread, 1, &count, &test_err));
    cr_assert_eq(count, 4);
    GIVES(THREAD_MISSING, thread_compact(store, uuid_new(), 1, &count, &test_err));
    sql_do("UPDATE threads SET active_run = id");
    GIVES(THREAD_BUSY, thread_compact(store, thread, 1, &count, &test_err));
}

Test(schedules, the_older_part_of_a_thread_goes)
{
    with_store(is_compacted);
}

/* ---- plans ---- */

static void use_all(const struct store *store)
{
    struct schedule schedule = must_schedule(store, true);
    struct schedule_filter filter = {.user = TEXT("nobody")};
    struct page page = {.limit = 5};
    struct firing_start start = {.schedule = schedule.id, .state = FIRING_FAILED};
    struct firing_news_list news;
    struct schedules_due due;
    struct schedule_due one;
    struct schedule_list list;
    struct firing_list firings;
    struct schedule_counts counts;
    struct uuid runs[4];
    size_t run_count;
    struct text result;
    struct uuid id = uuid_new();
    int64_t count, wait_ms;

    start.id = id;
    MUST(schedules_due(store->pg, store->arena, &due, &wait_ms, &test_err));
    fire(store->pg, &schedule, id, FIRING_DUE);
    (void)take(store);
    MUST(firings_at_work(store, schedule.id, id, runs, 4, &run_count, &test_err));
    MUST(firings_started(store->pg, &start, 1, &count, &test_err));
    MUST(firings_settle(store->pg, &count, &wait_ms, &test_err));
    MUST(firings_promote(store->pg, &count, &test_err));
    MUST(firings_to_tell(store->pg, store->arena, &news, &test_err));
    MUST(firings_told(store->pg, news.items, news.count, &test_err));
    MUST(schedule_last_result(store, id, 10, &result, &test_err));
    MUST(schedule_counts(store->pg, &counts, &test_err));
    MUST(schedule_look(store, schedule.id, &one, &test_err));
    MUST(schedule_list(store, &filter, &page, &list, &test_err));
    MUST(firing_list(store, schedule.id, &page, &firings, &test_err));
    MUST(schedule_put(store, &one.schedule, &schedule, &test_err));
    GIVES(SCHEDULE_MISSING, schedule_find(store, TEXT("x"), &schedule, &test_err));
    MUST(schedules_delete_of_user(store, TEXT("nobody"), &count, &test_err));
    MUST(schedule_delete(store, schedule.id, &test_err));
}

/* Rows that were read one after the other. */
static int64_t scanned(void)
{
    return sql_int("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN"
                   " ('schedules', 'schedule_firings', 'runs')");
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

/* A session's statistics are certain to be seen once it has ended. */
static void close_seen(struct pg *pg)
{
    int64_t count = sessions();

    pg_close(pg);
    for (int i = 0; i < 500 && sessions() >= count; i++)
        MUST(fiber_sleep(10, &test_err));
}

static void use_over(const struct store *store, struct pg *pg)
{
    struct store over = *store;

    over.pg = pg;
    for (int i = 0; i < 8; i++)
        use_all(&over);
}

/* Rows that were read by an index or one after the other. */
static int64_t rows_read(void)
{
    return sql_int("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables"
                   " WHERE relname IN ('schedules', 'schedule_firings', 'runs')");
}

static void reads_first_ones(struct store *store)
{
    struct pg *pg = another_pg();
    struct schedule_counts counts;
    int64_t before, count, paused;

    sql_do("INSERT INTO schedules (id, tenant_id, agent_id, every_seconds, timezone, overlap,"
           "    catch_up, window_seconds, on_full, max_failures, request, next, due)"
           " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 60, 'UTC', 'skip',"
           "    'none', 60, 'compact', 0, '{}', now() + interval '1 day', now() + interval '1 day'"
           " FROM generate_series(1, 20);"
           "INSERT INTO schedule_firings (schedule_id, id, tenant_id, cause, nominal, state)"
           " SELECT s.id, gen_random_uuid(), s.tenant_id, 'backfill', now() - n * interval '1 min',"
           "    CASE WHEN n = 1 THEN 'started' ELSE 'waiting' END"
           " FROM schedules s, generate_series(1, 2000) n;"
           "INSERT INTO runs (id, tenant_id, agent_id, agent_version, status, spec, expires_at)"
           " SELECT id, tenant_id, id, 1, 'in_progress', '{}', now() + interval '1 h'"
           " FROM schedule_firings WHERE state = 'started'");
    sql_do("VACUUM ANALYZE schedules, schedule_firings, runs");
    sql_do("SELECT pg_stat_force_next_flush()");
    before = rows_read();
    MUST(firings_settle(pg, &count, &paused, &test_err));
    cr_assert_eq(count, 0);
    MUST(firings_promote(pg, &count, &test_err));
    cr_assert_eq(count, 0);
    close_seen(pg);
    cr_assert_lt(rows_read() - before, 1000, "of 40,000 that wait");
    sql_do("UPDATE runs SET status = 'completed', completed_at = now()");
    MUST(firings_promote(store->pg, &count, &test_err));
    cr_assert_eq(count, 20);
    MUST(schedule_counts(store->pg, &counts, &test_err));
    cr_assert_eq(counts.waiting, FIRINGS_COUNTED);
    cr_assert_eq(counts.due, 20);
    cr_assert_eq(counts.at_work, 20);
}

Test(schedules, what_waits_is_not_looked_through, .timeout = 120)
{
    with_store(reads_first_ones);
}

static void scans_nothing(struct store *store)
{
    struct pg *early = another_pg();
    struct pg *late;
    int64_t before;

    use_over(store, early);
    sql_do("INSERT INTO schedules (id, tenant_id, agent_id, every_seconds, timezone, overlap,"
           "    catch_up, window_seconds, on_full, max_failures, request, next, due)"
           " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 60, 'UTC', 'skip',"
           "    'none', 60, 'compact', 0, '{}', now() + interval '1 day', now() + interval '1 day'"
           " FROM generate_series(1, 10000);"
           "INSERT INTO schedule_firings (schedule_id, id, tenant_id, cause, nominal, state)"
           " SELECT s.id, gen_random_uuid(), s.tenant_id, 'time', now() - n * interval '1 min',"
           "    CASE WHEN n = 1 AND random() < 0.1 THEN 'started' ELSE 'ended' END"
           " FROM schedules s, generate_series(1, 3) n;"
           "INSERT INTO runs (id, tenant_id, agent_id, agent_version, status, spec, expires_at)"
           " SELECT id, tenant_id, id, 1, 'in_progress', '{}', now() + interval '1 h'"
           " FROM schedule_firings");
    sql_settle();
    before = scanned();
    use_over(store, early);
    close_seen(early);
    cr_assert_lt(scanned() - before, 5000, "with plans of empty tables");
    sql_do("ANALYZE");
    before = scanned();
    late = another_pg();
    use_over(store, late);
    close_seen(late);
    cr_assert_eq(scanned() - before, 0, "with plans of full ones");
    sql_do("SELECT count(*) FROM runs WHERE metadata = '[]'; SELECT pg_stat_force_next_flush()");
    cr_assert_gt(scanned(), before, "a scan would be seen");
}

Test(schedules, nothing_reads_a_whole_table, .timeout = 120)
{
    with_store(scans_nothing);
}
