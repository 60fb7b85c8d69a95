/* A reader of a run: looks, tells, writes, sleeps.
 *
 *     join ──► look (Postgres, when something was stored) ──► tell ──► write ──┐
 *               ▲                                                              │
 *               └──────────── woken, or 15 s later (a comment) ◄───────────────┘
 *
 * Between two looks it holds what was shown and some numbers of the run: no text of its row, and no
 * row of a step or a message. While its client is slow it is suspended in the write; what happens
 * meanwhile is told in one piece. A failure of the database ends nothing: it looks again.
 */

#include "scheduler/api/stream/follow.h"

#include "scheduler/api/assistants/render.h"
#include "scheduler/live/live.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/polls/run_reader.h"
#include "shared/store/polls/run_standings.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/threads.h"

enum {
    KEEP_ALIVE_MS = 15000, /* proxies close what is silent for 60 s; clients learn the interval */
    WRITE_WAIT_MS = 30000, /* a client that takes nothing for so long is gone */
    LOOK_AGAIN_MS = 1000,  /* after a failure of the database */
    STEPS_AT_ONCE = 16,
    CROWDED_RETRY_MS = 5000,
};

#define OUT_BYTES_MAX ((size_t)32 << 20)
#define FLUSH_BYTES   ((size_t)64 << 10)
#define SLICE_BYTES   ((size_t)16 << 10) /* what a client has to take in WRITE_WAIT_MS */
#define OUT_KEPT      ((size_t)1 << 10)

struct following {
    struct request *request;
    const struct follow *follow;
    struct waiter reader;
    struct story story;
    struct run run; /* as it was read last, its texts in `row` */
    struct arena row;
    bool bare; /* its texts were given up */
    struct buf out;
    bool fresh;    /* the row was read just now */
    uint64_t seen; /* live_stored, when it was looked */
    bool looked;
    struct uuid looked_for; /* a reply that began behind writes that were not seen */
    bool broken;            /* the client is gone */
};

/* Of a run that has ended nothing will be told: nobody joins its readers. */
static bool has_joined(const struct following *following)
{
    return following->reader.run != NULL;
}

static uint64_t stored_now(const struct following *following)
{
    return has_joined(following) ? live_stored(&following->reader) : 0;
}

static bool is_up_to_date(const struct following *following)
{
    return following->looked && stored_now(following) == following->seen;
}

static void tell(void *arg, const struct story_event *event)
{
    struct following *following = arg;

    following->follow->format->write(following->follow->memory, &following->out, event);
}

/* A slow client gets a time of its own for each slice: one event may be megabytes. */
static int write_slices(struct http_exchange *exchange, struct text rest, struct error *err)
{
    int r = 0;

    while (r == 0 && rest.len > 0) {
        size_t len = rest.len < 2 * SLICE_BYTES ? rest.len : SLICE_BYTES;

        exchange->deadline_ms = deadline_in(WRITE_WAIT_MS);
        r = http_stream_write(exchange, (struct text){rest.ptr, len}, err);
        rest.ptr += len;
        rest.len -= len;
    }
    return r;
}

/* Sends what was told. */
static void flush(struct following *following)
{
    struct error err;

    if (following->broken || following->out.len == 0)
        return;
    if (buf_check(&following->out, &err) < 0 ||
        write_slices(following->request->exchange, buf_text(&following->out), &err) < 0)
        following->broken = true;
    if (following->out.size > OUT_KEPT) { /* most of the time there is nothing to be told */
        buf_deinit(&following->out);
        buf_init(&following->out, OUT_BYTES_MAX);
    }
    buf_reset(&following->out);
}

/* Into an arena of its own, which takes the place of the one before. `look` is at its steps; NULL:
 * at the run alone. Returns 0, RUN_MISSING, or a failure. */
static int read_run(struct following *following, struct run_look *look, struct error *err)
{
    const struct follow *follow = following->follow;
    struct request *request = following->request;
    struct store store = request->store;
    struct arena row;
    struct run run;
    int r;

    arena_init(&row, 0);
    store.arena = &row;
    r = run_reader_look(request->api->run_reader, &store, follow->thread, follow->run, &run, look,
                        err);
    if (r == RUN_UNREAD) {
        store.pg = request->api->pg_large;
        r = runs_get(&store, follow->thread, follow->run, &run, err);
    }
    if (r != 0) {
        arena_deinit(&row);
        return r;
    }
    arena_deinit(&following->row);
    following->row = row;
    following->run = run;
    following->bare = false;
    return 0;
}

