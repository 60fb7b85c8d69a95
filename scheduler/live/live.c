/* Runs that are read: beside its readers, who are waiters of waiting.h, each has its draft and how
 * far it was read. Threads are asked for, told of and woken as runs are; they have no draft, and
 * the sweep has another statement for them. */

#include "scheduler/live/live.h"

#include <stdlib.h>

#include "scheduler/live/asking.h"
#include "scheduler/live/expected.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/events/asks.h"
#include "shared/events/follower.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/service.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/polls/run_standings.h"
#include "shared/store/polls/thread_standings.h"

enum {
    SWEEP_MS = 1000,
    STUCK_MS = 20000, /* a statement ends within 5 s, and each is a beat */
    GAP_ASK_MS = 250, /* between two asks for the whole of one run */
};

#define ASK_AGAIN_MS     (ASK_HOLDS_MS / 3)
#define DRAFTS_BYTES_MAX ((size_t)64 << 20)

/* How a run's ask is to be sent. */
enum live_ask { ASK_NOTHING, ASK_ON, ASK_WHOLE };

struct live_run {             /* or a thread */
    struct waited_run waited; /* its readers; the first member */
    struct list asking;       /* on live->asking: workers are to be asked */
    enum live_ask ask;
    uint64_t stored;
    bool is_thread;
    struct thread_standing_row thread; /* of a thread, as the sweep found it last */
    int64_t step;                      /* as it was read last */
    int status;
    uint64_t read_at; /* `stored`, when that was asked for */
    struct draft draft;
    int64_t asked_whole_ms;
};

_Static_assert(offsetof(struct live_run, waited) == 0, "waiting.h allocates it");

struct live {
    struct live_options options;
    char channel[LIVE_CHANNEL_MAX];
    struct waiting *waiting;
    struct follower *follower;
    struct service sweeper;
    struct deferred ask_now;
    struct list asking;
    struct expected expected;
    struct asking on;    /* for runs that are read, or will be */
    struct asking whole; /* and for what was said of their replies so far */
    size_t draft_bytes;
    int64_t asked_ms; /* when all were asked for last */
    uint64_t frames;
    uint64_t gaps;
    uint64_t by_sweep;
};

static struct live_run *run_of(struct waited_run *waited)
{
    return waited ? CONTAINER_OF(waited, struct live_run, waited) : NULL;
}

static struct live_run *find(struct live *live, struct uuid run)
{
    return run_of(waiting_find(live->waiting, run));
}

static void forget_ask(struct live_run *run)
{
    list_remove(&run->asking);
    list_init(&run->asking);
    run->ask = ASK_NOTHING;
}

static void ask_now(void *arg)
{
    struct live *live = arg;

    list_for_each_safe (item, &live->asking) {
        struct live_run *run = CONTAINER_OF(item, struct live_run, asking);

        asking_add(run->ask == ASK_WHOLE ? &live->whole : &live->on, run->waited.id);
        forget_ask(run);
    }
    asking_send(&live->whole);
    asking_send(&live->on);
}

static void ask(struct live *live, struct live_run *run, enum live_ask how)
{
    if (how > run->ask)
        run->ask = how;
    if (list_empty(&run->asking))
        list_add(&live->asking, &run->asking);
    loop_defer(&live->ask_now);
}

static void ask_whole(struct live *live, struct live_run *run)
{
    run->asked_whole_ms = clock_ms();
    ask(live, run, ASK_WHOLE);
}

static void begin_run(void *arg, struct waited_run *waited)
{
    struct live_run *run = run_of(waited);

    run->status = -1;
    list_init(&run->asking);
    ask_whole(arg, run);
}

static void drop_draft(struct live *live, struct live_run *run)
{
    live->draft_bytes -= run->draft.bytes;
    draft_drop(&run->draft);
}

static void end_run(void *arg, struct waited_run *waited)
{
    struct live_run *run = run_of(waited);

    drop_draft(arg, run);
    forget_ask(run);
}

/* A model says nothing between its reply and the write of it: the draft is a stored reply now, or
 * one that will never be stored. */
static void has_stored(struct live *live, struct live_run *run)
{
    drop_draft(live, run);
    run->stored++;
    (void)waiting_wake_run(&run->waited);
}

/* The whole is asked for, since a piece is missing. */
static void mend(struct live *live, struct live_run *run)
{
    live->gaps++;
    run->draft.gap = false;
    ask_whole(live, run);
}

static void take_frame(struct live *live, const struct frame *frame)
{
    struct live_run *run = find(live, frame->run);
    size_t before;
    bool news;

    live->frames++;
    if (!run)
        return;
    if (frame->kind == FRAME_STORED) {
        has_stored(live, run);
        return;
    }
    if (live->draft_bytes > DRAFTS_BYTES_MAX)
        return;
    before = run->draft.bytes;
    news = draft_take(&run->draft, frame);
    live->draft_bytes += run->draft.bytes - before;
    if (run->draft.gap && clock_ms() - run->asked_whole_ms >= GAP_ASK_MS)
        mend(live, run);
    if (news)
        (void)waiting_wake_run(&run->waited);
}

