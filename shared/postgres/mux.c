/* The shared connection.
 *
 * The driver fiber connects, loads what has queued into a flight, reads its answers, and begins
 * again; while a flight is out the queue grows, which is what makes the next batch (natural
 * batching, no timer). After a flight it yields once, so that those who were answered can ask again
 * in the same batch.
 *
 * The watchers stay started as long as the session: a server that goes away is noticed while idle,
 * before anything is sent to it. libpq closes the socket as soon as it sees the end, so from an
 * error of libpq to disconnect() nothing may suspend.
 *
 * A connection may be half-open: what is sent vanishes, and nobody is told. While a flight is out
 * and nothing moves on the socket, a second fiber, the prober, asks the server over another
 * connection whether it works on the flight (probe.h). Where it does not, the session is replaced
 * after little more than `silence_ms`; where it does, its statement may take its time. Only where
 * the server can't tell, the session is given up after `stall_ms`. The driver can't ask by itself,
 * since an answer that comes meanwhile must be read. TCP's own time-outs see less: they know
 * nothing of proxies, which acknowledge what they swallow.
 *
 * Callers wait in pg_mux_run, each on its own deadline; they and the driver meet only in the queue
 * and in the flight.
 */

#include "shared/postgres/mux.h"

#include <inttypes.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/postgres/conninfo.h"
#include "shared/postgres/probe.h"
#include "shared/postgres/session.h"

#define REFUSAL_MS    5000 /* a state that statements met lasts as long as they keep meeting it */
#define RERUN_WAIT_MS 20   /* times 2 for each attempt, full jitter */

enum { RERUN = 1 };

static void on_readable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct pg_mux *mux = CONTAINER_OF(watcher, struct pg_mux, reader);

    (void)ev;
    (void)events;
    mux->readable = true;
    mux->sign_ms = clock_ms();
    fiber_wake(mux->driver);
}

static void on_writable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct pg_mux *mux = CONTAINER_OF(watcher, struct pg_mux, writer);

    (void)events;
    ev_io_stop(ev, watcher);
    mux->sign_ms = clock_ms();
    fiber_wake(mux->driver);
}

/* Returns 0 when something may have happened or the deadline came, -E_CANCELED. */
static int await_socket(struct pg_mux *mux, bool to_write, int64_t deadline_ms, struct error *err)
{
    enum wait_result result;

    if (to_write)
        ev_io_start(loop_ev(), &mux->writer);
    result = fiber_wait("postgres driver", deadline_ms);
    ev_io_stop(loop_ev(), &mux->writer);
    if (result != WAIT_CANCELED)
        return 0;
    return error_set(err, E_CANCELED, "this program closed the connection");
}

static void prober_main(void *arg)
{
    struct pg_mux *mux = arg;
    struct pg_suspect suspect = {mux->options.info, mux->backend, &mux->sign_ms};

    mux->lost = pg_probe(&suspect, DEADLINE_NONE) == PG_STANDING_LOST;
    mux->probing = false;
    mux->probe_due_ms = deadline_in(mux->options.info->silence_ms);
    fiber_wake(mux->driver);
}

/* The prober lives no longer than the session. */
static void stop_prober(struct pg_mux *mux)
{
    if (!mux->prober)
        return;
    fiber_shield_enter();
    fiber_cancel(mux->prober);
    fiber_join(mux->prober);
    fiber_shield_leave();
    mux->prober = NULL;
}

/* When judge_silence has something to do, unless something moves before. */
static int64_t silence_ends_ms(const struct pg_mux *mux)
{
    int64_t stalled_ms = mux->sign_ms + mux->options.stall_ms;
    int64_t probe_ms = mux->sign_ms + mux->options.info->silence_ms;

    if (mux->probing)
        return stalled_ms;
    return deadline_min(stalled_ms, probe_ms > mux->probe_due_ms ? probe_ms : mux->probe_due_ms);
}

