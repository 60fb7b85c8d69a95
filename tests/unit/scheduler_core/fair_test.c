/* The order of runs: floors of priorities, weights of tenants, newcomers, caps. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheduler/dispatch/fair.h"

enum { TENANTS = 8, RUNS = 4000 };

/* A queue of each tenant and priority; each round offers what is in it. */
struct model {
    struct fair *fair;
    struct fair_tenant tenants[TENANTS];
    size_t ready[TENANTS][FAIR_LANES];
    size_t served[TENANTS][FAIR_LANES];
    size_t last[RUNS]; /* tenants, in the order of the last round */
    int last_lane[RUNS];
};

static struct uuid tenant_id(uint32_t number)
{
    struct uuid id = {.bytes = {1}};

    memcpy(id.bytes + 12, &number, sizeof(number));
    return id;
}

static struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof(*model));

    model->fair = fair_new();
    for (uint32_t i = 0; i < TENANTS; i++)
        model->tenants[i] = (struct fair_tenant){tenant_id(i), 1, FAIR_NO_CAP};
    return model;
}

static void model_free(struct model *model)
{
    fair_free(model->fair);
    free(model);
}

static size_t model_round(struct model *model, size_t places)
{
    static struct fair_run runs[RUNS];
    static size_t order[RUNS];
    struct fair_offer offer = {model->tenants, TENANTS, runs, 0};
    size_t count;

    for (size_t t = 0; t < TENANTS; t++)
        for (int p = 0; p < FAIR_LANES; p++)
            for (size_t i = 0; i < model->ready[t][p] && i < places; i++)
                runs[offer.run_count++] = (struct fair_run){t, p};
    cr_assert_leq(offer.run_count, RUNS);
    count = fair_order(model->fair, &offer, places, order);
    for (size_t i = 0; i < count; i++) {
        const struct fair_run *run = &runs[order[i]];

        model->last[i] = run->tenant;
        model->last_lane[i] = run->priority;
        model->ready[run->tenant][run->priority]--;
        model->served[run->tenant][run->priority]++;
        if (i > 0)
            cr_assert(order[i] != order[i - 1]);
    }
    return count;
}

static size_t lane_sum(const struct model *model, int priority)
{
    size_t sum = 0;

    for (size_t t = 0; t < TENANTS; t++)
        sum += model->served[t][priority];
    return sum;
}

Test(fair, floors_of_the_priorities_are_exact_whatever_the_size_of_a_round)
{
    for (size_t places = 1; places <= 41; places += 4) {
        struct model *model = model_new();

        for (size_t done = 0; done < 2000 * places; done += places) {
            for (int p = 0; p < FAIR_LANES; p++)
                model->ready[p][p] = 50;
            cr_assert_eq(model_round(model, places), places);
        }
        cr_assert_eq(lane_sum(model, 0), 1600 * places);
        cr_assert_eq(lane_sum(model, 1), 300 * places);
        cr_assert_eq(lane_sum(model, 2), 100 * places);
        model_free(model);
    }
}

Test(fair, what_a_priority_does_not_use_goes_to_the_most_urgent_that_has_work)
{
    struct model *model = model_new();

    for (int i = 0; i < 100; i++) {
        model->ready[1][1] = model->ready[2][2] = 20;
        cr_assert_eq(model_round(model, 10), 10);
    }
    cr_assert_eq(lane_sum(model, 1), 950);
    cr_assert_eq(lane_sum(model, 2), 50);
    for (int i = 0; i < 100; i++) {
        model->ready[0][0] = model->ready[2][2] = 20;
        model->ready[1][1] = 0;
        cr_assert_eq(model_round(model, 10), 10);
    }
    cr_assert_eq(lane_sum(model, 0), 950);
    model->ready[0][0] = 0;
    model->ready[2][2] = 7;
    cr_assert_eq(model_round(model, 10), 7, "alone it has all");
    model_free(model);
}

Test(fair, a_priority_that_was_idle_has_no_credit)
{
    struct model *model = model_new();

    for (int i = 0; i < 1000; i++) {
        model->ready[0][1] = 20;
        model_round(model, 10);
    }
    memset(model->served, 0, sizeof(model->served));
    model->ready[0][1] = model->ready[1][0] = 200;
    cr_assert_eq(model_round(model, 20), 20);
    cr_assert_eq(lane_sum(model, 0), 17);
    cr_assert_eq(lane_sum(model, 1), 3);
    model_free(model);
}

