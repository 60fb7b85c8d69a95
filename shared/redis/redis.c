/* The shared connection: one link, a queue of waiting commands, replies matched in order.
 *
 * Three parties touch it. Fibers that want something append their command to `out` and a struct
 * pending to `in_flight`, and wait. A deferred call flushes `out` once per turn of the loop. The
 * driver fiber connects, reads replies, hands each to the oldest pending command, and connects
 * again when the link breaks. A writer fiber exists only to wait for room in the socket.
 *
 * Invariant: in_flight holds exactly one entry for each command of this link whose reply has not
 * come, in the order in which they were written. A waiter that gives up therefore leaves its entry
 * as a placeholder (no fiber) that swallows the reply. Entries are on the heap; whoever takes an
 * entry off the list hands it to its waiter, or frees it when there is none. A waiter touches its
 * own entry alone when it wakes: the struct redis may be gone by then.
 *
 *   connecting --greeted--> ready --broken: all in flight fail--> waiting --backoff--> connecting
 *
 * Nobody queues while there is no link: Redis is optional by design, so its absence is an answer.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/base/backoff.h"
#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"
#include "shared/redis/redis_internal.h"

#define STABLE_MS         1000 /* a link that lived this long starts the backoff anew */
#define OUTPUT_KEEP_BYTES ((size_t)1 << 20)
#define LEAST_TICK_MS     20

struct redis {
    struct redis_target target;
    int64_t command_timeout_ms;
    size_t queue_max;
    struct fiber *driver;
    struct fiber *writer; /* of the present link */
    struct cond backlog;  /* the writer has something to do */
    struct cond changed;  /* ready now, or an attempt failed */
    struct redis_link link;
    bool ready;
    bool blocked; /* the writer waits for room in the socket */
    struct list in_flight;
    size_t in_flight_count;
    int64_t progress_ms; /* the last reply, or the first command after an idle time */
    struct buf out;
    size_t out_done; /* bytes of out already written */
    struct deferred flush;
    struct error last; /* why it is not ready */
};

struct pending {
    struct list link;
    struct fiber *fiber; /* NULL: nobody waits for this reply (any more) */
    redisReply *reply;
    bool done; /* off the list; without a reply the link broke */
};

/* Takes the oldest command off the queue and gives it its reply (NULL: there won't be one). */
static void settle_oldest(struct redis *redis, redisReply *reply)
{
    struct pending *pending = CONTAINER_OF(list_pop(&redis->in_flight), struct pending, link);

    redis->in_flight_count--;
    if (!pending->fiber) {
        redis_reply_free(reply);
        free(pending);
        return;
    }
    pending->reply = reply;
    pending->done = true;
    fiber_wake(pending->fiber);
}

static void reset_output(struct redis *redis)
{
    redis->out_done = 0;
    if (redis->out.size > OUTPUT_KEEP_BYTES) {
        buf_deinit(&redis->out);
        buf_init(&redis->out, REDIS_OUTPUT_MAX_BYTES);
    }
    buf_reset(&redis->out);
}

/* Bytes already written must not count against the limit for ever. */
static void compact_output(struct redis *redis)
{
    if (redis->out_done < redis->out.len / 2)
        return;
    buf_consume(&redis->out, redis->out_done);
    redis->out_done = 0;
}

/* Deferred to the end of the turn, and called by the writer. Doesn't wait. */
static void flush(void *arg)
{
    struct redis *redis = arg;

    if (!redis->ready || redis->blocked)
        return;
    while (redis->out_done < redis->out.len) {
        ssize_t put = send(redis->link.fd, redis->out.ptr + redis->out_done,
                           redis->out.len - redis->out_done, MSG_NOSIGNAL);

        if (put >= 0) {
            redis->out_done += (size_t)put;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            compact_output(redis);
            cond_signal(&redis->backlog);
        } else {
            shutdown(redis->link.fd, SHUT_RDWR); /* the driver reads the end and cleans up */
        }
        return;
    }
    reset_output(redis);
}

