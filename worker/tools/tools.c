/* The table of sources, and the one way to find and call a tool. */

#include "worker/tools/tools.h"

#include <stdio.h>
#include <string.h>

#include "shared/agent/plan.h"
#include "shared/agent/spec.h"
#include "shared/agent/tools/approval.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/check/fields.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/schema/schema.h"
#include "worker/tools/mcp/mcp_offer.h"

#define TOOLS_MAX  ((size_t)agent_members[SPEC_TOOLS].field.max)
#define AGAIN_MS   200
#define NAME_SHOWN 65 /* bytes of an invented name that are repeated, with the final zero */

static const struct tool_source *const sources[] = {
    &tool_source_builtin, &tool_source_client, &tool_source_declared, &tool_source_sandbox,
    &tool_source_web,     &tool_source_plan,   &tool_source_memory,   &tool_source_mcp,
};

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
}

/* One of the classes that an agent may name. */
static bool parse_class(struct text word, enum call_class *out)
{
    for (const char *const *known = tool_classes; *known; known++)
        if (text_is(word, *known))
            return call_class_parse(word, out);
    return false;
}

static int read_class(struct json_object *item, struct tool *tool, struct error *err)
{
    struct json_object *member = json_get(item, "class");
    enum call_class class;
    char list[64];

    if (!member || tool->source->class_is_fixed)
        return 0;
    if (!parse_class(json_string(member), &class)) {
        words_format(tool_classes, list, sizeof(list));
        return error_set(err, E_INVALID,
                         "the tool %.*s has a class that is not known; known are %s",
                         TEXT_ARGS(tool->name), list);
    }
    tool->has_class = true;
    tool->class = class;
    return 0;
}

static int copy_rule(struct json_object *rule, struct arena *arena, struct text *out,
                     struct error *err)
{
    struct text text = json_text(rule);

    if (!rule)
        return 0;
    *out = (struct text){arena_copy(arena, text), text.len};
    return out->ptr ? 0 : out_of_room(err);
}

/* What the client runs is its own to decide. */
static int read_approvals(struct json_object *item, struct arena *arena, struct tool *tool,
                          struct error *err)
{
    int r;

    if (tool->source == &tool_source_client)
        return 0;
    tool->approval_timeout_ms =
        json_get_int(item, "approval_timeout", APPROVAL_TIMEOUT_DEFAULT_S) * 1000;
    r = copy_rule(json_get(item, "require_approval"), arena, &tool->approvals[0], err);
    if (r == 0)
        r = copy_rule(json_get(item, "run_require_approval"), arena, &tool->approvals[1], err);
    return r;
}

/* Such members are few: a place for all of them is made with the first. */
static int note_later(const struct tool_member *member, struct arena *arena, struct toolbox *box,
                      struct error *err)
{
    struct text *place;

    if (!box->later)
        box->later = arena_calloc(arena, TOOLS_MAX, sizeof(*box->later));
    if (!box->later)
        return out_of_room(err);
    place = &box->later[box->later_count];
    *place = (struct text){arena_copy(arena, member->raw), member->raw.len};
    if (!place->ptr)
        return out_of_room(err);
    box->later_count++;
    return 0;
}

static int read_tool(const struct tool_member *member, struct arena *arena, struct toolbox *box,
                     struct error *err)
{
    struct tool *tool = &box->tools[box->count];
    char type[NAME_SHOWN];

    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        int r = sources[i]->find(member, arena, tool, &box->shown[box->count], err);

        if (r < 0)
            return r;
        if (r == TOOL_NOT_HERE)
            continue;
        if (r == TOOL_LATER)
            return note_later(member, arena, box, err);
        tool->source = sources[i];
        box->count++;
        r = read_class(member->item, tool, err);
        return r < 0 ? r : read_approvals(member->item, arena, tool, err);
    }
    text_excerpt(json_get_text(member->item, "type"), type, sizeof(type));
    return error_set(err, E_INVALID, "there is no tool of the type '%s' here", type);
}

static int read_permissions(struct json_object *list, struct arena *arena,
                            struct tool_permissions *out, struct error *err)
{
    const char **hosts;
    size_t count;

