/* Reading a conversation. Texts are copied once where parts have to be joined, and borrowed from
 * the body elsewhere. */

#include "providers/openai_api/chat_request.h"

#include "providers/chat_read.h"
#include "providers/reply/reply_form.h"
#include "shared/base/error.h"

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the conversation is too large");
}

enum chat_turn chat_request_turn(struct text service_tier)
{
    if (text_is(service_tier, "priority"))
        return CHAT_TURN_FIRST;
    return text_is(service_tier, "flex") ? CHAT_TURN_LAST : CHAT_TURN_NORMAL;
}

static struct text json_of(struct json_object *object, const char *name)
{
    struct json_object *value = json_get(object, name);

    return value ? json_text(value) : TEXT_NONE;
}

/* ---- messages ---- */

struct text chat_request_user(struct json_object *body)
{
    struct text user = json_get_text(body, "user");

    return user.len > 0 ? user : json_get_text(body, "safety_identifier");
}

/* A user's content: a text, or parts where there is an image. */
static int read_content(struct json_object *content, struct arena *arena, struct chat_message *out,
                        struct error *err)
{
    struct chat_part *parts;
    size_t count;
    int r;

    if (json_object_is_type(content, json_type_string)) {
        out->text = json_string(content);
        return 0;
    }
    r = chat_read_parts(json_text(content), arena, &parts, &count, err);
    if (r < 0)
        return r;
    if (count == 1 && parts[0].kind == CHAT_PART_TEXT) {
        out->text = parts[0].text;
        return 0;
    }
    out->parts = parts;
    out->parts_count = count;
    return 0;
}

/* Text parts, and those in which a model refused, with a line feed between them. */
static int join_texts(struct json_object *content, struct arena *arena, struct text *out,
                      struct error *err)
{
    CLEANUP(buf_deinit) struct buf joined;
    char *copy;

    buf_init(&joined, 0);
    if (!json_object_is_type(content, json_type_array)) {
        *out = json_string(content);
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        struct text text = json_get_text(part, "text");

        if (i > 0)
            buf_add_char(&joined, '\n');
        buf_add_text(&joined, text.ptr ? text : json_get_text(part, "refusal"));
    }
    copy = joined.failed ? NULL : arena_copy(arena, buf_text(&joined));
    if (!copy)
        return no_room(err);
    *out = (struct text){copy, joined.len};
    return 0;
}

static int read_calls(struct json_object *list, struct arena *arena, struct chat_message *out,
                      struct error *err)
{
    size_t count = list ? json_object_array_length(list) : 0;
    struct chat_tool_call *calls;
    int r = 0;

    if (count == 0)
        return 0;
    calls = arena_calloc(arena, count, sizeof(*calls));
    if (!calls)
        return no_room(err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct json_object *function = json_get(item, "function");

        calls[i].id = json_get_text(item, "id");
        calls[i].name = json_get_text(function, "name");
        calls[i].arguments = json_get_text(function, "arguments");
        r = reply_form_call(&calls[i], arena, err);
    }
    out->tool_calls = calls;
    out->tool_calls_count = count;
    return r;
}

static int read_answer(struct json_object *item, struct arena *arena, struct chat_message *out,
                       struct error *err)
{
    int r = join_texts(json_get(item, "content"), arena, &out->text, err);

    out->role = CHAT_ASSISTANT;
    out->opaque_state = json_of(item, "provider_state");
    if (!out->text.ptr)
        out->text = json_get_text(item, "refusal");
    return r < 0 ? r : read_calls(json_get(item, "tool_calls"), arena, out, err);
}

/* In the midst of the conversation: said to servers that know no such message in words. */
static int read_late_system(struct json_object *item, struct arena *arena, struct chat_message *out,
                            struct error *err)
{
    const char *text;
    int r = join_texts(json_get(item, "content"), arena, &out->system, err);

    if (r < 0)
        return r;
    text =
        arena_printf(arena, "Message of the system, not of the user: %.*s", TEXT_ARGS(out->system));
    if (!text)
        return no_room(err);
    out->text = text_of(text);
    return 0;
}

static bool is_of_system(struct json_object *item)
{
    struct text role = json_get_text(item, "role");

    return text_is(role, "system") || text_is(role, "developer");
}

static int read_message(struct json_object *item, struct arena *arena, struct chat_message *out,
                        struct error *err)
{
    struct text role = json_get_text(item, "role");
    int r;

    *out = (struct chat_message){.role = CHAT_USER};
    if (text_is(role, "user"))
        return read_content(json_get(item, "content"), arena, out, err);
    if (text_is(role, "assistant"))
        return read_answer(item, arena, out, err);
    if (is_of_system(item))
        return read_late_system(item, arena, out, err);
    out->role = CHAT_TOOL;
    r = join_texts(json_get(item, "content"), arena, &out->text, err);
    return r < 0
               ? r
               : reply_form_id(json_get_text(item, "tool_call_id"), arena, &out->tool_call_id, err);
}

/* The messages of the system in front, with an empty line between them. *out_count: how many. The
 * last message of all is what is to be answered, whoever says it. */
