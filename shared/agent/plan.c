/* Plans and scratchpads of agents. */

#include "shared/agent/plan.h"

#include "shared/agent/prompt_line.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/check/failure.h"

const char *const plan_tool_names[PLAN_TOOLS] = {
    [PLAN_TOOL_SET] = "plan_set",
    [PLAN_TOOL_UPDATE] = "plan_update",
    [PLAN_TOOL_SCRATCHPAD] = "scratchpad_write",
};

const char plan_instructions[] =
    "# Planning\n"
    "Work that takes several steps is planned: write the steps down with plan_set before you "
    "begin, mark each with plan_update when you begin it (in_progress) and when it is over (done, "
    "or skipped), and keep what you need later with scratchpad_write. The plan and the scratchpad "
    "are shown below as they are now, also when somebody else goes on with your work.";

static const struct status {
    const char *name;
    const char *mark;
} statuses[] = {
    {"pending", "[ ]"},
    {"in_progress", "[>]"},
    {"done", "[x]"},
    {"skipped", "[-]"},
};

static const struct status *find_status(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        if (text_is(name, statuses[i].name))
            return &statuses[i];
    return &statuses[0];
}

/* An array, or NULL. */
static struct json_object *steps_of(struct json_object *state)
{
    struct json_object *steps = json_get(json_get(state, "plan"), "steps");

    return json_object_is_type(steps, json_type_array) ? steps : NULL;
}

static size_t count_of(struct json_object *steps)
{
    size_t count = steps ? json_object_array_length(steps) : 0;

    return count < PLAN_STEPS_MAX ? count : PLAN_STEPS_MAX;
}

static void add_text(struct json_object *to, const char *name, struct text text)
{
    json_object_object_add(to, name, json_object_new_string_len(text.ptr, (int)text.len));
}

/* {"plan": {"steps": …}} */
static struct json_object *plan_of(struct json_object *steps)
{
    struct json_object *changes = json_object_new_object();
    struct json_object *plan = json_object_new_object();

    json_object_object_add(plan, "steps", steps);
    json_object_object_add(changes, "plan", plan);
    return changes;
}

/* Of the same title; NULL: there is none. */
static struct json_object *find_step(struct json_object *steps, struct text title)
{
    for (size_t i = 0; i < count_of(steps); i++) {
        struct json_object *step = json_object_array_get_idx(steps, i);

        if (text_equal(json_get_text(step, "title"), title))
            return step;
    }
    return NULL;
}

static struct json_object *new_step(struct text title, struct json_object *before)
{
    struct json_object *step = json_object_new_object();
    struct text note = json_get_text(before, "note");

    add_text(step, "title", title);
    add_text(step, "status", text_of(find_status(json_get_text(before, "status"))->name));
    if (note.len > 0)
        add_text(step, "note", note);
    return step;
}

int plan_set(struct json_object *state, struct json_object *arguments,
             struct json_object **out_changes, struct error *err)
{
    struct json_object *titles = json_get(arguments, "steps");
    struct json_object *steps = json_object_new_array();

    (void)err;
    for (size_t i = 0; i < count_of(titles); i++) {
        struct text title = json_string(json_object_array_get_idx(titles, i));

        json_object_array_add(steps, new_step(title, find_step(steps_of(state), title)));
    }
    *out_changes = plan_of(steps);
    return 0;
}

int plan_update(struct json_object *state, struct json_object *arguments,
                struct json_object **out_changes, struct error *err)
{
    struct json_object *before = steps_of(state);
    int64_t number = json_get_int(arguments, "step", 0);
    struct text note = json_get_text(arguments, "note");
    struct json_object *steps = NULL;
    struct json_object *step;

