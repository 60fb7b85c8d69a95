/* Tests of writes that leave as a group: what becomes of one is nobody else's business. */

#include "fixture.h"

#include "shared/store/fleet/reaper.h"
#include "shared/store/leases/run_writer.h"
#include "shared/store/threads/promotions.h"

#define MANY 256

static const struct uuid any = {{0}};

/* Runs on threads of their own, held by a worker. */
static void must_hold_many(const struct store *store, size_t count, struct run_claim_list *out)
{
    int64_t worker = must_worker(store);

    sql_do("WITH t AS (INSERT INTO threads (id, tenant_id, active_run)"
           "    SELECT gen_random_uuid(), '%s', gen_random_uuid() FROM generate_series(1, %zu)"
           "    RETURNING *)"
           " INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, status, owner,"
           "    fence, spec, started_at, expires_at)"
           "  SELECT active_run, tenant_id, id, id, 1, 'in_progress', %lld, 1, '{}', now(),"
           "    now() + interval '1 h' FROM t",
           show(store->tenant), count, (long long)worker);
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, out, &test_err));
    cr_assert_eq(out->count, count);
}

enum what { WRITES, ENDS, HANDS_BACK, PARKS };

struct writer {
    struct run_writer *writer;
    struct run_claim *claim;
    struct fiber *fiber;
    enum what what;
    struct run_message message;
    struct run_call call;
    int writes; /* one after the other */
    int result; /* of the last */
    int64_t ended_ms;
    struct error err;
};

static void writer_init(struct writer *writer, struct run_writer *on, struct run_claim *claim)
{
    *writer = (struct writer){
        .writer = on,
        .claim = claim,
        .writes = 1,
        .message = {.role = MESSAGE_ASSISTANT, .content = TEXT("[\"x\"]")},
        .call = {.call_id = TEXT("c"),
                 .name = TEXT("f"),
                 .arguments = TEXT("{}"),
                 .idempotency_key = TEXT("k")},
    };
}

static int write_one(struct writer *writer, const struct run_changes *changes)
{
    struct run_lease *lease = &writer->claim->lease;
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct run_return back = {.delay_ms = 1000};
    struct run_parking parking = {.required_action = TEXT("{}")};

    switch (writer->what) {
    case WRITES:
        break;
    case ENDS:
        return run_leases_finish(writer->writer, lease, changes, &ending, &writer->err);
    case HANDS_BACK:
        return run_leases_hand_back(writer->writer, lease, changes, &back, &writer->err);
    case PARKS:
        writer->call.state = CALL_OPEN;
        writer->call.kind = WAIT_CLIENT;
        writer->call.due_in_ms = CALL_NEVER_DUE;
        return run_leases_park(writer->writer, lease, changes, &parking, &writer->err);
    }
    return run_leases_checkpoint(writer->writer, lease, changes, &writer->err);
}

static void write_all(void *arg)
{
    struct writer *writer = arg;
    struct run_changes changes = {USED(1, 0), .messages = &writer->message, .message_count = 1,
                                  .calls = &writer->call, .call_count = 1};

    for (int i = 1; i <= writer->writes && writer->result == 0; i++) {
        if (uuid_is_zero(writer->message.id) || i > 1)
            writer->message.id = uuid_new();
        writer->message.seq = writer->call.call_no = writer->claim->lease.step + 1;
        do
            writer->result = write_one(writer, &changes);
        while (is_passing(writer->result));
    }
    writer->ended_ms = clock_ms();
}

static void run_all(struct writer *writers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        writers[i].fiber = fiber_start("writer", write_all, &writers[i]);
    for (size_t i = 0; i < count; i++)
        fiber_join(writers[i].fiber);
}

/* Messages, calls and steps of the run are those of `steps` writes. */
static void check_written(const struct writer *writer, int64_t steps)
{
    const char *run = show(writer->claim->lease.run);

    cr_assert_eq(writer->claim->lease.step, steps);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE id = '%s' AND step = %lld"
                         " AND prompt_tokens = %lld",
                         run, (long long)steps, (long long)steps),
                 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE run_id = '%s'", run), steps);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s'", run), steps);
}

