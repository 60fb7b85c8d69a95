/* From a request to the run, but for its spec: messages, and the thread where it is a new one. */

#include "shared/agent/checks.h"
#include "shared/agent/context_settings.h"
#include "shared/base/clock.h"
#include "shared/submit/making.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/submit.h"
#include "shared/submit/times/delays.h"

static enum run_priority priority_of(struct text word)
{
    if (text_is(word, "high"))
        return RUN_PRIORITY_HIGH;
    return text_is(word, "low") ? RUN_PRIORITY_LOW : RUN_PRIORITY_NORMAL;
}

static struct text member_text(struct json_object *object, const char *name)
{
    struct json_object *value = json_get(object, name);

    return value ? json_text(value) : TEXT_NONE;
}

static int find_named(struct making *making)
{
    struct text assistant = making_assistant(making);

    if (id_parse(ID_ASSISTANT, assistant, &making->draft.agent))
        return 0;
    if (!slug_fits(assistant))
        return making_assistant_missing(making);
    making->slug = assistant;
    return 0;
}

static int check_alone(const struct making *making)
{
    ASSERT(!making->submission->active_thread);
    if (json_get_text(making->submission->request, "model").ptr)
        return 0;
    return failure_param(making->failure, 400, "model", "missing_required_parameter",
                         "Missing required parameter: 'model'.");
}

static int check_webhook(const struct making *making)
{
    const struct submit_options *options = &making->submitter->options;
    struct json_object *webhook = json_get(making->submission->request, "webhook");

    if (!webhook)
        return 0;
    if (!options->check_webhook)
        return failure_param(making->failure, 400, "webhook", "invalid_value",
                             "Invalid 'webhook': a run that is made this way can't name one.");
    return options->check_webhook(options->webhook_arg, making->store, webhook, making->failure);
}

/* Who submits for a time of his own (`delay_ms`) counts from there. */
static int set_times(struct making *making)
{
    const struct submission *submission = making->submission;
    struct delays delays;
    int r = delays_read(submission->request, clock_wall_ms(), making->submitter->options.run_ttl_ms,
                        submission->replaying, &delays, making->failure);

    if (r < 0)
        return r;
    making->draft.delay_ms = submission->delay_ms + delays.delay_ms;
    making->draft.expires_in_ms = delays.expires_in_ms;
    making->start_after_s = delays.start_after_s;
    return 0;
}

/* The run, but for its spec and its messages. */
static int begin(struct making *making)
{
    const struct submit_options *options = &making->submitter->options;
    struct json_object *request = making->submission->request;
    struct run_draft *draft = &making->draft;
    int r;

    draft->id = making->submission->id;
    draft->thread = making->thread = making->submission->thread;
    draft->priority = priority_of(json_get_text(request, "priority"));
    draft->shard = draft->id.bytes[15] % options->shards;
    draft->metadata = member_text(request, "metadata");
    draft->user = json_get_text(request, "user");
    draft->as_input = making->submission->as_input;
    draft->is_behind = making->submission->is_behind;
    draft->behind = making->submission->behind;
    if (making->submission->active_thread && !draft->user.ptr)
        return failure_param(making->failure, 400, "user", "missing_required_parameter",
                             "Missing required parameter: 'user'. The active thread is that of "
                             "an assistant and a user: say whose it is.");
    r = set_times(making);
    if (r < 0)
        return r;
    r = making->submission->agentless ? check_alone(making) : find_named(making);
    if (r == 0 && options->check_models)
        r = options->check_models(options->arg, request, making->failure);
    return r == 0 ? check_webhook(making) : r;
}

/* Either messages or an input, which is one of the user. */
static int read_messages(const struct making *making, const char *name, struct json_object *said,
                         struct new_messages *out, struct text *out_title)
{
    struct text input = json_get_text(making->submission->request, "input");
    CLEANUP(json_freep) struct json_object *of_input = NULL;
    struct error err;
    int r;

