/* The checkpoints of a step. */

#include "worker/run/record/checkpoint.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "worker/run/record/changes.h"
#include "worker/run/record/persist.h"
#include "worker/run/task/task.h"

static struct changes *begin(const struct run_task *task, size_t results)
{
    struct changes_base base = changes_base_of(&task->meter, &task->conversation, &task->ledger);

    return changes_new(&base, results);
}

/* The write, and what is next by its outcome. */
static int write(struct run_task *task, struct changes *changes, enum persist_kind kind,
                 struct error *err)
{
    int r;

    if (changes->failed)
        return ending_failed(&task->ending, "server_error", "The step is too large to be stored.");
    if (!meter_fits(&task->meter, &changes->rows))
        return ending_incomplete(&task->ending, "thread_size");
    r = persist(task, kind, &changes->rows, err);
    if (r == 0) {
        meter_add_bytes(&task->meter, &changes->rows);
        task->conversation.next_seq = changes_next_message_seq(changes);
        task->ledger.next_step_seq = changes_next_step_seq(changes);
        return kind == PERSIST_PARK ? RUN_PARKED : RUN_GO_ON;
    }
    if (r == LEASE_FENCED)
        return RUN_DROP;
    if (r == LEASE_CANCELLING)
        return ending_cancelled(&task->ending);
    if (r == -E_CANCELED)
        return r;
    log_error("a step can't be stored", LOG_ERROR(err));
    return ending_failed(&task->ending, "server_error",
                         "A step of the run could not be stored%s%s.", r == -E_LIMIT ? ": " : "",
                         r == -E_LIMIT ? err->text : "");
}

static void add_reply(struct run_task *task, struct changes *changes, enum step_status status)
{
    const struct run_step_write *step =
        changes_add_reply(changes, &task->reply, &task->origin, &task->ledger, status);

    task->ledger.step = step->id;
    task->ledger.step_seq = step->seq;
}

int checkpoint_intents(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, 0);

    add_reply(task, changes, STEP_IN_PROGRESS);
    changes_add_calls(changes, &task->ledger, false);
    task->ledger.opened = true;
    return write(task, changes, PERSIST_CHECKPOINT, err);
}

int checkpoint_begun(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, 0);

    changes_add_calls(changes, &task->ledger, false);
    return write(task, changes, PERSIST_CHECKPOINT, err);
}

int checkpoint_some(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, 0);
    struct ledger *ledger = &task->ledger;

    changes_add_calls(changes, ledger, true);
    for (size_t i = 0; i < ledger->count; i++)
        ledger->calls[i].recorded |= ledger_is_unrecorded(&ledger->calls[i]);
    return write(task, changes, PERSIST_CHECKPOINT, err);
}

int checkpoint_answer(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, 0);
    int r;

    (void)changes_add_answer(changes, &task->reply, &task->origin);
    r = write(task, changes, PERSIST_CHECKPOINT, err);
    if (r == RUN_GO_ON && !conversation_add_reply(&task->conversation, &task->reply))
        return ending_out_of_memory(&task->ending);
    return r;
}

void checkpoint_gather(struct run_task *task, struct changes *changes)
{
    if (!task->ledger.opened)
        add_reply(task, changes, STEP_COMPLETED);
    else if (!uuid_is_zero(task->ledger.step))
        changes_update_step(changes, &task->ledger, STEP_COMPLETED);
    changes_add_calls(changes, &task->ledger, false);
    changes_add_results(changes, &task->ledger);
}

int checkpoint_effects(struct run_task *task, struct error *err)
{
    if (task->ledger.opened && ledger_has_unrecorded(&task->ledger))
        return checkpoint_some(task, err);
    return RUN_GO_ON;
}

int checkpoint_results(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, task->ledger.count);
    int r;

    checkpoint_gather(task, changes);
    if (changes->failed || meter_fits(&task->meter, &changes->rows))
        return write(task, changes, PERSIST_CHECKPOINT, err);
    r = checkpoint_effects(task, err); /* the thread has no room for the results */
    return r == RUN_GO_ON ? ending_incomplete(&task->ending, "thread_size") : r;
}

/* What is left of a step that was parked before: the step itself says it all. */
static bool all_of_others(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->calls[i].kind == WAIT_NONE)
            return false;
    return true;
}

/* By the clock of the database, which is the one that counts. */
static int64_t now_s(const struct run_task *task)
{
    return task->claim.row.expires_at - (task->expires_ms - clock_ms()) / 1000;
}

int checkpoint_park(struct run_task *task, struct error *err)
{
    CLEANUP(changes_freep) struct changes *changes = begin(task, task->ledger.count);
    const struct shape_asking asking = {&task->setup.tools, now_s(task)};

    if (!task->ledger.opened)
        add_reply(task, changes, STEP_IN_PROGRESS);
    else if (!uuid_is_zero(task->ledger.step) && !all_of_others(&task->ledger))
        changes_update_step(changes, &task->ledger, STEP_IN_PROGRESS);
    changes_add_calls(changes, &task->ledger, false);
    changes_add_results(changes, &task->ledger);
    task->ending.parking = (struct run_parking){
        .required_action = changes_required_action(changes, &task->ledger, &asking),
    };
    return write(task, changes, PERSIST_PARK, err);
}
