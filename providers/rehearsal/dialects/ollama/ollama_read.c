/* Requests of Ollama, read as leniently as it does: Go's decoder refuses what has the wrong type,
 * and nobody minds the order of messages. ChatRequest and EmbedRequest of the npm package ollama.
 *
 * Calls have no ids there. A result is the one of the first call of its tool_name that has none
 * yet, or else of the first call that has none. */

#include "providers/rehearsal/dialects/ollama/ollama.h"
#include "providers/rehearsal/reply/vectors.h"

#define GO "json: cannot unmarshal %s into Go struct field %s of type %s"

static const char *go_name(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "bool";
    case json_type_double:
    case json_type_int:
        return "number";
    case json_type_object:
        return "object";
    case json_type_array:
        return "array";
    case json_type_string:
        break;
    }
    return "string";
}

/* Absent is right, too. */
static int check_type(struct problem *problem, struct json_object *object, const char *name,
                      enum json_type type, const char *field, const char *go_type)
{
    struct json_object *value = json_get(object, name);

    if (!value || json_object_is_type(value, type))
        return 0;
    return problem_set(problem, NULL, GO, go_name(value), field, go_type);
}

static int read_calls(struct reader *reader, struct json_object *message)
{
    struct json_object *calls = json_get(message, "tool_calls");

    if (reader_length(calls))
        reader_round(reader);
    for (size_t i = 0; i < reader_length(calls); i++) {
        struct json_object *function = json_get(json_object_array_get_idx(calls, i), "function");
        int r = check_type(reader->problem, function, "name", json_type_string,
                           "ChatRequest.messages.tool_calls.function.name", "string");

        if (r == 0)
            r = check_type(reader->problem, function, "arguments", json_type_object,
                           "ChatRequest.messages.tool_calls.function.arguments",
                           "api.ToolCallFunctionArguments");
        if (r == 0)
            r = reader_call(reader, json_get_text(function, "name"));
        if (r != 0)
            return r;
    }
    return reader_other(reader);
}

static int read_result(struct reader *reader, struct json_object *message)
{
    struct text name = json_get_text(message, "tool_name");
    size_t bytes = reader->out->text_bytes;
    size_t texts = reader->all.count;
    bool known;
    int r = reader_result(reader, name, &known);

    if (r != 0 || known)
        return r;
    reader->out->text_bytes = bytes; /* the second try counts it again */
    reader->all.count = texts;
    return reader_result(reader, TEXT_NONE, &known);
}

static int check_members(struct problem *problem, struct json_object *message)
{
    static const struct {
        const char *name;
        enum json_type type;
        const char *field;
        const char *go_type;
    } members[] = {
        {"role", json_type_string, "ChatRequest.messages.role", "string"},
        {"content", json_type_string, "ChatRequest.messages.content", "string"},
        {"thinking", json_type_string, "ChatRequest.messages.thinking", "string"},
        {"images", json_type_array, "ChatRequest.messages.images", "[]api.ImageData"},
        {"tool_calls", json_type_array, "ChatRequest.messages.tool_calls", "[]api.ToolCall"},
        {"tool_name", json_type_string, "ChatRequest.messages.tool_name", "string"},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(members); i++)
        r = check_type(problem, message, members[i].name, members[i].type, members[i].field,
                       members[i].go_type);
    return r;
}

static int read_message(struct reader *reader, struct json_object *message)
{
    struct text role = json_get_text(message, "role");
    int r = check_members(reader->problem, message);

    if (r != 0)
        return r;
    buf_reset(&reader->text);
    buf_add_text(&reader->text, json_get_text(message, "content"));
    reader->out->after_tool = text_is(role, "tool");
    if (text_is(role, "user"))
        return reader_user(reader);
    if (text_is(role, "assistant"))
        return read_calls(reader, message);
    if (text_is(role, "tool"))
        return read_result(reader, message);
    return reader_system(reader);
}

static int read_tools(struct reader *reader, struct json_object *tools)
{
    for (size_t i = 0; i < reader_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct text name = json_get_text(json_get(tool, "function"), "name");
        int r = name.len ? reader_offer(reader, name) : 0;

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_chat(struct reader *reader)
{
    struct json_object *body = reader->request->body;
    struct json_object *messages = json_get(body, "messages");
    struct conversation *out = reader->out;
    int r = check_type(reader->problem, body, "messages", json_type_array, "ChatRequest.messages",
                       "[]api.Message");

    if (r == 0)
        r = check_type(reader->problem, body, "stream", json_type_boolean, "ChatRequest.stream",
                       "bool");
    if (r == 0)
        r = check_type(reader->problem, body, "options", json_type_object, "ChatRequest.options",
                       "map[string]interface {}");
    if (r == 0)
        r = reader_begin(reader, json_get_text(body, "model"), messages);
    if (r == 0)
        r = read_tools(reader, json_get(body, "tools"));
    for (size_t i = 0; r == 0 && i < reader_length(messages); i++)
        r = read_message(reader, json_object_array_get_idx(messages, i));
    if (r != 0)
        return r;
    out->stream = json_get_bool(body, "stream", true);
    out->truncates = json_get_bool(body, "truncate", false);
    out->without_reasoning = !json_get_bool(body, "think", true);
    return reader_end(reader);
}

static int check_body(const struct request *request, struct problem *problem)
{
    if (!json_object_is_type(request->body, json_type_object))
        return problem_set(problem, NULL,
                           "json: cannot unmarshal %s into Go value of type "
                           "api.ChatRequest",
                           go_name(request->body));
    if (!json_get_text(request->body, "model").len)
        return problem_set(problem, "model", "model is required");
    return 0;
}

int dialect_ollama_read(const struct request *request, struct conversation *out,
                        struct problem *problem)
{
    struct reader reader;
    int r = check_body(request, problem);

    reader_init(&reader, request, out, problem);
    if (r == 0)
        r = read_chat(&reader);
    reader_deinit(&reader);
    return r;
}

static int read_inputs(struct reader *reader, struct json_object *input)
{
    if (json_object_is_type(input, json_type_string))
        return reader_embed(reader, json_string(input));
    if (input && !json_object_is_type(input, json_type_array))
        return problem_set(reader->problem, NULL, "invalid input type");
    for (size_t i = 0; i < reader_length(input); i++) {
        struct json_object *one = json_object_array_get_idx(input, i);
        int r;

        if (!json_object_is_type(one, json_type_string))
            return problem_set(reader->problem, NULL, "invalid input type");
        r = reader_embed(reader, json_string(one));
        if (r != 0)
            return r;
    }
    return 0;
}

int dialect_ollama_read_embedding(const struct request *request, struct conversation *out,
                                  struct embedding_request *embedding, struct problem *problem)
{
    struct reader reader;
    int64_t dimensions = json_get_int(request->body, "dimensions", 0);
    struct json_object *input = json_get(request->body, "input");
    int r = check_body(request, problem);

    reader_init(&reader, request, out, problem);
    embedding->dimensions = dimensions > 0 && dimensions <= VECTOR_DIMENSIONS_MAX
                                ? (size_t)dimensions
                                : VECTOR_DIMENSIONS;
    if (r == 0)
        r = reader_begin(&reader, json_get_text(request->body, "model"), input);
    if (r == 0)
        r = read_inputs(&reader, input);
    out->truncates = json_get_bool(request->body, "truncate", true);
    reader_end_embed(&reader, embedding);
    reader_deinit(&reader);
    return r;
}
