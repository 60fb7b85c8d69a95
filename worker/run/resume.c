/* Resume: from the stored thread to a conversation in memory. A run that was claimed for the first
 * time and one that another worker left are the same here; the latter may have tool calls without
 * results. */

#include "shared/base/error.h"
#include "worker/context/context.h"
#include "worker/run/run.h"
#include "worker/worker.h"

#define HISTORY_MESSAGES 4000
#define HISTORY_BYTES    ((int64_t)8 << 20)

bool run_append_message(struct run_task *task, const struct chat_message *message)
{
    if (task->message_count == task->message_room) {
        size_t room = task->message_room ? task->message_room * 2 : 8;
        struct chat_message *moved = arena_calloc(&task->arena, room, sizeof(*moved));

        if (!moved)
            return false;
        if (task->message_count > 0)
            memcpy(moved, task->messages, task->message_count * sizeof(*moved));
        task->messages = moved;
        task->message_room = room;
    }
    task->messages[task->message_count++] = *message;
    return true;
}

/* How many answers of the model this run has already: its iterations so far. */
static int count_answers(const struct message_list *history, struct uuid run)
{
    int count = 0;

    for (size_t i = 0; i < history->count; i++)
        if (history->items[i].role == MESSAGE_ASSISTANT &&
            uuid_equal(history->items[i].run_id, run))
            count++;
    return count;
}

/* What the agent's truncation leaves of the thread is counted before the run: its own messages it
 * always sees. */
static int history_count(const struct run_task *task)
{
    int64_t own = task->next_message_seq - 1;
    int64_t last = task->agent.last_messages;

    if (last == 0 || last > HISTORY_MESSAGES - own)
        return HISTORY_MESSAGES;
    return (int)(last + own);
}

/* What came with the claim serves when it is all there is, or all that is wanted. */
static bool take_claimed(const struct run_task *task, size_t wanted, struct message_list *out)
{
    struct message_list history = task->history;

    if (!task->history_known || (history.has_more && history.count < wanted))
        return false;
    if (history.count > wanted) {
        history.items += history.count - wanted;
        history.count = wanted;
        history.has_more = true;
    }
    *out = history;
    return true;
}

static int read_history(struct run_task *task, struct message_list *out, struct error *err)
{
    struct store store = {
        .pg = task->worker->pg, .tenant = task->claim.tenant_id, .arena = &task->arena};
    struct history_limits limits = {history_count(task), HISTORY_BYTES};

    if (take_claimed(task, (size_t)limits.count, out))
        return 0;
    task->worker->counters.histories_alone++;
    return messages_history(&store, task->claim.thread_id, &limits, out, err);
}

static int load_history(struct run_task *task, struct error *err)
{
    struct message_list history;
    struct context context;
    int r = read_history(task, &history, err);

    if (r < 0)
        return r;
    r = context_build(&history, task->claim.lease.run, &task->arena, &context, err);
    if (r < 0)
        return run_end_failed(task, "server_error", "%s.", err->text);
    task->messages = context.messages;
    task->message_count = context.count;
    task->message_room = context.count;
    task->iterations = count_answers(&history, task->claim.lease.run);
    return RUN_GO_ON;
}

int run_resume(struct run_task *task, struct error *err)
{
    struct run_progress progress = {.next_message_seq = 1, .next_step_seq = 1, .next_call_no = 1};
    int r = 0;

    if (task->claim.lease.step > 0)
        r = run_leases_progress(task->worker->pg, &task->arena, task->claim.lease.run, &progress,
                                err);
    if (r < 0)
        return r;
    task->next_message_seq = progress.next_message_seq;
    task->next_step_seq = progress.next_step_seq;
    task->next_call_no = progress.next_call_no;
    task->open_step = progress.open_step.id;
    task->open_step_seq = progress.open_step.seq;
    r = load_history(task, err);
    if (r != RUN_GO_ON)
        return r;
    return progress.call_count > 0 ? run_act_again(task, &progress, err) : RUN_GO_ON;
}
