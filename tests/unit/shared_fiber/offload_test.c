/* The offload pool. */

#include <criterion/criterion.h>

#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"

struct nap {
    struct offload_job job;
    unsigned us;
    int result;
};

static int freed;

static void nap_run(struct offload_job *job)
{
    struct nap *nap = CONTAINER_OF(job, struct nap, job);

    usleep(nap->us);
    nap->result = 42;
}

static void nap_free(struct offload_job *job)
{
    free(CONTAINER_OF(job, struct nap, job));
    freed++;
}

static struct nap *make_nap(unsigned us)
{
    struct nap *nap = xcalloc(1, sizeof(*nap));

    nap->job = (struct offload_job){.run = nap_run, .free_job = nap_free};
    nap->us = us;
    return nap;
}

static void run_one(void *arg)
{
    struct nap *nap = make_nap(1000);
    int64_t start_ms = clock_ms();

    (void)arg;
    cr_assert_eq(offload_run(&nap->job, deadline_in(5000), NULL), 0);
    cr_assert_eq(nap->result, 42);
    cr_assert_lt(clock_ms() - start_ms, 4000);
    nap_free(&nap->job);
}

static void run_many(void *arg)
{
    struct fiber *fibers[40];

    (void)arg;
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fibers[i] = fiber_start("nap", run_one, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fiber_join(fibers[i]);
    offload_stop();
}

Test(offload, results_come_back_to_the_fibers_that_wait)
{
    loop_run(run_many, NULL);
    cr_assert_eq(freed, 40);
}

static void give_up(void *arg)
{
    struct nap *nap = make_nap(50000);

    (void)arg;
    cr_assert_eq(offload_run(&nap->job, deadline_in(5), NULL), -E_TIMEOUT);
    cr_assert_eq(freed, 0);
    offload_stop();
    cr_assert_eq(freed, 1, "the pool frees what was abandoned");
}

Test(offload, a_job_that_outlives_its_waiter_is_freed_by_the_pool)
{
    loop_run(give_up, NULL);
}
