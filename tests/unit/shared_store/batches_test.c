/* Batches and their lines: each move is compared with the owner, the fence and the cursor, so none
 * is made twice. */

#include "fixture.h"

#include "shared/store/batches/batch_runs.h"
#include "shared/store/batches/batch_work.h"
#include "shared/store/submissions/run_batches.h"

static struct batch must_batch(const struct store *store)
{
    struct new_batch wanted = {.id = uuid_new(),
                               .endpoint = TEXT("/v1/embeddings"),
                               .input_file = uuid_new(),
                               .window_seconds = 3600};
    struct batch batch;

    MUST(batch_create(store, &wanted, &batch, &test_err));
    return batch;
}

static struct batch_hold must_take(const struct store *store, int64_t owner)
{
    struct batch_ids taken;

    MUST(batches_take(store->pg, store->arena, owner, 1, &taken, &test_err));
    cr_assert_eq(taken.count, 1);
    return taken.items[0];
}

static int wave(const struct store *store, const struct batch_hold *hold, int64_t from,
                size_t count)
{
    struct batch_new_line lines[8];
    struct batch_wave rows = {.from_line = from,
                              .to_line = from + (int64_t)count,
                              .to_byte = 10 * (from + (int64_t)count),
                              .kind = "embedding",
                              .lines = lines,
                              .count = count};

    for (size_t i = 0; i < count; i++)
        lines[i] = (struct batch_new_line){.line = from + (int64_t)i + 1,
                                           .run = uuid_new(),
                                           .custom_id = TEXT("x"),
                                           .spec = TEXT("{\"model\":\"m\",\"input\":\"x\"}")};
    return batch_wave(store->pg, hold, &rows, &test_err);
}

static int settle(const struct store *store, const struct batch_hold *hold, const int64_t *lines,
                  size_t count)
{
    struct batch_answers answers = {.lines = lines,
                                    .count = count,
                                    .completed = 1,
                                    .output = TEXT("{\"a\":1}\n"),
                                    .errors = TEXT("{\"b\":1}\n"),
                                    .used = {.prompt_tokens = 3}};

    return batch_settle(store->pg, hold, &answers, &test_err);
}

static void end_runs(void)
{
    sql_do("UPDATE runs SET status = 'completed', completed_at = now(), result = '{\"x\": 1}'");
}

