/* A reader of a run as server-sent events: tells, writes, sleeps.
 *
 *     join ──► tell (telling.h) ──► write ──┐
 *               ▲                           │
 *               └── woken, or 15 s later ◄──┘
 *                   (a comment)
 *
 * While its client is slow it is suspended in the write; what happens meanwhile is told in one
 * piece.
 */

#include "scheduler/api/stream/follow.h"

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/stream/slices.h"
#include "scheduler/api/stream/telling.h"
#include "scheduler/live/live.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/threads/threads.h"

enum {
    KEEP_ALIVE_MS = 15000, /* proxies close what is silent for 60 s; clients learn the interval */
    LOOK_AGAIN_MS = 1000,  /* after a failure of the database */
    CROWDED_RETRY_MS = 5000,
};

#define OUT_BYTES_MAX ((size_t)32 << 20)
#define OUT_KEPT      ((size_t)1 << 10)

struct following {
    struct request *request;
    const struct follow *follow;
    struct telling telling;
    struct buf out;
    bool broken; /* the client is gone */
};

/* Sends what was told. Returns whether there is somebody to tell more. */
static bool flush(void *arg)
{
    struct following *following = arg;
    struct error err;

    if (following->broken || following->out.len == 0)
        return !following->broken;
    if (buf_check(&following->out, &err) < 0 ||
        slices_write(following->request->exchange, buf_text(&following->out), http_stream_write,
                     &err) < 0)
        following->broken = true;
    if (following->out.size > OUT_KEPT) { /* most of the time there is nothing to be told */
        buf_deinit(&following->out);
        buf_init(&following->out, OUT_BYTES_MAX);
    }
    buf_reset(&following->out);
    return !following->broken;
}

static void tell_thread(struct following *following)
{
    struct store store = following->request->store;
    struct event_sink sink = event_sink(NULL, &following->out);
    struct thread thread;
    struct arena arena;
    struct error err;

    arena_init(&arena, 0);
    store.arena = &arena;
    if (threads_get(&store, following->follow->thread, &thread, &err) == 0) {
        size_t data = event_begin(&sink, &following->telling.story.shown, "thread.", "created");

        render_thread(&thread, sink.out);
        event_end(&sink, data);
    }
    arena_deinit(&arena);
}

static void tell_idle(struct following *following)
{
    const struct event_format *format = following->follow->format;

    if (format->idle)
        format->idle(following->follow->memory, &following->out);
    else
        buf_add_string(&following->out, ": keep-alive\n\n");
}

/* Whether it is to be over by now, whatever the run does. */
static bool is_late(const struct following *following)
{
    int64_t deadline_ms = following->follow->deadline_ms;

    return deadline_ms && clock_ms() >= deadline_ms;
}

/* Until it is woken, or for `wait_ms`. */
static void sleep_a_while(struct following *following, int64_t wait_ms)
{
    struct waiter *reader = &following->telling.reader;
    int64_t end_ms = following->follow->deadline_ms;
    int64_t deadline_ms = deadline_in(wait_ms);
    int r = 0;

    if (end_ms && end_ms < deadline_ms)
        deadline_ms = end_ms;

    while (r == 0 && !reader->woken) {
        reader->fiber = fiber_self();
        r = http_await_wake(following->request->exchange, "events of a run", deadline_ms, NULL);
        reader->fiber = NULL;
    }
    reader->woken = false;
    if (r == -E_TIMEOUT && wait_ms == KEEP_ALIVE_MS && !is_late(following))
        tell_idle(following);
    else if (r != 0 && r != -E_TIMEOUT)
        following->broken = true;
}

/* Returns true when there is no more to be told. */
static bool tell_all(struct following *following)
{
    struct error err = {0};
    bool over;
    int r = telling_tell(&following->telling, &over, &err);

    if (r < 0) {
        log_debug("a run could not be looked at", LOG_ERROR(&err));
        (void)flush(following);
        sleep_a_while(following, LOOK_AGAIN_MS);
    }
    return over;
}

