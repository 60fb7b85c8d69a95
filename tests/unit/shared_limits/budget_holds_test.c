/* What calls under way hold of budgets. */

#include "shared/limits/budget_holds.h"
#include "tests/unit/shared_limits/bench.h"

static struct budget_hold hold(const char *key, int64_t max, int64_t spent, int64_t least,
                               int64_t most)
{
    struct budget_hold hold = {
        .max = {{max, 0}}, .spent = {{spent, 1}}, .need = {{{least, 1}}, {{most, 2}}}};

    (void)snprintf(hold.key, sizeof(hold.key), "%s", key);
    (void)snprintf(hold.period, sizeof(hold.period), "2026-11-30");
    return hold;
}

static enum budget_answer take(struct bench *bench, const char *run, struct budget_hold *one)
{
    cr_assert_eq(budget_holds_take(bench->redis, text_of(run), one, 1, 60000, &err), 0, "%s",
                 err.text);
    return one->answer;
}

LIMITS_TEST(what_calls_hold_is_not_granted_twice, 41)
{
    struct budget_hold one = hold("b", 1000, 100, 50, 400);
    const struct budget_amount real = {{120, 0}};

    cr_expect_eq(take(bench, "r1", &one), BUDGET_GRANTED);
    cr_expect_eq(one.granted.of[BUDGET_TOKENS], 400);
    cr_expect_eq(one.granted.of[BUDGET_COST], 2);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED);
    cr_expect_eq(take(bench, "r3", &one), BUDGET_BUSY);
    cr_expect_eq(take(bench, "r3", &one), BUDGET_BUSY, "and it holds nothing");
    budget_holds_settle(bench->redis, TEXT("r1"), &one, 1, &real, 60000);
    cr_expect_eq(take(bench, "r3", &one), BUDGET_BUSY, "380 are left");
    one.spent.of[BUDGET_TOKENS] = 220;
    budget_holds_release(bench->redis, TEXT("r1"), &one, 1);
    one = hold("b", 1000, 100, 50, 380);
    cr_expect_eq(take(bench, "r3", &one), BUDGET_GRANTED,
                 "whoever knows less learns what is spent");
    cr_expect_eq(take(bench, "r4", &one), BUDGET_BUSY);
}

LIMITS_TEST(a_run_holds_one_amount, 42)
{
    struct budget_hold one = hold("b", 1000, 0, 50, 600);

    cr_expect_eq(take(bench, "r1", &one), BUDGET_GRANTED);
    cr_expect_eq(take(bench, "r1", &one), BUDGET_GRANTED, "its worker was killed in the midst");
    one = hold("b", 1000, 0, 50, 400);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED);
    cr_expect_eq(take(bench, "r3", &one), BUDGET_BUSY);
}

LIMITS_TEST(the_last_part_goes_to_one_call_and_then_it_is_used_up, 43)
{
    struct budget_hold one = hold("b", 1000, 700, 50, 600);

    cr_expect_eq(take(bench, "r1", &one), BUDGET_GRANTED);
    cr_expect_eq(one.granted.of[BUDGET_TOKENS], 300);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_BUSY);
    one.spent.of[BUDGET_TOKENS] = 960;
    budget_holds_release(bench->redis, TEXT("r1"), &one, 1);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_USED_UP);
    one.max.of[BUDGET_TOKENS] = 2000;
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED, "somebody has raised it");
}

LIMITS_TEST(of_several_budgets_all_grant_or_nothing_is_held, 44)
{
    struct budget_hold two[2] = {hold("a", 1000, 0, 50, 600), hold("b", 500, 480, 50, 600)};
    struct budget_hold one = hold("a", 1000, 0, 50, 1000);

    cr_assert_eq(budget_holds_take(bench->redis, TEXT("r1"), two, 2, 60000, &err), 0);
    cr_expect_eq(two[0].answer, BUDGET_GRANTED);
    cr_expect_eq(two[1].answer, BUDGET_USED_UP);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED);
}

LIMITS_TEST(what_is_not_given_back_in_time_is_given_up, 45)
{
    struct budget_hold one = hold("b", 1000, 0, 50, 1000);

    cr_assert_eq(budget_holds_take(bench->redis, TEXT("r1"), &one, 1, 100, &err), 0);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_BUSY);
    cr_assert_eq(fiber_sleep(150, NULL), 0);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED);
}

