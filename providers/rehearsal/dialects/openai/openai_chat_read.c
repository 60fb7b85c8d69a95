/* Reading a request as strictly as OpenAI does, because that is what catches a worker's mistakes: a
 * tool result without its call, a call without a result, a setting beside no tools.
 *
 * Models of DeepSeek are stricter: they want the reasoning of calls back within the same turn.
 */

#include "providers/rehearsal/dialects/openai/openai_chat.h"
#include "providers/rehearsal/reply/seal.h"
#include "shared/agent/tools/tools.h"

#define MESSAGES_MAX 10000
#define CALLS_MAX    128

struct chat_reader {
    struct reader base;
    struct json_object *messages;
    size_t count;
    size_t turn; /* index of the last user message */
    bool wants_reasoning;
};

static struct json_object *message_at(const struct chat_reader *reader, size_t i)
{
    return i < reader->count ? json_object_array_get_idx(reader->messages, i) : NULL;
}

static struct text role_of(struct json_object *message)
{
    return json_get_text(message, "role");
}

/* Puts the text of a message into reader->text. */
static int read_content(struct chat_reader *reader, size_t i)
{
    struct json_object *content = json_get(message_at(reader, i), "content");
    bool any = false;

    buf_reset(&reader->base.text);
    if (json_object_is_type(content, json_type_string)) {
        buf_add_text(&reader->base.text, json_string(content));
        return 0;
    }
    for (size_t n = 0; n < reader_length(content); n++) {
        struct json_object *part = json_object_array_get_idx(content, n);
        struct text type = json_get_text(part, "type");

        if (text_is(type, "image_url") && json_get_string(json_get(part, "image_url"), "url"))
            continue;
        if (!text_is(type, "text") || !json_get_string(part, "text"))
            return problem_set(
                reader->base.problem, "messages",
                "Invalid value for 'messages[%zu].content[%zu]': expected a text part with "
                "a string, or an image_url part.",
                i, n);
        if (any)
            buf_add_char(&reader->base.text, '\n');
        buf_add_text(&reader->base.text, json_get_text(part, "text"));
        any = true;
    }
    if (reader_length(content))
        return 0;
    if (text_is(role_of(message_at(reader, i)), "assistant") && !content)
        return 0;
    return problem_set(
        reader->base.problem, "messages",
        "Invalid value for 'content' of messages[%zu]: expected a string or a list of "
        "parts.",
        i);
}

static int check_call(struct chat_reader *reader, size_t i, struct json_object *calls, size_t n)
{
    struct json_object *call = json_object_array_get_idx(calls, n);
    struct json_object *function = json_get(call, "function");
    struct text id = json_get_text(call, "id");

    if (!id.len || !text_is(json_get_text(call, "type"), "function") ||
        !json_get_text(function, "name").len || !json_get_string(function, "arguments"))
        return problem_set(
            reader->base.problem, "messages",
            "Invalid 'messages[%zu].tool_calls[%zu]': it needs 'id', 'type' \"function\", "
            "and 'function' with 'name' and 'arguments' (a string).",
            i, n);
    for (size_t before = 0; before < n; before++)
        if (text_equal(id, json_get_text(json_object_array_get_idx(calls, before), "id")))
            return problem_set(reader->base.problem, "messages",
                               "Duplicate value for 'tool_call_id' of '%.60s' in message[%zu].",
                               id.ptr, i);
    return 0;
}

/* Index of the tool message after message i that answers the id; 0: none. */
static size_t find_answer(const struct chat_reader *reader, size_t i, struct text id)
{
    for (size_t at = i + 1; text_is(role_of(message_at(reader, at)), "tool"); at++)
        if (text_equal(json_get_text(message_at(reader, at), "tool_call_id"), id))
            return at;
    return 0;
}

