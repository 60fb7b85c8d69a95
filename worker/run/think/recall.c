/* What a run has noted of its work, before each step. It is read again each time: its own calls
 * change it, and so may a client. */

#include "shared/agent/plan.h"
#include "shared/agent/prompt.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/run/task/task.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"
#include "worker/tools/plan/plan_state.h"

int thinking_recall(struct run_task *task, struct thinking *thinking, struct error *err)
{
    CLEANUP(arena_deinit) struct arena arena;
    CLEANUP(json_freep) struct json_object *state = NULL;
    CLEANUP(buf_deinit) struct buf sections = {0};
    struct store store = {
        .pg = task->worker->pg, .tenant = task->claim.row.tenant_id, .arena = &arena};
    struct buf *out = &thinking->instructions;
    int64_t version;
    int r;

    arena_init(&arena, 0);
    buf_init(&sections, 0);
    buf_init(out, 0);
    r = plan_state_read(&store, task->claim.row.thread_id, &state, &version, err);
    if (r == THREAD_MISSING)
        return RUN_DROP;
    if (r < 0)
        return r;
    plan_sections_write(state, &sections);
    agent_prompt_add(task->setup.instructions, 0, out);
    if (task->setup.planning)
        agent_prompt_add(text_of(plan_instructions), 0, out);
    agent_prompt_add(buf_text(&sections), 0, out);
    return out->failed || sections.failed ? ending_out_of_memory(&task->ending) : RUN_GO_ON;
}
