/* From an agent and a request to a run's spec, which nothing changes any more. */

#include <string.h>

#include "shared/agent/prompt.h"
#include "shared/base/clock.h"
#include "shared/fiber/offload.h"
#include "shared/store/threads/threads.h"
#include "shared/submit/declared/declared_load.h"
#include "shared/submit/fill.h"
#include "shared/submit/making.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/remember.h"
#include "shared/trace/trace_context.h"

struct freezing {
    struct making *making;
    const struct agent_template *template;
    struct remembered memory;
    struct declared_tools tools;
    struct fill_facts facts;
    struct filled_texts texts;
    int result;
};

/* What only those need who record the run's trace. */
static void add_traceparent(const struct making *making, const struct agent_spec *agent,
                            struct buf *spec)
{
    char id[ID_TEXT_SIZE] = "";
    struct trace_headers told;

    trace_headers_of(making->submission->made_in, &told);
    if (!uuid_is_zero(making->draft.agent))
        id_format(ID_ASSISTANT, making->draft.agent, id);
    run_spec_add_traceparent(
        spec, &(struct run_spec_trace){told.parent, told.state, id, agent->members[SPEC_NAME]});
}

/* The spec, into the arena. */
static void write_spec(void *arg)
{
    CLEANUP(buf_deinit) struct buf spec;
    CLEANUP(buf_deinit) struct buf preamble;
    struct run_prompt prompt;
    struct freezing *freezing = arg;
    struct making *making = freezing->making;
    struct json_object *request = making->submission->request;
    const struct agent_spec *agent = &freezing->template->spec;
    struct error err;

    buf_init(&spec, 0);
    buf_init(&preamble, 0);
    freezing->result = fill_texts(agent, request, &freezing->facts, making_tells_task(making),
                                  making->store->arena, &freezing->texts, making->failure);
    if (freezing->result < 0)
        return;
    agent_preamble_write(agent, &preamble);
    prompt = (struct run_prompt){buf_text(&preamble), freezing->texts.instructions,
                                 freezing->memory.section, &freezing->tools};
    freezing->result = run_spec_write(agent, request, &prompt, &spec, making->failure);
    if (freezing->result < 0)
        return;
    if (json_get(request, "truncation_strategy") && !making->submission->own_truncation)
        run_spec_add_truncation_said(&spec);
    if (json_object_get_boolean(json_get(request, "if_pending")))
        run_spec_add_if_pending(&spec);
    if (making->start_after_s > 0)
        run_spec_add_start_after(&spec, making->start_after_s);
    if (making->submission->ends_at_calls)
        run_spec_add_calls_end(&spec);
    if (making->submission->response.ptr)
        run_spec_add_response(&spec, making->submission->response);
    if (json_get(request, "webhook"))
        run_spec_add_webhook(&spec, json_text(json_get(request, "webhook")));
    if (making->submission->trace)
        run_spec_add_trace(&spec, making->submission->trace);
    if (agent->members[SPEC_SLUG].len > 0 && !text_is(agent->members[SPEC_SLUG], "null"))
        run_spec_add_slug(&spec, agent->members[SPEC_SLUG]);
    if (making->submission->made_in)
        add_traceparent(making, agent, &spec);
    making->draft.spec = (struct text){arena_copy(making->store->arena, buf_text(&spec)), spec.len};
    if (!spec.failed && making->draft.spec.ptr)
        return;
    (void)error_set(&err, E_LIMIT, "the run is too large");
    freezing->result = failure_from_error(making->failure, &err);
}

/* What the agent is told where nobody speaks, as a message of the user behind all others. */
static int add_task(struct making *making, struct text task)
{
    CLEANUP(json_freep) struct json_object *array = NULL;
    size_t before = making->said_count;
    struct message_draft *drafts;
    struct new_messages messages;
    struct error err;
    int r;

    making->draft.messages = making->thread_draft.messages = making->said;
    making->draft.message_count = making->thread_draft.message_count = before;
    if (!task.ptr && before == 0 && making->submission->says_something)
        return failure_param(making->failure, 400, "input", "missing_required_parameter",
                             "Missing required parameter: 'input'. The assistant has no "
                             "'task_instructions' either, so nobody would say anything to it.");
    if (!task.ptr)
        return 0;
    array = new_message_said(task);
    r = new_messages_read(array, making->store->arena, &messages, &err);
    drafts = arena_calloc(making->store->arena, before + messages.count, sizeof(*drafts));
    if (r == 0 && !drafts)
        r = error_set(&err, E_LIMIT, "the run is too large");
    if (r < 0)
        return failure_from_error(making->failure, &err);
    if (before > 0)
        memcpy(drafts, making->said, before * sizeof(*drafts));
    memcpy(&drafts[before], messages.items, messages.count * sizeof(*drafts));
    making->draft.messages = making->thread_draft.messages = drafts;
    making->draft.message_count = making->thread_draft.message_count = before + messages.count;
    return 0;
}

/* Who asks: as the request says, else the owner of the thread. */
static int find_user(const struct making *making, struct text *out)
{
    struct thread thread;
    struct error err;
    int r;

    *out = making->draft.user.ptr ? making->draft.user : making->thread_draft.user;
    if (out->ptr || uuid_is_zero(making->thread))
        return 0;
    r = threads_get(making->store, making->thread, &thread, &err);
    if (r == THREAD_MISSING)
        return making_thread_missing(making);
    if (r < 0)
        return failure_from_error(making->failure, &err);
    *out = thread.user;
    return 0;
}

/* Who asks, and what is known of him and of the time. */
static int find_facts(struct freezing *freezing)
{
    const struct agent_spec *agent = &freezing->template->spec;
    struct making *making = freezing->making;
    struct json_object *request = making->submission->request;
    struct memory_key_scope scope = {TEXT_NONE, making->draft.agent};
    struct error err;
    int r;

    if (!remember_wanted(agent))
        return 0;
    r = find_user(making, &scope.user);
    if (r < 0)
        return r;
    r = remember_user(making->store, agent, &scope, request, &freezing->memory, &err);
    if (r < 0)
        return failure_from_error(making->failure, &err);
    freezing->facts.user = scope.user;
    if (!text_is(agent->members[SPEC_TEMPLATE], "true"))
        return 0;
    return fill_facts(request, freezing->memory.timezone, clock_wall_ms(), &freezing->facts,
                      making->failure);
}

/* What the tools are that agent and request name, and that are the tenant's own. */
static int find_tools(struct freezing *freezing)
{
    struct making *making = freezing->making;
    struct error err;
    int r = declared_load(making->store, freezing->template->spec.members[SPEC_TOOLS],
                          json_get(making->submission->request, "tools"), &freezing->tools, &err);

    return r < 0 ? failure_from_error(making->failure, &err) : 0;
}

/* An agent and a request that are small may be large together. */
int making_freeze(struct making *making, const struct agent_template *template)
{
    struct freezing freezing = {.making = making, .template = template};
    int r = find_facts(&freezing);

    if (r == 0)
        r = find_tools(&freezing);
    if (r < 0)
        return r;
    offload_large(template->bytes, write_spec, &freezing);
    if (freezing.result < 0)
        return freezing.result;
    r = making_tells_task(making) ? add_task(making, freezing.texts.task) : 0;
    if (r < 0)
        return r;
    making->draft.agent_version = template->version;
    return making_make_room(making, making->draft.spec.len);
}