/* Each call of a message is answered by what follows. */
static int check_answers(struct chat_reader *reader, size_t i, struct json_object *calls)
{
    CLEANUP(buf_deinit) struct buf missing = {0};

    buf_init(&missing, 0);
    for (size_t n = 0; n < reader_length(calls); n++) {
        struct text id = json_get_text(json_object_array_get_idx(calls, n), "id");

        if (find_answer(reader, i, id))
            continue;
        if (missing.len)
            buf_add_string(&missing, ", ");
        buf_add_text(&missing, id);
    }
    if (!missing.len)
        return 0;
    return problem_set(reader->base.problem, "messages",
                       "An assistant message with 'tool_calls' must be followed by tool messages "
                       "responding to each 'tool_call_id'. The following tool_call_ids did not "
                       "have response messages: %.300s",
                       buf_string(&missing));
}

/* An assistant message: its calls are well-formed, and answered. */
static int check_assistant(struct chat_reader *reader, size_t i)
{
    struct json_object *message = message_at(reader, i);
    struct json_object *calls = json_get(message, "tool_calls");
    size_t count = reader_length(calls);

    if (json_has(message, "tool_calls") && (count == 0 || count > CALLS_MAX))
        return problem_set(reader->base.problem, "messages",
                           "Invalid 'messages[%zu].tool_calls': expected a list of 1 to %d calls.",
                           i, CALLS_MAX);
    if (!count && !json_get(message, "content") && !json_get(message, "refusal"))
        return problem_set(
            reader->base.problem, "messages",
            "Invalid value for 'content' of messages[%zu]: expected a string, got null.", i);
    for (size_t n = 0; n < count; n++) {
        int r = check_call(reader, i, calls, n);

        if (r != 0)
            return r;
    }
    return check_answers(reader, i, calls);
}

/* A tool message: the assistant message before it made that call, and no other answered it. */
static int check_tool(struct chat_reader *reader, size_t i)
{
    struct text id = json_get_text(message_at(reader, i), "tool_call_id");
    struct json_object *calls;
    size_t caller = i;

    if (!id.len)
        return problem_set(reader->base.problem, "messages",
                           "Missing parameter 'tool_call_id' of messages[%zu].", i);
    while (caller > 0 && text_is(role_of(message_at(reader, caller)), "tool"))
        caller--;
    calls = json_get(message_at(reader, caller), "tool_calls");
    if (!text_is(role_of(message_at(reader, caller)), "assistant") || !reader_length(calls))
        return problem_set(reader->base.problem, "messages",
                           "Invalid parameter: messages with role 'tool' must be a response to a "
                           "preceeding message with 'tool_calls' (messages[%zu]).",
                           i);
    for (size_t n = 0; n < reader_length(calls); n++)
        if (text_equal(json_get_text(json_object_array_get_idx(calls, n), "id"), id))
            return find_answer(reader, caller, id) == i
                       ? 0
                       : problem_set(
                             reader->base.problem, "messages",
                             "'tool_call_id' '%.60s' of messages[%zu] was answered already.",
                             id.ptr, i);
    return problem_set(
        reader->base.problem, "messages",
        "Invalid parameter: 'tool_call_id' of '%.60s' not found in 'tool_calls' of previous "
        "message.",
        id.ptr);
}

/* DeepSeek wants the reasoning of each call of the present turn back, word for word. */
static int check_reasoning(struct chat_reader *reader, size_t i)
{
    struct json_object *message = message_at(reader, i);
    struct json_object *calls = json_get(message, "tool_calls");
    char mark[SEAL_MARK_SIZE];
    struct text wanted;

    if (!reader->wants_reasoning || i < reader->turn ||
        !seal_marked_id(json_get_text(json_object_array_get_idx(calls, 0), "id"), &wanted))
        return 0;
    if (!json_get_string(message, "reasoning_content"))
        return problem_set(reader->base.problem, "messages",
                           "Missing `reasoning_content` field in the assistant message at message "
                           "index %zu.",
                           i);
    seal_mark(json_get_text(message, "reasoning_content"), mark);
    if (text_is(wanted, mark))
        return 0;
    return problem_set(reader->base.problem, "messages",
                       "The `reasoning_content` of the assistant message at message index %zu is "
                       "not the one that came with its calls.",
                       i);
}

