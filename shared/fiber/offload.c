/* The offload pools: the threads of each take jobs from one list and hand them back through an
 * ev_async. There are four, so that neither what computes nor a look-up of ours waits behind the
 * name servers that a model chose, nor any of them behind a disk.
 *
 * An entry belongs to its pool from the start to its completion; the waiting fiber clears
 * entry->fiber when it gives up, and whoever finds no fiber at completion frees the job.
 */

#include "shared/fiber/offload.h"

#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"

#define THREADS_MAX 4
#define QUEUE_MAX   1024

#define COMPUTING_NICE 10

struct pool {
    int threads_wanted;
    int nice; /* of the threads, beside the loop's */
    bool running;
    bool stopping; /* under lock */
    pthread_t threads[THREADS_MAX];
    int thread_count;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list queue;    /* under lock */
    struct list finished; /* under lock */
    size_t entries;       /* the loop's thread only */
    ev_async wake;        /* its data is the pool */
    struct cond idle;
};

struct offload_entry {
    struct list link;
    struct pool *pool;
    struct offload_job *job;
    struct fiber *fiber; /* NULL: abandoned */
    bool done;
};

static struct pool blocking = {.threads_wanted = THREADS_MAX};
static struct pool foreign = {.threads_wanted = THREADS_MAX};
static struct pool disk = {.threads_wanted = THREADS_MAX};
/* Two: what is large may keep a core busy, not all of them. Where cores are short the loop comes
 * first. */
static struct pool computing = {.threads_wanted = 2, .nice = COMPUTING_NICE};

static void *thread_main(void *arg)
{
    struct pool *pool = arg;

    /* Of this thread alone, on Linux: setpriority(2), "C library/kernel differences". */
    if (pool->nice > 0)
        (void)setpriority(PRIO_PROCESS, 0, pool->nice);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct list *item = list_pop(&pool->queue);

        if (!item) {
            if (pool->stopping)
                break;
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        struct offload_job *job = CONTAINER_OF(item, struct offload_entry, link)->job;

        job->run(job);
        pthread_mutex_lock(&pool->lock);
        list_add(&pool->finished, item);
        ev_async_send(loop_ev(), &pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void complete(struct offload_entry *entry)
{
    struct pool *pool = entry->pool;

    pool->entries--;
    entry->done = true;
    if (entry->fiber) {
        fiber_wake(entry->fiber);
    } else {
        entry->job->free_job(entry->job);
        free(entry);
    }
    if (pool->entries == 0)
        cond_broadcast(&pool->idle);
}

static void on_finished(struct ev_loop *ev, ev_async *async, int events)
{
    struct pool *pool = async->data;
    struct list *item;

    (void)ev;
    (void)events;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        item = list_pop(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
        if (!item)
            return;
        complete(CONTAINER_OF(item, struct offload_entry, link));
    }
}

static void close_pool(struct pool *pool)
{
    ev_async_stop(loop_ev(), &pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
}

/* Threads that can't be had are done without, as long as there is one. Returns 0, or
 * -E_UNAVAILABLE. */
static int start(struct pool *pool, struct error *err)
{
    sigset_t all;
    sigset_t before;
    int failed = 0;

    if (pool->running)
        return 0;
    pool->stopping = false;
    pool->thread_count = 0;
    pool->entries = 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    list_init(&pool->queue);
    list_init(&pool->finished);
    cond_init(&pool->idle);
    ev_async_init(&pool->wake, on_finished);
    pool->wake.data = pool;
    ev_async_start(loop_ev(), &pool->wake);
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (pool->thread_count < pool->threads_wanted && failed == 0) {
        failed = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
        pool->thread_count += failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->running = pool->thread_count > 0;
    if (pool->running)
        return 0;
    close_pool(pool);
    (void)error_set_errno(err, failed, "can't start a thread for what would block");
    if (err)
        err->code = E_UNAVAILABLE;
    return -E_UNAVAILABLE;
}

static void submit(struct offload_entry *entry)
{
    struct pool *pool = entry->pool;

    pool->entries++;
    pthread_mutex_lock(&pool->lock);
    list_add(&pool->queue, &entry->link);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static int run_in(struct pool *pool, struct offload_job *job, int64_t deadline_ms,
                  struct error *err)
{
    struct offload_entry *entry;
    enum wait_result result = WAIT_WOKEN;

    if (start(pool, err) < 0) {
        job->free_job(job);
        return -E_UNAVAILABLE;
    }
    if (pool->entries >= QUEUE_MAX) {
        job->free_job(job);
        return error_set(err, E_LIMIT, "more than %d jobs wait for the offload pool", QUEUE_MAX);
    }
    entry = xcalloc(1, sizeof(*entry));
    entry->pool = pool;
    entry->job = job;
    entry->fiber = fiber_self();
    job->entry = entry;
    submit(entry);
    while (!entry->done && result == WAIT_WOKEN)
        result = fiber_wait("offload", deadline_ms);
    if (entry->done && result == WAIT_WOKEN) {
        free(entry);
        return 0;
    }
    if (entry->done) {
        job->free_job(job);
        free(entry);
    } else {
        entry->fiber = NULL;
    }
    if (result == WAIT_TIMEOUT)
        return error_set(err, E_TIMEOUT, "timed out waiting for the offload pool");
    return error_set(err, E_CANCELED, "cancelled while waiting for the offload pool");
}

int offload_run(struct offload_job *job, int64_t deadline_ms, struct error *err)
{
    return run_in(job->foreign ? &foreign : &blocking, job, deadline_ms, err);
}

struct large {
    struct offload_job job;
    void (*work)(void *arg);
    void *arg;
};

static void large_run(struct offload_job *job)
{
    struct large *large = CONTAINER_OF(job, struct large, job);

    large->work(large->arg);
}

static void large_unused(struct offload_job *job)
{
    (void)job; /* it is in the frame of its fiber */
}

static void run_whole(struct pool *pool, void (*work)(void *arg), void *arg)
{
    struct large large = {
        .job = {.run = large_run, .free_job = large_unused}, .work = work, .arg = arg};
    int r;

    fiber_shield_enter();
    r = run_in(pool, &large.job, DEADLINE_NONE, NULL);
    fiber_shield_leave();
    if (r < 0)
        work(arg);
}

void offload_large(size_t bytes, void (*work)(void *arg), void *arg)
{
    if (bytes >= OFFLOAD_LARGE_BYTES)
        run_whole(&computing, work, arg);
    else
        work(arg);
}

void offload_disk(void (*work)(void *arg), void *arg)
{
    run_whole(&disk, work, arg);
}

static void stop(struct pool *pool)
{
    if (!pool->running)
        return;
    fiber_shield_enter();
    while (pool->entries > 0) {
        int r = cond_wait(&pool->idle, DEADLINE_NONE, NULL);

        ASSERT(r == 0);
    }
    fiber_shield_leave();
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    close_pool(pool);
    pool->running = false;
}

void offload_stop(void)
{
    stop(&blocking);
    stop(&foreign);
    stop(&disk);
    stop(&computing);
}
