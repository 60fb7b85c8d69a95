/* Resume: from the stored thread to a conversation in memory. A run that was claimed for the first
 * time and one that another worker left are the same here; the latter may have tool calls without
 * results, which go to the ledger. */

#include "shared/base/error.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define HISTORY_MESSAGES 4000
#define HISTORY_BYTES    ((int64_t)8 << 20)

/* What the agent's truncation leaves of the thread is counted before the run: its own messages it
 * always sees. */
static int history_count(const struct run_task *task)
{
    int64_t own = task->conversation.next_seq - 1;
    int64_t last = task->setup.last_messages;

    if (last == 0 || last > HISTORY_MESSAGES - own)
        return HISTORY_MESSAGES;
    return (int)(last + own);
}

static int read_history(struct run_task *task, struct message_list *out, struct error *err)
{
    const struct run_claim *row = &task->claim.row;
    /* Where no checkpoint waits behind it. */
    struct store store = {
        .pg = task->worker->large, .tenant = row->tenant_id, .arena = &task->arena};
    struct history_limits limits = {history_count(task), HISTORY_BYTES};

    if (claim_history(&task->claim, (size_t)limits.count, out))
        return 0;
    task->worker->counters.histories_alone++;
    return messages_history(&store, row->thread_id, &limits, out, err);
}

static int load_history(struct run_task *task, struct error *err)
{
    struct message_list history;
    int r = read_history(task, &history, err);

    if (r < 0)
        return r;
    if (conversation_load(&task->conversation, &history, task->claim.row.lease.run, err) < 0)
        return ending_failed(&task->ending, "server_error", "%s.", err->text);
    return RUN_GO_ON;
}

/* Where an earlier attempt left it. */
static int read_progress(struct run_task *task, struct error *err)
{
    const struct run_lease *lease = &task->claim.row.lease;
    struct run_progress progress;
    int r;

    if (lease->step == 0)
        return RUN_GO_ON;
    r = run_leases_progress(task->worker->pg, &task->arena, lease->run, &progress, err);
    if (r < 0)
        return r;
    task->conversation.next_seq = progress.next_message_seq;
    task->meter.iterations = (int)progress.answers; /* whatever of them the history still shows */
    if (ledger_recall(&task->ledger, &progress, &task->setup.tools, err) < 0)
        return ending_out_of_memory(&task->ending);
    return RUN_GO_ON;
}

int stage_resume(struct run_task *task, struct error *err)
{
    int r = read_progress(task, err);

    return r == RUN_GO_ON ? load_history(task, err) : r;
}