    if (count_of(before) == 0)
        return error_set(err, E_INVALID, "there is no plan: write one with plan_set");
    if (number < 1 || (size_t)number > count_of(before))
        return error_set(err, E_INVALID, "the plan has the steps 1 to %zu", count_of(before));
    if (json_object_deep_copy(before, &steps, NULL) < 0)
        abort(); /* out of memory */
    step = new_step(json_get_text(json_object_array_get_idx(before, (size_t)number - 1), "title"),
                    json_object_array_get_idx(before, (size_t)number - 1));
    add_text(step, "status", text_of(find_status(json_get_text(arguments, "status"))->name));
    if (note.len > 0)
        add_text(step, "note", note);
    json_object_array_put_idx(steps, (size_t)number - 1, step);
    *out_changes = plan_of(steps);
    return 0;
}

int plan_write_scratchpad(struct json_object *state, struct json_object *arguments,
                          struct json_object **out_changes, struct error *err)
{
    (void)state;
    (void)err;
    *out_changes = json_object_new_object();
    add_text(*out_changes, "scratchpad", json_get_text(arguments, "text"));
    return 0;
}

/* ---- as the model is shown them ---- */

/* A client may have written more than a tool would. */
static struct text bounded(struct text text, size_t characters)
{
    size_t bytes = utf8_prefix(text.ptr, text.len, characters * 4);

    return (struct text){text.ptr, bytes};
}

static void write_steps(struct json_object *steps, struct buf *out)
{
    for (size_t i = 0; i < count_of(steps); i++) {
        struct json_object *step = json_object_array_get_idx(steps, i);
        struct text note = json_get_text(step, "note");

        buf_printf(out, "\n%zu. %s ", i + 1, find_status(json_get_text(step, "status"))->mark);
        prompt_add_line(bounded(json_get_text(step, "title"), PLAN_TITLE_MAX), out);
        if (note.len == 0)
            continue;
        buf_add_string(out, " (");
        prompt_add_line(bounded(note, PLAN_NOTE_MAX), out);
        buf_add_char(out, ')');
    }
}

static void write_scratchpad(struct text text, struct buf *out)
{
    struct text line;
    bool more = true;

    text = bounded(text, SCRATCHPAD_MAX);
    while (more) {
        more = text_cut(text, '\n', &line, &text);
        buf_add_string(out, "\n> ");
        prompt_add_line(more ? line : text, out);
    }
}

void plan_sections_write(struct json_object *state, struct buf *out)
{
    struct json_object *steps = steps_of(state);
    struct text scratchpad = json_get_text(state, "scratchpad");

    if (count_of(steps) > 0) {
        buf_add_string(out, "# Plan");
        write_steps(steps, out);
    }
    if (scratchpad.len == 0)
        return;
    if (count_of(steps) > 0)
        buf_add_string(out, "\n\n");
    buf_add_string(out, "# Scratchpad");
    write_scratchpad(scratchpad, out);
}

/* ---- who may plan ---- */

static bool names(struct json_object *tools, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(tools); i++)
        if (text_is(tool_spec_name(json_object_array_get_idx(tools, i)), name))
            return true;
    return false;
}

int plan_check_room(struct text planning, struct text tools_text, size_t max,
                    struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;
    size_t count;

    if (!text_is(planning, "true") || !tools_text.ptr ||
        json_decode(tools_text, JSON_DEPTH_DEFAULT + 4, &tools, NULL) < 0 ||
        !json_object_is_type(tools, json_type_array))
        return 0;
    count = json_object_array_length(tools);
    for (size_t i = 0; i < PLAN_TOOLS; i++)
        count += !names(tools, plan_tool_names[i]);
    if (count <= max)
        return 0;
    return failure_param(failure, 400, "tools", "array_above_max_length",
                         "Invalid 'tools': with those of 'planning' there would be %zu tools, "
                         "where %zu are allowed.",
                         count, max);
}

int plan_narrow(struct text agents, struct json_object *said, struct failure *failure)
{
    if (!json_object_get_boolean(said) || text_is(agents, "true"))
        return 0;
    return failure_param(failure, 400, "planning", "tool_not_permitted",
                         "The assistant does not plan: a run may do without planning, and not add "
                         "it.");
}