    if (!json_object_is_type(list, json_type_array))
        return 0;
    count = json_object_array_length(list);
    hosts = arena_calloc(arena, count, sizeof(*hosts));
    if (!hosts)
        return out_of_room(err);
    for (size_t i = 0; i < count; i++) {
        struct text host = json_string(json_object_array_get_idx(list, i));

        if (!host.ptr)
            return error_set(err, E_INVALID, "http_allow[%zu] is no host name", i);
        hosts[i] = arena_copy(arena, host);
        if (!hosts[i])
            return out_of_room(err);
    }
    out->http_allow = hosts;
    out->http_allow_count = count;
    return 0;
}

/* Of an agent that plans: those that it does not name by itself. */
static int add_plan_tools(struct arena *arena, struct toolbox *box, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < PLAN_TOOLS; i++) {
        CLEANUP(json_freep) struct json_object *item = NULL;
        struct tool_member member = {.raw = TEXT("{}")};

        if (toolbox_find(box, text_of(plan_tool_names[i])))
            continue;
        if (box->count == TOOLS_MAX)
            return error_set(err, E_LIMIT, "more than %zu tools, with those of planning",
                             TOOLS_MAX);
        item = json_object_new_object();
        json_object_object_add(item, "type", json_object_new_string(plan_tool_names[i]));
        member.item = item;
        r = read_tool(&member, arena, box, err);
    }
    return r;
}

static bool has_tool_of(const struct toolbox *box, const struct tool_source *source)
{
    for (size_t i = 0; i < box->count; i++)
        if (box->tools[i].source == source)
            return true;
    return false;
}

int toolbox_read(struct json_object *spec, struct text raw, struct arena *arena,
                 struct toolbox *out, struct error *err)
{
    struct json_object *list = json_get(spec, "tools");
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct toolbox box = {.count = 0};
    bool plans = json_get_bool(spec, "planning", false);
    size_t room = count + (plans ? PLAN_TOOLS : 0);
    struct json_raw_walk walk;
    int r = read_permissions(json_get(spec, "http_allow"), arena, &box.permissions, err);

    if (r < 0)
        return r;
    if (count > TOOLS_MAX)
        return error_set(err, E_LIMIT, "more than %zu tools", TOOLS_MAX);
    if (room > 0) {
        box.tools = arena_calloc(arena, room, sizeof(*box.tools));
        box.shown = arena_calloc(arena, room, sizeof(*box.shown));
        if (!box.tools || !box.shown)
            return out_of_room(err);
    }
    json_raw_begin(json_raw_get(raw, "tools"), &walk);
    for (size_t i = 0; i < count; i++) {
        struct tool_member member = {.item = json_object_array_get_idx(list, i)};

        if (!json_raw_next(&walk, &member.raw))
            break;
        r = read_tool(&member, arena, &box, err);
        if (r < 0)
            return r;
    }
    if (plans)
        r = add_plan_tools(arena, &box, err);
    if (r < 0)
        return r;
    box.plans = has_tool_of(&box, &tool_source_plan);
    box.knows = has_tool_of(&box, &tool_source_memory);
    *out = box;
    return 0;
}

int toolbox_ask(const struct toolbox *box, const struct tool_services *services,
                const struct tool_place *place, int64_t deadline_ms, struct buf *out,
                struct error *err)
{
    const struct mcp_offer_asking asking = {services, place, box, deadline_ms};

    return mcp_offer_ask(&asking, out, err);
}

int toolbox_take(struct toolbox *box, struct text offered, struct arena *arena, struct buf *notes,
                 struct error *err)
{
    return mcp_offer_take(offered, box, arena, notes, err);
}

struct text toolbox_problems(struct text offered)
{
    return json_raw_get(offered, "problems");
}

const struct tool *toolbox_find(const struct toolbox *box, struct text name)
{
    for (size_t i = 0; i < box->count; i++)
        if (text_equal(box->tools[i].name, name))
            return &box->tools[i];
    return NULL;
}

enum call_class tool_class_of(const struct tool *tool, struct text arguments)
{
    if (!tool)
        return CALL_PURE;
    return tool->has_class ? tool->class : tool->source->classify(tool, arguments);
}

static void write_error(struct buf *out, const char *text)
{
    buf_reset(out);
    buf_printf(out, "Error: %s.", text);
}

/* A rule that can't be read is met by every call. */
static bool is_met(struct text text, struct text name, struct text arguments)
{
    CLEANUP(json_freep) struct json_object *rule = NULL;

    if (!text.ptr)
        return false;
    if (json_decode(text, JSON_DEPTH_DEFAULT, &rule, NULL) < 0)
        return true;
    return approval_needed(rule, name, arguments);
}

