/* The writer
 *
 * What may become of a group:
 *
 *   committed           every write is known: done, fenced, cancelling
 *   answer lost         sent again, a few times; what was applied is recognised by its step
 *   refused             a write in it is bad (its own conflict, a value that can't be stored): the
 *                       group is halved and each half written, until the bad ones stand alone
 *   not possible now    all its fibers are told, and decide themselves whether to ask again
 *
 * A large write goes alone and over a connection of its own: what is sent behind it on the same one
 * would wait until Postgres has stored it.
 *
 * A fiber that gives up meanwhile is left out of what is sent from then on; its write may have been
 * applied, as after any interrupted request.
 */

#include "shared/store/leases/run_writer.h"

#include <stdlib.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/store/leases/run_group.h"
#include "shared/store/leases/write_rows.h"

#define GROUP_MAX       256
#define GROUP_MAX_BYTES ((size_t)1024 * 1024)
#define LARGE_BYTES     ((size_t)256 * 1024) /* some 2 ms of Postgres */
#define LANES           2
#define ATTEMPTS        4
#define BUSY_TRIES      30 /* about 4 s in all */
#define HALVES_MAX      16 /* more than log2(GROUP_MAX) + 1 */

static const struct histogram_shape commit_shape = {
    .count = 14,
    .bounds = {500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000,
               5000000, 15000000},
};

static const struct histogram_shape size_shape = {
    .count = 9,
    .bounds = {1, 2, 4, 8, 16, 32, 64, 128, GROUP_MAX},
};

/* Writes of one size, over a connection of their own. */
struct channel {
    struct run_writer *writer;
    struct pg *pg;
    struct gather *gather;
};

struct run_writer {
    struct channel common;
    struct channel large; /* those over LARGE_BYTES */
    struct run_writer_stats stats;
};

/* A part of a batch. */
struct range {
    size_t from;
    size_t to;
};

static size_t count_open(const struct gather_batch *batch, struct range range)
{
    size_t count = 0;

    for (size_t i = range.from; i < range.to; i++)
        count += batch->items[i] != NULL;
    return count;
}

static int write_range(struct channel *channel, struct gather_batch *batch, struct range range,
                       struct error *err)
{
    int r = 0;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = run_group_write(channel->pg, batch, range.from, range.to, err);
        if (r != -E_AMBIGUOUS)
            return r;
        channel->writer->stats.ambiguous++;
    }
    return r;
}

/* Whether an error may be one write's own fault. */
static bool is_refusal(int r)
{
    return r == -E_CONTENT || r == -E_CONFLICT || r == -E_LIMIT || r == -E_INVALID;
}

/* Lets the fibers of the range go on. A write of which nothing is known fails with `r`. */
static void release(struct run_writer *writer, struct gather_batch *batch, struct range range,
                    int r, const struct error *why)
{
    int64_t now_us = clock_us();

    for (size_t i = range.from; i < range.to; i++) {
        struct gather_item *item = batch->items[i];
        struct run_write *write;

        if (!item)
            continue;
        write = CONTAINER_OF(item, struct run_write, item);
        if (!write->known) {
            ASSERT(r < 0);
            write->status = r;
            write->error = *why;
        }
        writer->stats.fenced += write->status == LEASE_FENCED;
        histogram_add(&writer->stats.commit_us, now_us - item->asked_us);
        gather_done(batch, i);
    }
}

static void write_batch(void *arg, struct gather_batch *batch)
{
    struct channel *channel = arg;
    struct run_writer *writer = channel->writer;
    struct range todo[HALVES_MAX] = {{0, batch->count}};
    size_t depth = 1;

    histogram_add(&writer->stats.size, (int64_t)batch->count);
    while (depth > 0) {
        struct range range = todo[--depth];
        size_t middle = range.from + (range.to - range.from) / 2;
        struct error err = {0};
        int r;

        r = write_range(channel, batch, range, &err);
        if (is_refusal(r) && count_open(batch, range) > 1 && range.to - range.from > 1) {
            ASSERT(depth + 2 <= HALVES_MAX);
            todo[depth++] = (struct range){middle, range.to};
            todo[depth++] = (struct range){range.from, middle};
            writer->stats.bisections++;
            continue;
        }
        release(writer, batch, range, r, &err);
    }
}

static void await_turn(void *arg)
{
    struct channel *channel = arg;

    pg_await_turn(channel->pg);
}

static void channel_open(struct channel *channel, struct run_writer *writer, struct pg *pg,
                         struct gather_options options)
{
    options.fn = write_batch;
    options.await = await_turn;
    options.arg = channel;
    channel->writer = writer;
    channel->pg = pg;
    channel->gather = gather_new(&options);
}

struct run_writer *run_writer_new(struct pg *pg, struct pg *large)
{
    struct run_writer *writer = xcalloc(1, sizeof(*writer));

    writer->stats.commit_us.shape = &commit_shape;
    writer->stats.size.shape = &size_shape;
    channel_open(&writer->common, writer, pg,
                 (struct gather_options){.name = "run_writer",
                                         .lanes = LANES,
                                         .batch_max = GROUP_MAX,
                                         .batch_max_bytes = GROUP_MAX_BYTES});
    channel_open(&writer->large, writer, large,
                 (struct gather_options){.name = "run_writer large",
                                         .lanes = 1,
                                         .batch_max = 1,
                                         .batch_max_bytes = GROUP_MAX_BYTES});
    return writer;
}

