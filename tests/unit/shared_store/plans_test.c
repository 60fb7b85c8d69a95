/* Tests that no statement reads a whole table once tables are full, with the plans that prepared
 * statements settle on: those of full tables that were analysed, and those that were made while the
 * tables were empty, which a session keeps until somebody analyses them. */

#include "fixture.h"

#include "shared/store/access/idempotency.h"
#include "shared/store/access/tickets.h"
#include "shared/store/answers/tool_outputs.h"
#include "shared/store/dispatch/dispatch.h"
#include "shared/store/files/blob_chunks.h"
#include "shared/store/files/uploads.h"
#include "shared/store/fleet/erasures.h"
#include "shared/store/fleet/reaper.h"
#include "shared/store/polls/run_reader.h"
#include "shared/store/polls/settled_runs.h"
#include "shared/store/polls/thread_standings.h"
#include "shared/store/runs/open_calls.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/submissions/run_batches.h"
#include "shared/store/threads/histories.h"
#include "shared/store/threads/tips.h"
#include "shared/store/users/memory_keys.h"
#include "shared/store/users/user_data.h"

static const struct uuid any = {{0}};

static void fill(const struct store *store)
{
    const char *tenant = show(store->tenant);

    sql_do(
        "INSERT INTO agents (id, tenant_id, spec) SELECT gen_random_uuid(), '%s', '{}'"
        "  FROM generate_series(1, 5000);"
        "INSERT INTO agent_versions SELECT id, 1, '{}' FROM agents"
        "  ON CONFLICT DO NOTHING;"
        "INSERT INTO threads (id, tenant_id) SELECT gen_random_uuid(), '%s'"
        "  FROM generate_series(1, 10000);"
        "INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, status, spec,"
        "    expires_at) SELECT gen_random_uuid(), tenant_id, id, id, 1,"
        "    CASE WHEN random() < 0.05 THEN 'queued' ELSE 'completed' END, '{}',"
        "    now() + interval '1 h' FROM threads;"
        "INSERT INTO messages (id, tenant_id, thread_id, run_id, seq, role, content)"
        "  SELECT gen_random_uuid(), tenant_id, thread_id, id, n, 'user', '[]'"
        "  FROM runs, generate_series(1, 3) n ON CONFLICT DO NOTHING;"
        "INSERT INTO run_steps (id, tenant_id, thread_id, run_id, agent_id, seq, type, status)"
        "  SELECT gen_random_uuid(), tenant_id, thread_id, id, id, n, 'tool_calls', 'completed'"
        "  FROM runs, generate_series(1, 2) n ON CONFLICT DO NOTHING;"
        "INSERT INTO tool_calls SELECT id, n, 'c', 'f', '{}', 'pure', 'done', 'k'"
        "  FROM runs, generate_series(1, 2) n ON CONFLICT DO NOTHING;"
        "INSERT INTO idempotency_keys (tenant_id, key, request_hash)"
        "  SELECT '%s', n::text, ''::bytea FROM generate_series(1, 10000) n;"
        "INSERT INTO api_keys (id, tenant_id, name, hash, prefix)"
        "  SELECT gen_random_uuid(), '%s', 'n', gen_random_uuid()::text::bytea, ''"
        "  FROM generate_series(1, 5000);"
        "INSERT INTO user_memory (tenant_id, user_id, agent_id, key, value, value_bytes)"
        "  SELECT '%s', n::text, '%s', 'k', '1', 1 FROM generate_series(1, 10000) n;"
        "INSERT INTO blobs (id, tenant_id, store, state, sha256, bytes, refs)"
        "  SELECT gen_random_uuid(), '%s', 'postgres', 'ready', gen_random_uuid()::text::bytea, 1,"
        "    1 FROM generate_series(1, 10000);"
        "INSERT INTO blob_chunks (blob_id, at, bytes) SELECT id, 0, 'x' FROM blobs;"
        "INSERT INTO files (id, tenant_id, blob_id, filename, purpose, bytes)"
        "  SELECT gen_random_uuid(), tenant_id, id, 'f', 'vision', 1 FROM blobs;"
        "INSERT INTO uploads (id, tenant_id, filename, purpose, mime_type, bytes, status,"
        "    expires_at) SELECT id, tenant_id, 'f', 'vision', 'x', 1, 'completed', now() FROM"
        "    blobs;"
        "INSERT INTO upload_parts (id, upload_id, tenant_id, blob_id, bytes)"
        "  SELECT id, id, tenant_id, id, 1 FROM blobs;"
        "INSERT INTO tickets SELECT gen_random_uuid()::text::bytea, '%s', '%s', NULL, now()"
        "  FROM generate_series(1, 10000) n;"
        "SELECT pg_stat_force_next_flush()",
        tenant, tenant, tenant, tenant, tenant, tenant, tenant, tenant, tenant);
}

