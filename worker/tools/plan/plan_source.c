/* The tools by which an agent notes its own work in the thread (shared/agent/plan.h) as a source.
 *
 * What they change is written at once, by the run's lease and against the version that was read, so
 * that a client that writes there loses nothing. Calls of one step are made in their order: a model
 * may set a plan and mark its first step at once, or mark fifty. A call that is made again after a
 * crash writes the same again.
 */

#include <json-c/json.h>

#include "shared/agent/plan.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/leases/agent_states.h"
#include "worker/tools/arguments.h"
#include "worker/tools/plan/plan_state.h"
#include "worker/tools/tool.h"

#define TRIES_MAX 10 /* of a write, where others write there as well */

struct plan_tool {
    const char *description;
    const char *parameters;
    plan_change_fn change;
};

/* clang-format off */
static const struct plan_tool plan_tools[PLAN_TOOLS] = {
    [PLAN_TOOL_SET] = {
        "Writes down the steps of your work in this conversation, in place of the plan so far. "
        "Steps that stay keep their status.",
        "{\"type\":\"object\",\"properties\":{\"steps\":{\"type\":\"array\",\"minItems\":1,"
        "\"maxItems\":50,\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
        "\"description\":\"What is to be done, in order, a few words each\"}},"
        "\"required\":[\"steps\"],\"additionalProperties\":false}",
        plan_set,
    },
    [PLAN_TOOL_UPDATE] = {
        "Marks one step of the plan.",
        "{\"type\":\"object\",\"properties\":{\"step\":{\"type\":\"integer\",\"minimum\":1,"
        "\"maximum\":50,\"description\":\"Its number\"},\"status\":{\"type\":\"string\",\"enum\":"
        "[\"pending\",\"in_progress\",\"done\",\"skipped\"]},\"note\":{\"type\":\"string\","
        "\"maxLength\":300,\"description\":\"What came of it, in a sentence\"}},"
        "\"required\":[\"step\",\"status\"],\"additionalProperties\":false}",
        plan_update,
    },
    [PLAN_TOOL_SCRATCHPAD] = {
        "Keeps a text for yourself in this conversation, in place of the one so far. You see it in "
        "each later step, and so does whoever goes on with your work.",
        "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"maxLength\":8000}},"
        "\"required\":[\"text\"],\"additionalProperties\":false}",
        plan_write_scratchpad,
    },
};
/* clang-format on */

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct text type = json_get_text(member->item, "type");

    (void)arena;
    (void)err;
    for (size_t i = 0; i < ARRAY_LENGTH(plan_tools); i++) {
        if (!text_is(type, plan_tool_names[i]))
            continue;
        tool->own = &plan_tools[i];
        tool->name = text_of(plan_tool_names[i]);
        *shown = (struct chat_tool){
            .name = tool->name,
            .description = text_of(plan_tools[i].description),
            .parameters = text_of(plan_tools[i].parameters),
        };
        return 0;
    }
    return TOOL_NOT_HERE;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    (void)tool;
    (void)arguments;
    return CALL_IDEMPOTENT;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    (void)arguments;
    buf_add_text(out, tool->name);
}

/* ---- the write ---- */

static int check_size(struct json_object *state, struct error *err)
{
    size_t bytes = json_text(state).len;

    if (bytes <= AGENT_STATE_MAX)
        return 0;
    return error_set(err, E_LIMIT,
                     "what is kept with this conversation would have %zu bytes of JSON, where %d "
                     "are allowed: write less",
                     bytes, AGENT_STATE_MAX);
}

/* The state with the changes in it. */
static void put(struct json_object *state, struct json_object *changes)
{
    json_object_object_foreach(changes, name, value)
    {
        json_object_object_add(state, name, json_object_get(value));
    }
}

/* One try. Returns 0 with the state as it is now, STATE_CHANGED, or an error. */
SUSPENDS static int write_once(const struct tool_call *call, const struct plan_tool *own,
                               struct json_object *arguments, struct json_object **out,
                               struct error *err)
{
    CLEANUP(arena_deinit) struct arena arena;
    CLEANUP(json_freep) struct json_object *state = NULL;
    CLEANUP(json_freep) struct json_object *changes = NULL;
    struct store store = {.pg = call->services->pg, .tenant = call->place.tenant, .arena = &arena};
    int64_t version;
    int r;

    arena_init(&arena, 0);
    r = plan_state_read(&store, call->place.thread, &state, &version, err);
    if (r != 0)
        return r;
    r = own->change(state, arguments, &changes, err);
    if (r < 0)
        return r;
    put(state, changes);
    r = check_size(state, err);
    if (r == 0)
        r = agent_state_change(&store, &call->place.lease, version, json_text(changes), err);
    if (r == 0) {
        *out = state;
        state = NULL;
    }
    return r;
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    const struct plan_tool *own = call->tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    CLEANUP(json_freep) struct json_object *state = NULL;
    int r = arguments_read(plan_tool_names[own - plan_tools], own->parameters, call->arguments,
                           &arguments, err);

    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    if (r < 0)
        return r;
    r = STATE_CHANGED;
    for (int i = 0; r == STATE_CHANGED && i < TRIES_MAX; i++)
        r = write_once(call, own, arguments, &state, err);
    if (r < 0)
        return r;
    if (r > 0)
        return error_set(err, E_CONFLICT, "it could not be written down; try again");
    plan_sections_write(state, out);
    if (out->len == 0)
        buf_add_string(out, "There is neither a plan nor a scratchpad now.");
    return 0;
}

const struct tool_source tool_source_plan = {
    .name = "plan",
    .class_is_fixed = true,
    .is_stored = true,
    .in_order = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
