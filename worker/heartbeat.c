/* The heartbeat thread. It shares a few atomic numbers with the loop and nothing else, and may
 * block: on its connection (bounded by connect and statement time-outs) and on its condition. */

#include "worker/heartbeat.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/loop.h"
#include "shared/store/workers.h"

#define TRUST_MARGIN_MS   2000
#define RETRY_MS          300
#define LOOP_STALE_MS     5000
#define LOOP_DEAD_MS      15000
#define EXIT_LOOP_IS_DEAD 70 /* EX_SOFTWARE */

struct heartbeat {
    struct heartbeat_options options;
    char *database_url;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* under lock */

    /* atomic */
    int64_t worker;
    int64_t busy;
    int64_t trusted_until_ms;
    bool dead;
};

static int64_t load(const int64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void store(int64_t *to, int64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/* Connects with short time-outs, whatever the url says. NULL: try again later. */
static PGconn *connect_once(const struct heartbeat *heartbeat)
{
    const char *const keys[] = {"dbname",  "connect_timeout",  "application_name",
                                "options", "tcp_user_timeout", NULL};
    const char *const values[] = {heartbeat->database_url,     "3",    "penstock-heartbeat",
                                  "-c statement_timeout=3000", "4000", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);

    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    PQfinish(conn);
    return NULL;
}

/* Returns 1 renewed, 0 declared dead, -1 the connection failed. */
static int renew(PGconn *conn, const struct heartbeat *heartbeat, int64_t worker)
{
    char id[24];
    char lease[24];
    char busy[24];
    const char *values[] = {id, lease, busy};
    PGresult *result;
    int outcome = -1;

    snprintf(id, sizeof(id), "%" PRId64, worker);
    snprintf(lease, sizeof(lease), "%" PRId64, heartbeat->options.lease_ms);
    snprintf(busy, sizeof(busy), "%" PRId64, load(&heartbeat->busy));
    result = PQexecParams(conn, workers_heartbeat_sql, 3, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        outcome = PQntuples(result) > 0 ? 1 : 0;
    PQclear(result);
    return outcome;
}

static bool loop_turns(void)
{
    int64_t last_ms = loop_last_turn_ms();
    int64_t still_ms = last_ms ? clock_ms() - last_ms : 0;

    if (still_ms > LOOP_DEAD_MS) {
        log_error("the loop stands still, ending the process", LOG_INT("still_ms", still_ms));
        _exit(EXIT_LOOP_IS_DEAD);
    }
    return still_ms <= LOOP_STALE_MS;
}

/* One beat. Returns how long to wait for the next. */
static int64_t beat(struct heartbeat *heartbeat, PGconn **conn)
{
    int64_t worker = load(&heartbeat->worker);
    int64_t sent_ms;
    int outcome;

    if (!loop_turns() || worker == 0)
        return RETRY_MS;
    if (!*conn)
        *conn = connect_once(heartbeat);
    if (!*conn)
        return RETRY_MS;
    sent_ms = clock_ms();
    outcome = renew(*conn, heartbeat, worker);
    if (outcome < 0) {
        PQfinish(*conn);
        *conn = NULL;
        return RETRY_MS;
    }
    if (worker != load(&heartbeat->worker))
        return 0; /* another incarnation meanwhile */
    if (outcome == 0)
        __atomic_store_n(&heartbeat->dead, true, __ATOMIC_RELEASE);
    else
        store(&heartbeat->trusted_until_ms,
              sent_ms + heartbeat->options.lease_ms - TRUST_MARGIN_MS);
    return heartbeat->options.interval_ms;
}

/* Returns false when it is time to stop. */
static bool wait_for(struct heartbeat *heartbeat, int64_t wait_ms)
{
    struct timespec until;
    bool stopping;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&heartbeat->lock);
    if (!heartbeat->stopping && wait_ms > 0)
        pthread_cond_timedwait(&heartbeat->wake, &heartbeat->lock, &until);
    stopping = heartbeat->stopping;
    pthread_mutex_unlock(&heartbeat->lock);
    return !stopping;
}

static void *thread_main(void *arg)
{
    struct heartbeat *heartbeat = arg;
    PGconn *conn = NULL;

    while (wait_for(heartbeat, beat(heartbeat, &conn)))
        ;
    PQfinish(conn);
    return NULL;
}

int heartbeat_open(const struct heartbeat_options *options, struct heartbeat **out,
                   struct error *err)
{
    struct heartbeat *heartbeat = xcalloc(1, sizeof(*heartbeat));
    pthread_condattr_t attributes;
    sigset_t all;
    sigset_t before;
    int r;

    heartbeat->options = *options;
    heartbeat->database_url = xstrdup(options->database_url);
    pthread_mutex_init(&heartbeat->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&heartbeat->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&heartbeat->thread, NULL, thread_main, heartbeat);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        free(heartbeat->database_url);
        free(heartbeat);
        return error_set_errno(err, r, "can't start the heartbeat thread");
    }
    *out = heartbeat;
    return 0;
}

void heartbeat_close(struct heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    pthread_mutex_lock(&heartbeat->lock);
    heartbeat->stopping = true;
    pthread_cond_signal(&heartbeat->wake);
    pthread_mutex_unlock(&heartbeat->lock);
    pthread_join(heartbeat->thread, NULL);
    pthread_mutex_destroy(&heartbeat->lock);
    pthread_cond_destroy(&heartbeat->wake);
    free(heartbeat->database_url);
    free(heartbeat);
}

void heartbeat_watch(struct heartbeat *heartbeat, int64_t worker, int64_t sent_ms)
{
    store(&heartbeat->worker, worker);
    __atomic_store_n(&heartbeat->dead, false, __ATOMIC_RELEASE);
    store(&heartbeat->trusted_until_ms,
          worker ? sent_ms + heartbeat->options.lease_ms - TRUST_MARGIN_MS : 0);
}

void heartbeat_set_busy(struct heartbeat *heartbeat, int64_t busy)
{
    store(&heartbeat->busy, busy);
}

int64_t heartbeat_trusted_until_ms(const struct heartbeat *heartbeat)
{
    return load(&heartbeat->trusted_until_ms);
}

bool heartbeat_trusted(const struct heartbeat *heartbeat)
{
    return !heartbeat_dead(heartbeat) && clock_ms() < heartbeat_trusted_until_ms(heartbeat);
}

bool heartbeat_dead(const struct heartbeat *heartbeat)
{
    return __atomic_load_n(&heartbeat->dead, __ATOMIC_ACQUIRE);
}
