/* The heartbeat thread
 *
 * It shares a few numbers with the loop and nothing else, and may block: for seconds at most, in
 * its connection (lease_session.h). Between beats it waits for the connection, too, so that one
 * that the server closed is made anew at once: the worker's lock went with it, and a scheduler that
 * sees the lock free for half a second believes that this process has died.
 */

#include "worker/lease/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/watchdog.h"
#include "worker/lease/lease_session.h"

#define RETRY_MS      300
#define LOOP_STALE_MS 5000
#define STUCK_MS      60000 /* looking up the server's name may take half a minute */

struct heartbeat {
    struct heartbeat_options options;
    char *database_url;
    pthread_t thread;
    pthread_mutex_t lock; /* of what changes together: worker, dead and trusted_until_ms */
    int wake_fd;
    struct pulse pulse;

    /* atomic */
    bool stopping;
    int64_t worker;
    int64_t busy;
    int64_t trusted_until_ms;
    bool dead;
};

/* The thread's own. */
struct beating {
    struct heartbeat *heartbeat;
    struct lease_session *session; /* NULL: not connected */
    int64_t session_worker;        /* whose lock the session is about; 0: nobody's yet */
    int64_t opened_ms;             /* when it was tried to connect last */
};

static int64_t load(const int64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void store(int64_t *to, int64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(bool *flag, bool value)
{
    __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

/* A dead loop must not keep a lease. */
static bool loop_turns(void)
{
    int64_t last_ms = loop_last_turn_ms();

    return last_ms == 0 || clock_ms() - last_ms <= LOOP_STALE_MS;
}

static void drop_session(struct beating *beating)
{
    beating->session = lease_session_close(beating->session);
    beating->session_worker = 0;
}

/* Four fifths of a lease are trusted: the rest is for the way and for what is under way. */
static int64_t trusted_until(const struct heartbeat *heartbeat, int64_t sent_ms)
{
    return sent_ms + heartbeat->options.lease_ms / 5 * 4;
}

static int64_t left_ms(int64_t from_ms, int64_t wait_ms)
{
    int64_t left = from_ms + wait_ms - clock_ms();

    return left > 0 ? left : 0;
}

static void note(struct heartbeat *heartbeat, int64_t worker, int64_t sent_ms, bool dead)
{
    pthread_mutex_lock(&heartbeat->lock);
    if (worker == load(&heartbeat->worker)) { /* else another incarnation meanwhile */
        if (dead)
            set(&heartbeat->dead, true);
        else
            store(&heartbeat->trusted_until_ms, trusted_until(heartbeat, sent_ms));
    }
    pthread_mutex_unlock(&heartbeat->lock);
}

/* One beat. Returns how long to wait for the next. */
static int64_t beat(struct beating *beating)
{
    struct heartbeat *heartbeat = beating->heartbeat;
    struct lease_beat_values values = {
        .worker = load(&heartbeat->worker),
        .lease_ms = heartbeat->options.lease_ms,
        .busy = load(&heartbeat->busy),
    };
    int64_t sent_ms = clock_ms();
    enum lease_beat outcome;

    if (!loop_turns() || values.worker == 0)
        return RETRY_MS; /* a lock that is held stays so until the worker has left */
    if (beating->session && beating->session_worker != 0 &&
        beating->session_worker != values.worker)
        drop_session(beating);
    if (!beating->session) {
        beating->opened_ms = sent_ms;
        beating->session = lease_session_open(heartbeat->database_url);
    }
    if (!beating->session)
        return left_ms(beating->opened_ms, RETRY_MS);
    beating->session_worker = values.worker;
    sent_ms = clock_ms();
    outcome = lease_session_beat(beating->session, &values);
    switch (outcome) {
    case LEASE_BEAT_LOST:
        drop_session(beating);
        return left_ms(beating->opened_ms, RETRY_MS);
    case LEASE_BEAT_UNLOCKED:
        note(heartbeat, values.worker, sent_ms, false);
        return RETRY_MS;
    case LEASE_BEAT_RENEWED:
    case LEASE_BEAT_DEAD:
        break;
    }
    note(heartbeat, values.worker, sent_ms, outcome == LEASE_BEAT_DEAD);
    return left_ms(sent_ms, heartbeat->options.interval_ms);
}

static void *thread_main(void *arg)
{
    struct beating beating = {.heartbeat = arg};
    struct heartbeat *heartbeat = arg;
    uint64_t told;

    while (!is_set(&heartbeat->stopping)) {
        int64_t wait_ms = beat(&beating);

        pulse_beat(&heartbeat->pulse);
        if (!lease_session_wait(beating.session, heartbeat->wake_fd, wait_ms)) {
            drop_session(&beating);
            IGNORE(
                lease_session_wait(NULL, heartbeat->wake_fd, left_ms(beating.opened_ms, RETRY_MS)));
        }
        IGNORE(read(heartbeat->wake_fd, &told, sizeof(told)));
        pulse_beat(&heartbeat->pulse);
    }
    drop_session(&beating);
    return NULL;
}

static void tell(struct heartbeat *heartbeat)
{
    const uint64_t one = 1;

    IGNORE(write(heartbeat->wake_fd, &one, sizeof(one)));
}

static void release(struct heartbeat *heartbeat)
{
    if (heartbeat->wake_fd >= 0)
        close(heartbeat->wake_fd);
    pthread_mutex_destroy(&heartbeat->lock);
    free(heartbeat->database_url);
    free(heartbeat);
}

int heartbeat_open(const struct heartbeat_options *options, struct heartbeat **out,
                   struct error *err)
{
    struct heartbeat *heartbeat = xcalloc(1, sizeof(*heartbeat));
    sigset_t all;
    sigset_t before;
    int r;

    heartbeat->options = *options;
    heartbeat->database_url = xstrdup(options->database_url);
    pthread_mutex_init(&heartbeat->lock, NULL);
    heartbeat->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = heartbeat->wake_fd < 0 ? errno : 0;
    if (r == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        r = pthread_create(&heartbeat->thread, NULL, thread_main, heartbeat);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (r != 0) {
        release(heartbeat);
        return error_set_errno(err, r, "can't start the heartbeat thread");
    }
    pulse_start(&heartbeat->pulse, "heartbeat", STUCK_MS);
    *out = heartbeat;
    return 0;
}

void heartbeat_close(struct heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    set(&heartbeat->stopping, true);
    tell(heartbeat);
    pthread_join(heartbeat->thread, NULL);
    pulse_stop(&heartbeat->pulse);
    release(heartbeat);
}

void heartbeat_watch(struct heartbeat *heartbeat, int64_t worker, int64_t sent_ms)
{
    pthread_mutex_lock(&heartbeat->lock);
    store(&heartbeat->worker, worker);
    set(&heartbeat->dead, false);
    store(&heartbeat->trusted_until_ms, worker ? trusted_until(heartbeat, sent_ms) : 0);
    pthread_mutex_unlock(&heartbeat->lock);
    tell(heartbeat);
}

void heartbeat_set_busy(struct heartbeat *heartbeat, int64_t busy)
{
    store(&heartbeat->busy, busy);
}

bool heartbeat_trusted(const struct heartbeat *heartbeat)
{
    return !heartbeat_dead(heartbeat) && clock_ms() < load(&heartbeat->trusted_until_ms);
}

bool heartbeat_dead(const struct heartbeat *heartbeat)
{
    return is_set(&heartbeat->dead);
}
