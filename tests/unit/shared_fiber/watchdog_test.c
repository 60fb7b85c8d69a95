/* The watchdog. */

#include <criterion/criterion.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/watchdog.h"

static const struct watchdog_options quick = {.lag_limit_ms = 600, .grace_ms = 500};

static void go_round(void *arg)
{
    struct pulse pulse = {0};

    (void)arg;
    cr_assert_eq(watchdog_start(&quick, NULL), 0);
    pulse_start(&pulse, "part", 400);
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(fiber_sleep(100, NULL), 0);
        pulse_beat(&pulse);
        cr_assert_null(watchdog_stuck());
    }
    pulse_stop(&pulse);
    cr_assert_eq(fiber_sleep(1200, NULL), 0);
    cr_assert_null(watchdog_stuck(), "nobody watches a pulse that was stopped");
    watchdog_stop();
}

Test(watchdog, lets_a_process_be_whose_parts_go_round, .timeout = 20)
{
    loop_run(go_round, NULL);
}

static void get_stuck(void *arg)
{
    struct pulse fine = {0};
    struct pulse pulse = {0};

    (void)arg;
    cr_assert_eq(watchdog_start(&quick, NULL), 0);
    pulse_start(&fine, "fine", 400);
    pulse_start(&pulse, "part", 400);
    while (!watchdog_stuck()) {
        pulse_beat(&fine);
        cr_assert_eq(fiber_sleep(20, NULL), 0);
    }
    cr_assert_str_eq(watchdog_stuck(), "part");
    for (;;) {
        pulse_beat(&fine);
        cr_assert_eq(fiber_sleep(20, NULL), 0);
    }
}

Test(watchdog, names_the_part_that_is_stuck_and_ends_the_process, .timeout = 20,
     .exit_code = WATCHDOG_EXIT)
{
    loop_run(get_stuck, NULL);
}

static void hold_the_loop(void *arg)
{
    (void)arg;
    cr_assert_eq(watchdog_start(&quick, NULL), 0);
    cr_assert_eq(fiber_sleep(50, NULL), 0);
    for (;;)
        usleep(1000);
}

Test(watchdog, ends_a_process_whose_loop_stands_still, .timeout = 20, .exit_code = WATCHDOG_EXIT)
{
    loop_run(hold_the_loop, NULL);
}

/* Above the most that the watchdog's clock counts of a stop, below the stop itself. */
static const struct watchdog_options patient = {.lag_limit_ms = 1500, .grace_ms = 500};

static void be_stopped(void *arg)
{
    pid_t parent = getpid();
    pid_t child = fork();

    (void)arg;
    if (child == 0) {
        usleep(300000);
        kill(parent, SIGSTOP);
        usleep(2500000);
        kill(parent, SIGCONT);
        _exit(0);
    }
    cr_assert_eq(watchdog_start(&patient, NULL), 0);
    while (watchdog_lag_ms() < 1000)
        cr_assert_eq(fiber_sleep(50, NULL), 0);
    cr_assert_eq(fiber_sleep(1000, NULL), 0);
    cr_assert_geq(watchdog_lag_ms(), 2000);
    cr_assert_lt(watchdog_lag_ms(), 3000);
    watchdog_stop();
    waitpid(child, NULL, 0);
}

Test(watchdog, does_not_blame_a_process_for_having_been_stopped, .timeout = 20)
{
    loop_run(be_stopped, NULL);
}
