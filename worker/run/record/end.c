/* The last write of a run: exactly one of finish, hand back, park (which is written already) and
 * drop. A cancel that came first turns a finish or a hand back into the end as cancelled; one that
 * Postgres knows nothing of turns the end as cancelled into a hand back. */

#include "worker/run/record/end.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/events/teller.h"
#include "worker/memory/job.h"
#include "worker/run/record/changes.h"
#include "worker/run/record/checkpoint.h"
#include "worker/run/record/persist.h"
#include "worker/run/task/task.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"

static struct changes_base base_of(const struct run_task *task)
{
    return changes_base_of(&task->meter, &task->conversation, &task->ledger);
}

/* What is stored even where nothing else can be: the tokens that no checkpoint has told yet. */
static struct run_changes counts_alone(const struct run_task *task)
{
    const struct changes_base base = base_of(task);

    return (struct run_changes){
        .usage = base.usage,
        .usage_count = base.usage_count,
        .iterations = base.iterations,
        .first_token_ms = base.first_token_ms,
        .errors = base.errors,
    };
}

/* Whatever is wrong with the ending, the store wrote it bare instead (run_leases_finish): a status,
 * a code and a text of its own. What the database said is for the log alone. */
static void note_bare(struct run_task *task, const struct error *why)
{
    enum run_status status = task->ending.end.status;

    log_error("the end of a run can't be stored as it is", LOG_ERROR(why));
    if (status != RUN_CANCELLED && status != RUN_EXPIRED)
        ending_failed(&task->ending, "server_error", "The result of the run could not be stored.");
}

/* A cancel came before the ending could be written. */
static int write_cancelled(struct run_task *task, struct error *err)
{
    const struct run_changes counts = counts_alone(task);

    ending_cancelled(&task->ending);
    return persist(task, PERSIST_ENDING, &counts, err);
}

/* Returns 0; LEASE_FENCED, also when it can't be stored; LEASE_STEERED: it is to go on; or
 * END_NOT_ASKED: it was to end as cancelled, and nobody asked for that. */
enum { END_NOT_ASKED = 1000 };

static int write_ending(struct run_task *task, const struct run_changes *changes)
{
    struct error err = {0};
    int r = persist(task, PERSIST_ENDING, changes, &err);

    if (r == LEASE_CANCELLING)
        r = write_cancelled(task, &err);
    if (r == RUN_ENDED_BARE) {
        note_bare(task, &err);
        return 0;
    }
    if (r == -E_INTERNAL && task->ending.end.status == RUN_CANCELLED) /* as run_writer.h says */
        return END_NOT_ASKED;
    if (r < 0)
        log_error("the end of a run can't be stored", LOG_ERROR(&err));
    return r == 0 || r == LEASE_STEERED ? r : LEASE_FENCED;
}

/* The end alone; but what had an effect is known to have been done. */
static int finish_without(struct run_task *task)
{
    struct run_ending end = task->ending.end;
    struct run_changes counts;
    struct error err = {0};
    int r = task->ending.with_calls ? checkpoint_effects(task, &err) : RUN_GO_ON;

    if (r == RUN_DROP)
        return LEASE_FENCED;
    task->ending.end = end;
    counts = counts_alone(task);
    return write_ending(task, &counts);
}

static int finish(struct run_task *task)
{
    CLEANUP(changes_freep) struct changes *changes = NULL;
    struct changes_base base = base_of(task);

    if (task->ending.end.status == RUN_COMPLETED && !task->single && !task->memory)
        memory_follow(task);
    changes = changes_new(&base, task->ending.with_calls ? task->ledger.count : 0);
    if (task->ending.with_calls)
        checkpoint_gather(task, changes);
    else if (task->ending.with_reply)
        task->ending.end.result_message = changes_add_answer(changes, &task->reply, &task->origin);
    if (!changes->failed && meter_fits(&task->meter, &changes->rows))
        return write_ending(task, &changes->rows);
    if (changes->failed)
        ending_failed(&task->ending, "server_error", "The answer is too large to be stored.");
    else
        ending_incomplete(&task->ending, "thread_size");
    return finish_without(task);
}

/* *out_ended: it ended instead, as cancelled or because it can't even be given back. Returns as
 * write_ending does. */
static int hand_back(struct run_task *task, bool *out_ended)
{
    const struct run_changes counts = counts_alone(task);
    struct error err = {0};
    int r = persist(task, PERSIST_HAND_BACK, &counts, &err);

    if (r == 0 || r == LEASE_FENCED)
        return r;
    *out_ended = true;
    if (r == LEASE_CANCELLING) {
        ending_cancelled(&task->ending);
    } else {
        log_error("a run can't be handed back", LOG_ERROR(&err));
        ending_failed(&task->ending, "server_error", "The result of the run could not be stored.");
    }
    return write_ending(task, &counts);
}

