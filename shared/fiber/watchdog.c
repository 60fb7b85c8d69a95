/* The watchdog's thread and its fiber.
 *
 * The thread keeps a clock that never advances by more than TICK_MAX_MS per tick: while the process
 * is stopped (SIGSTOP, a sleeping machine, a starving host) it stands still as well, so nobody is
 * found stuck afterwards. Pulses are beaten and judged by that clock. The loop is one more pulse,
 * beaten by a fiber that sleeps for a moment again and again, which also measures the lag.
 */

#include "shared/fiber/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/metrics/worst.h"

#define TICK_MS      250
#define TICK_MAX_MS  500
#define LOOP_BEAT_MS 100
#define LAG_LIMIT_MS 5000
#define GRACE_MS     2000

static struct {
    bool running;
    bool stopping; /* under lock */
    pthread_t thread;
    pthread_cond_t wake;
    struct watchdog_options options;
    struct fiber *fiber;
    struct pulse loop;
    struct worst lag_ms;
} dog;

/* These outlive a run of it: parts may start before it and stop after it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pulse *pulses;
static int64_t awake_ms; /* atomic: the clock of this file */

static int64_t load(const int64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

void pulse_beat(struct pulse *pulse)
{
    __atomic_store_n(&pulse->beat_ms, load(&awake_ms), __ATOMIC_RELAXED);
}

void pulse_start(struct pulse *pulse, const char *name, int64_t limit_ms)
{
    ASSERT(name && limit_ms > 0);
    pthread_mutex_lock(&lock);
    pulse->name = name;
    pulse->limit_ms = limit_ms;
    pulse_beat(pulse);
    pulse->next = pulses;
    pulses = pulse;
    pthread_mutex_unlock(&lock);
}

void pulse_stop(struct pulse *pulse)
{
    pthread_mutex_lock(&lock);
    for (struct pulse **link = &pulses; *link; link = &(*link)->next) {
        if (*link == pulse) {
            *link = pulse->next;
            break;
        }
    }
    pulse->name = NULL;
    pthread_mutex_unlock(&lock);
}

/* Under lock: the part that is latest after its limit and `grace_ms`, or NULL. */
static const struct pulse *find_stuck(int64_t grace_ms)
{
    const struct pulse *worst = NULL;
    int64_t worst_ms = 0;

    for (const struct pulse *pulse = pulses; pulse; pulse = pulse->next) {
        int64_t late_ms = load(&awake_ms) - load(&pulse->beat_ms) - pulse->limit_ms -
                          (pulse == &dog.loop ? 0 : grace_ms);

        if (late_ms > worst_ms) {
            worst = pulse;
            worst_ms = late_ms;
        }
    }
    return worst;
}

const char *watchdog_stuck(void)
{
    const struct pulse *stuck;
    const char *name;

    pthread_mutex_lock(&lock);
    stuck = find_stuck(0);
    name = stuck ? stuck->name : NULL;
    pthread_mutex_unlock(&lock);
    return name;
}

/* Under lock. Returns false when it is time to stop. */
static bool wait_tick(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (!dog.stopping)
        pthread_cond_timedwait(&dog.wake, &lock, &until);
    return !dog.stopping;
}

static void *thread_main(void *arg)
{
    int64_t last_ms = clock_ms();

    (void)arg;
    pthread_mutex_lock(&lock);
    while (wait_tick()) {
        int64_t now_ms = clock_ms();
        int64_t passed_ms = now_ms - last_ms;
        const struct pulse *stuck;

        last_ms = now_ms;
        __atomic_fetch_add(&awake_ms, passed_ms < TICK_MAX_MS ? passed_ms : TICK_MAX_MS,
                           __ATOMIC_RELAXED);
        stuck = find_stuck(dog.options.grace_ms);
        if (!stuck)
            continue;
        log_error("no progress: ending the process", LOG_STR("part", stuck->name),
                  LOG_INT("stuck_ms", load(&awake_ms) - load(&stuck->beat_ms)));
        _exit(WATCHDOG_EXIT);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void fiber_main(void *arg)
{
    struct error *unused = arg;
    int64_t start_ms = clock_ms();

    while (fiber_sleep(LOOP_BEAT_MS, unused) == 0) {
        int64_t now_ms = clock_ms();

        pulse_beat(&dog.loop);
        worst_note(&dog.lag_ms, now_ms - start_ms - LOOP_BEAT_MS, now_ms);
        start_ms = now_ms;
    }
}

int watchdog_start(const struct watchdog_options *options, struct error *err)
{
    const struct watchdog_options defaults = {0};
    pthread_condattr_t attributes;
    sigset_t all;
    sigset_t before;
    int failed;

    ASSERT(!dog.running);
    dog.options = options ? *options : defaults;
    if (dog.options.lag_limit_ms == 0)
        dog.options.lag_limit_ms = LAG_LIMIT_MS;
    if (dog.options.grace_ms == 0)
        dog.options.grace_ms = GRACE_MS;
    dog.stopping = false;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dog.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pulse_start(&dog.loop, "loop", dog.options.lag_limit_ms);
    dog.fiber = fiber_start("watchdog", fiber_main, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failed = pthread_create(&dog.thread, NULL, thread_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    dog.running = failed == 0;
    if (dog.running)
        return 0;
    fiber_cancel(dog.fiber);
    fiber_join(dog.fiber);
    pthread_cond_destroy(&dog.wake);
    pulse_stop(&dog.loop);
    return error_set_errno(err, failed, "can't start the thread of the watchdog");
}

void watchdog_stop(void)
{
    if (!dog.running)
        return;
    fiber_cancel(dog.fiber);
    fiber_join(dog.fiber);
    pthread_mutex_lock(&lock);
    dog.stopping = true;
    pthread_cond_signal(&dog.wake);
    pthread_mutex_unlock(&lock);
    pthread_join(dog.thread, NULL);
    pthread_cond_destroy(&dog.wake);
    pulse_stop(&dog.loop);
    dog.running = false;
}

int64_t watchdog_lag_ms(void)
{
    return worst_of(&dog.lag_ms, clock_ms());
}