static void mixed(struct store *store)
{
    static const enum run_status leaves[] = {RUN_IN_PROGRESS, RUN_COMPLETED, RUN_QUEUED,
                                             RUN_REQUIRES_ACTION};
    static struct writer writers[60];
    struct run_writer *on = writer_of(store->pg);
    struct run_claim_list claims;
    struct run run;

    must_hold_many(store, 60, &claims);
    for (size_t i = 0; i < 60; i++) {
        writer_init(&writers[i], on, &claims.items[i]);
        writers[i].what = (enum what)(i % 4);
        if (i % 5 == 1)
            claims.items[i].lease.fence--;
        if (i % 5 == 3)
            MUST(runs_cancel(store, any, claims.items[i].lease.run, &run, &test_err));
    }
    run_all(writers, 60);
    cr_assert_eq(run_writer_stats(on)->size.sum, 60);
    cr_assert_leq(run_writer_stats(on)->size.count, 3);
    cr_assert_eq(run_writer_stats(on)->commit_us.count, 60);
    cr_assert_eq(run_writer_stats(on)->fenced, 12);
    cr_assert_eq(run_writer_stats(on)->bisections, 0);
    for (size_t i = 0; i < 60; i++) {
        int want = i % 5 == 1 ? LEASE_FENCED : i % 5 == 3 ? LEASE_CANCELLING : 0;

        cr_assert_eq(writers[i].result, want, "%zu: %d", i, writers[i].result);
        check_written(&writers[i], want == 0);
        check_run(store, claims.items[i].lease.run,
                  i % 5 == 1   ? RUN_IN_PROGRESS
                  : i % 5 == 3 ? RUN_CANCELLING
                               : leaves[i % 4]);
    }
}

Test(groups, leave_out_who_is_fenced_or_cancelled_and_write_the_others)
{
    with_store(mixed);
}

static void poisoned(struct store *store)
{
    static struct writer writers[50];
    struct run_writer *on = writer_of(store->pg);
    struct run_claim_list claims;

    must_hold_many(store, 50, &claims);
    for (size_t i = 0; i < 50; i++)
        writer_init(&writers[i], on, &claims.items[i]);
    writers[7].message.id = uuid_new();
    writers[17].message.content = TEXT("[\"\\u0000\"]");
    writers[18].message.content = TEXT("[\"\\u0000\"]");
    writers[49].call.call_id = (struct text){"a\0b", 3};
    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT '%s', tenant_id, id, 'user', '[]' FROM threads LIMIT 1",
           show(writers[7].message.id));
    run_all(writers, 50);
    for (size_t i = 0; i < 50; i++) {
        int want = i == 7 ? -E_CONFLICT : i == 17 || i == 18 || i == 49 ? -E_CONTENT : 0;

        cr_assert_eq(writers[i].result, want, "%zu: %d %s", i, writers[i].result,
                     writers[i].err.text);
        check_written(&writers[i], want == 0);
    }
    cr_assert_gt(run_writer_stats(on)->bisections, 5);
    writers[17].message.content = TEXT("[]");
    writers[17].result = 0;
    run_all(&writers[17], 1);
    check_written(&writers[17], 1);
}

Test(groups, that_hold_bad_writes_fail_for_these_alone)
{
    with_store(poisoned);
}