/* Returns 0, or -E_CLOSED when the session has to be given up. */
static int judge_silence(struct pg_mux *mux, struct error *err)
{
    int64_t now_ms = clock_ms();

    if (mux->lost)
        return error_set(err, E_CLOSED,
                         "the connection is half-open: what was sent did not reach the database, "
                         "or its answer not us");
    if (now_ms < silence_ends_ms(mux))
        return 0;
    if (now_ms >= mux->sign_ms + mux->options.stall_ms)
        return error_set(err, E_CLOSED, "the database did not answer for %" PRId64 " ms",
                         mux->options.stall_ms);
    stop_prober(mux); /* one that has finished */
    mux->probing = true;
    mux->prober = fiber_start("postgres prober", prober_main, mux);
    return 0;
}

static int take_input(struct pg_mux *mux, struct error *err)
{
    if (!mux->readable)
        return 0;
    mux->readable = false;
    return PQconsumeInput(mux->session->conn) ? 0 : pg_session_broken(mux->session, err);
}

static int fly(struct pg_mux *mux, struct error *err)
{
    int r;

    mux->flying = true;
    mux->sign_ms = clock_ms();
    r = pg_flight_load(&mux->flight, &mux->queue, mux->session, err);
    mux->stats.batches++;
    while (r == 0) {
        bool unsent = PQflush(mux->session->conn) > 0;

        r = pg_flight_read(&mux->flight, &mux->queue, mux->session, err);
        if (r != 0)
            break;
        r = await_socket(mux, unsent, silence_ends_ms(mux), err);
        if (r == 0)
            r = take_input(mux, err);
        if (r == 0)
            r = judge_silence(mux, err);
        /* What came before the end of the connection still counts. */
        if (r == -E_CLOSED &&
            pg_flight_read(&mux->flight, &mux->queue, mux->session, NULL) == PG_FLIGHT_LANDED)
            r = PG_FLIGHT_LANDED;
    }
    return r;
}

static void land(struct pg_mux *mux)
{
    mux->flying = false;
    cond_broadcast(&mux->landed);
}

/* Waits for requests; the connection may end meanwhile. */
static int rest(struct pg_mux *mux, struct error *err)
{
    while (list_empty(&mux->queue)) {
        int r;

        mux->hungry = true;
        r = await_socket(mux, false, DEADLINE_NONE, err);
        mux->hungry = false;
        if (r == 0)
            r = take_input(mux, err);
        if (r < 0)
            return r;
        (void)PQisBusy(mux->session->conn); /* reads notices and changed settings */
    }
    return 0;
}

/* Until the connection is of no use any more, which *err then explains. */
static void serve(struct pg_mux *mux, struct error *err)
{
    for (;;) {
        int r = rest(mux, err);

        if (r == 0)
            r = fly(mux, err);
        land(mux);
        if (r > 0 && PQstatus(mux->session->conn) == CONNECTION_BAD)
            r = pg_session_broken(mux->session, err);
        if (r > 0 && mux->flight.stale)
            r = error_set(err, E_CLOSED,
                          "a prepared statement is out of date, or the server takes no writes");
        if (r < 0)
            return;
        backoff_reset(&mux->backoff);
        fiber_yield();
    }
}

static int connect_session(struct pg_mux *mux, struct error *err)
{
    struct pg_session *session = NULL;
    int fd;
    int r = pg_session_open(mux->options.info, DEADLINE_NONE, &session, err);

    if (r < 0)
        return r;
    if (!PQenterPipelineMode(session->conn)) {
        r = pg_session_broken(session, err);
        pg_session_close(session);
        return r;
    }
    mux->session = session;
    mux->backend = PQbackendPID(session->conn);
    mux->lost = false;
    mux->probe_due_ms = 0;
    mux->readable = true; /* something may have come with the last answer of connecting */
    fd = PQsocket(session->conn);
    ev_io_init(&mux->reader, on_readable, fd, EV_READ);
    ev_io_init(&mux->writer, on_writable, fd, EV_WRITE);
    ev_io_start(loop_ev(), &mux->reader);
    cond_broadcast(&mux->ready);
    return 0;
}