SUSPENDS static void drive_writer(void *arg)
{
    struct redis *redis = arg;

    for (;;) {
        int r = cond_wait(&redis->backlog, DEADLINE_NONE, NULL);

        while (r == 0 && redis->out_done < redis->out.len) {
            redis->blocked = true;
            r = io_wait(redis->link.fd, IO_WRITE, DEADLINE_NONE, NULL);
            redis->blocked = false;
            if (r == 0)
                flush(redis);
        }
        if (r < 0)
            return;
    }
}

/* A link that owes a reply for so long is taken for half-open: whoever waited for it gave up just
 * now, and a new one costs a millisecond. */
static int check_progress(struct redis *redis, struct error *err)
{
    int64_t silent_ms = clock_ms() - redis->progress_ms;

    if (list_empty(&redis->in_flight) || silent_ms < redis->command_timeout_ms)
        return 0;
    return error_set(err, E_CLOSED, "no reply of Redis for %lld ms: taken for half-open",
                     (long long)silent_ms);
}

SUSPENDS static int read_replies(struct redis *redis, struct error *err)
{
    int64_t tick_ms = redis->command_timeout_ms / 4;

    if (tick_ms < LEAST_TICK_MS)
        tick_ms = LEAST_TICK_MS;
    while (!fiber_canceled()) {
        redisReply *reply;
        int r = redis_link_receive(&redis->link, deadline_in(tick_ms), &reply, err);

        if (r == -E_TIMEOUT)
            r = check_progress(redis, err);
        else if (r == 0 && list_empty(&redis->in_flight)) {
            redis_reply_free(reply);
            r = error_set(err, E_PROTOCOL, "Redis sent a reply that nobody asked for");
        } else if (r == 0) {
            redis->progress_ms = clock_ms();
            settle_oldest(redis, reply);
        }
        if (r < 0)
            return r;
    }
    return error_set(err, E_CANCELED, "the connection to Redis was closed");
}

/* From greeted to broken. Always returns an error, the reason. */
SUSPENDS static int serve_link(struct redis *redis, struct error *err)
{
    int r;

    redis->ready = true;
    cond_broadcast(&redis->changed);
    redis->writer = fiber_start("redis writer", drive_writer, redis);
    r = read_replies(redis, err);
    if (r == -E_CANCELED)
        flush(redis);   /* what was posted at the very end */
    redis->last = *err; /* the reason, for who asks while the rest is taken down */
    redis->ready = false;
    while (!list_empty(&redis->in_flight))
        settle_oldest(redis, NULL);
    loop_undefer(&redis->flush);
    fiber_cancel(redis->writer);
    fiber_join(redis->writer);
    redis->writer = NULL;
    redis_link_close(&redis->link);
    reset_output(redis);
    return r;
}

/* One connection a process: a Redis that is back is to be seen at once. */
static const struct backoff_policy connect_policy = {.base_ms = 50, .cap_ms = 400};

SUSPENDS static void drive(void *arg)
{
    struct redis *redis = arg;
    struct backoff backoff = {.policy = connect_policy};
    int r;

    do {
        struct error err;
        int64_t start_ms = clock_ms();

        r = redis_link_open(&redis->link, &redis->target, deadline_in(redis->command_timeout_ms),
                            &err);
        if (r == 0)
            r = serve_link(redis, &err);
        redis->last = err;
        cond_broadcast(&redis->changed);
        if (r == -E_CANCELED)
            break;
        if (clock_ms() - start_ms >= STABLE_MS + redis->command_timeout_ms)
            backoff_reset(&backoff);
        r = fiber_sleep(backoff_next_ms(&backoff), &err);
    } while (r == 0);
}

int redis_open(const struct redis_options *options, struct redis **out, struct error *err)
{
    struct redis *redis;
    struct redis_target target;
    int r = redis_target_parse(options->url, &target, err);

    if (r < 0)
        return r;
    redis = xcalloc(1, sizeof(*redis));
    redis->target = target;
    redis->command_timeout_ms =
        options->command_timeout_ms > 0 ? options->command_timeout_ms : REDIS_COMMAND_TIMEOUT_MS;
    redis->queue_max = options->queue_max > 0 ? options->queue_max : REDIS_QUEUE_MAX;
    redis->link.fd = -1;
    cond_init(&redis->backlog);
    cond_init(&redis->changed);
    list_init(&redis->in_flight);
    buf_init(&redis->out, REDIS_OUTPUT_MAX_BYTES);
    deferred_init(&redis->flush, flush, redis);
    error_set_at(&redis->last, E_UNAVAILABLE, ERROR_ORIGIN, "still connecting");
    redis->driver = fiber_start("redis", drive, redis);
    *out = redis;
    return 0;
}