void run_writer_free(struct run_writer *writer)
{
    if (!writer)
        return;
    gather_free(writer->common.gather);
    gather_free(writer->large.gather);
    free(writer);
}

const struct run_writer_stats *run_writer_stats(const struct run_writer *writer)
{
    return &writer->stats;
}

/* Waits before another try, because somebody else has locked the row. The fiber does so alone: the
 * other writes of the group need not wait with it. */
static int await_row(int tries, struct error *err)
{
    static const struct backoff_policy busy = {.base_ms = 2, .cap_ms = 200};
    uint32_t random = (uint32_t)random_below((uint64_t)1 << 32);

    return fiber_sleep(backoff_wait_ms(&busy, tries - 1, random), err);
}

static int write_ask(struct run_writer *writer, struct run_lease *lease,
                     const struct run_changes *changes, struct run_write *write, struct error *err)
{
    static const struct run_changes none = {0};
    const struct channel *channel = &writer->common;
    int r;

    write->lease = *lease;
    write->changes = changes ? changes : &none;
    if (write->changes->message_count > CHECKPOINT_ITEMS_MAX ||
        write->changes->call_count > CHECKPOINT_ITEMS_MAX ||
        write->changes->step_count > CHECKPOINT_ITEMS_MAX)
        return error_set(err, E_LIMIT, "more than %d messages, calls or steps in one checkpoint",
                         CHECKPOINT_ITEMS_MAX);
    write->item.bytes = run_write_bytes(write);
    if (write->item.bytes > LARGE_BYTES)
        channel = &writer->large;
    for (int tries = 1;; tries++) {
        r = gather_ask(channel->gather, &write->item, err);
        if (r < 0)
            return r;
        if (write->status != RUN_BUSY)
            break;
        if (tries == BUSY_TRIES)
            return error_set(err, E_UNAVAILABLE, "the run's row is locked by somebody else");
        r = await_row(tries, err);
        if (r < 0)
            return r;
        write->known = false;
    }
    if (write->status < 0 && err)
        *err = write->error;
    if (write->status == -E_REJECTED) /* the server refuses us, whatever we write, until mended */
        return error_set(err, E_UNAVAILABLE, "the server refuses the write: %s", write->error.text);
    if (write->status == 0)
        lease->step++;
    if (write->status == 0 || write->status == LEASE_STEERED)
        lease->steered = write->steered;
    return write->status;
}

int run_leases_checkpoint(struct run_writer *writer, struct run_lease *lease,
                          const struct run_changes *changes, struct error *err)
{
    struct run_write write = {.leaves = RUN_IN_PROGRESS};

    return write_ask(writer, lease, changes, &write, err);
}

/* What is left of an ending whose content can't be stored: nothing that came from outside. */
static struct run_ending bare_ending(const struct run_ending *ending)
{
    struct run_ending bare = {.status = ending->status};

    if (ending->status == RUN_CANCELLED || ending->status == RUN_EXPIRED)
        return bare;
    bare.status = RUN_FAILED;
    bare.error_code = TEXT("server_error");
    bare.error_message = TEXT("The result of the run could not be stored.");
    return bare;
}

/* The tokens were paid for, whatever came of them. */
static struct run_changes counts_of(const struct run_changes *changes)
{
    if (!changes)
        return (struct run_changes){0};
    return (struct run_changes){
        .usage = changes->usage,
        .usage_count = changes->usage_count,
        .iterations = changes->iterations,
        .errors = changes->errors,
    };
}

int run_leases_finish(struct run_writer *writer, struct run_lease *lease,
                      const struct run_changes *changes, const struct run_ending *ending,
                      struct error *err)
{
    struct run_write write = {.leaves = ending->status, .ending = ending};
    struct run_ending bare = bare_ending(ending);
    struct run_changes counts = counts_of(changes);
    struct error again;
    int r;

    ASSERT(run_status_terminal(ending->status));
    r = write_ask(writer, lease, changes, &write, err);
    if (!is_refusal(r))
        return r;
    write = (struct run_write){.leaves = bare.status, .ending = &bare};
    r = write_ask(writer, lease, &counts, &write, &again);
    if (is_refusal(r)) { /* even these */
        write = (struct run_write){.leaves = bare.status, .ending = &bare};
        r = write_ask(writer, lease, NULL, &write, &again);
    }
    if (r < 0)
        *err = again;
    return r == 0 ? RUN_ENDED_BARE : r;
}

int run_leases_hand_back(struct run_writer *writer, struct run_lease *lease,
                         const struct run_changes *changes, const struct run_return *how,
                         struct error *err)
{
    struct run_write write = {.leaves = RUN_QUEUED, .back = how};

    ASSERT(how->delay_ms >= 0);
    return write_ask(writer, lease, changes, &write, err);
}

/* What clients see of a run whose calls are open. */
static enum run_status parked_status(const struct run_changes *changes)
{
    enum run_status status = RUN_QUEUED;
    size_t open = 0;

    for (size_t i = 0; i < changes->call_count; i++) {
        if (changes->calls[i].state != CALL_OPEN)
            continue;
        open++;
        if (wait_of(changes->calls[i].kind)->needs_action)
            status = RUN_REQUIRES_ACTION;
    }
    ASSERT(open > 0);
    return status;
}

int run_leases_park(struct run_writer *writer, struct run_lease *lease,
                    const struct run_changes *changes, const struct run_parking *how,
                    struct error *err)
{
    struct run_write write = {.leaves = parked_status(changes), .parking = how};

    return write_ask(writer, lease, changes, &write, err);
}
