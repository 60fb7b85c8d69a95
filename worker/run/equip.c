/* Equip: the tools that somebody outside has. They are asked for once, when the run begins, and
 * kept with it before its model is told of them: whoever goes on with the run has the same tools,
 * whatever became of those who offered them. A run without such tools passes through.
 */

#include "shared/agent/prompt.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/store/leases/run_tools.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define OFFER_BYTES  ((size_t)6 << 20)
#define NOTES_BYTES  ((size_t)64 << 10)
#define ASK_LIMIT_MS 60000 /* for all that is asked */

static struct store store_of(struct run_task *task)
{
    return (struct store){
        .pg = task->worker->pg,
        .tenant = task->claim.row.tenant_id,
        .arena = &task->arena,
    };
}

static int ask(struct run_task *task, struct text *offered, struct error *err)
{
    const struct run_claim *row = &task->claim.row;
    const struct tool_place place = {
        .tenant = row->tenant_id, .thread = row->thread_id, .lease = row->lease};
    struct store store = store_of(task);
    CLEANUP(buf_deinit) struct buf made = {0};
    int r;

    buf_init(&made, OFFER_BYTES);
    r = toolbox_ask(&task->setup.tools, &task->worker->tools, &place,
                    deadline_min(task->deadline_ms, deadline_in(ASK_LIMIT_MS)), &made, err);
    if (r < 0)
        return r;
    return run_tools_keep(&store, &row->lease,
                          &(struct run_tools){buf_text(&made), toolbox_problems(buf_text(&made))},
                          offered, err);
}

/* Behind the instructions: what the model is to know of servers that are away. */
static int add_notes(struct run_task *task, const struct buf *notes)
{
    struct text *instructions = &task->setup.instructions;
    CLEANUP(buf_deinit) struct buf whole = {0};
    char *copy;

    if (notes->len == 0)
        return RUN_GO_ON;
    buf_init(&whole, 0);
    agent_prompt_add(*instructions, 0, &whole);
    agent_prompt_add(buf_text(notes), 0, &whole);
    copy = whole.failed ? NULL : arena_copy(&task->arena, buf_text(&whole));
    if (!copy)
        return ending_out_of_memory(&task->ending);
    *instructions = (struct text){copy, whole.len};
    return RUN_GO_ON;
}

/* A model can't be made to call what is not there. */
static void check_choice(struct run_setup *setup)
{
    struct chat_tool_choice *choice = &setup->options.tool_choice;

    if (choice->kind == CHAT_TOOL_CHOICE_FUNCTION && !toolbox_find(&setup->tools, choice->name))
        *choice = (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
}

int stage_equip(struct run_task *task, struct error *err)
{
    struct toolbox *box = &task->setup.tools;
    struct store store = store_of(task);
    CLEANUP(buf_deinit) struct buf notes = {0};
    struct text offered = TEXT_NONE;
    int r;

    buf_init(&notes, NOTES_BYTES);
    if (box->later_count == 0)
        return RUN_GO_ON;
    r = run_tools_read(&store, task->claim.row.lease.run, &offered, err);
    if (r == RUN_MISSING)
        return RUN_DROP;
    if (r == 0 && !offered.ptr)
        r = ask(task, &offered, err);
    if (r == LEASE_FENCED)
        return RUN_DROP;
    if (r < 0)
        return r;
    if (toolbox_take(box, offered, &task->arena, &notes, err) < 0)
        return ending_failed(&task->ending, "server_error", "%s.", err->text);
    check_choice(&task->setup);
    return add_notes(task, &notes);
}