/* Whoever waits for the run looks at it: it has ended, or is parked and may need its client. */
static void tell(const struct run_task *task)
{
    teller_tell(task->worker->teller, NEWS_SETTLED, task->claim.row.lease.run);
}

/* Since the first claim: of a run that was claimed again that is known by the second. */
static int64_t run_us(const struct run_task *task)
{
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t started_at = task->claim.row.started_at;

    if (task->claim.row.lease.fence == 1 || started_at == 0 || now_s < started_at)
        return clock_us() - task->begun_us;
    return (now_s - started_at) * 1000000;
}

/* The ending is written. */
static void note_ending(struct run_task *task)
{
    struct worker_counters *counters = &task->worker->counters;
    const struct run_ending *end = &task->ending.end;

    tell(task);
    call_stats_run(task->worker->calls, task->setup.agent_slug, end->status == RUN_COMPLETED,
                   run_us(task));
    switch (end->status) {
    case RUN_COMPLETED:
        counters->completed++;
        break;
    case RUN_FAILED:
        counters->failed++;
        break;
    case RUN_CANCELLED:
        counters->cancelled++;
        break;
    case RUN_EXPIRED:
        counters->expired++;
        break;
    case RUN_INCOMPLETE:
        counters->incomplete++;
        break;
    case RUN_QUEUED:
    case RUN_IN_PROGRESS:
    case RUN_REQUIRES_ACTION:
    case RUN_CANCELLING:
    case RUN_STATUS_COUNT:
        break;
    }
    log_info("run ended", LOG_STR("status", run_status_name(end->status)),
             LOG_INT("iterations", task->meter.iterations),
             LOG_INT("crashes", task->claim.row.crashes),
             LOG_INT("input_tokens", task->meter.prompt_tokens),
             LOG_INT("output_tokens", task->meter.completion_tokens));
    if (end->status == RUN_FAILED)
        log_warn("run failed", LOG_STR("error_code", end->error_code.ptr),
                 LOG_STR("error_message", end->error_message.ptr));
}

static void count_fenced(struct run_task *task)
{
    task->worker->counters.fenced++;
    log_info("run dropped, its lease is lost");
}

static void count_drop(struct run_task *task)
{
    if (task->stop != RUN_STOP_UNTRUSTED) {
        count_fenced(task);
        return;
    }
    task->worker->counters.suspended++;
    log_info("run dropped for now: whether its lease holds is not known");
}

static void end_handed_back(struct run_task *task)
{
    bool ended = false;
    int r = hand_back(task, &ended);

    if (r == END_NOT_ASKED) {
        log_warn("a cancel was asked for and taken back: the run is begun again");
        task->worker->strays = true; /* it is still ours, and nobody works on it */
    } else if (r != 0) {
        count_fenced(task);
    } else if (ended) {
        note_ending(task);
    } else {
        task->worker->counters.handed_back++;
        log_debug("run handed back", LOG_INT("delay_ms", task->ending.back.delay_ms));
    }
}

/* Input came before the run was completed: its answer, where there is one, is a message like
 * others, and the model is asked again. Calls that were left are not made: the next stage records
 * that. */
static int go_on(struct run_task *task)
{
    struct error err = {0};
    bool answered = task->ending.with_reply;
    int r;

    log_info("a run goes on: input came that it is to see");
    task->ending.with_reply = false;
    if (task->ending.with_calls) {
        task->ending.with_calls = false;
        ledger_refuse_left(&task->ledger);
        return RUN_GO_ON;
    }
    r = answered ? checkpoint_answer(task, &err) : RUN_GO_ON;
    if (r < 0)
        r = RUN_DROP;
    return r == RUN_GO_ON ? r : end_run(task, r);
}

static int end_finished(struct run_task *task)
{
    int r = finish(task);

    if (r == LEASE_STEERED)
        return go_on(task);
    if (r == END_NOT_ASKED) {
        log_warn("a cancel that nobody asked for: the run goes back to the queue");
        ending_hand_back(&task->ending, 0, RUN_WAIT_NONE);
        end_handed_back(task);
    } else if (r == 0) {
        note_ending(task);
    } else {
        count_fenced(task);
    }
    return RUN_FINISH;
}

int end_run(struct run_task *task, int next)
{
    switch ((enum run_next)next) {
    case RUN_FINISH:
        return end_finished(task);
    case RUN_HAND_BACK:
        end_handed_back(task);
        break;
    case RUN_PARKED:
        tell(task);
        task->worker->counters.parked++;
        log_info("run waits for open calls", LOG_INT("iterations", task->meter.iterations));
        break;
    case RUN_GO_ON:
    case RUN_DROP:
        count_drop(task);
        break;
    }
    return RUN_FINISH;
}