void redis_close(struct redis *redis)
{
    if (!redis)
        return;
    fiber_cancel(redis->driver);
    fiber_join(redis->driver);
    ASSERT(list_empty(&redis->in_flight));
    ASSERT(!cond_has_waiters(&redis->changed));
    redis_target_deinit(&redis->target);
    buf_deinit(&redis->out);
    free(redis);
}

bool redis_is_ready(const struct redis *redis)
{
    return redis->ready;
}

int redis_wait_ready(struct redis *redis, int64_t deadline_ms, struct error *err)
{
    while (!redis->ready) {
        int r;

        if (redis->last.code == E_DENIED)
            return error_set(err, E_DENIED, "%s", redis->last.text);
        r = cond_wait(&redis->changed, deadline_ms, err);
        if (r == -E_TIMEOUT && !redis->ready)
            return error_set(err, E_TIMEOUT, "Redis is not ready: %s", redis->last.text);
        if (r < 0 && r != -E_TIMEOUT)
            return r;
    }
    return 0;
}

/* Appends a command and its entry. Returns 0 or -E_UNAVAILABLE. */
static int enqueue(struct redis *redis, const struct text *argv, size_t argc, struct pending **out,
                   struct error *err)
{
    size_t bytes = redis_command_bytes(argv, argc);
    struct pending *pending;

    ASSERT(argc > 0);
    if (!redis->ready)
        return error_set(err, E_UNAVAILABLE, "Redis is not connected: %s", redis->last.text);
    if (redis->in_flight_count >= redis->queue_max)
        return error_set(err, E_UNAVAILABLE, "%zu commands wait for Redis already",
                         redis->in_flight_count);
    if (bytes > REDIS_OUTPUT_MAX_BYTES - redis->out.len)
        return error_set(err, E_UNAVAILABLE, "too many bytes wait to be sent to Redis");
    redis_command_add(&redis->out, argv, argc);
    pending = xcalloc(1, sizeof(*pending));
    if (list_empty(&redis->in_flight))
        redis->progress_ms = clock_ms();
    list_add(&redis->in_flight, &pending->link);
    redis->in_flight_count++;
    loop_defer(&redis->flush);
    *out = pending;
    return 0;
}

/* What became of the wait. The entry is freed, or left behind as a placeholder. */
static int conclude(struct pending *pending, enum wait_result result, redisReply **out_reply,
                    struct error *err)
{
    redisReply *reply = pending->reply;
    bool done = pending->done;
    int r;

    if (done)
        free(pending);
    else
        pending->fiber = NULL;
    if (result == WAIT_CANCELED) {
        redis_reply_free(reply);
        return error_set(err, E_CANCELED, "cancelled while waiting for Redis");
    }
    if (!done)
        return error_set(err, E_TIMEOUT, "timed out waiting for a reply of Redis");
    if (!reply)
        return error_set(err, E_AMBIGUOUS, "the connection to Redis broke before the reply came");
    r = redis_reply_check(&reply, err);
    if (r == 0 && out_reply)
        *out_reply = reply;
    else
        redis_reply_free(reply);
    return r;
}

int redis_command(struct redis *redis, const struct text *argv, size_t argc, redisReply **out_reply,
                  struct error *err)
{
    int64_t deadline_ms = deadline_in(redis->command_timeout_ms);
    enum wait_result result = WAIT_WOKEN;
    struct pending *pending;
    int r;

    if (fiber_canceled())
        return error_set(err, E_CANCELED, "cancelled before asking Redis");
    r = enqueue(redis, argv, argc, &pending, err);
    if (r < 0)
        return r;
    pending->fiber = fiber_self();
    while (!pending->done && result == WAIT_WOKEN)
        result = fiber_wait("redis", deadline_ms);
    return conclude(pending, result, out_reply, err);
}

void redis_post(struct redis *redis, const struct text *argv, size_t argc)
{
    struct pending *pending;

    (void)!enqueue(redis, argv, argc, &pending, NULL);
}