static void lives(struct store *store)
{
    struct batch batch = must_batch(store);
    struct batch_hold hold = must_take(store, 7);
    const int64_t lines[] = {1, 2, 3};
    struct batch_lines ended;
    struct batch_left left;
    struct text text;
    int64_t number;

    MUST(batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    GIVES(BATCH_LOST, batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    MUST(wave(store, &hold, 0, 3));
    GIVES(BATCH_LOST, wave(store, &hold, 0, 3)); /* as one whose answer was lost would be */
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE kind = 'embedding' AND priority = 2"), 3);
    GIVES(BATCH_LOST, batch_finalize(store->pg, &hold, &test_err));
    MUST(batch_lines_ended(store, batch.id, &(struct batch_lines_ask){10, 1 << 20, false}, &ended,
                           &test_err));
    cr_assert_eq(ended.count, 0);
    end_runs();
    MUST(batch_lines_ended(store, batch.id, &(struct batch_lines_ask){10, 1, false}, &ended,
                           &test_err));
    cr_assert_eq(ended.count, 1, "one is given, however large");
    MUST(batch_lines_ended(store, batch.id, &(struct batch_lines_ask){10, 1 << 20, false}, &ended,
                           &test_err));
    cr_assert(ended.count == 3 && text_is(ended.items[2].result, "{\"x\": 1}"));
    sql_do("UPDATE batch_lines SET made = false WHERE line = 3");
    MUST(batch_lines_left(store->pg, batch.id, &left, &test_err));
    cr_assert(left.count == 3 && left.unmade == 1);
    MUST(settle(store, &hold, lines, 2));
    GIVES(BATCH_LOST, settle(store, &hold, lines, 2));
    GIVES(BATCH_LOST, settle(store, &hold, lines, 3));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 1);
    MUST(settle(store, &hold, lines + 2, 1));
    MUST(batch_lines_left(store->pg, batch.id, &left, &test_err));
    cr_assert(left.count == 0 && left.unmade == 0);
    MUST(batch_output(store, batch.id, false, 0, &text, &number, &test_err));
    cr_assert(text_is(text, "{\"a\":1}\n{\"a\":1}\n"));
    MUST(batch_output(store, batch.id, false, number, &text, &number, &test_err));
    cr_assert_null(text.ptr);
    MUST(batch_finalize(store->pg, &hold, &test_err));
    MUST(batch_end(store->pg, &hold, batch.input_file, (struct uuid){{0}}, &test_err));
    GIVES(BATCH_LOST, batch_end(store->pg, &hold, batch.input_file, batch.id, &test_err));
    MUST(batch_get(store, batch.id, &batch, &test_err));
    cr_assert(text_is(batch.state, "completed") && batch.completed == 2 && batch.failed == 1);
    cr_assert(batch.used.prompt_tokens == 6 && uuid_equal(batch.output_file, batch.input_file));
    cr_assert_eq(sql_int("SELECT count(*) FROM batch_output"), 0);
}

Test(batches, lines_are_begun_and_answered_once)
{
    with_store(lives);
}

/* Two lines whose runs are agents'; each has said 3000 bytes, as the messages' rows have it, and
 * something hidden, and the first one has thought. */
static void must_answer(const struct store *store, struct uuid batch)
{
    for (int i = 0; i < 2; i++) {
        struct run run = must_run(store);
        char id[UUID_TEXT_SIZE];
        char batch_id[UUID_TEXT_SIZE];

        uuid_format(run.id, id);
        uuid_format(batch, batch_id);
        sql_do("UPDATE runs SET status = 'completed', completed_at = now() WHERE id = '%s'", id);
        sql_do("INSERT INTO messages (id, tenant_id, thread_id, run_id, seq, role, hidden,"
               " content, bytes)"
               " SELECT gen_random_uuid(), r.tenant_id, r.thread_id, r.id, s.seq, 'assistant',"
               "     s.seq = 1, '[]', 3000"
               " FROM runs r, generate_series(1, 2) AS s (seq)"
               " WHERE r.id = '%s'",
               id);
        sql_do("INSERT INTO batch_lines (batch_id, line, run_id, custom_id, at_byte, bytes, made)"
               " VALUES ('%s', %d, '%s', 'x', 0, 1, true)",
               batch_id, i + 1, id);
        if (i == 0)
            sql_do("INSERT INTO run_steps ("
                   "    id, tenant_id, run_id, thread_id, agent_id, seq, type, status, reasoning)"
                   " SELECT gen_random_uuid(), r.tenant_id, r.id, r.thread_id, r.agent_id, 1,"
                   "     'message_creation', 'completed', repeat('x', 5000)"
                   " FROM runs r WHERE r.id = '%s'",
                   id);
    }
}

static size_t ended_within(const struct store *store, struct uuid batch, int64_t bytes, bool whole,
                           struct batch_lines *out)
{
    MUST(batch_lines_ended(store, batch, &(struct batch_lines_ask){10, bytes, whole}, out,
                           &test_err));
    return out->count;
}

static void measures(struct store *store)
{
    struct batch batch = must_batch(store);
    struct batch_lines ended;
    struct batch_run *runs;
    struct uuid ids[2];
    size_t count;
    int64_t shown;

    must_answer(store, batch.id);
    cr_assert_eq(ended_within(store, batch.id, INT64_MAX, false, &ended), 2);
    shown = ended.items[0].answer_bytes;
    cr_assert(shown >= 3000 && shown < 6000, "%lld", (long long)shown);
    cr_assert_eq(ended.items[1].answer_bytes, shown);
    cr_assert_eq(ended_within(store, batch.id, shown, false, &ended), 1);
    cr_assert_eq(ended_within(store, batch.id, shown + 1, false, &ended), 2);
    cr_assert_eq(ended_within(store, batch.id, INT64_MAX, true, &ended), 2);
    cr_assert_eq(ended.items[0].answer_bytes, shown + 8000, "what is hidden, and a thought");
    cr_assert_eq(ended.items[1].answer_bytes, shown + 3000);

    for (size_t i = 0; i < 2; i++)
        ids[i] = ended.items[i].run_id;
    for (int whole = 0; whole < 2; whole++) {
        MUST(batch_runs_read(store, &(struct batch_runs_ask){ids, 2, whole}, &runs, &count,
                             &test_err));
        cr_assert_eq(count, 2);
        for (size_t i = 0; i < count; i++) {
            bool first = uuid_equal(runs[i].run.id, ids[0]);

            cr_assert_eq(runs[i].messages_count, whole ? 2 : 1);
            cr_assert(uuid_equal(runs[i].messages[0].run_id, runs[i].run.id));
            cr_assert_eq(runs[i].thoughts.count, whole && first ? 1 : 0);
        }
    }
}

Test(batches, answers_are_measured_before_they_are_read)
{
    with_store(measures);
}

static void fences(struct store *store)
{
    struct batch batch = must_batch(store);
    struct batch_hold old = must_take(store, 7);
    struct batch_hold hold;
    struct batch_ids none;
    int64_t beside;

    MUST(batch_begin(store->pg, &old, 3, 30, TEXT("m"), &test_err));
    MUST(batches_take(store->pg, store->arena, 8, 5, &none, &test_err));
    cr_assert_eq(none.count, 0, "it is held");
    sql_do("UPDATE batches SET lease_until = now() - interval '1 s'");
    hold = must_take(store, 7); /* the same one, which forgot it */
    cr_assert_eq(hold.fence, old.fence + 1);
    GIVES(BATCH_LOST, wave(store, &old, 0, 1));
    GIVES(BATCH_LOST, batch_hold(store, &old, &batch, &beside, &test_err));
    MUST(wave(store, &hold, 0, 1));
    MUST(batch_hold(store, &hold, &batch, &beside, &test_err));
    cr_assert(batch.at_line == 1 && beside == 1);
    MUST(batch_let_go(store->pg, &hold, &test_err));
    cr_assert_eq(must_take(store, 9).fence, hold.fence + 1);
}

Test(batches, who_lost_one_writes_nothing_more)
{
    with_store(fences);
}

static void cancels(struct store *store)
{
    struct batch batch = must_batch(store);
    struct store other = other_tenant(store, "other");
    struct batch_hold hold = must_take(store, 7);

    GIVES(BATCH_MISSING, batch_cancel(&other, batch.id, &batch, &test_err));
    MUST(batch_cancel(store, batch.id, &batch, &test_err));
    cr_assert(text_is(batch.state, "cancelling") && text_is(batch.ending, "cancelled"));
    GIVES(BATCH_LOST, batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    GIVES(BATCH_LOST, batch_stop(store->pg, &hold, "expired", TEXT_NONE, &test_err));
    MUST(batch_finalize(store->pg, &hold, &test_err));
    GIVES(BATCH_OVER, batch_cancel(store, batch.id, &batch, &test_err));
    MUST(batch_end(store->pg, &hold, (struct uuid){{0}}, (struct uuid){{0}}, &test_err));
    MUST(batch_get(store, batch.id, &batch, &test_err));
    cr_assert(text_is(batch.state, "cancelled") && batch.ended_at > 0);
}

/* A wave of `count` runs of agents, which are in `drafts`. */
static int wave_of_runs(const struct store *store, const struct batch_hold *hold, int64_t from,
                        const struct run_draft *drafts, size_t count)
{
    struct message_draft message = user_message("[1]");
    struct batch_new_line lines[3];
    struct thread_draft threads[3];
    struct run_making makings[3];
    struct batch_wave rows = {.from_line = from,
                              .to_line = from + (int64_t)count,
                              .to_byte = 10 * (from + (int64_t)count),
                              .lines = lines,
                              .count = count,
                              .makings = makings,
                              .makings_count = count};

    for (size_t i = 0; i < count; i++) {
        message.id = uuid_new();
        threads[i] = (struct thread_draft){
            .id = uuid_new(), .messages = &message, .message_count = i == 0 ? 1 : 0};
        makings[i] = (struct run_making){store->tenant, &drafts[i], &threads[i], NULL, NULL};
        lines[i] = (struct batch_new_line){
            .line = from + (int64_t)i + 1, .run = drafts[i].id, .custom_id = TEXT("x")};
    }
    return batch_wave(store->pg, hold, &rows, &test_err);
}

static int64_t lines_made(void)
{
    return sql_int("SELECT count(*) FROM batch_lines WHERE made");
}

static void runs_of_waves(struct store *store)
{
    static const struct uuid any = {{0}};
    struct uuid agent = must_agent(store);
    struct batch batch = must_batch(store);
    struct batch_hold hold = must_take(store, 7);
    struct run_draft drafts[3];
    struct run_draft twice;
    struct run run;

    MUST(batch_begin(store->pg, &hold, 9, 90, TEXT("m"), &test_err));
    drafts[0] = run_of(any, agent);
    drafts[1] = run_of(any, uuid_new()); /* no such agent */
    drafts[2] = run_of(any, agent);
    MUST(wave_of_runs(store, &hold, 0, drafts, 3));
    cr_assert_eq(lines_made(), 2, "the others are told apart");
    MUST(runs_get(store, any, drafts[0].id, &run, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE submitted_with = '%s'", show(run.id)),
                 1);
    GIVES(BATCH_LOST, wave_of_runs(store, &hold, 0, drafts, 3));

    twice = drafts[0]; /* it is there: the database refuses all of the wave's runs */
    drafts[0] = run_of(any, agent);
    drafts[1] = twice;
    MUST(wave_of_runs(store, &hold, 3, drafts, 2));
    cr_assert_eq(sql_int("SELECT count(*) FROM batch_lines"), 5);
    cr_assert_eq(lines_made(), 3, "that which was there");
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 2);
    MUST(batch_get(store, batch.id, &batch, &test_err));
    cr_assert_eq(batch.at_line, 5);
}

Test(batches, runs_of_agents_are_made_with_their_wave)
{
    with_store(runs_of_waves);
}

/* Whoever slept from its reading of the batch to its wave. */
static void begin_nothing(const struct store *store, const struct batch_hold *hold)
{
    static const struct uuid any = {{0}};
    struct store rider = *store;
    struct run_draft draft = run_of(any, must_agent(store));
    struct thread_draft thread = {.id = uuid_new()};
    int64_t runs = sql_int("SELECT count(*) FROM runs");
    struct batch_fence fence;
    struct run run;

    GIVES(BATCH_LOST, wave(store, hold, 0, 1));
    GIVES(BATCH_LOST, wave_of_runs(store, hold, 0, &draft, 1));
    batch_fence_init(&fence, hold, -1);
    rider.rider = &fence.query;
    cr_assert_eq(runs_create_with_thread(&rider, &thread, &draft, &run, &test_err), -E_REJECTED,
                 "%s", test_err.text);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), runs);
    cr_assert_eq(sql_int("SELECT count(*) FROM batch_lines"), 0);
}

