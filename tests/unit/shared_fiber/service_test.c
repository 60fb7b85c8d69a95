#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/service.h"

struct script {
    struct service service;
    int rounds;
    int fail_from; /* rounds that fail, from this on */
    int fail_to;   /* and before this */
    int64_t sleep_ms;
    int log_fd;
};

static int scripted_round(void *arg, struct error *err)
{
    struct script *script = arg;
    int round = script->rounds++;

    if (script->sleep_ms > 0) {
        int r = fiber_sleep(script->sleep_ms, err);

        if (r < 0)
            return r;
    }
    if (round >= script->fail_from && round < script->fail_to)
        return error_set(err, E_UNAVAILABLE, "not there");
    return 0;
}

static void await_rounds(const struct script *script, int rounds)
{
    while (script->rounds < rounds)
        cr_assert_eq(fiber_sleep(1, NULL), 0);
}

static void start(struct script *script, int64_t period_ms)
{
    struct service_options options = {
        .name = "scripted",
        .round = scripted_round,
        .arg = script,
        .period_ms = period_ms,
        .trouble = "it has to wait",
        .recovered = "it goes on",
        .label = "shard",
        .number = 7,
    };

    service_start(&script->service, &options);
}

static void repeats_main(void *arg)
{
    struct script *script = arg;

    start(script, 1);
    await_rounds(script, 5);
    service_stop(&script->service);
    cr_expect_geq(script->service.rounds, 4);
    cr_expect_eq(script->service.failures, 0);
}

Test(service, goes_round_again_and_again_until_it_is_stopped)
{
    struct script script = {0};

    loop_run(repeats_main, &script);
}

static void wake_main(void *arg)
{
    struct script *script = arg;
    int64_t start_ms = clock_ms();

    start(script, 600000);
    await_rounds(script, 1);
    service_wake(&script->service);
    await_rounds(script, 2);
    cr_expect_lt(clock_ms() - start_ms, 60000);
    service_stop(&script->service);
}

Test(service, begins_its_next_round_at_once_when_it_is_woken)
{
    struct script script = {0};

    loop_run(wake_main, &script);
}

static void wake_within_main(void *arg)
{
    struct script *script = arg;

    script->sleep_ms = 20;
    start(script, 600000);
    await_rounds(script, 1);
    service_wake(&script->service);
    await_rounds(script, 2);
    service_stop(&script->service);
}

Test(service, remembers_a_wake_up_that_comes_during_a_round)
{
    struct script script = {0};

    loop_run(wake_within_main, &script);
}

static void trouble_main(void *arg)
{
    struct script *script = arg;

    script->fail_to = 1;
    start(script, 400);
    await_rounds(script, 1);
    cr_assert_eq(fiber_sleep(20, NULL), 0);
    service_wake(&script->service);
    cr_assert_eq(fiber_sleep(100, NULL), 0);
    cr_expect_eq(script->rounds, 1, "a wake-up must not make it try faster than its period");
    await_rounds(script, 2);
    service_stop(&script->service);
    cr_expect_eq(script->service.failures, 1);
}

Test(service, is_not_woken_after_a_failure)
{
    struct script script = {0};

    loop_run(trouble_main, &script);
}

static void lines_main(void *arg)
{
    struct script *script = arg;

    script->fail_from = 2;
    script->fail_to = 5;
    start(script, 1);
    await_rounds(script, 9);
    service_stop(&script->service);
}

static int count_lines(FILE *file, const char *words)
{
    char line[1024];
    int count = 0;

    rewind(file);
    while (fgets(line, sizeof(line), file))
        count += strstr(line, words) != NULL;
    return count;
}

Test(service, says_a_trouble_once_when_it_begins_and_once_when_it_ends)
{
    struct script script = {0};
    FILE *file = tmpfile();

    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_to_fd(fileno(file));
    loop_run(lines_main, &script);
    cr_expect_eq(count_lines(file, "it has to wait"), 1);
    cr_expect_eq(count_lines(file, "not there"), 1);
    cr_expect_eq(count_lines(file, "it goes on"), 1);
    cr_expect_eq(count_lines(file, "shard=7"), 2);
    fclose(file);
}

Test(service, stops_and_wakes_without_having_been_started)
{
    struct service service = {0};

    service_wake(&service);
    service_beat(&service);
    service_stop(&service);
    cr_expect_null(service.fiber);
}

Test(service, spreads_a_wait_by_a_quarter_to_both_sides)
{
    int64_t least = INT64_MAX, most = 0;

    for (int i = 0; i < 10000; i++) {
        int64_t wait_ms = service_spread_ms(1000);

        cr_assert_geq(wait_ms, 750);
        cr_assert_leq(wait_ms, 1250);
        if (wait_ms < least)
            least = wait_ms;
        if (wait_ms > most)
            most = wait_ms;
    }
    cr_expect_lt(least, 800);
    cr_expect_gt(most, 1200);
}
