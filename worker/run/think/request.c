/* What a model is asked. */

#include "shared/base/clock.h"
#include "shared/config/config.h"
#include "worker/live/speaker.h"
#include "worker/run/task/task.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"

/* A forced tool holds for the first call only: forced again and again it would never answer. */
static struct chat_tool_choice tool_choice(const struct run_task *task)
{
    struct chat_tool_choice choice = task->setup.options.tool_choice;

    if (task->meter.iterations == 0 || choice.kind == CHAT_TOOL_CHOICE_NONE ||
        choice.kind == CHAT_TOOL_CHOICE_AUTO)
        return choice;
    return (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
}

/* A reply is held as it arrives, and once more when it is read. */
static bool has_room(void *arg, size_t reply_bytes)
{
    struct run_task *task = arg;

    return room_insist(&task->room, room_of_arena(task->arena.used + reply_bytes));
}

/* What a model says while it says it. */
static void on_event(void *arg, const struct chat_event *event)
{
    struct run_task *task = arg;

    if (event->kind != CHAT_EVENT_USAGE && event->kind != CHAT_EVENT_FINISH) {
        int64_t now_us = clock_us();

        meter_hear(&task->meter, now_us);
        if (task->spoken_us == 0)
            task->spoken_us = now_us;
    }
    speaker_hear(task->worker->speaker, &task->voice, event);
}

static bool wants_events(const struct run_task *task)
{
    return task->voice.speaks || !task->meter.has_first_token;
}

/* What the conversation and the agent say. */
static void fill_words(const struct run_task *task, const struct thinking *thinking,
                       struct chat_request *out)
{
    const struct run_setup *setup = &task->setup;
    const struct model_options *options = &setup->options;

    *out = (struct chat_request){
        .instructions = thinking->instructions.len > 0 ? buf_text(&thinking->instructions)
                                                       : setup->instructions,
        .messages = task->conversation.messages,
        .messages_count = task->conversation.count,
        .tools = setup->tools.shown,
        .tools_count = setup->tools.count,
        .tool_choice = tool_choice(task),
        .parallel_tool_calls = options->parallel_tool_calls,
        .response_format = options->response_format,
        .has_temperature = options->has_temperature,
        .has_top_p = options->has_top_p,
        .temperature = options->temperature,
        .top_p = options->top_p,
        .max_completion_tokens = meter_output_of_call(&task->meter, &setup->budgets),
        .reasoning_effort = options->reasoning_effort,
        .verbosity = options->verbosity,
    };
}

void thinking_fill(struct run_task *task, const struct thinking *thinking, struct chat_request *out)
{
    const struct provider_target *target = &thinking->target;

    if (task->setup.asked)
        *out = *task->setup.asked;
    else
        fill_words(task, thinking, out);
    out->stream = target->stream || (target->may_stream && task->voice.heard);
    out->idempotency_key = text_of(thinking->key);
    out->deadline_ms = task->deadline_ms;
    out->answer_bytes_max = (size_t)task->worker->config->worker.answer_max_bytes;
    task->listener = (struct chat_sink){on_event, task};
    out->sink = wants_events(task) ? &task->listener : NULL;
    out->has_room = has_room;
    out->arg = task;
}