static void use_memory(const struct store *store)
{
    struct memory_key_scope scope = {TEXT("5000"), uuid_new()};
    struct memory_key_page page = {.limit = 5, .ascending = true, .after = TEXT("j")};
    struct memory_key_recall recall;
    struct user_removed removed;
    struct memory_key_list list;
    struct memory_key memory;
    int64_t count;

    MUST(memory_keys_put(store, &scope, TEXT("k"), TEXT("1"), &memory, &test_err));
    MUST(memory_keys_replace(store, &scope, TEXT("{\"k\": 2, \"l\": 3}"), &count, &test_err));
    MUST(memory_keys_get(store, &scope, TEXT("k"), &memory, &test_err));
    MUST(memory_keys_list(store, &scope, &page, &list, &test_err));
    page.ascending = false;
    MUST(memory_keys_list(store, &scope, &page, &list, &test_err));
    MUST(memory_keys_recall(store, &scope, 100, &recall, &test_err));
    MUST(memory_keys_recall_key(store, &scope, TEXT("k"), &memory, &test_err));
    MUST(memory_keys_delete(store, &scope, TEXT("k"), &count, &test_err));
    MUST(users_delete(
        store,
        &(struct user_deleting){
            .user = scope.user, .deadline_ms = DEADLINE_NONE, .stopped = NULL, .arg = NULL},
        &removed, &test_err));
}

static int create_behind(const struct store *store, struct run_draft *draft)
{
    struct thread_tip tip;
    struct run run;

    MUST(threads_tip(store, draft->thread, any, &tip, &test_err));
    draft->behind = tip.position;
    return runs_create(store, draft, &run, NULL, &test_err);
}