LIMITS_TEST(a_redis_that_forgets_all_knows_of_no_calls, 46)
{
    struct budget_hold one = hold("b", 1000, 100, 50, 900);
    const struct text flush[] = {TEXT("FLUSHDB")};
    const struct budget_amount real = {{500, 0}};

    cr_expect_eq(take(bench, "r1", &one), BUDGET_GRANTED);
    cr_assert_eq(redis_command(bench->redis, flush, 1, NULL, &err), 0);
    command(bench, "SET penstock:budget:epoch 1", NULL); /* for long */
    budget_holds_settle(bench->redis, TEXT("r1"), &one, 1, &real, 60000);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_BUSY, "but it learns what they came to");
    one.spent.of[BUDGET_TOKENS] = 600;
    budget_holds_release(bench->redis, TEXT("r1"), &one, 1);
    one = hold("b", 1000, 600, 50, 400);
    cr_expect_eq(take(bench, "r2", &one), BUDGET_GRANTED);
}

LIMITS_TEST(what_redis_forgot_is_told_again_before_anything_is_granted, 48)
{
    struct budget_hold mine = hold("b", 1000, 0, 50, 600);
    struct budget_hold other = hold("b", 1000, 0, 50, 600);
    struct budget_hold spent = hold("b", 1000, 1000, 50, 600);
    int64_t before;
    int64_t after;

    cr_assert_eq(budget_holds_epoch(bench->redis, &before, &err), 0);
    cr_assert_eq(before, 1);
    cr_assert_eq(take(bench, "r1", &mine), BUDGET_GRANTED);
    command(bench, "FLUSHDB", NULL);
    cr_expect_eq(take(bench, "r2", &other), BUDGET_BUSY, "nobody knows who holds what");
    cr_expect_eq(take(bench, "r2", &spent), BUDGET_USED_UP, "what is spent is known");
    cr_assert_eq(budget_holds_epoch(bench->redis, &after, &err), 0);
    cr_expect(after > before);
    budget_holds_restore(bench->redis, TEXT("r1"), &mine, 1, 60000);
    budget_holds_restore(bench->redis, TEXT("r1"), &mine, 1, 60000);
    command(bench, "SET penstock:budget:epoch 1", NULL); /* the time is over */
    other = hold("b", 2000, 1000, 50, 600);
    cr_expect_eq(take(bench, "r2", &other), BUDGET_BUSY, "400 of 1000 are not held by r1");
    other = hold("b", 2000, 1000, 50, 400);
    cr_expect_eq(take(bench, "r2", &other), BUDGET_GRANTED, "what was told twice is held once");
    budget_holds_release(bench->redis, TEXT("r1"), &mine, 1);
    other = hold("b", 2000, 1000, 50, 1000);
    cr_expect_eq(take(bench, "r2", &other), BUDGET_GRANTED);
}

LIMITS_TEST(what_calls_hold_they_hold_when_another_period_begins, 49)
{
    struct budget_hold before = hold("b", 1000, 300, 50, 600);
    struct budget_hold after = hold("b", 1000, 0, 50, 600);

    (void)snprintf(after.period, sizeof(after.period), "2026-12-01");
    cr_expect_eq(take(bench, "r1", &before), BUDGET_GRANTED);
    cr_expect_eq(take(bench, "r2", &after), BUDGET_BUSY, "it counts when it is stored");
    before.spent.of[BUDGET_TOKENS] = 900;
    budget_holds_release(bench->redis, TEXT("r1"), &before, 1);
    after.need.most.of[BUDGET_TOKENS] = 1000;
    cr_expect_eq(take(bench, "r2", &after), BUDGET_GRANTED, "nothing is spent in the new one");
    after.spent.of[BUDGET_TOKENS] = 700;
    budget_holds_release(bench->redis, TEXT("r2"), &after, 1);
    budget_holds_release(bench->redis, TEXT("r1"), &before, 1);
    after.spent.of[BUDGET_TOKENS] = 0;
    after.need.most.of[BUDGET_TOKENS] = 400;
    after.need.least.of[BUDGET_TOKENS] = 400;
    cr_expect_eq(take(bench, "r2", &after), BUDGET_USED_UP, "who is late says nothing of it");
}
