/* The loop: one turn is poll, callbacks, ready fibers, deferred calls.
 *
 * Fibers run from an ev_prepare, so after all callbacks of a turn. While somebody is still ready
 * (or deferred) at its end, an ev_idle keeps libev from blocking in the poll. A repeating timer
 * makes the loop turn at least once a second, so that another thread can tell a stuck loop from an
 * idle one.
 */

#include "shared/fiber/loop.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/scheduler_internal.h"

#define SLOW_HOLD_US 100000
#define SIGNALS_MAX  8

struct loop loop_state;

static struct {
    ev_prepare prepare;
    ev_idle idle;
    ev_timer heartbeat;
    ev_signal dump;
    ev_signal watched[SIGNALS_MAX];
    size_t watched_count;
    uint64_t pending; /* a bit per signal number */
    struct cond arrived;
} watch;

static void note_hold(int64_t start_us, int64_t end_us)
{
    int64_t held_us = end_us - start_us;

    if (held_us > SLOW_HOLD_US)
        loop_state.stats.slow_holds++;
    worst_note(&loop_state.longest_us, held_us, end_us / 1000);
}

/* Runs those that are ready now; those that become ready meanwhile wait for the next turn, so that
 * descriptors are polled in between. */
static void run_ready(void)
{
    struct list batch;
    struct list *item;
    int64_t start_us = clock_us();

    list_init(&batch);
    if (list_empty(&loop_state.ready))
        return;
    batch = loop_state.ready;
    batch.next->prev = &batch;
    batch.prev->next = &batch;
    list_init(&loop_state.ready);
    while ((item = list_pop(&batch))) {
        struct fiber *fiber = CONTAINER_OF(item, struct fiber, ready_link);
        int64_t end_us;

        fiber_resume(fiber);
        end_us = clock_us();
        note_hold(start_us, end_us);
        start_us = end_us;
    }
    fiber_reap();
}

static void run_deferred(void)
{
    struct list batch;
    struct list *item;

    list_init(&batch);
    while ((item = list_pop(&loop_state.deferred)))
        list_add(&batch, item);
    while ((item = list_pop(&batch))) {
        struct deferred *deferred = CONTAINER_OF(item, struct deferred, link);

        deferred->fn(deferred->arg);
    }
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    (void)prepare;
    (void)events;
    loop_state.stats.turns++;
    __atomic_store_n(&loop_state.stats.last_turn_ms, clock_ms(), __ATOMIC_RELAXED);
    run_ready();
    run_deferred();
    if (loop_state.count == 0) {
        ev_break(ev, EVBREAK_ALL);
        return;
    }
    if (!list_empty(&loop_state.ready) || !list_empty(&loop_state.deferred))
        ev_idle_start(ev, &watch.idle);
    else
        ev_idle_stop(ev, &watch.idle);
}

static void on_idle(struct ev_loop *ev, ev_idle *idle, int events)
{
    (void)ev;
    (void)idle;
    (void)events;
}

static void on_heartbeat(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)timer;
    (void)events;
}

static void on_dump(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)signal;
    (void)events;
    loop_dump(stderr);
}

static void on_signal(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)events;
    watch.pending |= UINT64_C(1) << signal->signum;
    cond_broadcast(&watch.arrived);
}

static void open_loop(void)
{
    ASSERT(!loop_state.ev);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    memset(&loop_state, 0, sizeof(loop_state));
    memset(&watch, 0, sizeof(watch));
    list_init(&loop_state.ready);
    list_init(&loop_state.all);
    list_init(&loop_state.ended);
    list_init(&loop_state.deferred);
    list_init(&loop_state.pool);
    cond_init(&watch.arrived);
    /* Descriptors of children and of other threads' libraries are not ours to inherit. */
    loop_state.ev = ev_default_loop(EVFLAG_NOENV);
    ASSERT(loop_state.ev);
    ev_prepare_init(&watch.prepare, on_prepare);
    ev_prepare_start(loop_state.ev, &watch.prepare);
    ev_idle_init(&watch.idle, on_idle);
    ev_timer_init(&watch.heartbeat, on_heartbeat, 1.0, 1.0);
    ev_timer_start(loop_state.ev, &watch.heartbeat);
    ev_signal_init(&watch.dump, on_dump, SIGUSR1);
    ev_signal_start(loop_state.ev, &watch.dump);
}

static void close_loop(void)
{
    ASSERT(loop_state.count == 0);
    for (size_t i = 0; i < watch.watched_count; i++)
        ev_signal_stop(loop_state.ev, &watch.watched[i]);
    ev_signal_stop(loop_state.ev, &watch.dump);
    ev_timer_stop(loop_state.ev, &watch.heartbeat);
    ev_idle_stop(loop_state.ev, &watch.idle);
    ev_prepare_stop(loop_state.ev, &watch.prepare);
    fiber_pool_drain();
    ev_loop_destroy(loop_state.ev);
    loop_state.ev = NULL;
}

void loop_run(fiber_fn root, void *arg)
{
    open_loop();
    fiber_spawn("root", root, arg);
    ev_run(loop_state.ev, 0);
    close_loop();
}

struct ev_loop *loop_ev(void)
{
    ASSERT(loop_state.ev);
    return loop_state.ev;
}

void deferred_init(struct deferred *deferred, void (*fn)(void *arg), void *arg)
{
    list_init(&deferred->link);
    deferred->fn = fn;
    deferred->arg = arg;
}

void loop_defer(struct deferred *deferred)
{
    if (!list_empty(&deferred->link))
        return;
    list_add(&loop_state.deferred, &deferred->link);
}

void loop_undefer(struct deferred *deferred)
{
    list_remove(&deferred->link);
}

void loop_signals(const int *signals, size_t count)
{
    ASSERT(watch.watched_count + count <= SIGNALS_MAX);
    for (size_t i = 0; i < count; i++) {
        ev_signal *watcher = &watch.watched[watch.watched_count++];

        ASSERT(signals[i] > 0 && signals[i] < 64);
        ev_signal_init(watcher, on_signal, signals[i]);
        ev_signal_start(loop_state.ev, watcher);
    }
}

int loop_signal_wait(int64_t deadline_ms, int *out, struct error *err)
{
    while (!watch.pending) {
        int r = cond_wait(&watch.arrived, deadline_ms, err);

        if (r < 0)
            return r;
    }
    *out = __builtin_ctzll(watch.pending);
    watch.pending &= watch.pending - 1;
    return 0;
}

void loop_stats_get(struct loop_stats *out)
{
    *out = loop_state.stats;
    out->longest_us = worst_of(&loop_state.longest_us, clock_ms());
}

int64_t loop_last_turn_ms(void)
{
    return __atomic_load_n(&loop_state.stats.last_turn_ms, __ATOMIC_RELAXED);
}

void loop_dump(FILE *out)
{
    int64_t now_ms = clock_ms();

    fprintf(out, "fibers: %zu\n", loop_state.count);
    list_for_each (item, &loop_state.all) {
        struct fiber *fiber = CONTAINER_OF(item, struct fiber, all_link);

        fprintf(out, "  %-31s %-20s %8" PRId64 " ms%s%s%s\n", fiber->name,
                fiber->reason ? fiber->reason : "running", now_ms - fiber->wait_since_ms,
                fiber->canceled ? " canceled" : "", fiber->log.run[0] ? " run=" : "",
                fiber->log.run);
    }
}
