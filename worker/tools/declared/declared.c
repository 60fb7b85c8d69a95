/* Tools that a tenant declared: requests to APIs, described by data. The run has the definition as
 * it was when the run was made (shared/agent/tools/declared.h), and so it has the names of the
 * secrets that may be used. Their values are asked for when a call is made: so a new value holds
 * from the next call on, and a secret that was deleted is gone. */

#include "shared/agent/tools/declared.h"

#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/secrets/envelope.h"
#include "shared/store/secrets/secrets.h"
#include "shared/tools/http_tool_call.h"
#include "shared/tools/open_secrets.h"
#include "worker/tools/tool.h"

/* In the run's arena. */
struct declared {
    struct text definition;
    enum call_class class;
    const char *host; /* and port, for logs; a template where a parameter is in it */
    struct text secrets[HTTP_TOOL_SECRETS_MAX];
    size_t secrets_count;
};

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
}

static bool copy(struct arena *arena, struct text text, struct text *out)
{
    *out = (struct text){arena_copy(arena, text), text.len};
    return out->ptr != NULL;
}

static bool is_listed(struct json_object *list, struct text name)
{
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), name))
            return true;
    return false;
}

/* Those that it refers to, each of which the run may use. */
static int read_secrets(struct json_object *item, struct json_object *definition,
                        struct arena *arena, struct declared *own, struct error *err)
{
    struct text names[HTTP_TOOL_SECRETS_MAX + 1];
    size_t count = http_tool_secrets(definition, names);

    if (count > HTTP_TOOL_SECRETS_MAX)
        return error_set(err, E_INVALID, "a tool of the run refers to too many secrets");
    for (size_t i = 0; i < count; i++) {
        if (!is_listed(json_get(item, "secrets"), names[i]))
            return error_set(err, E_INVALID,
                             "a tool of the run refers to the secret %.*s, which "
                             "the run may not use",
                             TEXT_ARGS(names[i]));
        if (!copy(arena, names[i], &own->secrets[own->secrets_count++]))
            return out_of_room(err);
    }
    return 0;
}

static const char *host_of(struct json_object *definition, struct arena *arena)
{
    struct text url = json_get_text(definition, "url");
    size_t begin = text_starts(url, "https://") ? 8 : 7;
    size_t end = begin;

    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?')
        end++;
    return end > begin ? arena_copy(arena, (struct text){url.ptr + begin, end - begin}) : "";
}

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct json_object *definition = json_get(member->item, "http");
    CLEANUP(json_freep) struct json_object *schema = NULL;
    struct declared *own;
    struct http_tool read;
    int r;

    if (!definition)
        return TOOL_NOT_HERE;
    own = arena_calloc(arena, 1, sizeof(*own));
    if (!own)
        return out_of_room(err);
    r = read_secrets(member->item, definition, arena, own, err);
    if (r < 0)
        return r;
    http_tool_read(definition, &read);
    schema = http_tool_schema(&read);
    own->class = read.class;
    own->host = host_of(definition, arena);
    *shown = (struct chat_tool){.name = TEXT_NONE};
    if (!own->host || !copy(arena, json_raw_get(member->raw, "http"), &own->definition) ||
        !copy(arena, json_get_text(member->item, "type"), &shown->name) ||
        !copy(arena, json_text(schema), &shown->parameters))
        return out_of_room(err);
    if (json_get_text(definition, "description").ptr &&
        !copy(arena, json_get_text(definition, "description"), &shown->description))
        return out_of_room(err);
    tool->own = own;
    tool->name = shown->name;
    tool->timeout_ms = read.timeout_ms;
    return 0;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    const struct declared *own = tool->own;

    (void)arguments;
    return own->class;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    const struct declared *own = tool->own;

    (void)arguments;
    buf_printf(out, "%.*s at %.100s", TEXT_ARGS(tool->name), own->host);
}

static int call_with(const struct tool_call *call, const struct http_tool *tool, struct buf *out,
                     struct tool_outcome *outcome, struct error *err)
{
    const struct declared *own = call->tool->own;
    const struct open_secrets_options options = {call->services->pg, call->services->master_keys,
                                                 call->permissions->tenant};
    struct open_secrets secrets;
    struct http_tool_result result = {.tries = 0};
    struct http_tool_call made = {
        .http = call->services->http,
        .guard = &call->services->guard,
        .tool = tool,
        .arguments = call->arguments,
        .key = call->key,
        .trace = call->trace,
        .deadline_ms = call->deadline_ms,
    };
    int r = open_secrets_read(&options, own->secrets, own->secrets_count, &secrets, err);

    if (r == 0) {
        made.secrets = secrets.items;
        made.secrets_count = secrets.count;
        r = http_tool_run(&made, out, &result, err);
    }
    open_secrets_wipe(&secrets);
    outcome->report = (struct call_report){
        .tries = result.tries,
        .bytes = result.is_cut ? (int64_t)result.uncut_bytes : 0,
        .is_cut = result.is_cut,
    };
    if (r == 0 && result.is_error)
        outcome->end = TOOL_ERROR;
    return r;
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    const struct declared *own = call->tool->own;
    CLEANUP(json_freep) struct json_object *definition = NULL;
    struct http_tool tool;
    int r = json_decode(own->definition, JSON_DEPTH_DEFAULT, &definition, err);

    if (r < 0)
        return error_wrap(err, "the definition of the tool");
    http_tool_read(definition, &tool);
    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    return call_with(call, &tool, out, outcome, err);
}

const struct tool_source tool_source_declared = {
    .name = "declared",
    .class_is_fixed = true,
    .waits = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
