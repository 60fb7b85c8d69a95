/* Rows that somebody at a prompt holds, and what that costs the others. */

#include "fixture.h"

static const struct pg_statement set_body = {"set_body", "UPDATE item SET body = $2 WHERE id = $1",
                                             "it"};

struct change {
    struct pg *pg;
    int64_t id;
    int result;
    int64_t ended_ms;
    struct error err;
    struct fiber *fiber;
};

static void change_main(void *arg)
{
    struct change *change = arg;
    struct pg_value values[] = {pg_int(change->id), pg_string("new")};

    change->result = pg_exec(change->pg, &set_body, values, NULL, &change->err);
    change->ended_ms = clock_ms();
}

static void check_held(struct pg *pg)
{
    struct change changes[20];
    struct pg_tx *tx = NULL;
    struct error err = {0};
    int64_t start_ms;

    make_items(pg);
    must_script(pg, "INSERT INTO item SELECT i, 'old' FROM generate_series(0, 19) i");
    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_script(tx, "SELECT 1 FROM item WHERE id = 7 FOR UPDATE", &err), 0);
    start_ms = clock_ms();
    for (int i = 0; i < 20; i++) {
        changes[i] = (struct change){.pg = pg, .id = i};
        changes[i].fiber = fiber_start("change", change_main, &changes[i]);
    }
    for (int i = 0; i < 20; i++) {
        fiber_join(changes[i].fiber);
        cr_assert_lt(changes[i].ended_ms - start_ms, 2500);
        cr_assert_eq(changes[i].result, i == 7 ? -E_UNAVAILABLE : 0, "%d %s", i,
                     changes[i].err.text);
    }
    cr_assert_eq(strncmp(changes[7].err.text, "55P03: ", 7), 0, "%s", changes[7].err.text);
    pg_rollback(tx);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE body = 'new'"), 19);
}

Test(locks, that_somebody_holds_cost_the_others_of_a_batch_little_and_once)
{
    with_pg(NULL, check_held);
}