static void take_frames(void *arg, struct text message)
{
    struct frame frame;

    while (frame_next(&message, &frame))
        take_frame(arg, &frame);
}

/* What was told meanwhile is lost: it is looked at, and asked for, again. */
static void read_again(void *arg, struct waited_run *waited)
{
    has_stored(arg, run_of(waited));
    ask_whole(arg, run_of(waited));
}

static void hear_again(void *arg)
{
    struct live *live = arg;

    waiting_each(live->waiting, read_again, live);
}

static void ask_on(void *arg, struct waited_run *waited)
{
    ask(arg, run_of(waited), ASK_ON);
}

/* A piece is missing, and no further one has come. */
static void mend_gap(void *arg, struct waited_run *waited)
{
    struct live_run *run = run_of(waited);

    if (run->draft.gap)
        mend(arg, run);
}

static void ask_again(struct live *live)
{
    waiting_each(live->waiting, mend_gap, live);
    if (clock_ms() - live->asked_ms < ASK_AGAIN_MS)
        return;
    live->asked_ms = clock_ms();
    waiting_each(live->waiting, ask_on, live);
}

static void found_by_sweep(struct live *live, struct live_run *run)
{
    live->by_sweep++;
    has_stored(live, run);
}

static void compare_run(struct live *live, const struct run_standing_row *row)
{
    struct live_run *run = find(live, row->run);

    if (!run || (run->step == row->step && run->status == row->status))
        return;
    if (run->status < 0) /* it was not read yet, and will be */
        return;
    run->step = row->step;
    run->status = row->status;
    found_by_sweep(live, run);
}

static void compare_thread(struct live *live, const struct thread_standing_row *row)
{
    struct live_run *run = find(live, row->thread);

    if (!run || (run->status == 0 && thread_standing_equal(&run->thread, row)))
        return;
    run->thread = *row;
    if (run->status < 0) { /* what became of it since its first reader looked is not known */
        run->status = 0;
        has_stored(live, run);
        return;
    }
    found_by_sweep(live, run);
}

static int sweep_runs(struct live *live, const struct uuid *ids, size_t count, struct error *err)
{
    CLEANUP(freep) struct run_standing_row *rows = xcalloc(count, sizeof(*rows));
    int r = run_standings(live->options.pg, ids, count, rows, err);

    for (size_t i = 0; r == 0 && i < count; i++)
        compare_run(live, &rows[i]);
    return r;
}

static int sweep_threads(struct live *live, const struct uuid *ids, size_t count, struct error *err)
{
    CLEANUP(freep) struct thread_standing_row *rows = xcalloc(count, sizeof(*rows));
    int r = thread_standings(live->options.pg, ids, count, rows, err);

    for (size_t i = 0; r == 0 && i < count; i++)
        compare_thread(live, &rows[i]);
    return r;
}

/* Those that are swept alike. */
struct swept {
    bool threads;
    struct uuid *ids;
    size_t count;
};

static void add_swept(void *arg, struct waited_run *waited)
{
    struct swept *swept = arg;

    if (run_of(waited)->is_thread == swept->threads)
        swept->ids[swept->count++] = waited->id;
}

static int sweep(struct live *live, bool threads, struct error *err)
{
    CLEANUP(freep) struct uuid *ids = xcalloc(waiting_runs_count(live->waiting) + 1, sizeof(*ids));
    struct swept swept = {threads, ids, 0};
    int r = 0;

    waiting_each(live->waiting, add_swept, &swept);
    for (size_t at = 0; r == 0 && at < swept.count; at += STANDINGS_BATCH_MAX) {
        size_t left = swept.count - at;
        size_t some = left < STANDINGS_BATCH_MAX ? left : STANDINGS_BATCH_MAX;

        r = threads ? sweep_threads(live, ids + at, some, err)
                    : sweep_runs(live, ids + at, some, err);
        service_beat(&live->sweeper);
    }
    return r;
}

static int sweep_round(void *arg, struct error *err)
{
    struct live *live = arg;
    int r;

    if (waiting_runs_count(live->waiting) == 0)
        return 0;
    ask_again(live);
    r = sweep(live, false, err);
    return r < 0 ? r : sweep(live, true, err);
}

struct live *live_start(const struct live_options *options)
{
    struct live *live = xcalloc(1, sizeof(*live));
    const struct service_options sweeper = {
        .name = "sweep of live runs",
        .round = sweep_round,
        .arg = live,
        .period_ms = SWEEP_MS,
        .stuck_ms = STUCK_MS,
        .late = true,
    };
    const struct waiting_options waiting = {
        .max = options->max,
        .max_of_one = options->max_of_one,
        .run_bytes = sizeof(struct live_run),
        .begin = begin_run,
        .end = end_run,
        .arg = live,
    };
    struct follower_options follower = {
        .redis_url = options->redis_url,
        .hear = take_frames,
        .again = hear_again,
        .arg = live,
    };