/* Who waits holds no text of the run: it is read again before they are needed. */
static void lay_bare(struct following *following)
{
    struct run *run = &following->run;

    run->spec = run->metadata = run->last_error = run->incomplete_reason = TEXT_NONE;
    run->required_action = run->waits_for = run->user = run->tools = TEXT_NONE;
    following->bare = true;
    arena_deinit(&following->row);
    arena_init(&following->row, 0);
}

static int tell_step(struct following *following, const struct store *store,
                     const struct run_step *step, struct error *err)
{
    struct message message;
    bool there = step->type != STEP_MESSAGE_CREATION;
    int r = 0;

    if (!there) {
        r = messages_get(store, following->run.thread_id, step->message_id, &message, err);
        there = r == 0;
    }
    if (r < 0)
        return r;
    story_step(&following->story, step, there ? &message : NULL);
    if (following->out.len >= FLUSH_BYTES)
        flush(following);
    return 0;
}

/* A page of steps. Returns 0, or 1: there are more. */
static int tell_page(struct following *following, struct error *err)
{
    struct store store = following->request->store;
    struct run_step_list steps;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    store.arena = &arena;
    r = run_steps_after(&store, following->run.id, following->story.shown.seq, STEPS_AT_ONCE,
                        &steps, err);
    for (size_t i = 0; r == 0 && i < steps.count && !following->broken; i++)
        r = tell_step(following, &store, &steps.items[i], err);
    if (r == 0 && steps.has_more && !following->broken)
        r = 1;
    arena_deinit(&arena);
    return r;
}

static int tell_steps(struct following *following, struct error *err)
{
    int64_t before;
    int r;

    do {
        before = following->story.shown.seq;
        r = tell_page(following, err);
        flush(following);
    } while (r == 1 && following->story.shown.seq > before);
    return r < 0 ? r : 0;
}

/* What was found at once, and what there may be behind it. Nothing is where no worker has written
 * yet. */
static int tell_look(struct following *following, const struct run_look *look, struct error *err)
{
    for (size_t i = 0; i < look->count && !following->broken; i++) {
        const struct looked_step *found = &look->steps[i];

        story_step(&following->story, &found->step, found->has_message ? &found->message : NULL);
    }
    return look->more && following->run.step > 0 ? tell_steps(following, err) : 0;
}

static int read_and_tell(struct following *following, struct run_look *look, struct error *err)
{
    struct live *live = following->request->api->live;
    uint64_t stored = stored_now(following);
    int r = following->fresh ? 0 : read_run(following, look, err);

    following->fresh = false;
    if (r != 0)
        return r;
    if (has_joined(following))
        live_has_read(live, &following->reader, stored,
                      &(struct run_standing_row){following->run.id, following->run.step,
                                                 (int)following->run.status});
    story_run(&following->story, &following->run);
    r = tell_look(following, look, err);
    if (r < 0)
        return r;
    following->seen = stored;
    following->looked = true;
    return 0;
}

/* What is stored. Returns 0, RUN_MISSING, or a failure.
 *
 * The row that a reader found when he came was read before he joined. What became of the run in
 * between, if anything, the sweep finds. */
static NOINLINE int look(struct following *following, struct error *err)
{
    struct run_look look = {.seq = following->story.shown.seq, .more = true};
    struct arena arena;
    int r;

    if (is_up_to_date(following))
        return 0;
    arena_init(&arena, 0);
    look.arena = &arena;
    r = read_and_tell(following, &look, err);
    arena_deinit(&arena);
    return r;
}

static bool is_over(const struct following *following)
{
    enum shown_run run = following->story.shown.run;

    return run == SHOWN_ENDED || (run == SHOWN_REQUIRES_ACTION && following->follow->until_action);
}

/* The draft's reply began behind writes that were not seen: whoever told of them was not heard. One
 * more look shows them, unless the draft is none of a worker's. */
static bool has_missed(struct following *following, const struct draft *draft)
{
    if (uuid_is_zero(draft->reply) || draft->writes <= following->run.step)
        return false;
    if (!uuid_equal(following->looked_for, draft->reply))
        following->looked = false;
    following->looked_for = draft->reply;
    return true;
}

/* A piece of a draft may be the first sign that a run is at work, which is told with all of the
 * run. */