static void use_responses(const struct store *store)
{
    struct uuid thread = must_thread(store);
    struct run_draft draft = run_of(thread, any);
    struct message_draft message = user_message("[]");
    struct message_filter brought = {.came_with = draft.id, .hidden = true};
    struct page page = {.limit = 5};
    struct message_list messages;
    struct thread_tip tip;
    struct thread_draft fresh = {.hidden = true, .erases = true};
    struct thread erasing;
    struct step_thoughts thoughts;
    struct run_gone gone;
    struct message got;
    struct run run;
    int64_t erased;
    bool more;

    MUST(messages_add(store, thread, &message, 1, TEXT_NONE, &got, NULL, &test_err));
    MUST(messages_find(store, &message.id, 1, &messages, &test_err));
    MUST(messages_delete_exchange(store, thread, message.id, NULL, &test_err));
    message.id = uuid_new();
    MUST(messages_add(store, thread, &message, 1, TEXT_NONE, &got, NULL, &test_err));
    MUST(threads_tip(store, thread, any, &tip, &test_err));
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    MUST(threads_tip(store, thread, run.id, &tip, &test_err));
    MUST(run_steps_thoughts(store, &run.id, 1, 1000, &thoughts, &test_err));
    MUST(messages_list(store, thread, &brought, &page, &messages, &test_err));
    page.ascending = true;
    MUST(messages_list(store, thread, &brought, &page, &messages, &test_err));
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    draft.is_behind = true;
    GIVES(-E_CONFLICT, create_behind(store, &draft));
    draft.id = uuid_new();
    MUST(create_behind(store, &draft));
    MUST(runs_cancel(store, any, draft.id, &run, &test_err));
    MUST(runs_delete(store, draft.id, &gone, &test_err));
    draft.id = uuid_new();
    MUST(runs_create_on_copy(
        store, &(struct run_copy){.id = uuid_new(), .source = thread, .position = INT64_MAX},
        &draft, &run, &test_err));
    MUST(runs_cancel(store, any, draft.id, &run, &test_err));
    fresh.id = uuid_new();
    MUST(threads_create(store, &fresh, &erasing, &test_err));
    MUST(threads_erase(store, fresh.id, &test_err));
    fresh.id = uuid_new();
    MUST(threads_create(store, &fresh, &erasing, &test_err));
    sql_do("UPDATE threads SET erase_at = now(), last_used_at = 'epoch' WHERE id = '%s'",
           show(fresh.id));
    MUST(threads_erase_due(store->pg, &erased, &more, &test_err));
    cr_assert_eq(erased, 1);
}

static void use_blobs(const struct store *store)
{
    struct blob_places places;
    uint8_t byte;
    size_t count;
    int64_t held;
    bool more;

    IGNORE(blob_touch(store->pg, any, TEXT_NONE, &test_err));
    IGNORE(blob_give_up(store->pg, any, &test_err));
    MUST(blob_forget(store->pg, any, &test_err));
    MUST(blob_postpone(store->pg, any, &test_err));
    MUST(blobs_held(store, &held, &test_err));
    MUST(blobs_left(store, 60000, 10, &places, &test_err));
    MUST(blob_chunk_get(store->pg, any, 0, &byte, 1, &count, &test_err));
    MUST(blob_chunks_delete(store->pg, any, &more, &test_err));
}

static void use_files(const struct store *store)
{
    struct blob_content content = {.id = uuid_new(), .bytes = 1, .quota = INT64_MAX};
    struct new_file file = {
        .id = uuid_new(), .filename = TEXT("f"), .purpose = TEXT("vision"), .seconds = 3600};
    struct file_page page = {.page = {.limit = 5}, .purpose = TEXT("vision")};
    struct upload_parts parts;
    struct upload_part part;
    struct upload upload;
    struct file_list list;
    struct file made;
    bool spare;
    bool more;

    use_blobs(store);
    random_bytes(content.sha256, sizeof(content.sha256));
    MUST(blob_begin(store, content.id, "postgres", &test_err));
    MUST(file_create(store, &file, &content, &made, &spare, &test_err));
    MUST(file_get(store, file.id, &made, &test_err));
    MUST(file_list(store, &page, &list, &test_err));
    page.purpose = TEXT_NONE;
    page.page.ascending = true;
    MUST(file_list(store, &page, &list, &test_err));
    MUST(file_delete(store, file.id, &test_err));
    MUST(files_expire(store->pg, &more, &test_err));
    IGNORE(upload_get(store, any, &upload, &test_err));
    IGNORE(upload_add_part(store, any, any, &content, &part, &spare, &test_err));
    IGNORE(upload_get_part(store, any, any, &part, &test_err));
    MUST(upload_list_parts(store, any, &parts, &test_err));
    IGNORE(upload_complete(store, any, &file, &content, &spare, &test_err));
    IGNORE(upload_cancel(store, any, &test_err));
    MUST(uploads_expire(store->pg, &more, &test_err));
}

