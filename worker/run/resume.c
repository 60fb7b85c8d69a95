/* Resume: from the stored thread to a conversation in memory. A run that was claimed for the first
 * time and one that another worker left are the same here; the latter may have tool calls without
 * results, which go to the ledger.
 *
 * Nothing large is read before there is room for it (room.h): what came with the claim, and calls
 * of little size, are there at once; the size of anything else is asked first.
 */

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "worker/run/near.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define HISTORY_MESSAGES 4000
#define HISTORY_BYTES    ((int64_t)8 << 20)
#define SMALL_BYTES      ((int64_t)32 << 10) /* of calls, that are read without asking */

/* What its strategy leaves of the thread is counted before the run: its own messages it always
 * sees. */
static int history_count(const struct run_task *task)
{
    int64_t own = task->conversation.next_seq - 1;
    int64_t last = task->ask.newest;

    if (last == 0 || last > HISTORY_MESSAGES - own)
        return HISTORY_MESSAGES;
    return (int)(last + own);
}

/* A history that did not come with the claim, and the thread's first messages, where these are
 * wanted beside it. */
struct history_alone {
    struct history_limits limits;
    int64_t bytes; /* of all that is to be read */
};

static struct history_limits limits_of_first(const struct run_task *task, int64_t before)
{
    return (struct history_limits){
        .count = (int)task->ask.first,
        .bytes = HISTORY_BYTES,
        .part = HISTORY_FIRST,
        .before = before,
    };
}

/* Where no checkpoint waits behind it. */
static struct store store_of(struct run_task *task)
{
    return (struct store){
        .pg = task->worker->large,
        .tenant = task->claim.row.tenant_id,
        .arena = &task->arena,
    };
}

/* What the run is about to hold: a history is its rows and their texts, or these and the answer of
 * the database. */
static size_t expected(const struct run_task *task, int64_t history_bytes, int64_t call_bytes)
{
    return room_of_arena(task->arena.used + (size_t)(history_bytes * 2 + call_bytes));
}

static int turned_away(struct run_task *task, int64_t return_ms)
{
    return ending_hand_back(&task->ending, return_ms, RUN_WAIT_BACKOFF);
}

/* Asked while the worker is full, of thousands of runs perhaps: at the price of what is known
 * without reading it. Returns RUN_GO_ON, or that the run goes back. */
static int leave_if_closed(struct run_task *task, const struct history_limits *limits,
                           struct error *err)
{
    struct store store = store_of(task);
    int64_t bytes;
    int r;

    if (!room_is_closed(&task->room, SIZE_MAX))
        return RUN_GO_ON;
    r = messages_history_stored(&store, task->claim.row.thread_id, limits, &bytes, err);
    if (r < 0 || !room_is_closed(&task->room, expected(task, bytes, 0)))
        return r;
    return turned_away(task, room_turn_away(&task->worker->room));
}

static bool came_with_claim(const struct run_task *task, const struct history_limits *limits,
                            struct message_list *out)
{
    return limits->part == HISTORY_AFTER ? claim_history_after(&task->claim, limits->after, out)
                                         : claim_history(&task->claim, (size_t)limits->count, out);
}

static int size_history(struct run_task *task, struct history_alone *out, struct error *err)
{
    struct history_limits limits = {
        .count = history_count(task),
        .bytes = HISTORY_BYTES,
        .part = task->ask.part,
        .run = task->claim.row.lease.run,
        .after = task->summary.position,
    };
    struct history_limits first = limits_of_first(task, INT64_MAX);
    struct store store = store_of(task);
    struct message_list known = {.has_more = true};
    int64_t bytes = 0;
    int64_t of_first = 0;
    int r = RUN_GO_ON;

    if (!came_with_claim(task, &limits, &known)) {
        r = leave_if_closed(task, &limits, err);
        if (r == RUN_GO_ON)
            r = messages_history_bytes(&store, task->claim.row.thread_id, &limits, &bytes, err);
    }
    if (r == RUN_GO_ON && first.count > 0 && known.has_more)
        r = messages_history_bytes(&store, task->claim.row.thread_id, &first, &of_first, err);
    if (r == RUN_GO_ON)
        *out = (struct history_alone){limits, bytes + of_first};
    return r;
}

static int read_history(struct run_task *task, const struct history_alone *alone,
                        struct message_list *out, struct error *err)
{
    struct store store = store_of(task);

    if (came_with_claim(task, &alone->limits, out))
        return 0;
    task->worker->counters.histories_alone++;
    return messages_history(&store, task->claim.row.thread_id, &alone->limits, out, err);
}