Test(fair, weights_are_shares)
{
    static const int64_t weights[] = {1, 2, 3, 10, 1000};

    for (size_t w = 0; w < sizeof(weights) / sizeof(*weights); w++) {
        struct model *model = model_new();
        size_t total = 0;

        model->tenants[1].weight = weights[w];
        while (total < (size_t)(weights[w] + 1) * 100) {
            model->ready[0][1] = model->ready[1][1] = 1500;
            total += model_round(model, (size_t)(weights[w] + 1));
        }
        cr_assert_leq(model->served[0][1], 101);
        cr_assert_geq(model->served[0][1], 99, "weight %d: %zu", (int)weights[w],
                      model->served[0][1]);
        model_free(model);
    }
}

Test(fair, equal_tenants_take_turns)
{
    struct model *model = model_new();

    for (int round = 0; round < 10; round++) {
        model->ready[0][1] = 1000;
        model->ready[1][1] = model->ready[2][1] = 10;
        cr_assert_eq(model_round(model, 6), 6);
        for (size_t i = 0; i < 3; i++)
            cr_assert_eq(model->last[i], model->last[i + 3]);
        cr_assert(model->last[0] != model->last[1] && model->last[1] != model->last[2]);
    }
    model_free(model);
}

Test(fair, a_newcomer_is_served_next)
{
    struct model *model = model_new();

    model->tenants[0].weight = 5;
    model->tenants[1].weight = 5;
    for (int i = 0; i < 100; i++) {
        model->ready[0][1] = model->ready[1][1] = 100;
        model_round(model, 17);
    }
    model->ready[7][1] = 1;
    model_round(model, 3);
    cr_assert_eq(model->last[0], 7);
    model_free(model);
}

Test(fair, a_tenant_that_was_away_has_no_credit_and_no_debt_for_it)
{
    struct model *model = model_new();

    model->ready[1][1] = 5;
    model_round(model, 5);
    for (int i = 0; i < 100; i++) {
        model->ready[0][1] = 100;
        model_round(model, 50);
    }
    memset(model->served, 0, sizeof(model->served));
    model->ready[0][1] = model->ready[1][1] = 500;
    model_round(model, 100);
    cr_assert_eq(model->served[0][1], 50);
    cr_assert_eq(model->served[1][1], 50);
    model_free(model);
}

Test(fair, a_tenant_with_little_to_do_waits_for_one_run_of_each_other)
{
    struct model *model = model_new();

    for (size_t t = 0; t < 7; t++)
        model->ready[t][1] = 400;
    for (int round = 0; round < 50; round++) {
        model->ready[7][1] = 1;
        for (int places = 0; places < 8; places++)
            model_round(model, 1);
        cr_assert_eq(model->ready[7][1], 0, "round %d", round);
    }
    model_free(model);
}

Test(fair, caps_hold_over_all_priorities_and_others_take_the_places)
{
    struct model *model = model_new();

    model->tenants[0].room = 3;
    model->ready[0][0] = model->ready[0][1] = model->ready[0][2] = 100;
    model->ready[1][1] = 100;
    cr_assert_eq(model_round(model, 50), 50);
    cr_assert_eq(model->served[0][0] + model->served[0][1] + model->served[0][2], 3);
    cr_assert_eq(model->served[1][1], 47);
    cr_assert_eq(model->tenants[0].room, 0);
    model->ready[1][1] = 0;
    cr_assert_eq(model_round(model, 50), 0, "nobody may be served");
    model_free(model);
}

Test(fair, a_capped_tenant_gathers_no_credit_behind_its_cap)
{
    struct model *model = model_new();

    model->tenants[0].room = 0;
    for (int i = 0; i < 100; i++) {
        model->ready[0][1] = model->ready[1][1] = 100;
        model_round(model, 10);
    }
    memset(model->served, 0, sizeof(model->served));
    model->tenants[0].room = FAIR_NO_CAP;
    model_round(model, 40);
    cr_assert_eq(model->served[0][1], 20);
    model_free(model);
}

Test(fair, a_tenants_runs_keep_their_order)
{
    struct fair *fair = fair_new();
    struct fair_tenant tenants[2] = {{tenant_id(1), 1, FAIR_NO_CAP}, {tenant_id(2), 4, 100}};
    struct fair_run runs[60];
    struct fair_offer offer = {tenants, 2, runs, 60};
    size_t order[60];
    size_t last[2][FAIR_LANES] = {{0}};
    bool seen[60] = {false};

    for (size_t i = 0; i < 60; i++)
        runs[i] = (struct fair_run){i % 2, (int)(i / 2 % 3)};
    cr_assert_eq(fair_order(fair, &offer, 1000, order), 60);
    for (size_t i = 0; i < 60; i++) {
        size_t *before = &last[runs[order[i]].tenant][runs[order[i]].priority];

        cr_assert(!seen[order[i]]);
        seen[order[i]] = true;
        cr_assert(order[i] + 1 > *before);
        *before = order[i] + 1;
    }
    fair_free(fair);
}