    if (making->submission->messages) {
        *out = *making->submission->messages;
        *out_title = making->submission->title;
        return 0;
    }
    if (input.ptr && said)
        return failure_param(making->failure, 400, "input", "invalid_value",
                             "Invalid 'input': it stands for a message of the user, and the "
                             "request has '%s', too. Say one of them.",
                             name);
    if (input.ptr)
        said = of_input = new_message_said(input);
    *out_title = new_messages_title(said, making->store->arena);
    r = new_messages_read(said, making->store->arena, out, &err);
    return r < 0 ? failure_from_error(making->failure, &err) : 0;
}

/* A new thread of a user belongs to the run's agent, unless it is said to belong to another one. */
static int set_owner(struct making *making, struct text said)
{
    struct error err;
    int r;

    if (making->thread_draft.active && !making->thread_draft.user.ptr)
        return failure_param(making->failure, 400, "thread.active", "invalid_value",
                             "Invalid 'thread.active': only a thread of a user can be the active "
                             "one. Say 'user_id' too.");
    making->agent_said = said.ptr && !text_equal(said, making_assistant(making));
    if (!making->agent_said)
        return 0;
    r = submitter_find_agent(making->submitter, making->store, said, &making->thread_draft.agent,
                             &err);
    if (r == AGENT_MISSING)
        return failure_missing(making->failure, "assistant", said);
    return r < 0 ? failure_from_error(making->failure, &err) : 0;
}

bool making_tells_task(const struct making *making)
{
    return making->submission->tells_task ||
           (making->nobody_speaks && uuid_is_zero(making->thread));
}

/* The messages, and the thread where it is or may be a new one. */
static int add_messages(struct making *making)
{
    struct json_object *request = making->submission->request;
    bool new_thread = uuid_is_zero(making->submission->thread);
    struct json_object *thread = json_get(request, "thread");
    struct new_messages messages;
    struct text title;
    struct error err;
    int r = new_thread ? read_messages(making, "thread.messages", json_get(thread, "messages"),
                                       &messages, &title)
                       : read_messages(making, "additional_messages",
                                       json_get(request, "additional_messages"), &messages, &title);

    if (r < 0)
        return r;
    if (messages.count == 1 && !uuid_is_zero(making->submission->message))
        messages.items[0].id = making->submission->message;
    making->draft.messages = making->said = messages.items;
    making->draft.message_count = making->said_count = messages.count;
    making->draft.title = title;
    if (!new_thread)
        return 0;
    making->nobody_speaks = messages.count == 0;
    making->thread_draft = (struct thread_draft){
        .id = uuid_new(),
        .metadata = member_text(thread, "metadata"),
        .tool_resources = member_text(thread, "tool_resources"),
        .title = json_get_text(thread, "title"),
        .user = json_get_text(thread, "user_id"),
        .active = making->submission->active_thread ||
                  json_object_get_boolean(json_get(thread, "active")),
        .agent_state = member_text(thread, "agent_state"),
        .hidden = making->submission->hidden,
        .erases = making->submission->erases,
        .messages = messages.items,
        .message_count = messages.count,
    };
    if (!making->thread_draft.title.ptr)
        making->thread_draft.title = title;
    if (!making->thread_draft.user.ptr)
        making->thread_draft.user = making->draft.user;
    if (!making->draft.user.ptr)
        making->draft.user = making->thread_draft.user;
    if (!making->thread_draft.tool_resources.ptr)
        making->thread_draft.tool_resources = member_text(request, "tool_resources");
    r = context_settings_said(thread, making->store->arena, &making->thread_draft.memory, &err);
    if (r < 0)
        return failure_from_error(making->failure, &err);
    return set_owner(making, json_get_text(thread, "assistant_id"));
}

int making_draft(struct making *making)
{
    int r = begin(making);

    return r < 0 ? r : add_messages(making);
}