static int check_message(struct chat_reader *reader, size_t i)
{
    struct text role = role_of(message_at(reader, i));
    int r = 0;

    if (text_is(role, "assistant"))
        r = check_assistant(reader, i);
    else if (text_is(role, "tool"))
        r = check_tool(reader, i);
    else if (!text_is(role, "user") && !text_is(role, "system") && !text_is(role, "developer"))
        return problem_set(reader->base.problem, "messages",
                           "Invalid value for 'messages[%zu].role': supported values are 'system', "
                           "'developer', 'assistant', 'user' and 'tool'.",
                           i);
    return r == 0 ? read_content(reader, i) : r;
}

/* An assistant message: its calls are open until their results come. */
static int read_assistant(struct chat_reader *reader, size_t i)
{
    struct json_object *calls = json_get(message_at(reader, i), "tool_calls");
    int r = reader_length(calls) ? check_reasoning(reader, i) : 0;

    if (r == 0 && reader_length(calls))
        reader_round(&reader->base);
    for (size_t n = 0; r == 0 && n < reader_length(calls); n++)
        r = reader_call(&reader->base, json_get_text(json_object_array_get_idx(calls, n), "id"));
    return r == 0 ? reader_other(&reader->base) : r;
}

static int read_message(struct chat_reader *reader, size_t i)
{
    struct json_object *message = message_at(reader, i);
    struct text role = role_of(message);
    bool known;
    int r = check_message(reader, i);

    if (r != 0)
        return r;
    if (text_is(role, "user"))
        return reader_user(&reader->base);
    if (text_is(role, "tool"))
        return reader_result(&reader->base, json_get_text(message, "tool_call_id"), &known);
    if (text_is(role, "assistant"))
        return read_assistant(reader, i);
    return reader_system(&reader->base);
}

static int read_messages(struct chat_reader *reader)
{
    reader->turn = reader->count;
    while (reader->turn > 0 && !text_is(role_of(message_at(reader, reader->turn - 1)), "user"))
        reader->turn--;
    for (size_t i = 0; i < reader->count; i++) {
        int r = read_message(reader, i);

        if (r != 0)
            return r;
    }
    reader->base.out->after_tool = text_is(role_of(message_at(reader, reader->count - 1)), "tool");
    return 0;
}

static int read_tool(struct chat_reader *reader, struct json_object *tool, size_t i)
{
    struct json_object *function = json_get(tool, "function");
    struct text name = json_get_text(function, "name");
    struct json_object *parameters = json_get(function, "parameters");

    if (!text_is(json_get_text(tool, "type"), "function") || !tool_name_fits(name) ||
        (parameters && !json_object_is_type(parameters, json_type_object)))
        return problem_set(
            reader->base.problem, "tools",
            "Invalid 'tools[%zu]': expected 'type' \"function\" and 'function' with a 'name' that "
            "matches '^[a-zA-Z0-9_-]{1,64}$' and 'parameters' that are a JSON Schema object.",
            i);
    return reader_offer(&reader->base, name);
}

