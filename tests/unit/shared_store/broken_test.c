/* Tests of a worker's writes over connections that break. */

#include "fixture.h"

struct writer {
    struct store store;
    struct run_claim claim;
    bool done;
};

#define WRITES 500

static void write_all(void *arg)
{
    struct writer *writer = arg;

    for (int64_t i = 1; i <= WRITES; i++) {
        struct run_message message = {
            .id = uuid_new(), .seq = i, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
        struct run_changes changes = {USED(1, 0), .messages = &message, .message_count = 1};
        int r;

        do
            r = run_leases_checkpoint(writer_of(writer->store.pg), &writer->claim.lease, &changes,
                                      &test_err);
        while (is_passing(r));
        MUST(r);
    }
    writer->done = true;
}

static void breaks(struct store *store)
{
    struct writer writer = {.store = *store};
    struct fiber *fiber;
    int broken = 0;

    writer.store.pg = another_pg();
    writer.claim = must_claim(store, must_worker(store), must_run(store).id);
    fiber = fiber_start("writer", write_all, &writer);
    while (!writer.done && broken < 20) {
        MUST(fiber_sleep(1 + (int64_t)random_below(20), &test_err));
        broken += (int)sql_int("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                               " WHERE datname = current_database() AND query LIKE 'WITH i AS%%'");
    }
    fiber_join(fiber);
    pg_close(writer.store.pg);
    cr_assert(broken > 0);
    cr_assert_eq(must_get_run(store, writer.claim.lease.run).step, WRITES);
    cr_assert_eq(must_get_run(store, writer.claim.lease.run).used.prompt_tokens, WRITES);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), WRITES);
}

Test(run_leases, write_exactly_once_over_connections_that_break)
{
    with_store(breaks);
}
