/* Tests of the state of a thread that its run changes. */

#include "fixture.h"
#include "shared/store/leases/agent_states.h"

static struct run_lease lease_of(struct store *store, struct uuid run, int64_t worker)
{
    struct run_claim_list list;

    MUST(run_leases_claim(store->pg, store->arena, worker, &run, 1, &list, &test_err));
    cr_assert_eq(list.count, 1);
    return list.items[0].lease;
}

static void changes(struct store *store)
{
    struct run run = must_run(store);
    struct run_lease lease = lease_of(store, run.id, must_worker(store));
    struct agent_state state;

    MUST(agent_state_read(store, run.thread_id, &state, &test_err));
    cr_assert_null(state.json.ptr);
    cr_assert_eq(state.version, 0);
    MUST(agent_state_change(store, &lease, 0, TEXT("{\"plan\":1,\"mine\":2}"), &test_err));
    MUST(agent_state_change(store, &lease, 1, TEXT("{\"plan\":3}"), &test_err));
    MUST(agent_state_read(store, run.thread_id, &state, &test_err));
    cr_assert(text_is(state.json, "{\"mine\": 2, \"plan\": 3}"), "%.*s", TEXT_ARGS(state.json));
    cr_assert_eq(state.version, 2);
}

Test(agent_states, keep_the_members_that_are_not_changed)
{
    with_store(changes);
}

static void refuses(struct store *store)
{
    struct run run = must_run(store);
    struct run_lease lease = lease_of(store, run.id, must_worker(store));
    struct run_lease fenced = lease;
    struct run_lease others = lease;
    struct store stranger = *store;
    struct agent_state state;

    fenced.fence--;
    others.owner++;
    stranger.tenant = uuid_new();
    cr_assert_eq(agent_state_change(store, &fenced, 0, TEXT("{\"a\":1}"), &test_err),
                 STATE_CHANGED);
    cr_assert_eq(agent_state_change(store, &others, 0, TEXT("{\"a\":1}"), &test_err),
                 STATE_CHANGED);
    cr_assert_eq(agent_state_change(store, &lease, 1, TEXT("{\"a\":1}"), &test_err), STATE_CHANGED);
    cr_assert_eq(agent_state_change(&stranger, &lease, 0, TEXT("{\"a\":1}"), &test_err),
                 STATE_CHANGED);
    cr_assert_eq(agent_state_read(&stranger, run.thread_id, &state, &test_err), THREAD_MISSING);
    MUST(agent_state_read(store, run.thread_id, &state, &test_err));
    cr_assert_eq(state.version, 0);
    MUST(agent_state_change(store, &lease, 0, TEXT("{\"a\":1}"), &test_err));
}

Test(agent_states, are_changed_by_the_run_that_has_the_thread_and_from_what_it_read)
{
    with_store(refuses);
}