    live->options = *options;
    live->asked_ms = clock_ms();
    live_channel_new(live->channel);
    follower.channel = live->channel;
    list_init(&live->asking);
    expected_init(&live->expected);
    asking_init(&live->on, options->redis, live->channel, false);
    asking_init(&live->whole, options->redis, live->channel, true);
    live->waiting = waiting_new(&waiting);
    deferred_init(&live->ask_now, ask_now, live);
    live->follower = follower_start(&follower);
    service_start(&live->sweeper, &sweeper);
    return live;
}

void live_stop(struct live *live)
{
    if (!live)
        return;
    service_stop(&live->sweeper);
    follower_stop(live->follower);
    loop_undefer(&live->ask_now);
    asking_deinit(&live->on);
    asking_deinit(&live->whole);
    waiting_free(live->waiting);
    expected_deinit(&live->expected);
    free(live);
}

bool live_has_room(const struct live *live, size_t held)
{
    return waiting_has_room(live->waiting, held);
}

bool live_join(struct live *live, struct waiter *reader, struct uuid run, size_t *held)
{
    return waiting_join(live->waiting, reader, run, held);
}

bool live_join_thread(struct live *live, struct waiter *reader, struct uuid thread, size_t *held)
{
    if (!waiting_join(live->waiting, reader, thread, held))
        return false;
    run_of(reader->run)->is_thread = true;
    return true;
}

bool live_join_besides(struct live *live, struct waiter *reader, struct uuid run)
{
    return waiting_join_besides(live->waiting, reader, run);
}

void live_leave(struct live *live, struct waiter *reader)
{
    waiting_leave(live->waiting, reader);
}

void live_expect(struct live *live, struct uuid run)
{
    if (!live || live_has_ended(live))
        return;
    asking_add(&live->on, run);
    expected_add(&live->expected, run);
    loop_defer(&live->ask_now);
}

bool live_awaits(struct live *live, struct uuid run)
{
    return find(live, run) || expected_has(&live->expected, run);
}

uint64_t live_stored(const struct waiter *reader)
{
    return run_of(reader->run)->stored;
}

bool live_thread_is_gone(const struct waiter *reader)
{
    const struct live_run *run = run_of(reader->run);

    return run->status == 0 && !run->thread.is_there;
}

const struct draft *live_draft(const struct waiter *reader)
{
    return &run_of(reader->run)->draft;
}

/* A sign may be lost, and then a new reader reads what the others were not told of. The sweep
 * compares with what was read last, so it would never tell them either. */
void live_has_read(struct live *live, struct waiter *reader, uint64_t stored,
                   const struct run_standing_row *row)
{
    struct live_run *run = run_of(reader->run);
    bool known = run->status < 0 || (run->step == row->step && run->status == row->status);
    bool told = run->stored != run->read_at;

    if (stored < run->read_at) /* another one has read it since */
        return;
    run->step = row->step;
    run->status = row->status;
    run->read_at = stored;
    if (!known && !told)
        has_stored(live, run);
}

void live_look(struct live *live, struct uuid id)
{
    struct live_run *run = find(live, id);

    if (run)
        has_stored(live, run);
}

void live_end(struct live *live)
{
    if (live)
        waiting_end(live->waiting);
}

bool live_has_ended(const struct live *live)
{
    return waiting_has_ended(live->waiting);
}

static void add_readers(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, (int64_t)waiting_count(((const struct live *)from)->waiting), NULL);
}

static void add_drafts(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, (int64_t)((const struct live *)from)->draft_bytes, NULL);
}

static void add_hears(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, follower_hears(((const struct live *)from)->follower), NULL);
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_live_readers", NULL,
                    "Readers of the events of runs: streams and sockets.", add_readers),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_live_draft_bytes", NULL,
                    "Bytes of replies that models are making, kept for readers.", add_drafts),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_live_hears", NULL,
                    "Whether what workers tell of runs is heard (1), or Redis is away (0).",
                    add_hears),
    METRIC_COUNTS(live, METRIC_UINT64, frames, "penstock_live_frames_total",
                  "Pieces of replies, and notices of what was stored, that workers told."),
    METRIC_COUNTS(live, METRIC_UINT64, gaps, "penstock_live_gaps_total",
                  "Times that a piece of a reply was missing, and was asked for again."),
    METRIC_COUNTS(live, METRIC_UINT64, by_sweep, "penstock_live_found_by_sweep_total",
                  "Changes of runs that no worker had told."),
};

const struct metric_table live_metrics = METRIC_TABLE(rows);

void live_metrics_render(const struct live *live, struct buf *out)
{
    metric_table_render(&live_metrics, live, out);
}