static void disconnect(struct pg_mux *mux, const struct error *why)
{
    ev_io_stop(loop_ev(), &mux->reader);
    ev_io_stop(loop_ev(), &mux->writer);
    pg_session_close(mux->session);
    mux->session = NULL;
    mux->stats.ambiguous += pg_flight_crash(&mux->flight, &mux->queue, why);
}

static void driver_main(void *arg)
{
    struct pg_mux *mux = arg;
    bool connected_before = false;

    while (!fiber_canceled()) {
        struct error err = {0};

        if (connect_session(mux, &err) == 0) {
            mux->stats.reconnects += connected_before;
            connected_before = true;
            serve(mux, &err);
            disconnect(mux, &err);
            stop_prober(mux);
        }
        mux->last_error = err;
        if (fiber_sleep(backoff_next_ms(&mux->backoff), NULL) < 0)
            break;
    }
}

void pg_mux_open(struct pg_mux *mux, const struct pg_mux_options *options)
{
    mux->options = *options;
    mux->backoff = (struct backoff){.policy = pg_connect_policy};
    list_init(&mux->queue);
    cond_init(&mux->ready);
    cond_init(&mux->landed);
    cond_init(&mux->idle);
    mux->flight.reruns = &mux->stats.reruns;
    mux->flight.slots_max = options->batch_max;
    mux->driver = fiber_start("postgres", driver_main, mux);
}

static void await_zero(struct pg_mux *mux, const size_t *count, int64_t deadline_ms)
{
    while (*count > 0) {
        if (cond_wait(&mux->idle, deadline_ms, NULL) < 0)
            return;
    }
}

void pg_mux_close(struct pg_mux *mux, int64_t grace_ms)
{
    struct list *item;

    mux->closing = true;
    fiber_shield_enter();
    if (mux->session)
        await_zero(mux, &mux->running, deadline_in(grace_ms));
    fiber_cancel(mux->driver);
    fiber_join(mux->driver);
    while ((item = list_pop(&mux->queue))) {
        struct pg_request *request = CONTAINER_OF(item, struct pg_request, link);

        pg_request_finish(request, error_set(&request->error, E_UNAVAILABLE,
                                             "the database connection is closing"));
    }
    cond_broadcast(&mux->ready);
    await_zero(mux, &mux->users, DEADLINE_NONE);
    fiber_shield_leave();
}

static void enter(struct pg_mux *mux)
{
    mux->users++;
}

static void leave(struct pg_mux *mux)
{
    mux->users--;
    if (mux->closing)
        cond_broadcast(&mux->idle);
}

static int refuse_closing(struct error *err)
{
    return error_set(err, E_UNAVAILABLE, "the database connection is closing");
}

int pg_mux_wait_ready(struct pg_mux *mux, int64_t deadline_ms, struct error *err)
{
    int r = 0;

    enter(mux);
    while (!mux->session && !mux->closing && r == 0)
        r = cond_wait(&mux->ready, deadline_ms, err);
    if (r == -E_TIMEOUT && mux->last_error.code)
        r = error_set(err, E_TIMEOUT, "the database can't be reached: %s", mux->last_error.text);
    else if (r == -E_TIMEOUT)
        r = error_set(err, E_TIMEOUT, "timed out connecting to the database");
    if (r == 0 && mux->closing)
        r = refuse_closing(err);
    leave(mux);
    return r;
}

static int not_sent(const struct pg_mux *mux, struct error *err)
{
    if (mux->session)
        return error_set(err, E_UNAVAILABLE,
                         "the database is busy: %zu requests wait, this one for %" PRId64 " ms",
                         mux->running, mux->options.request_timeout_ms);
    return error_set(err, E_UNAVAILABLE, "the database can't be reached: %s",
                     mux->last_error.code ? mux->last_error.text : "still connecting");
}

static int give_up(struct pg_mux *mux, struct pg_request *request, enum wait_result why,
                   struct error *err)
{
    bool sent = request->state == PG_REQUEST_SENT;

    if (sent)
        pg_flight_detach(&mux->flight, request);
    else
        list_remove(&request->link);
    if (why == WAIT_CANCELED)
        return error_set(err, E_CANCELED, "cancelled while the database %s",
                         sent ? "worked on the request" : "was waited for");
    if (!sent)
        return not_sent(mux, err);
    return error_set(err, E_TIMEOUT, "the database did not answer within %" PRId64 " ms",
                     mux->options.request_timeout_ms);
}