static void breaks(struct store *store)
{
    static struct writer writers[500];
    struct pg *other = another_pg();
    struct run_claim_list claims;
    int64_t broken = 0;
    size_t ended = 0;

    must_hold_many(store, 500, &claims);
    for (size_t i = 0; i < 500; i++) {
        writer_init(&writers[i], writer_of(other), &claims.items[i]);
        writers[i].writes = 6;
        writers[i].fiber = fiber_start("writer", write_all, &writers[i]);
    }
    while (ended < 500 && broken < 20) {
        MUST(fiber_sleep(1 + (int64_t)random_below(15), &test_err));
        broken += sql_int("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                          " WHERE datname = current_database() AND query LIKE 'WITH i AS%%'");
        ended = 0;
        for (size_t i = 0; i < 500; i++)
            ended += claims.items[i].lease.step == 6;
    }
    for (size_t i = 0; i < 500; i++)
        fiber_join(writers[i].fiber);
    cr_assert(broken > 0);
    cr_assert(run_writer_stats(writer_of(other))->ambiguous > 0);
    for (size_t i = 0; i < 500; i++)
        cr_assert_eq(writers[i].result, 0, "%d %s", writers[i].result, writers[i].err.text);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE step = 6 AND prompt_tokens = 6"), 500);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 3000);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls"), 3000);
    pg_close(other);
}

Test(groups, are_written_exactly_once_over_connections_that_break)
{
    with_store(breaks);
}

static void ends_many(struct store *store)
{
    static struct writer writers[MANY];
    struct run_writer *on = writer_of(store->pg);
    struct run_claim_list claims;

    must_hold_many(store, MANY, &claims);
    sql_do("UPDATE threads SET waited = true");
    sql_do("INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, spec, expires_at,"
           "    held) SELECT gen_random_uuid(), tenant_id, thread_id, id, 1, '{}', expires_at,"
           "    nextval('run_places') FROM runs ORDER BY id LIMIT 100");
    for (size_t i = 0; i < MANY; i++) {
        writer_init(&writers[i], on, &claims.items[i]);
        writers[i].what = ENDS;
    }
    run_all(writers, MANY);
    cr_assert_leq(run_writer_stats(on)->size.count, 3);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'completed'"), MANY);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads WHERE active_run IS NULL"), MANY - 100);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads t JOIN runs r ON r.id = t.active_run"
                         " WHERE r.status = 'queued' AND r.held IS NULL"),
                 100);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), MANY);
}

Test(groups, of_endings_release_the_threads_and_promote_behind_them)
{
    with_store(ends_many);
}

struct nuisance {
    struct store store;
    const struct run_claim_list *claims;
    bool stop;
    bool reaps;
    int cancelled;
};

static void be_a_nuisance(void *arg)
{
    struct nuisance *nuisance = arg;
    struct reaper_report report;
    struct error err = {0};
    struct run run;
    int r;

    while (!nuisance->stop) {
        struct uuid id = nuisance->claims->items[random_below(nuisance->claims->count)].lease.run;

        if (nuisance->reaps) {
            r = reaper_sweep(nuisance->store.pg, NULL, &report, &err);
        } else {
            r = runs_cancel(&nuisance->store, any, id, &run, &err);
            nuisance->cancelled += r == 0;
        }
        cr_assert(r == 0 || r == RUN_ENDED, "%d %s", r, err.text);
        MUST(fiber_sleep((int64_t)random_below(4), &test_err));
    }
}