static void stops(struct store *store)
{
    struct batch batch = must_batch(store);
    struct batch_hold hold = must_take(store, 7);
    struct store rider = *store;
    static const struct uuid any = {{0}};
    struct run_draft draft = run_of(any, must_agent(store));
    struct thread_draft thread = {.id = uuid_new()};
    struct batch_wave passed = {.to_line = 2, .to_byte = 20, .errors = TEXT("{}\n"), .refused = 2};
    struct batch_fence fence;
    struct run run;

    MUST(batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    batch_fence_init(&fence, &hold, 0);
    rider.rider = &fence.query;
    MUST(runs_create_with_thread(&rider, &thread, &draft, &run, &test_err));
    MUST(batch_cancel(store, batch.id, &batch, &test_err));
    begin_nothing(store, &hold);
    MUST(batch_wave(store->pg, &hold, &passed, &test_err));

    batch = must_batch(store);
    hold = must_take(store, 7);
    MUST(batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    MUST(batch_stop(store->pg, &hold, "expired", TEXT_NONE, &test_err));
    begin_nothing(store, &hold);
    MUST(batch_wave(store->pg, &hold, &passed, &test_err));

    batch = must_batch(store);
    hold = must_take(store, 7);
    MUST(batch_begin(store->pg, &hold, 3, 30, TEXT("m"), &test_err));
    sql_do("UPDATE batches SET lease_until = now() - interval '1 s' WHERE state = 'in_progress'"
           "    AND ending IS NULL");
    (void)must_take(store, 8);
    begin_nothing(store, &hold);
}

Test(batches, that_are_stopped_or_lost_begin_no_line)
{
    with_store(stops);
}

Test(batches, are_cancelled_until_their_files_are_written)
{
    with_store(cancels);
}

static void takes(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct batch_ids taken;
    struct uuid single;

    for (int i = 0; i < 5; i++)
        (void)must_batch(store);
    single = must_batch(&other).id;
    MUST(batches_take(store->pg, store->arena, 7, 2, &taken, &test_err));
    cr_assert_eq(taken.count, 2);
    cr_assert(uuid_equal(taken.items[0].id, single) || uuid_equal(taken.items[1].id, single));
}

Test(batches, of_a_tenant_with_many_do_not_keep_out_those_of_others)
{
    with_store(takes);
}