static void use_api(const struct store *store)
{
    struct page page = {.limit = 5};
    struct idempotency_request request = {.object = uuid_new()};
    struct message_draft message = user_message("[]");
    struct uuid agent = must_agent(store);
    struct run_draft draft = run_of(must_thread(store), agent);
    struct thread_draft thread_draft = {.id = uuid_new()};
    struct idempotency_reply reply;
    struct agent_list agents;
    struct thread_list threads;
    struct message_list messages;
    struct run_list runs;
    struct message got;
    struct run_stopped stopped;
    struct thread_standing_row standing;
    struct thread_next next;
    struct ticket_holder holder;
    struct api_key key;
    size_t settled;
    size_t settled_count;
    struct run run;

    request.key = text_of(show(request.object));
    GIVES(KEY_MISSING,
          keys_authenticate(store->pg, TEXT("pk_0123456789012345678901234567890123456789012"), &key,
                            &test_err));
    GIVES(TICKET_MISSING,
          tickets_take(store->pg, TEXT("0123456789012345678901234567890123456789012"), &holder,
                       &test_err));
    MUST(keys_over(store->pg, &request.object, 1, &settled, &settled_count, &test_err));
    MUST(idempotency_begin(store, &request, &reply, &test_err));
    MUST(idempotency_recall(store, request.hash, request.object, &request.object, &test_err));
    MUST(idempotency_complete(store, request.key, 200, TEXT("{}"), &test_err));
    MUST(agents_list(store, &page, &agents, &test_err));
    MUST(threads_list(store, &(struct thread_filter){.archived = -1, .active = -1}, &page, &threads,
                      &test_err));
    MUST(messages_create(store, draft.thread, &message, TEXT_NONE, &got, NULL, &test_err));
    MUST(messages_list(store, draft.thread, &(struct message_filter){.run = any}, &page, &messages,
                       &test_err));
    MUST(messages_list(store, draft.thread, &(struct message_filter){.run = uuid_new()}, &page,
                       &messages, &test_err));
    MUST(messages_delete(store, draft.thread, message.id, NULL, &test_err));
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    MUST(runs_get(store, any, run.id, &run, &test_err));
    MUST(runs_settled(store->pg, &run.id, 1, &settled, &settled_count, &test_err));
    MUST(thread_standings(store->pg, &draft.thread, 1, &standing, &test_err));
    MUST(thread_next_run(store, draft.thread, &(struct thread_place){.run = run.id, .us = -1},
                         &next, &test_err));
    MUST(runs_list(store, draft.thread, &page, &runs, &test_err));
    MUST(runs_list_all(store, &(struct run_filter){.statuses = ~0U}, &page, &runs, &test_err));
    MUST(runs_list_all(store, &(struct run_filter){.user = TEXT("ann")}, &page, &runs, &test_err));
    MUST(runs_update(store, any, run.id, TEXT("{}"), &run, &test_err));
    for (enum multitask how = MULTITASK_ENQUEUE; how <= MULTITASK_ROLLBACK; how++) {
        draft.id = uuid_new();
        MUST(runs_enqueue(store, &draft, how, &run, &stopped, &test_err));
    }
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    draft = run_of(any, agent);
    MUST(runs_create_with_thread(store, &thread_draft, &draft, &run, &test_err));
    MUST(threads_delete(store, thread_draft.id, NULL, &test_err));
    use_memory(store);
    use_responses(store);
    use_files(store);
}