static bool is_pending(const struct pg_request *request)
{
    return request->state == PG_REQUEST_QUEUED || request->state == PG_REQUEST_SENT;
}

static int await_answer(struct pg_mux *mux, struct pg_request *request, int64_t deadline_ms,
                        struct error *err)
{
    fiber_trim_stack();
    while (is_pending(request)) {
        enum wait_result result = fiber_wait("postgres", deadline_ms);

        /* An answer that came in the same turn as the time-out or the cancel is worth more. */
        if (result != WAIT_WOKEN && is_pending(request))
            return give_up(mux, request, result, err);
    }
    if (request->state == PG_REQUEST_RERUN)
        return RERUN;
    if (request->status < 0 && err)
        *err = request->error;
    return request->status;
}

static int run(struct pg_mux *mux, struct pg_request *request, struct error *err)
{
    int64_t deadline_ms = deadline_in(mux->options.request_timeout_ms);

    for (;;) {
        int r;

        if (mux->closing)
            return refuse_closing(err);
        request->state = PG_REQUEST_QUEUED;
        list_add(&mux->queue, &request->link);
        if (mux->hungry) {
            mux->hungry = false;
            fiber_wake(mux->driver);
        }
        r = await_answer(mux, request, deadline_ms, err);
        if (r != RERUN)
            return r;
        request->alone = true;
        r = fiber_sleep((int64_t)random_below(RERUN_WAIT_MS << ++request->attempts), err);
        if (r < 0)
            return r;
    }
}

static void note_state(struct pg_mux *mux, int r, const struct error *err)
{
    enum pg_state state = r < 0 ? pg_state_of_error(r, err->text) : PG_SERVES;

    if (state == PG_SERVES || state == PG_AWAY) /* away is what has no session */
        return;
    mux->refusal = (struct pg_refusal){state, clock_ms(), *err};
}

int pg_mux_run(struct pg_mux *mux, const struct pg_query *queries, size_t count,
               struct pg_result **out_results, struct error *err)
{
    struct pg_request request = {
        .fiber = fiber_self(), .queries = queries, .count = count, .out_results = out_results};
    struct error own;
    int r;

    ASSERT(count > 0);
    if (count > PG_QUERIES_MAX)
        return error_set(err, E_LIMIT, "%zu statements in one request; at most %d are allowed",
                         count, PG_QUERIES_MAX);
    for (size_t i = 0; i < count; i++) {
        r = pg_statement_check(&queries[i], &request.bytes, err);
        if (r < 0)
            return r;
    }
    if (mux->running >= mux->options.queue_max)
        return error_set(err, E_UNAVAILABLE, "%zu requests wait for the database already",
                         mux->running);
    list_init(&request.link);
    enter(mux);
    mux->running++;
    mux->stats.requests++;
    r = run(mux, &request, &own);
    note_state(mux, r, &own);
    if (r < 0 && err)
        *err = own;
    mux->running--;
    leave(mux);
    return r;
}

void pg_mux_await_turn(struct pg_mux *mux)
{
    enter(mux);
    while (mux->flying && !mux->closing) {
        if (cond_wait(&mux->landed, DEADLINE_NONE, NULL) < 0)
            break;
    }
    leave(mux);
}

enum pg_state pg_mux_state(const struct pg_mux *mux, struct error *out_why)
{
    const struct pg_refusal *refusal = &mux->refusal;

    if (!mux->session) {
        *out_why = mux->last_error;
        return pg_state_of_connecting(mux->last_error.text);
    }
    *out_why = refusal->why;
    return clock_ms() - refusal->at_ms < REFUSAL_MS ? refusal->state : PG_SERVES;
}

void pg_mux_stats(const struct pg_mux *mux, struct pg_stats *out)
{
    *out = mux->stats;
    out->in_flight = pg_flight_count(&mux->flight);
    out->queued = mux->running > out->in_flight ? mux->running - out->in_flight : 0;
}
