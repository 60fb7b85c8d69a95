/* A table of runs that are read, each with its readers and its draft. */

#include "scheduler/live/live.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/events/asks.h"
#include "shared/events/follower.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/service.h"
#include "shared/metrics/metric_table.h"
#include "shared/redis/redis.h"
#include "shared/store/polls/run_standings.h"

enum {
    BUCKETS = 8192,
    SWEEP_MS = 1000,
    STUCK_MS = 20000, /* a statement ends within 5 s, and each is a beat */
    GAP_ASK_MS = 250, /* between two asks for the whole of one run */
};

#define ASK_AGAIN_MS     (ASK_HOLDS_MS / 3)
#define DRAFTS_BYTES_MAX ((size_t)64 << 20)

struct live_run {
    struct list bucket;
    struct list all;
    struct list asking; /* on live->asking: workers are to be asked */
    struct list readers;
    struct uuid id;
    uint64_t stored;
    int64_t step; /* as it was read last */
    int status;
    uint64_t read_at; /* `stored`, when that was asked for */
    struct draft draft;
    bool whole; /* the ask is for what was said so far */
    int64_t asked_whole_ms;
};

struct live {
    struct live_options options;
    char channel[LIVE_CHANNEL_MAX];
    struct follower *follower;
    struct service sweeper;
    struct deferred ask_now;
    struct list all;
    struct list asking;
    struct buf expected; /* a line of asks for runs that are not read yet */
    size_t expected_count;
    size_t readers;
    size_t runs;
    size_t draft_bytes;
    bool ended;
    int64_t asked_ms; /* when all were asked for last */
    uint64_t frames;
    uint64_t gaps;
    uint64_t by_sweep;
    struct list buckets[BUCKETS];
};

static struct list *bucket_of(struct live *live, struct uuid run)
{
    /* The last bytes of an id are random. */
    return &live->buckets[(run.bytes[15] | run.bytes[14] << 8) % BUCKETS];
}

static struct live_run *find(struct live *live, struct uuid run)
{
    list_for_each (item, bucket_of(live, run)) {
        struct live_run *found = CONTAINER_OF(item, struct live_run, bucket);

        if (uuid_equal(found->id, run))
            return found;
    }
    return NULL;
}

static void send_ask(struct live *live, const struct buf *line)
{
    const struct text argv[3] = {TEXT("PUBLISH"), TEXT(ASKS_CHANNEL), buf_text(line)};

    redis_post(live->options.redis, argv, 3);
}

/* Asks for those on the list that want it this way. */
static void ask_some(struct live *live, bool whole)
{
    CLEANUP(buf_deinit) struct buf line;
    size_t count = 0;

    buf_init(&line, 0);
    list_for_each_safe (item, &live->asking) {
        struct live_run *run = CONTAINER_OF(item, struct live_run, asking);

        if (run->whole != whole)
            continue;
        if (count++ == 0)
            asks_begin(&line, text_of(live->channel), whole);
        asks_add(&line, run->id);
        list_remove(&run->asking);
        list_init(&run->asking);
        run->whole = false;
        if (count < ASKS_IDS_MAX)
            continue;
        send_ask(live, &line);
        buf_reset(&line);
        count = 0;
    }
    if (count > 0)
        send_ask(live, &line);
}

static void ask_expected(struct live *live)
{
    if (live->expected_count > 0)
        send_ask(live, &live->expected);
    buf_reset(&live->expected);
    live->expected_count = 0;
}

static void ask_now(void *arg)
{
    ask_expected(arg);
    ask_some(arg, true);
    ask_some(arg, false);
}

static void ask(struct live *live, struct live_run *run, bool whole)
{
    run->whole |= whole;
    if (list_empty(&run->asking))
        list_add(&live->asking, &run->asking);
    loop_defer(&live->ask_now);
}

static void ask_whole(struct live *live, struct live_run *run)
{
    run->asked_whole_ms = clock_ms();
    ask(live, run, true);
}

static struct live_run *find_or_add(struct live *live, struct uuid id)
{
    struct live_run *run = find(live, id);

    if (run)
        return run;
    run = xcalloc(1, sizeof(*run));
    run->id = id;
    run->status = -1;
    list_init(&run->readers);
    list_init(&run->asking);
    list_add(bucket_of(live, id), &run->bucket);
    list_add(&live->all, &run->all);
    live->runs++;
    ask_whole(live, run);
    return run;
}

static void drop_draft(struct live *live, struct live_run *run)
{
    live->draft_bytes -= run->draft.bytes;
    draft_drop(&run->draft);
}

static void remove_run(struct live *live, struct live_run *run)
{
    drop_draft(live, run);
    list_remove(&run->bucket);
    list_remove(&run->all);
    list_remove(&run->asking);
    live->runs--;
    free(run);
}

static void wake(struct live_run *run)
{
    list_for_each (item, &run->readers) {
        struct live_reader *reader = CONTAINER_OF(item, struct live_reader, link);

        reader->woken = true;
        if (reader->fiber)
            fiber_wake(reader->fiber);
    }
}