static void use_batches(const struct store *store)
{
    struct uuid agent = must_agent(store);
    struct run_draft drafts[2] = {run_of(must_thread(store), agent), run_of(any, agent)};
    struct thread_draft fresh = {.id = uuid_new()};
    struct run_making makings[2] = {
        {.tenant = store->tenant, .draft = &drafts[0]},
        {.tenant = store->tenant, .draft = &drafts[1], .new_thread = &fresh}};
    struct run_reader *reader = run_reader_new(store->pg);
    struct run_look look = {.arena = store->arena};
    struct pg_result *result = NULL;
    struct run_batch *batch;
    struct pg_query query;
    struct run run;

    MUST(run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    pg_result_free(result);
    drafts[1].id = uuid_new();
    fresh.id = uuid_new();
    MUST(run_batch_new(NULL, makings + 1, 1, &batch, &test_err));
    query = run_batch_query(batch);
    MUST(pg_exec_all(store->pg, &query, 1, NULL, &test_err));
    run_batch_free(batch);
    MUST(run_reader_get(reader, store, any, drafts[0].id, &run, &test_err));
    MUST(run_reader_look(reader, store, any, drafts[0].id, &run, &look, &test_err));
    run_reader_free(reader);
}

static void use_waits(const struct store *store, int64_t worker)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    const struct tool_output output = {.call_id = TEXT("c"), .output = TEXT("sunny")};
    const struct approval approval = {.by = uuid_new(), .allows = true};
    struct run_call calls[3] = {{.call_no = 1, .call_id = TEXT("c"), .kind = WAIT_CLIENT},
                                {.call_no = 2, .call_id = TEXT("t"), .kind = WAIT_TIME},
                                {.call_no = 3, .call_id = TEXT("p"), .kind = WAIT_APPROVAL}};
    struct run_changes changes = {.calls = calls, .call_count = 3};
    struct run_parking how = {.required_action = TEXT("{\"submit_tool_outputs\":{\"tool_calls\":"
                                                      "[{\"id\":\"c\"},{\"id\":\"p\"}]}}")};
    int64_t settled = 0;
    bool more;

    for (int i = 0; i < 3; i++) {
        calls[i].name = TEXT("f");
        calls[i].arguments = TEXT("{}");
        calls[i].idempotency_key = TEXT("k");
        calls[i].state = CALL_OPEN;
        calls[i].due_in_ms = i == 1 ? 0 : CALL_NEVER_DUE;
    }
    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    MUST(open_calls_sweep(store->pg, &settled, &more, &test_err));
    cr_assert_eq(settled, 1);
    MUST(tool_outputs_give(store, any, run.id, &output, 1, &run, &test_err));
    GIVES(OUTPUTS_GIVEN, tool_outputs_give(store, any, run.id, &output, 1, &run, &test_err));
    MUST(approvals_decide(store, any, run.id, TEXT("p"), &approval, &run, &test_err));
    GIVES(APPROVAL_GIVEN,
          approvals_decide(store, any, run.id, TEXT("p"), &approval, &run, &test_err));
}

static void use_worker(const struct store *store)
{
    struct dispatch_query query = {.limit = 100,
                                   .exclude = (struct uuid[1]){{{1}}},
                                   .exclude_count = 1,
                                   .owned_shards = (int64_t[1]){0},
                                   .owned_count = 1};
    struct history_limits limits = {.count = 50, .bytes = 100000, .before = INT64_MAX};
    struct run run = must_run(store);
    int64_t worker = must_worker(store);
    struct run_claim claim;
    struct run_claim_list claims;
    struct run_ending ending = {.status = RUN_FAILED};
    struct run_return how = {0};
    struct run_message message = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
    struct run_call call = {.call_no = 1,
                            .call_id = TEXT("c"),
                            .name = TEXT("f"),
                            .arguments = TEXT("{}"),
                            .idempotency_key = TEXT("k")};
    struct run_step_write step = {.id = uuid_new(), .seq = 1, .type = STEP_TOOL_CALLS};
    struct run_changes changes = {.messages = &message,
                                  .message_count = 1,
                                  .calls = &call,
                                  .call_count = 1,
                                  .steps = &step,
                                  .step_count = 1};
    struct histories histories;
    struct dispatch_counts counts;
    struct reaper_report report;
    struct run_progress progress;
    struct run_claim_list held;
    struct message_list messages;
    struct dispatch_tenants tenants;
    struct dispatch_waiting waiting;
    struct dispatch_offer ready;
    struct uuid polled[10];
    size_t polled_count;

    MUST(run_leases_claim_read(store->pg, store->arena, worker, &run.id, 1, &claims, &histories,
                               &test_err));
    cr_assert_eq(claims.count, 1);
    claim = claims.items[0];
    histories_deinit(&histories);
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, &held, &test_err));
    MUST(run_leases_progress(store->pg, store->arena, run.id, INT64_MAX, &progress, &test_err));
    for (limits.part = HISTORY_NEWEST; limits.part <= HISTORY_FIRST; limits.part++)
        MUST(messages_history(store, run.thread_id, &limits, &messages, &test_err));
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    MUST(run_leases_hand_back(writer_of(store->pg), &claim.lease, NULL, &how, &test_err));
    claim = must_claim(store, worker, run.id);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
    use_waits(store, worker);
    use_batches(store);
    MUST(dispatch_offer(store->pg, store->arena, &query, &ready, &test_err));
    MUST(dispatch_poll(store->pg, 0, 10, polled, &polled_count, &test_err));
    MUST(dispatch_tenants(store->pg, store->arena, &tenants, &test_err));
    MUST(dispatch_count_waiting(store->pg, store->arena, &waiting, &test_err));
    MUST(dispatch_count(store->pg, &counts, &test_err));
    sql_do("UPDATE workers SET state = 'dead' WHERE worker_id = %lld", (long long)worker);
    must_claim(store, must_worker(store), must_run(store).id);
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    MUST(workers_deregister(store->pg, worker, NULL, &test_err));
}