/* Puts the thread's first messages before its newest ones, where there are others between. */
static int read_first(struct run_task *task, struct message_list *history,
                      struct context_history *source, struct error *err)
{
    struct history_limits limits;
    struct store store = store_of(task);
    struct message_list first;
    struct message *joined;
    int r;

    if (task->ask.first == 0)
        return 0;
    source->first = (size_t)task->ask.first;
    if (!history->has_more || history->count == 0)
        return 0;
    limits = limits_of_first(task, history->items[0].position);
    r = messages_history(&store, task->claim.row.thread_id, &limits, &first, err);
    if (r < 0)
        return r;
    joined = arena_calloc(&task->arena, first.count + history->count, sizeof(*joined));
    if (!joined)
        return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    if (first.count > 0)
        memcpy(joined, first.items, first.count * sizeof(*joined));
    memcpy(joined + first.count, history->items, history->count * sizeof(*joined));
    source->first = first.count;
    source->gap = first.has_more ? first.count : 0;
    history->items = joined;
    history->count += first.count;
    return 0;
}

static int load_history(struct run_task *task, const struct history_alone *alone, struct error *err)
{
    struct message_list history;
    struct context_history source = {
        .history = &history,
        .pending_run = task->claim.row.lease.run,
        .summary = &task->summary,
    };
    int r = read_history(task, alone, &history, err);

    if (r == 0)
        r = read_first(task, &history, &source, err);
    if (r == 0 && task->ask.near > 0)
        r = near_read(task, &history, &source, err);
    if (r < 0)
        return r;
    if (conversation_load(&task->conversation, &source, err) < 0)
        return ending_failed(&task->ending, "server_error", "%s.", err->text);
    room_settle(&task->room, room_of_arena(task->arena.used));
    return RUN_GO_ON;
}

/* Where an earlier attempt left it. Returns 0, or PROGRESS_LARGE: its calls are to be read again,
 * when there is room. */
static int read_progress(struct run_task *task, int64_t calls_max, struct run_progress *out,
                         struct error *err)
{
    const struct run_lease *lease = &task->claim.row.lease;
    int r;

    if (lease->step == 0)
        return 0;
    r = run_leases_progress(task->worker->pg, &task->arena, lease->run, calls_max, out, err);
    if (r < 0)
        return r;
    task->conversation.next_seq = out->next_message_seq;
    task->meter.iterations = (int)out->answers; /* whatever of them the history still shows */
    return r;
}

/* Most runs hold less than their slot's part. */
static int enter_room(struct run_task *task, int64_t history_bytes, int64_t call_bytes,
                      struct error *err)
{
    int64_t return_ms = 0;
    int r = room_enter(&task->room, expected(task, history_bytes, call_bytes), task->arena.used,
                       task->deadline_ms, &return_ms, err);

    if (r == ROOM_FULL)
        return turned_away(task, return_ms);
    if (r == -E_TIMEOUT)
        return ending_expired(&task->ending);
    return r;
}

static int recall_calls(struct run_task *task, const struct run_progress *progress,
                        struct error *err)
{
    if (task->claim.row.lease.step > 0 &&
        ledger_recall(&task->ledger, progress, &task->setup.tools, err) < 0)
        return ending_out_of_memory(&task->ending);
    return RUN_GO_ON;
}

/* Behind it the history begins. */
static int read_summary(struct run_task *task, struct error *err)
{
    struct store store = {
        .pg = task->worker->pg, .tenant = task->claim.row.tenant_id, .arena = &task->arena};

    if (task->ask.part != HISTORY_AFTER)
        return 0;
    return summaries_get(&store, task->claim.row.thread_id, &task->summary, err);
}

int stage_resume(struct run_task *task, struct error *err)
{
    struct run_progress progress = {.calls = NULL};
    struct history_alone alone;
    int large = read_progress(task, SMALL_BYTES, &progress, err);
    int r = large < 0 ? large : read_summary(task, err);

    if (r == 0)
        r = size_history(task, &alone, err);
    if (r == 0)
        r = enter_room(task, alone.bytes, large == PROGRESS_LARGE ? progress.call_bytes : 0, err);
    if (r == 0 && large == PROGRESS_LARGE)
        r = read_progress(task, INT64_MAX, &progress, err);
    if (r == 0)
        r = recall_calls(task, &progress, err);
    return r == RUN_GO_ON ? load_history(task, &alone, err) : r;
}