static int read_tools(struct json_object *request, struct chat_reader *reader)
{
    struct json_object *tools = json_get(request, "tools");
    struct problem *problem = reader->base.problem;
    size_t count = reader_length(tools);

    if (json_has(request, "tools") && (count == 0 || count > CALLS_MAX))
        return problem_set(problem, "tools", "Invalid 'tools': expected a list of 1 to %d tools.",
                           CALLS_MAX);
    if (!count && json_get(request, "tool_choice"))
        return problem_set(
            problem, "tool_choice",
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.");
    if (!count && json_get(request, "parallel_tool_calls"))
        return problem_set(
            problem, "parallel_tool_calls",
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed "
            "when 'tools' are specified.");
    for (size_t i = 0; i < count; i++) {
        int r = read_tool(reader, json_object_array_get_idx(tools, i), i);

        if (r != 0)
            return r;
    }
    if (text_is(json_get_text(request, "tool_choice"), "none"))
        reader->base.offered.count = 0;
    return 0;
}

static int read_stream(struct json_object *request, struct conversation *out,
                       struct problem *problem)
{
    struct json_object *stream = json_get(request, "stream");
    struct json_object *options = json_get(request, "stream_options");

    if (stream && !json_object_is_type(stream, json_type_boolean))
        return problem_set(problem, "stream", "Invalid type for 'stream': expected a boolean.");
    out->stream = json_get_bool(request, "stream", false);
    if (options && !out->stream)
        return problem_set(problem, "stream_options",
                           "The 'stream_options' parameter is only allowed when 'stream' is "
                           "enabled.");
    if (options && !json_object_is_type(options, json_type_object))
        return problem_set(problem, "stream_options",
                           "Invalid type for 'stream_options': expected an object.");
    out->stream_usage = json_get_bool(options, "include_usage", false);
    return 0;
}

static int check_settings(struct json_object *request, struct problem *problem)
{
    double temperature = json_get_double(request, "temperature", 1);
    double top_p = json_get_double(request, "top_p", 1);

    if (!(temperature >= 0 && temperature <= 2))
        return problem_set(problem, "temperature",
                           "Invalid 'temperature': expected a number from 0 to 2, got %g.",
                           temperature);
    if (!(top_p >= 0 && top_p <= 1))
        return problem_set(problem, "top_p",
                           "Invalid 'top_p': expected a number from 0 to 1, got %g.", top_p);
    if (json_get_int(request, "max_tokens", 1) < 1 ||
        json_get_int(request, "max_completion_tokens", 1) < 1)
        return problem_set(problem, "max_completion_tokens",
                           "Invalid 'max_completion_tokens': expected a number from 1 on.");
    return 0;
}

static int read_all(struct json_object *body, struct text model, struct chat_reader *reader)
{
    struct reader *base = &reader->base;
    int r = reader_begin(base, model, reader->messages);

    if (r == 0)
        r = read_stream(body, base->out, base->problem);
    if (r == 0)
        r = check_settings(body, base->problem);
    if (r == 0)
        r = read_tools(body, reader);
    if (r == 0)
        r = read_messages(reader);
    return r == 0 ? reader_end(base) : r;
}

static int read_chat(const struct request *request, bool by_deepseek, struct conversation *out,
                     struct problem *problem)
{
    struct json_object *body = request->body;
    struct text model = json_get_text(body, "model");
    struct chat_reader reader = {.messages = json_get(body, "messages"),
                                 .wants_reasoning = by_deepseek};
    int r;

    if (!json_object_is_type(body, json_type_object))
        return problem_set(problem, NULL, "The body must be a JSON object.");
    if (!model.len)
        return problem_set(problem, "model", "you must provide a model parameter");
    reader.count = reader_length(reader.messages);
    if (reader.count == 0 || reader.count > MESSAGES_MAX)
        return problem_set(problem, "messages",
                           "Invalid 'messages': expected a list of 1 to %d messages.",
                           MESSAGES_MAX);
    reader_init(&reader.base, request, out, problem);
    r = read_all(body, model, &reader);
    reader_deinit(&reader.base);
    return r;
}

int dialect_chat_read(const struct request *request, struct conversation *out,
                      struct problem *problem)
{
    return read_chat(request, false, out, problem);
}

int dialect_chat_read_own(const struct request *request, struct conversation *out,
                          struct problem *problem)
{
    struct text model = json_get_text(request->body, "model");

    return read_chat(request, text_starts(model, "deepseek"), out, problem);
}
