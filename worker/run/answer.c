/* Answer: what the model's newest reply means. Calls go to the ledger; a reply without any is the
 * end of the run, and its text the last message. */

#include "shared/base/error.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"

static int take_answer(struct run_task *task)
{
    const struct chat_reply *reply = &task->reply;
    struct ending *ending = &task->ending;

    ending->with_reply = reply->text.len > 0;
    switch (reply->finish) {
    case CHAT_FINISH_LENGTH:
        return ending_incomplete(ending,
                                 task->bounded_by ? task->bounded_by : "max_completion_tokens");
    case CHAT_FINISH_FILTER:
        return ending_incomplete(ending, "content_filter");
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_TOOL:
    case CHAT_FINISH_REFUSAL:
        break;
    }
    return ending_completed(ending);
}

int stage_answer(struct run_task *task, struct error *err)
{
    struct chat_reply *reply = &task->reply;

    if (reply->tool_calls_count == 0)
        return take_answer(task);
    if (!conversation_tidy_calls(&task->conversation, reply) ||
        ledger_plan(&task->ledger, reply, &task->setup.tools, err) < 0 ||
        !conversation_add_reply(&task->conversation, reply))
        return ending_out_of_memory(&task->ending);
    return RUN_GO_ON;
}
