/* Tests of the migrations, and of what other services read. */

#include "fixture.h"

#include <stdio.h>

#include <stdio.h>

#include "shared/store/migrate.h"

#define MIGRATION(number, word, text)                                                              \
    {                                                                                              \
        number, word, text, sizeof(text) - 1                                                       \
    }

static const struct migration two[] = {
    MIGRATION(1, "first", "CREATE TABLE a (x int); INSERT INTO a VALUES (1)"),
    MIGRATION(2, "second", "ALTER TABLE a ADD COLUMN y int"),
};

static void applies(struct store *store)
{
    struct migrate_status status;
    int applied = -1;

    MUST(migrate_status(store, &status, &test_err));
    cr_assert_eq(status.applied, 0);
    cr_assert_eq((size_t)status.known, migrations_embedded_count);
    cr_assert_eq(status.pending, status.known);
    cr_assert_eq(sql_int("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
    MUST(migrate_apply(store, &applied, &test_err));
    cr_assert_eq((size_t)applied, migrations_embedded_count);
    MUST(migrate_apply(store, &applied, &test_err));
    cr_assert_eq(applied, 0);
    MUST(migrate_status(store, &status, &test_err));
    cr_assert_eq(status.applied, status.known);
    cr_assert_eq(status.pending, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 0);
}

Test(migrate, brings_an_empty_database_up_to_date_and_then_does_nothing)
{
    with_empty_database(applies);
}

static void refuses(struct store *store)
{
    static const struct migration changed[] = {
        MIGRATION(1, "first", "CREATE TABLE a (x int8); INSERT INTO a VALUES (1)"),
        MIGRATION(2, "second", "ALTER TABLE a ADD COLUMN y int"),
    };
    int applied;

    MUST(migrate_apply_list(store, two, 2, &applied, &test_err));
    cr_assert_eq(applied, 2);
    GIVES(-E_CONFLICT, migrate_apply_list(store, changed, 2, &applied, &test_err));
    cr_assert(strstr(test_err.text, "migration 1 (first) was changed"), "%s", test_err.text);
    GIVES(-E_CONFLICT, migrate_apply_list(store, two, 1, &applied, &test_err));
    cr_assert(strstr(test_err.text, "newer version"), "%s", test_err.text);
    sql_do("DELETE FROM schema_migrations WHERE version = 1");
    GIVES(-E_CONFLICT, migrate_apply_list(store, two, 2, &applied, &test_err));
    cr_assert(strstr(test_err.text, "missing"), "%s", test_err.text);
}

Test(migrate, refuses_changed_unknown_and_missing_migrations)
{
    with_empty_database(refuses);
}

static void rolls_back(struct store *store)
{
    static const struct migration broken[] = {
        MIGRATION(1, "first", "CREATE TABLE a (x int); INSERT INTO a VALUES (1)"),
        MIGRATION(2, "broken", "CREATE TABLE b (x int); SELECT 1 / 0"),
    };
    int applied;

    GIVES(-E_CONTENT, migrate_apply_list(store, broken, 2, &applied, &test_err));
    cr_assert(strstr(test_err.text, "migration 2 (broken)"), "%s", test_err.text);
    cr_assert_eq(sql_int("SELECT count(*) FROM schema_migrations"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM pg_tables WHERE tablename = 'b'"), 0);
    MUST(migrate_apply_list(store, two, 2, &applied, &test_err));
    cr_assert_eq(applied, 1);
}

Test(migrate, leaves_nothing_of_a_migration_that_fails)
{
    with_empty_database(rolls_back);
}

struct migrator {
    struct store store;
    int applied;
};

static void migrate_fiber(void *arg)
{
    struct migrator *migrator = arg;

    MUST(migrate_apply(&migrator->store, &migrator->applied, &test_err));
}

static void at_once(struct store *store)
{
    struct migrator migrators[4];
    struct fiber *fibers[4];
    int applied = 0;

    for (int i = 0; i < 4; i++) {
        migrators[i] = (struct migrator){*store, -1};
        migrators[i].store.pg = another_pg();
        fibers[i] = fiber_start("migrate", migrate_fiber, &migrators[i]);
    }
    for (int i = 0; i < 4; i++) {
        fiber_join(fibers[i]);
        applied += migrators[i].applied;
        pg_close(migrators[i].store.pg);
    }
    cr_assert_eq((size_t)applied, migrations_embedded_count);
}

Test(migrate, applies_each_migration_once_when_four_do_it_at_once)
{
    with_empty_database(at_once);
}

static void waits_its_turn(struct store *store)
{
    struct pg_options options = {.application_name = "unit"};
    struct lock_holder holder;
    struct store late = *store;
    int64_t start_ms = clock_ms();
    char url[1000];
    int applied;

    snprintf(url, sizeof(url), "%s options='-c lock_timeout=50'", conninfo(store));
    options.url = url;
    MUST(pg_open(&options, &late.pg, &test_err));
    lock_rows(&holder, store->pg, "SELECT pg_advisory_xact_lock(8097874551225051499)", 300);
    MUST(migrate_apply_list(&late, two, 2, &applied, &test_err));
    cr_assert_geq(clock_ms() - start_ms, 300, "it is another lock");
    fiber_join(holder.fiber);
    pg_close(late.pg);
}

Test(migrate, waits_its_turn_for_longer_than_statements_wait_for_locks)
{
    with_empty_database(waits_its_turn);
}

static void shows(struct store *store)
{
    struct message_draft question =
        user_message("[{\"type\": \"text\", \"text\": {\"value\": \"why?\"}}]");
    struct run_draft draft = run_of(must_thread(store), must_agent(store));
    struct run_ending ending = {.status = RUN_COMPLETED, .result_message = uuid_new()};
    struct run_message messages[2] = {
        {.id = uuid_new(), .seq = 1, .role = MESSAGE_TOOL, .hidden = true, .content = TEXT("[]")},
        {.id = ending.result_message,
         .seq = 2,
         .role = MESSAGE_ASSISTANT,
         .content = TEXT("[{\"type\": \"text\", \"text\": {\"value\": \"be\"}}, {\"type\": \"x\"},"
                         " {\"type\": \"text\", \"text\": \"cause\"}]")}};
    struct run_changes changes = {USED(5, 0), .messages = messages, .message_count = 2};
    char run_id[ID_TEXT_SIZE];
    struct run_claim claim;
    struct run run;

    draft.messages = &question;
    draft.message_count = 1;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    id_format(ID_RUN, run.id, run_id);
    cr_assert_str_eq(sql_string(store, "SELECT finished_at FROM run_results"), "");
    claim = must_claim(store, must_worker(store), run.id);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
    cr_assert_str_eq(
        sql_string(store, "SELECT answer FROM run_results WHERE id = penstock_uuid('%s')", run_id),
        "because");
    cr_assert_eq(sql_int("SELECT count(*) FROM run_results WHERE run_id = '%s' AND status ="
                         " 'completed' AND prompt_tokens = 5 AND finished_at IS NOT NULL"
                         " AND thread_id LIKE 'thread\\_%%' AND agent_id LIKE 'asst\\_%%'",
                         run_id),
                 1);
    cr_assert_str_eq(sql_string(store,
                                "SELECT string_agg(role || ':' || text, ' ' ORDER BY position)"
                                " FROM thread_messages"),
                     "user:why? assistant:because");
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_messages WHERE run_id = '%s'", run_id), 1);
}

Test(views, show_answers_and_messages_to_other_services)
{
    with_store(shows);
}

static void grants(struct store *store)
{
    (void)store;
    cr_assert_eq(sql_int("SELECT count(*) FROM information_schema.role_table_grants"
                         " WHERE grantee = 'penstock_reader' AND privilege_type = 'SELECT'"
                         " AND table_name IN ('run_results', 'thread_messages', 'usage_by_hour')"),
                 3);
    cr_assert_eq(sql_int("SELECT count(*) FROM information_schema.role_table_grants"
                         " WHERE grantee = 'penstock_reader'"),
                 3);
    sql_do("BEGIN; SET LOCAL ROLE penstock_reader; SELECT * FROM run_results;"
           " SELECT * FROM thread_messages; SELECT * FROM usage_by_hour;"
           " SELECT penstock_uuid('run_' || md5('x')); COMMIT");
    cr_assert_eq(sql_int("SELECT has_table_privilege('penstock_reader', 'api_keys', 'SELECT')::int"
                         " + has_table_privilege('penstock_reader', 'runs', 'SELECT')::int"),
                 0);
}

Test(views, are_all_that_the_reader_role_may_see)
{
    with_store(grants);
}