static bool lacks_row(struct following *following, const struct draft *draft)
{
    enum shown_run run = following->story.shown.run;

    if (!following->bare || uuid_is_zero(draft->reply) || run == SHOWN_IN_PROGRESS ||
        run == SHOWN_CANCELLING)
        return false;
    following->looked = false;
    return true;
}

/* A draft is told only where all that is stored was. */
static void tell_draft(struct following *following)
{
    if (is_up_to_date(following) && !run_status_terminal(following->run.status)) {
        const struct draft *draft = live_draft(&following->reader);

        if (!has_missed(following, draft) && !lacks_row(following, draft))
            story_draft(&following->story, draft);
    }
    if (!following->bare)
        story_standing(&following->story);
}

static void tell_thread(struct following *following)
{
    struct store store = following->request->store;
    struct buf *out = &following->out;
    struct thread thread;
    struct arena arena;
    struct error err;

    arena_init(&arena, 0);
    store.arena = &arena;
    if (threads_get(&store, following->follow->thread, &thread, &err) == 0) {
        size_t data = event_begin(out, &following->story.shown, "thread.", "created");

        render_thread(&thread, out);
        event_end(out, data);
    }
    arena_deinit(&arena);
}

/* Until it is woken, or for `wait_ms`. */
static void sleep_a_while(struct following *following, int64_t wait_ms)
{
    struct waiter *reader = &following->reader;
    int64_t deadline_ms = deadline_in(wait_ms);
    int r = 0;

    while (r == 0 && !reader->woken) {
        reader->fiber = fiber_self();
        r = http_await_wake(following->request->exchange, "events of a run", deadline_ms, NULL);
        reader->fiber = NULL;
    }
    reader->woken = false;
    if (r == -E_TIMEOUT && wait_ms == KEEP_ALIVE_MS)
        buf_add_string(&following->out, ": keep-alive\n\n");
    else if (r != 0 && r != -E_TIMEOUT)
        following->broken = true;
}

/* Returns true when there is no more to be told. */
static bool tell_all(struct following *following)
{
    const struct event_format *format = following->follow->format;
    void *memory = following->follow->memory;
    struct error err = {0};
    int r = look(following, &err);

    if (r == RUN_MISSING) {
        format->error(memory, &following->out, "run_deleted", "The run was deleted.");
        return true;
    }
    if (r == 0)
        tell_draft(following);
    if (r == 0 && !is_over(following))
        return false;
    if (r == 0)
        r = format->end(memory, &following->out, &following->run, &following->story.shown, &err);
    if (r == 0)
        return true;
    log_debug("a run could not be looked at", LOG_ERROR(&err));
    flush(following);
    sleep_a_while(following, LOOK_AGAIN_MS);
    return false;
}

static void go_on(struct following *following)
{
    struct live *live = following->request->api->live;

    while (!following->broken) {
        if (tell_all(following)) /* the rest leaves with the end */
            break;
        flush(following);
        if (following->broken)
            break;
        if (live_has_ended(live)) { /* another scheduler goes on, behind the last id */
            buf_add_string(&following->out, "retry: 1000\n\n");
            break;
        }
        if (is_up_to_date(following)) {
            lay_bare(following);
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
    exchange->deadline_ms = deadline_in(WRITE_WAIT_MS);
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
        flush(following);
    if (following->broken)
        http_abort(exchange);
    exchange->deadline_ms = deadline_in(WRITE_WAIT_MS);
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

static void read_to_the_end(struct following *following)
{
    struct live *live = following->request->api->live;
    bool ended = !following->follow->is_there && run_status_terminal(following->run.status);

    if (!live || (!ended && !live_join(live, &following->reader, following->follow->run,
                                       request_readers(following->request)))) {
        turn_away(following);
        return;
    }
    stream(following);
    if (has_joined(following))
        live_leave(live, &following->reader);
}

int follow_run(struct request *request, const struct follow *follow)
{
    struct following following = {
        .request = request,
        .follow = follow,
        .story = {.shown = follow->shown, .tell = tell, .arg = &following},
    };
    struct error err;
    int r;

    arena_init(&following.row, 0);
    buf_init(&following.out, OUT_BYTES_MAX);
    r = follow->is_there ? 0 : read_run(&following, NULL, &err);
    following.fresh = !follow->is_there;
    if (r == 0) {
        request_let_go(request);
        read_to_the_end(&following);
    } else if (r < 0) {
        r = request_failed(request, &err);
    }
    buf_deinit(&following.out);
    arena_deinit(&following.row);
    return r;
}
