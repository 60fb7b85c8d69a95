/* What needs threads, where the system gives none: it says so, leaves nothing behind, and works as
 * soon as there are some. */

#include <criterion/criterion.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/fiber/watchdog.h"

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static bool refused;

/* In the place of the library's, for all of this program. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *),
                   void *arg)
{
    create_fn real;

    if (refused)
        return EAGAIN;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, main, arg);
}

struct job {
    struct offload_job job;
    int ran;
    int freed;
};

static void job_run(struct offload_job *job)
{
    CONTAINER_OF(job, struct job, job)->ran++;
}

static void job_free(struct offload_job *job)
{
    CONTAINER_OF(job, struct job, job)->freed++;
}

static void offload(void *arg)
{
    struct job first = {.job = {.run = job_run, .free_job = job_free}};
    struct job second = first;
    struct error err;

    (void)arg;
    refused = true;
    cr_assert_eq(offload_run(&first.job, DEADLINE_NONE, &err), -E_UNAVAILABLE);
    cr_assert(strstr(err.text, "can't start a thread"), "%s", err.text);
    cr_assert(first.ran == 0 && first.freed == 1);
    refused = false;
    cr_assert_eq(offload_run(&second.job, DEADLINE_NONE, &err), 0);
    cr_assert(second.ran == 1 && second.freed == 0);
    offload_stop();
}

Test(threads, are_missed_by_what_would_block_and_found_the_next_time, .timeout = 20)
{
    loop_run(offload, NULL);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void offload_here(void *arg)
{
    int calls = 0;

    (void)arg;
    refused = true;
    offload_large(SIZE_MAX, count, &calls);
    cr_assert_eq(calls, 1);
    refused = false;
    offload_stop();
}

Test(threads, are_done_without_where_something_is_large, .timeout = 20)
{
    loop_run(offload_here, NULL);
}

static void watchdog(void *arg)
{
    const struct watchdog_options options = {.lag_limit_ms = 600, .grace_ms = 500};
    struct error err;

    (void)arg;
    refused = true;
    cr_assert_lt(watchdog_start(&options, &err), 0);
    cr_assert(strstr(err.text, "watchdog"), "%s", err.text);
    refused = false;
    cr_assert_eq(watchdog_start(&options, &err), 0);
    cr_assert_eq(fiber_sleep(50, NULL), 0);
    cr_assert_null(watchdog_stuck());
    watchdog_stop();
}

Test(threads, are_missed_by_the_watchdog_which_says_so, .timeout = 20)
{
    loop_run(watchdog, NULL);
}