static int read_instructions(struct json_object *list, struct arena *arena, struct text *out,
                             size_t *out_count, struct error *err)
{
    size_t count = json_object_array_length(list);
    size_t i;

    *out = TEXT_NONE;
    for (i = 0; i + 1 < count && is_of_system(json_object_array_get_idx(list, i)); i++) {
        struct text text;
        const char *both;
        int r =
            join_texts(json_get(json_object_array_get_idx(list, i), "content"), arena, &text, err);

        if (r < 0)
            return r;
        if (!out->ptr) {
            *out = text;
            continue;
        }
        both = arena_printf(arena, "%.*s\n\n%.*s", TEXT_ARGS(*out), TEXT_ARGS(text));
        if (!both)
            return no_room(err);
        *out = text_of(both);
    }
    *out_count = i;
    return 0;
}

static int read_messages(struct json_object *list, struct arena *arena, struct chat_request *out,
                         struct error *err)
{
    size_t count = json_object_array_length(list);
    struct chat_message *messages;
    size_t first = 0;
    int r = read_instructions(list, arena, &out->instructions, &first, err);

    if (r < 0)
        return r;
    messages = arena_calloc(arena, count - first, sizeof(*messages));
    if (!messages)
        return no_room(err);
    for (size_t i = first; r == 0 && i < count; i++)
        r = read_message(json_object_array_get_idx(list, i), arena, &messages[i - first], err);
    out->messages = messages;
    out->messages_count = count - first;
    return r;
}

/* ---- what it may do ---- */

static int read_tools(struct json_object *list, struct arena *arena, struct chat_request *out,
                      struct error *err)
{
    size_t count = list ? json_object_array_length(list) : 0;
    struct chat_tool *tools;
    int r = 0;

    if (count == 0)
        return 0;
    tools = arena_calloc(arena, count, sizeof(*tools));
    if (!tools)
        return no_room(err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = chat_read_function(json_text(json_get(json_object_array_get_idx(list, i), "function")),
                               arena, &tools[i], err);
    out->tools = tools;
    out->tools_count = count;
    return r;
}

static enum chat_switch switch_of(struct json_object *body, const char *name)
{
    if (!json_get(body, name))
        return CHAT_SWITCH_UNSET;
    return json_get_bool(body, name, false) ? CHAT_SWITCH_ON : CHAT_SWITCH_OFF;
}

/* One text, or several. */
static int read_stops(struct json_object *said, struct arena *arena, struct chat_request *out,
                      struct error *err)
{
    bool many = json_object_is_type(said, json_type_array);
    size_t count = many ? json_object_array_length(said) : said != NULL;
    struct text *stops;

    if (count == 0)
        return 0;
    stops = arena_calloc(arena, count, sizeof(*stops));
    if (!stops)
        return no_room(err);
    for (size_t i = 0; i < count; i++)
        stops[i] = json_string(many ? json_object_array_get_idx(said, i) : said);
    out->stops = stops;
    out->stops_count = count;
    return 0;
}

static int read_options(struct json_object *body, struct arena *arena, struct chat_request *out,
                        struct error *err)
{
    int r = read_tools(json_get(body, "tools"), arena, out, err);

    if (r == 0)
        r = chat_read_tool_choice(json_of(body, "tool_choice"), arena, &out->tool_choice, err);
    if (r == 0)
        r = chat_read_format(json_of(body, "response_format"), arena, &out->response_format, err);
    if (r == 0)
        r = read_stops(json_get(body, "stop"), arena, out, err);
    out->parallel_tool_calls = switch_of(body, "parallel_tool_calls");
    out->has_temperature = json_get(body, "temperature");
    out->temperature = json_get_double(body, "temperature", 0);
    out->has_top_p = json_get(body, "top_p");
    out->top_p = json_get_double(body, "top_p", 0);
    out->has_presence_penalty = json_get(body, "presence_penalty");
    out->presence_penalty = json_get_double(body, "presence_penalty", 0);
    out->has_frequency_penalty = json_get(body, "frequency_penalty");
    out->frequency_penalty = json_get_double(body, "frequency_penalty", 0);
    out->max_completion_tokens =
        json_get_int(body, "max_completion_tokens", json_get_int(body, "max_tokens", 0));
    out->reasoning_effort = json_get_text(body, "reasoning_effort");
    out->verbosity = json_get_text(body, "verbosity");
    return r;
}

static void read_models(struct json_object *body, struct chat_ask *out)
{
    struct json_object *fallbacks = json_get(body, "fallbacks");
    size_t count = fallbacks ? json_object_array_length(fallbacks) : 0;

    out->models[out->models_count++] = json_get_text(body, "model");
    for (size_t i = 0; i < count && i < CHAT_FALLBACKS_MAX; i++)
        out->models[out->models_count++] = json_string(json_object_array_get_idx(fallbacks, i));
}

int chat_request_read(struct json_object *body, struct arena *arena, struct chat_ask *out,
                      struct error *err)
{
    struct chat_ask ask = {.models_count = 0};
    int r = read_messages(json_get(body, "messages"), arena, &ask.request, err);

    if (r == 0)
        r = read_options(body, arena, &ask.request, err);
    if (r < 0)
        return r;
    read_models(body, &ask);
    ask.user = chat_request_user(body);
    ask.turn = chat_request_turn(json_get_text(body, "service_tier"));
    ask.stream = json_get_bool(body, "stream", false);
    ask.include_usage = json_get_bool(json_get(body, "stream_options"), "include_usage", false);
    *out = ask;
    return 0;
}
