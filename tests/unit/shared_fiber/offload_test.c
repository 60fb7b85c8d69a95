/* The offload pool. */

#include <criterion/criterion.h>

#include <pthread.h>
#include <semaphore.h>
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

struct large {
    pthread_t loop;
    unsigned us;
    bool on_thread;
    int calls;
    int64_t ticks; /* of the loop, while it was worked on */
};

static int64_t ticks;

static void tick(void *arg)
{
    (void)arg;
    while (fiber_sleep(1, NULL) == 0)
        ticks++;
}

static void work(void *arg)
{
    struct large *large = arg;

    usleep(large->us);
    large->on_thread = !pthread_equal(pthread_self(), large->loop);
    large->calls++;
}

static void offload_by_size(void *arg)
{
    struct large large = {.loop = pthread_self(), .us = 30000};
    struct fiber *ticking = fiber_start("tick", tick, NULL);

    (void)arg;
    offload_large(OFFLOAD_LARGE_BYTES - 1, work, &large);
    cr_assert(!large.on_thread && large.calls == 1);
    cr_assert_eq(ticks, 0, "what is small is done at once");
    offload_large(OFFLOAD_LARGE_BYTES, work, &large);
    cr_assert(large.on_thread && large.calls == 2);
    cr_assert_gt(ticks, 0, "the loop goes on while a thread works");
    fiber_cancel(ticking);
    fiber_join(ticking);
    offload_stop();
}

Test(offload, a_thread_does_what_is_large_alone, .timeout = 20)
{
    loop_run(offload_by_size, NULL);
}

static void disk_once(void *arg)
{
    offload_disk(work, arg);
}

/* Of any size, and whoever is interrupted meanwhile does not leave. */
static void wait_for_disk(void *arg)
{
    struct large large = {.loop = pthread_self(), .us = 20000};
    struct fiber *ticking = fiber_start("tick", tick, NULL);
    struct fiber *fiber = fiber_start("disk", disk_once, &large);

    (void)arg;
    fiber_yield();
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert(large.on_thread && large.calls == 1);
    cr_assert_gt(ticks, 0);
    fiber_cancel(ticking);
    fiber_join(ticking);
    offload_stop();
}

Test(offload, a_disk_is_waited_for_on_a_thread_to_the_end, .timeout = 20)
{
    loop_run(wait_for_disk, NULL);
}

static void offload_once(void *arg)
{
    struct large *large = arg;

    large->loop = pthread_self();
    offload_large(SIZE_MAX, work, large);
}

/* Whoever is interrupted meanwhile does not leave: the work is about his frame. */
static void interrupt(void *arg)
{
    struct large large = {.us = 20000};
    struct fiber *fiber = fiber_start("large", offload_once, &large);

    (void)arg;
    fiber_yield();
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert(large.on_thread && large.calls == 1);
    offload_stop();
}

Test(offload, nothing_interrupts_what_is_large, .timeout = 20)
{
    loop_run(interrupt, NULL);
}

static sem_t gate;

static void gate_run(struct offload_job *job)
{
    (void)job;
    while (sem_wait(&gate) < 0)
        continue;
}

static void wait_at_gate(void *arg)
{
    struct nap *nap = make_nap(0);

    (void)arg;
    nap->job.run = gate_run;
    nap->job.foreign = true;
    cr_assert_eq(offload_run(&nap->job, DEADLINE_NONE, NULL), 0);
    nap_free(&nap->job);
}

static void block_all(void *arg)
{
    struct large large = {.loop = pthread_self()};
    struct fiber *fibers[8];

    (void)arg;
    cr_assert_eq(sem_init(&gate, 0, 0), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fibers[i] = fiber_start("gate", wait_at_gate, NULL);
    fiber_yield();
    offload_large(SIZE_MAX, work, &large);
    cr_assert(large.on_thread && large.calls == 1);
    run_one(NULL);
    cr_assert_eq(freed, 1, "what is foreign goes on meanwhile");
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        sem_post(&gate);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fiber_join(fibers[i]);
    offload_stop();
    cr_assert_eq(freed, 9);
}

Test(offload, what_is_foreign_holds_up_nothing_else, .timeout = 20)
{
    loop_run(block_all, NULL);
}