Test(fair, a_run_that_went_another_way_counts)
{
    struct model *model = model_new();

    model->ready[0][1] = model->ready[1][1] = 100;
    for (int i = 0; i < 10; i++)
        fair_charge(model->fair, 1, model->tenants[0].id, 1);
    model_round(model, 10);
    cr_assert_eq(model->served[1][1], 10);
    fair_rest(model->fair, 1);
    memset(model->served, 0, sizeof(model->served));
    model_round(model, 10);
    cr_assert_eq(model->served[1][1], 5, "after a rest all begin anew");
    model_free(model);
}

Test(fair, places_nobody_and_nothing_are_no_trouble)
{
    struct fair *fair = fair_new();
    struct fair_tenant tenant = {tenant_id(1), 0, FAIR_NO_CAP};
    struct fair_run run = {0, 2};
    struct fair_offer nothing = {NULL, 0, NULL, 0};
    struct fair_offer one = {&tenant, 1, &run, 1};
    size_t order[1];

    cr_assert_eq(fair_order(fair, &nothing, 10, order), 0);
    cr_assert_eq(fair_order(fair, &one, 0, order), 0);
    cr_assert_eq(fair_order(fair, &one, 10, order), 1);
    cr_assert_eq(order[0], 0);
    fair_free(fair);
}

/* All are ahead by the same, so the one of the least id makes room. */
Test(fair, forgets_one_who_is_least_ahead_when_its_memory_is_full)
{
    struct fair *fair = fair_new();
    struct fair_tenant tenants[] = {{tenant_id(1), 1, FAIR_NO_CAP}, {tenant_id(0), 1, FAIR_NO_CAP}};
    struct fair_run runs[] = {{0, 1}, {1, 1}};
    struct fair_offer offer = {tenants, 2, runs, 2};
    size_t order[2];

    for (uint32_t i = 0; i <= FAIR_MEMORY_MAX; i++)
        fair_charge(fair, 1, tenant_id(i), 1);
    cr_assert_eq(fair_order(fair, &offer, 1, order), 1);
    cr_expect_eq(order[0], 1, "who was forgotten is a newcomer, and served first");
    fair_free(fair);
}

/* More tenants than dispatch ever offers, so that the cost of each of them shows: looked through
 * for every place they take a quarter of a second. Counted is the time of this process, which other
 * load does not change. */
Test(fair, a_place_costs_little_however_many_tenants_there_are)
{
    enum { EACH = 2000, PLACES = 10000, PER_TENANT = 10 };
    struct fair *fair = fair_new();
    struct fair_tenant *tenants = calloc(FAIR_LANES * EACH, sizeof(*tenants));
    size_t run_count = (size_t)FAIR_LANES * EACH * PER_TENANT;
    struct fair_run *runs = calloc(run_count, sizeof(*runs));
    size_t *order = calloc(PLACES, sizeof(*order));
    struct fair_offer offer = {tenants, FAIR_LANES * EACH, runs, run_count};
    clock_t start;
    double ms;

    for (size_t i = 0; i < FAIR_LANES * EACH; i++)
        tenants[i] = (struct fair_tenant){tenant_id((uint32_t)i), 1, FAIR_NO_CAP};
    for (size_t i = 0; i < run_count; i++)
        runs[i] = (struct fair_run){i / PER_TENANT, (int)(i / PER_TENANT / EACH)};
    start = clock();
    cr_assert_eq(fair_order(fair, &offer, PLACES, order), PLACES);
    ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;
    cr_log_info("%.2f ms", ms);
    cr_expect_lt(ms, 60, "%.1f ms", ms);
    fair_free(fair);
    free(tenants);
    free(runs);
    free(order);
}

Test(fair, the_same_calls_give_the_same_order_however_the_offer_is_arranged)
{
    struct fair *left = fair_new(), *right = fair_new();

    for (int round = 0; round < 30; round++) {
        struct fair_tenant a[3], b[3];
        struct fair_run runs_a[30], runs_b[30];
        struct fair_offer offer_a = {a, 3, runs_a, 30}, offer_b = {b, 3, runs_b, 30};
        size_t order_a[7], order_b[7];

        for (uint32_t i = 0; i < 3; i++) {
            a[i] = (struct fair_tenant){tenant_id(i), i + 1, FAIR_NO_CAP};
            b[2 - i] = a[i];
        }
        for (size_t i = 0; i < 30; i++) {
            runs_a[i] = (struct fair_run){i % 3, 1};
            runs_b[i] = (struct fair_run){2 - i % 3, 1};
        }
        cr_assert_eq(fair_order(left, &offer_a, 7, order_a), 7);
        cr_assert_eq(fair_order(right, &offer_b, 7, order_b), 7);
        for (size_t i = 0; i < 7; i++)
            cr_assert_eq(runs_a[order_a[i]].tenant, 2 - runs_b[order_b[i]].tenant);
    }
    fair_free(left);
    fair_free(right);
}