/* Sequential scans so far of all tables but `workers`, which has a handful of rows, and sums of
 * usage, which are read as a whole where a user's name is taken out of them. */
static int64_t seq_scans(void)
{
    return sql_int("SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname NOT IN"
                   " ('workers', 'schema_migrations', 'tenants', 'usage_deltas',"
                   "  'usage_hourly')");
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

/* A session's statistics are certain to be seen once it has ended. */
static void wait_for_sessions(int64_t count)
{
    for (int i = 0; i < 500; i++) {
        if (sessions() <= count)
            return;
        MUST(fiber_sleep(10, &test_err));
    }
    cr_assert(false, "sessions do not end");
}

static void scans_nothing(struct store *store)
{
    struct store used = *store;
    int64_t before_sessions = sessions();
    int64_t before;

    fill(store);
    sql_do("ANALYZE");
    before = seq_scans();
    used.pg = another_pg();
    use_api(&used);
    use_worker(&used);
    pg_close(used.pg);
    wait_for_sessions(before_sessions);
    cr_assert_eq(seq_scans() - before, 0, "read as a whole: %s",
                 sql_string(store, "SELECT string_agg(relname || ' ' || seq_scan, ', ')"
                                   " FROM pg_stat_user_tables WHERE seq_scan > 0"));
    sql_do("SELECT count(*) FROM runs WHERE metadata = '[]'; SELECT pg_stat_force_next_flush()");
    cr_assert_eq(seq_scans() - before, 1, "a scan would be seen");
}

Test(plans, never_read_a_whole_table)
{
    with_store(scans_nothing);
}

/* Rows read so far by index or as a whole, of all tables but the small ones. */
static int64_t rows_read(void)
{
    return sql_int("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables"
                   " WHERE relname NOT IN ('workers', 'schema_migrations', 'tenants')");
}

/* Entries of indexes read so far. */
static int64_t entries_read(void)
{
    return sql_int("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes");
}

static void was_young(struct store *store)
{
    int64_t before_sessions = sessions();
    struct store used = *store;
    int64_t rows;
    int64_t entries;

    used.pg = another_pg();
    use_api(&used);
    use_worker(&used);
    fill(store);
    rows = rows_read();
    entries = entries_read();
    use_api(&used);
    use_worker(&used);
    pg_close(used.pg);
    wait_for_sessions(before_sessions);
    rows = rows_read() - rows;
    entries = entries_read() - entries;
    cr_assert(rows < 4000 && entries < 4000, "%lld rows and %lld entries of indexes: %s",
              (long long)rows, (long long)entries,
              sql_string(store, "SELECT string_agg(relname || ' ' || seq_scan || ' ' ||"
                                "   seq_tup_read, ', ') FROM pg_stat_user_tables"
                                " WHERE seq_scan > 0"));
}

Test(plans, keep_probing_in_a_database_that_was_young)
{
    with_store(was_young);
}

static void stays_hot(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_changes changes = {USED(1, 0)};
    int64_t before_sessions = sessions();
    struct store used = *store;

    used.pg = another_pg();
    for (int i = 0; i < 100; i++)
        MUST(run_leases_checkpoint(writer_of(used.pg), &claim.lease, &changes, &test_err));
    pg_close(used.pg);
    wait_for_sessions(before_sessions);
    cr_assert(sql_int("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'runs'") >=
              95);
}

Test(plans, keep_checkpoints_within_their_page)
{
    with_store(stays_hot);
}

static void finds_by_id(struct store *store)
{
    int64_t before_sessions = sessions();
    int64_t worker = must_worker(store);
    struct run_changes changes = {USED(1, 0)};
    struct store used = *store;
    struct run_claim claim = {0};
    struct run_ending ending = {.status = RUN_COMPLETED};

    used.pg = another_pg();
    for (int i = 0; i < 40; i++)
        claim = must_claim(&used, worker, must_run(&used).id);
    for (int i = 0; i < 20; i++)
        MUST(run_leases_checkpoint(writer_of(used.pg), &claim.lease, &changes, &test_err));
    MUST(run_leases_finish(writer_of(used.pg), &claim.lease, NULL, &ending, &test_err));
    pg_close(used.pg);
    wait_for_sessions(before_sessions);
    cr_assert_eq(sql_int("SELECT idx_tup_read FROM pg_stat_user_indexes"
                         " WHERE indexrelname = 'runs_owned'"),
                 0);
}

Test(plans, find_a_run_by_its_id_however_many_its_worker_has_in_hand)
{
    with_store(finds_by_id);
}

static int64_t message_scans(void)
{
    return sql_int("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'messages'");
}

/* A statement keeps the plan that it got while the tables were empty and never looked at. */
static void finds_messages(struct store *store)
{
    int64_t before = message_scans(); /* by the migrations */
    int64_t before_sessions = sessions();
    int64_t worker = must_worker(store);
    struct store used = *store;
    struct histories histories;
    struct message_list messages;
    struct run_claim_list claims;
    struct run runs[2];

    used.pg = another_pg();
    for (int i = 0; i < 2; i++) {
        runs[i] = must_run(store);
        if (i == 1)
            sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
                   "  SELECT gen_random_uuid(), '%s', CASE WHEN n %% 1000 = 0 THEN '%s'::uuid ELSE"
                   "    '%s' END, 'user', '[]' FROM generate_series(1, 10000) n",
                   show(store->tenant), show(runs[1].thread_id), show(uuid_new()));
        MUST(run_leases_claim_read(used.pg, used.arena, worker, &runs[i].id, 1, &claims, &histories,
                                   &test_err));
        cr_assert_eq(claims.count, 1);
        if (i == 1) {
            MUST(histories_get(&histories, 0, HISTORY_CLAIM_COUNT, used.arena, &messages,
                               &test_err));
            cr_assert_eq(messages.count, 10);
        }
        histories_deinit(&histories);
    }
    pg_close(used.pg);
    wait_for_sessions(before_sessions);
    cr_assert_eq(message_scans(), before);
    cr_assert_eq(sql_int("SELECT idx_tup_read FROM pg_stat_user_indexes"
                         " WHERE indexrelname = 'messages_thread'"),
                 10);
}

Test(plans, find_the_messages_of_a_thread_in_a_database_that_was_young)
{
    with_store(finds_messages);
}