/* A model says nothing between its reply and the write of it: the draft is a stored reply now, or
 * one that will never be stored. */
static void has_stored(struct live *live, struct live_run *run)
{
    drop_draft(live, run);
    run->stored++;
    wake(run);
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
        wake(run);
}

static void take_frames(void *arg, struct text message)
{
    struct frame frame;

    while (frame_next(&message, &frame))
        take_frame(arg, &frame);
}

/* What was told meanwhile is lost: all is looked at, and asked for, again. */
static void hear_again(void *arg)
{
    struct live *live = arg;

    list_for_each (item, &live->all) {
        struct live_run *run = CONTAINER_OF(item, struct live_run, all);

        has_stored(live, run);
        ask_whole(live, run);
    }
}

static void ask_all(struct live *live)
{
    if (clock_ms() - live->asked_ms < ASK_AGAIN_MS)
        return;
    live->asked_ms = clock_ms();
    list_for_each (item, &live->all)
        ask(live, CONTAINER_OF(item, struct live_run, all), false);
}

static void compare(struct live *live, const struct run_standing_row *row)
{
    struct live_run *run = find(live, row->run);

    if (!run || (run->step == row->step && run->status == row->status))
        return;
    if (run->status < 0) /* it was not read yet, and will be */
        return;
    live->by_sweep++;
    run->step = row->step;
    run->status = row->status;
    has_stored(live, run);
}

static int sweep_some(struct live *live, const struct uuid *runs, size_t count, struct error *err)
{
    CLEANUP(freep) struct run_standing_row *rows = xcalloc(count, sizeof(*rows));
    int r = run_standings(live->options.pg, runs, count, rows, err);

    for (size_t i = 0; r == 0 && i < count; i++)
        compare(live, &rows[i]);
    service_beat(&live->sweeper);
    return r;
}

static int sweep_round(void *arg, struct error *err)
{
    struct live *live = arg;
    CLEANUP(freep) struct uuid *runs = NULL;
    size_t count = 0;
    int r = 0;

    if (live->runs == 0)
        return 0;
    ask_all(live);
    runs = xcalloc(live->runs, sizeof(*runs));
    list_for_each (item, &live->all) {
        struct live_run *run = CONTAINER_OF(item, struct live_run, all);

        runs[count++] = run->id;
        if (run->draft.gap) /* and no further piece has come */
            mend(live, run);
    }
    for (size_t at = 0; r == 0 && at < count; at += STANDINGS_BATCH_MAX) {
        size_t left = count - at;

        r = sweep_some(live, runs + at, left < STANDINGS_BATCH_MAX ? left : STANDINGS_BATCH_MAX,
                       err);
    }
    return r;
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
    list_init(&live->all);
    list_init(&live->asking);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&live->buckets[i]);
    buf_init(&live->expected, 0);
    deferred_init(&live->ask_now, ask_now, live);
    live->follower = follower_start(&follower);
    service_start(&live->sweeper, &sweeper);
    return live;
}

void live_stop(struct live *live)
{
    if (!live)
        return;
    ASSERT(live->readers == 0);
    service_stop(&live->sweeper);
    follower_stop(live->follower);
    loop_undefer(&live->ask_now);
    buf_deinit(&live->expected);
    free(live);
}

bool live_has_room(const struct live *live)
{
    return !live->ended && live->readers < live->options.max;
}

bool live_join(struct live *live, struct live_reader *reader, struct uuid run)
{
    if (!live_has_room(live))
        return false;
    *reader = (struct live_reader){.run = find_or_add(live, run)};
    list_add(&reader->run->readers, &reader->link);
    live->readers++;
    return true;
}

void live_leave(struct live *live, struct live_reader *reader)
{
    struct live_run *run = reader->run;

    ASSERT(live->readers > 0);
    live->readers--;
    list_remove(&reader->link);
    reader->run = NULL;
    if (list_empty(&run->readers))
        remove_run(live, run);
}

void live_expect(struct live *live, struct uuid run)
{
    if (!live || live->ended)
        return;
    if (live->expected_count == ASKS_IDS_MAX)
        ask_expected(live);
    if (live->expected_count++ == 0)
        asks_begin(&live->expected, text_of(live->channel), false);
    asks_add(&live->expected, run);
    loop_defer(&live->ask_now);
}

uint64_t live_stored(const struct live_reader *reader)
{
    return reader->run->stored;
}

const struct draft *live_draft(const struct live_reader *reader)
{
    return &reader->run->draft;
}

/* A sign may be lost, and then a new reader reads what the others were not told of. The sweep
 * compares with what was read last, so it would never tell them either. */
void live_has_read(struct live *live, struct live_reader *reader, uint64_t stored,
                   const struct run_standing_row *row)
{
    struct live_run *run = reader->run;
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
    if (!live)
        return;
    live->ended = true;
    list_for_each (item, &live->all)
        wake(CONTAINER_OF(item, struct live_run, all));
}

bool live_has_ended(const struct live *live)
{
    return live->ended;
}

static void add_readers(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, (int64_t)((const struct live *)from)->readers, NULL);
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
                    "Readers of the events of runs, such as streams.", add_readers),
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
