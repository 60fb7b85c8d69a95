/* Notes on a file: see apply_notes.h */

#include "scheduler/cli/agents/apply_notes.h"

#include <string.h>

#include "scheduler/cli/secrets/secrets_there.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/secrets/reference.h"

#define DEPTH_MAX 32

struct text apply_notes_variable(struct text text)
{
    for (size_t i = 0; i + 3 < text.len; i++) {
        struct text rest = {text.ptr + i, text.len - i};
        const char *end;

        if (!text_starts(rest, "${") || (i > 0 && text.ptr[i - 1] == '$'))
            continue;
        rest = (struct text){rest.ptr + 2, rest.len - 2};
        end = memchr(rest.ptr, '}', rest.len);
        rest.len = end ? (size_t)(end - rest.ptr) : 0;
        if (secret_name_fits(rest))
            return rest;
    }
    return TEXT_NONE;
}

/* In all texts of a value, the first one. */
static struct text variable_in(struct json_object *value, unsigned depth)
{
    struct text found = TEXT_NONE;

    if (depth > DEPTH_MAX)
        return found;
    if (json_object_is_type(value, json_type_string))
        return apply_notes_variable(json_string(value));
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; !found.ptr && i < json_object_array_length(value); i++)
            found = variable_in(json_object_array_get_idx(value, i), depth + 1);
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            found = variable_in(member, depth + 1);
            if (found.ptr)
                break;
        }
    }
    return found;
}

/* What a note is about: `what` "name" of the file. */
struct subject {
    const char *path;
    const struct agents_place *place;
    const char *what;
    const char *name;
};

static void note_variable(const struct subject *subject, const char *member, struct text name)
{
    terminal_complain("note: %s:%zu:%zu: %s \"%.60s\": ${%.*s} in %s is sent as it stands; a "
                      "secret is ${secret:%.*s}",
                      subject->path, subject->place->line, subject->place->column, subject->what,
                      subject->name, TEXT_ARGS(name), member, TEXT_ARGS(name));
}

static void note_members(const struct subject *subject, struct json_object *object,
                         const char *const *members)
{
    for (size_t i = 0; members[i]; i++) {
        struct text found = variable_in(json_get(object, members[i]), 0);

        if (found.ptr)
            note_variable(subject, members[i], found);
    }
}

static void note_tools(const struct apply_tools *apply)
{
    static const char *const members[] = {"url", "query", "headers", "body", NULL};
    struct json_object *tools = apply->file->tools;

    for (size_t i = 0; i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        const struct subject subject = {apply->path, &apply->file->tool_places[i], "tool",
                                        json_get_string(tool, "name")};

        note_members(&subject, tool, members);
    }
}

static void note_tools_of(const struct apply_tools *apply, const struct subject *subject,
                          struct json_object *tools)
{
    static const char *const members[] = {"server_url", "authorization", "headers", NULL};

    for (size_t i = 0;
         json_object_is_type(tools, json_type_array) && i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        const char *function = json_get_string(json_get(tool, "function"), "name");

        note_members(subject, tool, members);
        if (function && json_object_object_get_ex(apply->known, function, NULL))
            terminal_complain("note: %s:%zu:%zu: agent \"%.60s\": its function %.64s is yours to "
                              "answer; the declared tool of that name is {type: %.64s}",
                              subject->path, subject->place->line, subject->place->column,
                              subject->name, function, function);
    }
}

/* Each name once. */
static void collect_secrets(struct json_object *agent, struct json_object *names)
{
    struct json_object *secrets = json_get(agent, "secrets");

    for (size_t i = 0;
         json_object_is_type(secrets, json_type_array) && i < json_object_array_length(secrets);
         i++)
        json_object_object_add(names, json_object_get_string(json_object_array_get_idx(secrets, i)),
                               NULL);
}

int apply_notes(const struct apply_tools *apply, struct error *err)
{
    CLEANUP(json_freep) struct json_object *secrets = json_object_new_object();
    struct json_object *agents = apply->file->agents;

    note_tools(apply);
    for (size_t i = 0; i < json_object_array_length(agents); i++) {
        struct json_object *agent = json_object_array_get_idx(agents, i);
        const struct subject subject = {apply->path, &apply->file->places[i], "agent",
                                        json_get_string(agent, "name")};

        note_tools_of(apply, &subject, json_get(agent, "tools"));
        collect_secrets(agent, secrets);
    }
    return secrets_note_missing(apply->client, secrets, err);
}