bool tool_needs_approval(const struct tool *tool, struct text arguments)
{
    return is_met(tool->approvals[0], tool->name, arguments) ||
           is_met(tool->approvals[1], tool->name, arguments);
}

struct text tool_parameters(const struct toolbox *box, const struct tool *tool)
{
    return box->shown[tool - box->tools].parameters;
}

bool tool_fits(const struct toolbox *box, const struct tool *tool, struct text arguments,
               struct buf *out)
{
    CLEANUP(json_freep) struct json_object *value = NULL;
    CLEANUP(json_freep) struct json_object *schema = NULL;
    struct text parameters = tool_parameters(box, tool);
    struct error err;
    int r;

    if (arguments.len > TOOL_ARGUMENTS_MAX)
        r = error_set(&err, E_LIMIT, "the arguments are over %zu bytes", TOOL_ARGUMENTS_MAX);
    else
        r = json_decode(arguments, JSON_DEPTH_DEFAULT, &value, &err);
    if (r == 0 && parameters.ptr)
        r = json_decode(parameters, JSON_DEPTH_DEFAULT, &schema, &err);
    if (r == 0 && schema) {
        schema_drop_nulls(schema, value);
        r = schema_check(schema, value, &err);
    }
    if (r < 0)
        write_error(out, err.text);
    return r == 0;
}

void tool_describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    if (tool)
        tool->source->describe(tool, arguments, out);
    else
        buf_add_string(out, "a tool that is not there");
}

/* That the database was away is nothing about which a model could do better. */
static bool is_unreached(int r)
{
    return r == -E_UNAVAILABLE || r == -E_AMBIGUOUS || r == -E_CLOSED || r == -E_TIMEOUT;
}

/* What is kept in the database is asked of it again while there is time. */
SUSPENDS static int call_source(const struct tool_call *call, struct buf *out,
                                struct tool_outcome *outcome, struct error *err)
{
    const struct tool_source *source = call->tool->source;

    for (;;) {
        int r = source->call(call, out, outcome, err);

        if (!source->is_stored || !is_unreached(r))
            return r;
        if (clock_ms() + AGAIN_MS >= call->deadline_ms)
            return error_set(err, E_UNAVAILABLE, "what is kept can't be reached now");
        r = fiber_sleep(AGAIN_MS, err);
        if (r < 0)
            return r;
        buf_reset(out);
    }
}

int tool_run(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
             struct error *err)
{
    struct tool_outcome made = {.end = TOOL_DONE};
    int r = call_source(call, out, &made, err);

    if (r == -E_CANCELED)
        return r;
    if (r == 0)
        r = buf_check(out, err);
    if (r < 0) {
        made.end = TOOL_ERROR;
        buf_reset(out);
        write_error(out, err->text);
    }
    *outcome = made;
    return 0;
}

void tool_reproach(struct text problem, struct buf *out)
{
    buf_printf(out, "Error: %.*s.", TEXT_ARGS(problem));
}

/* The one whose tool would have this name; the longest, where one label begins as another. */
static const struct missing_tools *find_missing(const struct toolbox *box, struct text name)
{
    const struct missing_tools *found = NULL;

    for (size_t i = 0; i < box->missing_count; i++) {
        const struct missing_tools *one = &box->missing[i];
        struct text rest = {name.ptr + one->label.len, name.len - one->label.len};

        if (name.len > one->label.len && memcmp(name.ptr, one->label.ptr, one->label.len) == 0 &&
            text_starts(rest, "__") && (!found || one->label.len > found->label.len))
            found = one;
    }
    return found;
}

void tool_refuse(const struct toolbox *box, struct text name, struct buf *out)
{
    const struct missing_tools *missing = find_missing(box, name);
    char shown[NAME_SHOWN];

    text_excerpt(name, shown, sizeof(shown));
    if (missing)
        buf_printf(out,
                   "Error: the tools of the server '%.*s' are not there in this run, since it %s; "
                   "tools here:",
                   TEXT_ARGS(missing->label), missing->why);
    else
        buf_printf(out, "Error: there is no tool named '%s'; tools here:", shown);
    for (size_t i = 0; i < box->count; i++)
        buf_printf(out, "%s %.*s", i ? "," : "", TEXT_ARGS(box->tools[i].name));
    buf_add_string(out, box->count ? "." : " none.");
}