/* Cancels and sweeps take the same rows in their own order. */
static void fights(struct store *store)
{
    static struct writer writers[MANY];
    struct run_claim_list claims;
    struct nuisance nuisances[3] = {{.store = *store}, {.store = *store}, {.store = *store}};
    struct fiber *fibers[3];
    struct pg *other = another_pg();
    int counts[2] = {0, 0};

    must_hold_many(store, MANY, &claims);
    for (size_t i = 0; i < MANY; i++) {
        writer_init(&writers[i], writer_of(other), &claims.items[i]);
        writers[i].writes = 8;
        writers[i].fiber = fiber_start("writer", write_all, &writers[i]);
    }
    nuisances[2].reaps = true;
    for (size_t i = 0; i < 3; i++) {
        nuisances[i].claims = &claims;
        fibers[i] = fiber_start("nuisance", be_a_nuisance, &nuisances[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        fiber_join(writers[i].fiber);
    for (size_t i = 0; i < MANY; i++) {
        if (writers[i].result == 0) {
            writers[i].what = ENDS;
            writers[i].writes = 1;
            writers[i].message.id = any;
        }
        cr_assert(writers[i].result == 0 || writers[i].result == LEASE_CANCELLING, "%d %s",
                  writers[i].result, writers[i].err.text);
    }
    run_all(writers, MANY);
    for (size_t i = 0; i < 3; i++) {
        nuisances[i].stop = true;
        fiber_join(fibers[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        cr_assert(writers[i].result == 0 || writers[i].result == LEASE_CANCELLING, "%d %s",
                  writers[i].result, writers[i].err.text);
        counts[writers[i].result == 0]++;
    }
    cr_assert(nuisances[0].cancelled + nuisances[1].cancelled > 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'completed'"), counts[1]);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'cancelling'"), counts[0]);
    cr_assert_eq(sql_int("SELECT sum(step) FROM runs"), sql_int("SELECT count(*) FROM messages"));
    pg_close(other);
}

Test(groups, stand_cancels_and_sweeps_of_the_same_runs)
{
    with_store(fights);
}

/* At every moment of a write: asked for, on its way, answered. */
static void gives_up(struct store *store)
{
    static struct writer writers[40];
    struct run_writer *on = writer_of(store->pg);
    struct run_claim_list claims;

    must_hold_many(store, 40, &claims);
    for (size_t i = 0; i < 40; i++) {
        writer_init(&writers[i], on, &claims.items[i]);
        writers[i].fiber = fiber_start("writer", write_all, &writers[i]);
    }
    for (size_t i = 0; i < 40; i += 2) {
        fiber_cancel(writers[i].fiber);
        if (i % 8 == 0)
            fiber_yield();
    }
    for (size_t i = 0; i < 40; i++)
        fiber_join(writers[i].fiber);
    for (size_t i = 0; i < 40; i++) {
        const char *run = show(claims.items[i].lease.run);
        int64_t step = sql_int("SELECT step FROM runs WHERE id = '%s'", run);

        if (i % 2) {
            cr_assert_eq(writers[i].result, 0);
            check_written(&writers[i], 1);
            continue;
        }
        cr_assert(writers[i].result == 0 || writers[i].result == -E_CANCELED);
        cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE run_id = '%s'", run), step);
        writers[i].result = 0;
        run_all(&writers[i], writers[i].claim->lease.step == 0);
        cr_assert_eq(claims.items[i].lease.step, 1);
    }
}

Test(groups, let_a_fiber_give_up_and_ask_again)
{
    with_store(gives_up);
}

static void long_ones(struct store *store)
{
    static struct writer writers[6];
    struct run_writer *on = writer_of(store->pg);
    struct run_claim_list claims;
    struct buf content;

    must_hold_many(store, 6, &claims);
    buf_init(&content, 0);
    buf_add_string(&content, "[\"");
    memset(buf_reserve(&content, 600000), 'x', 600000);
    content.len += 600000;
    buf_add_string(&content, "\"]");
    for (size_t i = 0; i < 6; i++) {
        writer_init(&writers[i], on, &claims.items[i]);
        writers[i].message.content = buf_text(&content);
    }
    run_all(writers, 6);
    for (size_t i = 0; i < 6; i++)
        check_written(&writers[i], 1);
    cr_assert_eq(run_writer_stats(on)->size.count, 6);
    buf_deinit(&content);
}

static void waits_alone_for(struct store *store, const char *locking, enum what what)
{
    static struct writer writers[20];
    struct run_claim_list claims;
    struct lock_holder holder;
    int64_t late_ms = 0;

    must_hold_many(store, 20, &claims);
    lock_rows(&holder, store->pg, locking, 300);
    for (size_t i = 0; i < 20; i++) {
        writer_init(&writers[i], writer_of(store->pg), &claims.items[i]);
        writers[i].what = what;
    }
    run_all(writers, 20);
    fiber_join(holder.fiber);
    for (size_t i = 0; i < 20; i++) {
        cr_assert_eq(writers[i].result, 0);
        check_written(&writers[i], 1);
        if (i > 0 && writers[i].ended_ms > late_ms)
            late_ms = writers[i].ended_ms;
    }
    cr_assert_gt(writers[0].ended_ms - late_ms, 50, "nobody waited, or all did");
}

static void waits_alone(struct store *store)
{
    waits_alone_for(store, "SELECT 1 FROM runs ORDER BY id LIMIT 1 FOR UPDATE", WRITES);
}

Test(groups, do_not_wait_for_a_row_that_somebody_else_is_at)
{
    with_store(waits_alone);
}

static void ends_alone(struct store *store)
{
    waits_alone_for(store,
                    "SELECT 1 FROM threads t WHERE active_run = (SELECT id FROM runs ORDER BY id"
                    " LIMIT 1) FOR UPDATE",
                    ENDS);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads WHERE active_run IS NOT NULL"), 0);
}

Test(groups, of_endings_do_not_wait_for_a_thread_that_somebody_else_is_at)
{
    with_store(ends_alone);
}

static void ends_before(struct store *store)
{
    static struct writer writers[20];
    struct run_claim_list claims;
    struct lock_holder holder;
    int64_t start_ms;

    must_hold_many(store, 20, &claims);
    sql_do("UPDATE threads SET waited = true");
    sql_do("INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, spec, expires_at,"
           "    held) SELECT gen_random_uuid(), tenant_id, thread_id, id, 1, '{}', expires_at,"
           "    nextval('run_places') FROM runs ORDER BY id LIMIT 5");
    lock_rows(&holder, store->pg,
              "SELECT 1 FROM runs WHERE held IS NOT NULL ORDER BY held LIMIT 1 FOR UPDATE", 300);
    start_ms = clock_ms();
    for (size_t i = 0; i < 20; i++) {
        writer_init(&writers[i], writer_of(store->pg), &claims.items[i]);
        writers[i].what = ENDS;
    }
    run_all(writers, 20);
    for (size_t i = 0; i < 20; i++) {
        cr_assert_eq(writers[i].result, 0);
        cr_assert_lt(writers[i].ended_ms - start_ms, 250);
    }
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'queued' AND held IS NULL"), 4);
    fiber_join(holder.fiber);
    MUST(pg_exec(store->pg, &promote_all, NULL, NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'queued' AND held IS NULL"), 5);
}

Test(groups, of_endings_do_not_wait_for_a_held_run_that_somebody_else_is_at)
{
    with_store(ends_before);
}

Test(groups, are_limited_in_bytes)
{
    with_store(long_ones);
}

/* Somebody's statement that takes its time, on the connection of large writes. */
static void dawdle(void *arg)
{
    static const struct pg_statement slow = {"slow", "SELECT pg_sleep(1)", ""};
    struct error err;

    IGNORE(pg_exec(arg, &slow, NULL, NULL, &err));
}

static void large(struct store *store)
{
    static char content[300 * 1024];
    struct pg *pg = another_pg();
    struct run_writer *on = run_writer_new(store->pg, pg);
    struct run_claim_list claims;
    struct writer writers[5];
    struct fiber *fiber;

    memset(content, 'x', sizeof(content));
    memcpy(content, "[\"", 2);
    memcpy(content + sizeof(content) - 2, "\"]", 2);
    must_hold_many(store, 5, &claims);
    for (size_t i = 0; i < 5; i++)
        writer_init(&writers[i], on, &claims.items[i]);
    writers[0].message.content = (struct text){content, sizeof(content)};
    MUST(pg_wait_ready(pg, deadline_in(10000), &test_err));
    fiber = fiber_start("dawdle", dawdle, pg);
    MUST(fiber_sleep(20, &test_err));
    run_all(writers, 5);
    fiber_join(fiber);
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(writers[i].result, 0, "%s", writers[i].err.text);
        check_written(&writers[i], 1);
        if (i > 0)
            cr_assert_lt(writers[i].ended_ms, writers[0].ended_ms);
    }
    run_writer_free(on);
    pg_close(pg);
}

Test(groups, do_not_wait_behind_a_large_write)
{
    with_store(large);
}
