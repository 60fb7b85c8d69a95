/* Reading a request as strictly as OpenAI does, because that is what catches a worker's mistakes: a
 * tool result without its call, a call without a result, a setting beside no tools. */

#include "providers/rehearsal/conversation.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/agent/tools.h"
#include "shared/json/json.h"

#define MESSAGES_MAX 10000
#define CALLS_MAX    128

struct reader {
    struct json_object *messages;
    size_t count;
    struct arena *arena;
    struct conversation *out;
    struct conversation_problem *problem;
    struct buf text; /* of the message at hand */
};

PRINTF(3, 4)
static int refuse(struct conversation_problem *problem, const char *param, const char *format, ...)
{
    va_list args;

    problem->param = param;
    va_start(args, format);
    vsnprintf(problem->message, sizeof(problem->message), format, args);
    va_end(args);
    return CONVERSATION_REFUSED;
}

static struct json_object *message_at(const struct reader *reader, size_t i)
{
    return i < reader->count ? json_object_array_get_idx(reader->messages, i) : NULL;
}

static struct text role_of(struct json_object *message)
{
    return json_get_text(message, "role");
}

static size_t length_of(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

/* Puts the text of a message into reader->text. */
static int read_content(struct reader *reader, size_t i)
{
    struct json_object *content = json_get(message_at(reader, i), "content");
    bool any = false;

    buf_reset(&reader->text);
    if (json_object_is_type(content, json_type_string)) {
        buf_add_text(&reader->text, json_string(content));
        return 0;
    }
    for (size_t n = 0; n < length_of(content); n++) {
        struct json_object *part = json_object_array_get_idx(content, n);
        struct text type = json_get_text(part, "type");

        if (text_is(type, "image_url") && json_get_string(json_get(part, "image_url"), "url"))
            continue;
        if (!text_is(type, "text") || !json_get_string(part, "text"))
            return refuse(
                reader->problem, "messages",
                "Invalid value for 'messages[%zu].content[%zu]': expected a text part with "
                "a string, or an image_url part.",
                i, n);
        if (any)
            buf_add_char(&reader->text, '\n');
        buf_add_text(&reader->text, json_get_text(part, "text"));
        any = true;
    }
    if (length_of(content))
        return 0;
    if (text_is(role_of(message_at(reader, i)), "assistant") && !content)
        return 0;
    return refuse(reader->problem, "messages",
                  "Invalid value for 'content' of messages[%zu]: expected a string or a list of "
                  "parts.",
                  i);
}

static int check_call(struct reader *reader, size_t i, struct json_object *calls, size_t n)
{
    struct json_object *call = json_object_array_get_idx(calls, n);
    struct json_object *function = json_get(call, "function");
    struct text id = json_get_text(call, "id");

    if (!id.len || !text_is(json_get_text(call, "type"), "function") ||
        !json_get_text(function, "name").len || !json_get_string(function, "arguments"))
        return refuse(
            reader->problem, "messages",
            "Invalid 'messages[%zu].tool_calls[%zu]': it needs 'id', 'type' \"function\", "
            "and 'function' with 'name' and 'arguments' (a string).",
            i, n);
    for (size_t before = 0; before < n; before++)
        if (text_equal(id, json_get_text(json_object_array_get_idx(calls, before), "id")))
            return refuse(reader->problem, "messages",
                          "Duplicate value for 'tool_call_id' of '%.60s' in message[%zu].", id.ptr,
                          i);
    return 0;
}

/* Index of the tool message after message i that answers the id; 0: none. */
static size_t find_answer(const struct reader *reader, size_t i, struct text id)
{
    for (size_t at = i + 1; text_is(role_of(message_at(reader, at)), "tool"); at++)
        if (text_equal(json_get_text(message_at(reader, at), "tool_call_id"), id))
            return at;
    return 0;
}

/* An assistant message: its calls are well-formed, and each is answered by what follows. */
static int check_assistant(struct reader *reader, size_t i)
{
    struct json_object *message = message_at(reader, i);
    struct json_object *calls = json_get(message, "tool_calls");
    size_t count = length_of(calls);

    if (json_has(message, "tool_calls") && (count == 0 || count > CALLS_MAX))
        return refuse(reader->problem, "messages",
                      "Invalid 'messages[%zu].tool_calls': expected a list of 1 to %d calls.", i,
                      CALLS_MAX);
    if (!count && !json_get(message, "content") && !json_get(message, "refusal"))
        return refuse(reader->problem, "messages",
                      "Invalid value for 'content' of messages[%zu]: expected a string, got null.",
                      i);
    for (size_t n = 0; n < count; n++) {
        struct text id = json_get_text(json_object_array_get_idx(calls, n), "id");
        int r = check_call(reader, i, calls, n);

        if (r != 0)
            return r;
        if (!find_answer(reader, i, id))
            return refuse(
                reader->problem, "messages",
                "An assistant message with 'tool_calls' must be followed by tool messages "
                "responding to each 'tool_call_id'. The following tool_call_ids did not "
                "have response messages: %.60s",
                id.ptr);
    }
    return 0;
}

/* A tool message: the assistant message before it made that call, and no other answered it. */
static int check_tool(struct reader *reader, size_t i)
{
    struct text id = json_get_text(message_at(reader, i), "tool_call_id");
    struct json_object *calls;
    size_t caller = i;

    if (!id.len)
        return refuse(reader->problem, "messages",
                      "Missing parameter 'tool_call_id' of messages[%zu].", i);
    while (caller > 0 && text_is(role_of(message_at(reader, caller)), "tool"))
        caller--;
    calls = json_get(message_at(reader, caller), "tool_calls");
    if (!text_is(role_of(message_at(reader, caller)), "assistant") || !length_of(calls))
        return refuse(reader->problem, "messages",
                      "Invalid parameter: messages with role 'tool' must be a response to a "
                      "preceeding message with 'tool_calls' (messages[%zu]).",
                      i);
    for (size_t n = 0; n < length_of(calls); n++)
        if (text_equal(json_get_text(json_object_array_get_idx(calls, n), "id"), id))
            return find_answer(reader, caller, id) == i
                       ? 0
                       : refuse(reader->problem, "messages",
                                "'tool_call_id' '%.60s' of messages[%zu] was answered already.",
                                id.ptr, i);
    return refuse(
        reader->problem, "messages",
        "Invalid parameter: 'tool_call_id' of '%.60s' not found in 'tool_calls' of previous "
        "message.",
        id.ptr);
}

static int check_message(struct reader *reader, size_t i)
{
    struct text role = role_of(message_at(reader, i));
    int r = 0;

    if (text_is(role, "assistant"))
        r = check_assistant(reader, i);
    else if (text_is(role, "tool"))
        r = check_tool(reader, i);
    else if (!text_is(role, "user") && !text_is(role, "system") && !text_is(role, "developer"))
        return refuse(reader->problem, "messages",
                      "Invalid value for 'messages[%zu].role': supported values are 'system', "
                      "'developer', 'assistant', 'user' and 'tool'.",
                      i);
    return r == 0 ? read_content(reader, i) : r;
}

static bool keep_text(struct reader *reader, struct text *out)
{
    const char *copy = arena_copy(reader->arena, buf_text(&reader->text));

    *out = (struct text){copy, copy ? reader->text.len : 0};
    return copy != NULL;
}

/* Results in the order in which they were asked for, whatever order they came in. */
static int collect_results(struct reader *reader, size_t after_user)
{
    struct conversation *out = reader->out;
    size_t room = reader->count - after_user;

    out->tools = arena_calloc(reader->arena, room + 1, sizeof(*out->tools));
    for (size_t i = after_user; out->tools && i < reader->count; i++) {
        struct json_object *calls = json_get(message_at(reader, i), "tool_calls");

        out->rounds += length_of(calls) > 0;
        for (size_t n = 0; n < length_of(calls); n++) {
            struct text id = json_get_text(json_object_array_get_idx(calls, n), "id");

            (void)read_content(reader, find_answer(reader, i, id));
            if (out->tools_count == room || !keep_text(reader, &out->tools[out->tools_count++]))
                return refuse(reader->problem, "messages", "The messages are too large.");
        }
    }
    return out->tools ? 0 : refuse(reader->problem, "messages", "The messages are too large.");
}

static int read_messages(struct reader *reader)
{
    size_t after_user = 0;

    for (size_t i = 0; i < reader->count; i++) {
        int r = check_message(reader, i);

        if (r != 0)
            return r;
        reader->out->text_bytes += reader->text.len;
        if (!text_is(role_of(message_at(reader, i)), "user"))
            continue;
        after_user = i + 1;
        if (!keep_text(reader, &reader->out->user))
            return refuse(reader->problem, "messages", "The messages are too large.");
    }
    reader->out->after_tool = text_is(role_of(message_at(reader, reader->count - 1)), "tool");
    return collect_results(reader, after_user);
}

static int read_tools(struct json_object *request, struct reader *reader)
{
    struct json_object *tools = json_get(request, "tools");
    struct conversation *out = reader->out;
    size_t count = length_of(tools);

    if (json_has(request, "tools") && (count == 0 || count > CALLS_MAX))
        return refuse(reader->problem, "tools",
                      "Invalid 'tools': expected a list of 1 to %d tools.", CALLS_MAX);
    if (!count && json_get(request, "tool_choice"))
        return refuse(
            reader->problem, "tool_choice",
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.");
    if (!count && json_get(request, "parallel_tool_calls"))
        return refuse(
            reader->problem, "parallel_tool_calls",
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed "
            "when 'tools' are specified.");
    out->offered = arena_calloc(reader->arena, count + 1, sizeof(*out->offered));
    for (size_t i = 0; out->offered && i < count; i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct json_object *function = json_get(tool, "function");
        struct text name = json_get_text(function, "name");
        struct json_object *parameters = json_get(function, "parameters");

        if (!text_is(json_get_text(tool, "type"), "function") || !tool_name_fits(name) ||
            (parameters && !json_object_is_type(parameters, json_type_object)))
            return refuse(
                reader->problem, "tools",
                "Invalid 'tools[%zu]': expected 'type' \"function\" and 'function' with a "
                "'name' that matches '^[a-zA-Z0-9_-]{1,64}$' and 'parameters' that are a "
                "JSON Schema object.",
                i);
        out->offered[i] = (struct text){arena_copy(reader->arena, name), name.len};
        out->offered_count = i + 1;
    }
    if (text_is(json_get_text(request, "tool_choice"), "none"))
        out->offered_count = 0;
    return 0;
}

static int check_settings(struct json_object *request, struct conversation_problem *problem)
{
    double temperature = json_get_double(request, "temperature", 1);
    double top_p = json_get_double(request, "top_p", 1);

    if (json_get_bool(request, "stream", false))
        return refuse(problem, "stream", "The rehearsal LLM does not stream; leave 'stream' out.");
    if (!(temperature >= 0 && temperature <= 2))
        return refuse(problem, "temperature",
                      "Invalid 'temperature': expected a number from 0 to 2, got %g.", temperature);
    if (!(top_p >= 0 && top_p <= 1))
        return refuse(problem, "top_p", "Invalid 'top_p': expected a number from 0 to 1, got %g.",
                      top_p);
    if (json_get_int(request, "max_tokens", 1) < 1 ||
        json_get_int(request, "max_completion_tokens", 1) < 1)
        return refuse(problem, "max_completion_tokens",
                      "Invalid 'max_completion_tokens': expected a number from 1 on.");
    return 0;
}

int conversation_read(struct json_object *request, struct arena *arena, struct conversation *out,
                      struct conversation_problem *problem)
{
    struct conversation conversation = {.model = json_get_text(request, "model")};
    struct reader reader = {.messages = json_get(request, "messages"),
                            .arena = arena,
                            .out = &conversation,
                            .problem = problem};
    int r;

    if (!json_object_is_type(request, json_type_object))
        return refuse(problem, NULL, "The body must be a JSON object.");
    if (!conversation.model.len)
        return refuse(problem, "model", "you must provide a model parameter");
    reader.count = length_of(reader.messages);
    if (reader.count == 0 || reader.count > MESSAGES_MAX)
        return refuse(problem, "messages",
                      "Invalid 'messages': expected a list of 1 to %d messages.", MESSAGES_MAX);
    conversation.model.ptr = arena_copy(arena, conversation.model);
    if (!conversation.model.ptr)
        return refuse(problem, "model", "The model's name is too long.");
    sha256_hex(json_text(reader.messages), conversation.messages_sha256);

    buf_init(&reader.text, 0);
    r = check_settings(request, problem);
    if (r == 0)
        r = read_tools(request, &reader);
    if (r == 0)
        r = read_messages(&reader);
    buf_deinit(&reader.text);
    if (r == 0)
        *out = conversation;
    return r;
}