/* Ends the stream of a run that goes on. */
static void conclude(struct following *following)
{
    const struct follow *follow = following->follow;
    const struct telling *telling = &following->telling;
    struct error err;

    if (!follow->deadline_ms) /* another scheduler goes on, behind the last id */
        buf_add_string(&following->out, "retry: 1000\n\n");
    else if (follow->format->end(follow->memory, &following->out, &telling->run,
                                 &telling->story.shown, &err) < 0)
        follow->format->error(follow->memory, &following->out, "service_unavailable",
                              "The run could not be looked at. Please try again.");
}

static void go_on(struct following *following)
{
    struct live *live = following->request->api->live;

    while (!following->broken) {
        if (tell_all(following)) /* the rest leaves with the end */
            break;
        if (!flush(following))
            break;
        if (live_has_ended(live) || is_late(following)) {
            conclude(following);
            break;
        }
        if (telling_is_up_to_date(&following->telling)) {
            telling_rest(&following->telling);
            sleep_a_while(following, KEEP_ALIVE_MS);
        }
    }
}

/* Proxies buffer and compress what they are not told to leave alone. The head leaves with the first
 * events. */
static int begin(struct following *following)
{
    struct http_exchange *exchange = following->request->exchange;
    struct error err;

    http_add_header(exchange, "Cache-Control", TEXT("no-cache, no-transform"));
    http_add_header(exchange, "X-Accel-Buffering", TEXT("no"));
    exchange->deadline_ms = deadline_in(SLICE_WAIT_MS);
    if (http_stream_open(exchange, 200, "text/event-stream; charset=utf-8", &err) < 0)
        return -1;
    buf_add_string(&following->out, ": penstock\n\n");
    return 0;
}

/* The last events leave with the end, unless they are many. */
static void end(struct following *following)
{
    struct http_exchange *exchange = following->request->exchange;
    struct error err;

    if (following->out.len > SLICE_BYTES)
        (void)flush(following);
    if (following->broken)
        http_abort(exchange);
    exchange->deadline_ms = deadline_in(SLICE_WAIT_MS);
    (void)http_stream_end_with(exchange, buf_text(&following->out), &err);
}

/* As many read as may: a browser that gets any status but 200 would never come back. */
static void turn_away(struct following *following)
{
    if (begin(following) < 0)
        return;
    buf_printf(&following->out, "retry: %d\n\n", CROWDED_RETRY_MS);
    end(following);
}

static void stream(struct following *following)
{
    if (begin(following) < 0)
        return;
    if (following->follow->with_thread)
        tell_thread(following);
    go_on(following);
    end(following);
}

/* To HEAD nothing is told, so it waits for nothing and takes no place. */
static void show_head(struct following *following)
{
    if (begin(following) == 0)
        end(following);
}

static void read_to_the_end(struct following *following)
{
    if (following->request->exchange->method == HTTP_METHOD_HEAD)
        show_head(following);
    else if (!following->request->api->live || !telling_join(&following->telling))
        turn_away(following);
    else
        stream(following);
}

int follow_run(struct request *request, const struct follow *follow)
{
    struct following following = {.request = request, .follow = follow};
    struct telling_options telling = {
        .api = request->api,
        .store = &request->store,
        .format = follow->format,
        .memory = follow->memory,
        .out = &following.out,
        .flush = flush,
        .arg = &following,
        .thread = follow->thread,
        .run = follow->run,
        .shown = follow->shown,
        .until_action = follow->until_action,
        .held = request_readers(request),
    };
    struct error err;
    int r;

    telling.shown.of = shown_of(follow->run);
    telling_begin(&following.telling, &telling);
    buf_init(&following.out, OUT_BYTES_MAX);
    r = follow->is_there ? 0 : telling_read(&following.telling, &err);
    if (r == 0) {
        request_let_go(request);
        read_to_the_end(&following);
        if (follow->gone)
            *follow->gone = following.broken;
    } else if (r < 0) {
        r = request_failed(request, &err);
    }
    buf_deinit(&following.out);
    telling_end(&following.telling);
    return r;
}
