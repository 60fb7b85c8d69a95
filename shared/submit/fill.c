/* Filling an agent's texts. */

#include "shared/submit/fill.h"

#include <stdio.h>

#include "shared/agent/placeholders.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/time/zone.h"

int fill_facts(struct json_object *request, struct text users_zone, int64_t now_wall_ms,
               struct fill_facts *out, struct failure *failure)
{
    struct json_object *said = json_get(json_get(request, "variables"), "timezone");
    const struct zone *zone = NULL;
    int64_t now_s = now_wall_ms / 1000;
    struct error err;

    if (said && zone_get(json_string(said), &zone, &err) < 0)
        return failure_param(failure, 400, "variables.timezone", "invalid_value",
                             "Invalid 'variables.timezone': %s. Expected the name of a time zone, "
                             "such as 'Europe/Berlin'.",
                             err.text);
    if (!zone && users_zone.ptr && zone_get(users_zone, &zone, &err) < 0)
        zone = NULL;
    rfc3339_format(now_s, zone ? zone_offset(zone, now_s) : 0, out->now);
    return 0;
}

/* What places are filled from. */
struct source {
    struct json_object *variables;
    const struct fill_facts *facts;
};

static bool value_of(void *arg, struct text name, struct buf *out)
{
    const struct source *source = arg;
    char key[PLACEHOLDER_NAME_MAX + 1];
    struct json_object *value;

    (void)snprintf(key, sizeof(key), "%.*s", TEXT_ARGS(name));
    value = json_get(source->variables, key);
    if (value) {
        buf_add_text(out, json_object_is_type(value, json_type_string) ? json_string(value)
                                                                       : json_text(value));
        return true;
    }
    if (text_is(name, "now"))
        buf_add_string(out, source->facts->now);
    else if (text_is(name, "user") && source->facts->user.ptr)
        buf_add_text(out, source->facts->user);
    else
        return false;
    return true;
}

static int unknown(const char *member, struct text name, struct failure *failure)
{
    char param[PLACEHOLDER_NAME_MAX + 16];

    if (text_is(name, "user"))
        return failure_param(
            failure, 400, "user", "missing_variable",
            "The assistant's %s have a place for 'user', and nobody says who "
            "asks: neither this run's 'user', nor its 'variables', nor the thread.",
            member);

    (void)snprintf(param, sizeof(param), "variables.%.*s", TEXT_ARGS(name));
    return failure_param(failure, 400, param, "missing_variable",
                         "The assistant's %s have a place for '%.*s', of which this run's "
                         "'variables' say nothing.",
                         member, TEXT_ARGS(name));
}

static int no_room(struct failure *failure)
{
    return failure_param(failure, 400, "variables", "string_above_max_length",
                         "The texts of the assistant are too large, filled with these variables.");
}

/* From a JSON string to the text, filled when it is a template. */
static int fill(const char *member, struct text json, bool template, struct source *source,
                struct buf *out, struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *value = NULL;
    struct text name;

    if (json_decode(json, JSON_DEPTH_DEFAULT, &value, NULL) < 0)
        return no_room(failure);
    if (!template)
        buf_add_text(out, json_string(value));
    else if (placeholders_fill(json_string(value), value_of, source, out, &name) < 0)
        return unknown(member, name, failure);
    return out->failed ? no_room(failure) : 0;
}

static int keep(const struct buf *text, struct arena *arena, struct text *out,
                struct failure *failure)
{
    *out = (struct text){arena_copy(arena, buf_text(text)), text->len};
    return text->failed || !out->ptr ? no_room(failure) : 0;
}

static int fill_instructions(const struct agent_spec *spec, struct json_object *request,
                             struct source *source, struct arena *arena, struct text *out,
                             struct failure *failure)
{
    CLEANUP(buf_deinit) struct buf text;
    CLEANUP(buf_deinit) struct buf json;
    struct json_object *said = json_get(request, "instructions");
    int r;

    buf_init(&text, SPEC_BYTES_MAX);
    buf_init(&json, 0);
    if (!said && !spec->members[SPEC_INSTRUCTIONS].ptr)
        return 0;
    r = fill("instructions", said ? json_text(said) : spec->members[SPEC_INSTRUCTIONS], true,
             source, &text, failure);
    if (r < 0)
        return r;
    buf_add_json(&json, buf_text(&text));
    return keep(&json, arena, out, failure);
}

static int fill_task(const struct agent_spec *spec, bool template, struct source *source,
                     struct arena *arena, struct text *out, struct failure *failure)
{
    CLEANUP(buf_deinit) struct buf text;
    int r;

    buf_init(&text, SPEC_BYTES_MAX);
    if (!spec->members[SPEC_TASK_INSTRUCTIONS].ptr)
        return 0;
    r = fill("task_instructions", spec->members[SPEC_TASK_INSTRUCTIONS], template, source, &text,
             failure);
    if (r < 0 || text.len == 0)
        return r;
    return keep(&text, arena, out, failure);
}

int fill_texts(const struct agent_spec *spec, struct json_object *request,
               const struct fill_facts *facts, bool nobody_speaks, struct arena *arena,
               struct filled_texts *out, struct failure *failure)
{
    struct source source = {json_get(request, "variables"), facts};
    bool template = text_is(spec->members[SPEC_TEMPLATE], "true");
    int r = 0;

    *out = (struct filled_texts){.instructions = TEXT_NONE};
    if (template)
        r = fill_instructions(spec, request, &source, arena, &out->instructions, failure);
    if (r == 0 && nobody_speaks)
        r = fill_task(spec, template, &source, arena, &out->task, failure);
    return r;
}
