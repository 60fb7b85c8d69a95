/* Ollama's /api/chat, from a request to the wire.
 * https://github.com/ollama/ollama/blob/main/docs/api.md and api/types.go there, as of August 2026;
 * the types of the npm package ollama 0.6.4.
 *
 * A prompt that is longer than the context is cut by the server without a word: it drops the oldest
 * messages. So the context is asked for by its size where that is known, and "truncate": false
 * makes it an error. Servers before 0.12.4 do not know that member and pass over it.
 *
 * Calls have no ids that count: a result names its tool, and results stand in the order of the
 * calls. What a model thought before a call goes back within the present turn, as its template has
 * it.
 *
 * Not said, for there is no word for it: parallel_tool_calls, "strict", an image's detail, and that
 * a tool has to be called. Of a tool_choice of one function only that one is offered, of "none"
 * none. Images are sent as they are, without their place in the text.
 */

#include "providers/formats/ollama.h"

#include "providers/formats/encoder.h"
#include "providers/formats/formats.h"
#include "providers/reply/opaque_state.h"
#include "providers/wire/data_url.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"

/* ---- messages ---- */

/* The texts of all parts, a line break between two. */
static int write_texts(struct json_write *write, const struct chat_message *message,
                       struct error *err)
{
    CLEANUP(buf_deinit) struct buf content = {0};
    int r;

    buf_init(&content, write->out->limit);
    for (size_t i = 0; i < message->parts_count; i++) {
        if (message->parts[i].kind != CHAT_PART_TEXT)
            continue;
        if (content.len > 0)
            buf_add_char(&content, '\n');
        buf_add_text(&content, message->parts[i].text);
    }
    r = buf_check(&content, err);
    if (r == 0)
        json_write_text(write, "content", content.len ? buf_text(&content) : TEXT(""));
    return r;
}

static int write_images(struct json_write *write, const struct provider_target *target,
                        const struct chat_message *message, struct error *err)
{
    bool any = false;

    for (size_t i = 0; i < message->parts_count; i++) {
        struct text type;
        struct text base64;

        if (message->parts[i].kind != CHAT_PART_IMAGE_URL)
            continue;
        if (!data_url_split(message->parts[i].url, &type, &base64))
            return error_set(err, E_INVALID,
                             "provider %s fetches no images: send the image itself, as a data: "
                             "url in base64: data:image/png;base64,...",
                             target->provider_name);
        if (!any)
            json_write_open_array(write, "images");
        any = true;
        json_write_text(write, NULL, base64);
    }
    if (any)
        json_write_close(write);
    return 0;
}

static int write_user(struct json_write *write, const struct provider_target *target,
                      const struct chat_message *message, struct error *err)
{
    int r;

    json_write_string(write, "role", "user");
    if (message->parts_count == 0) {
        json_write_text(write, "content", message->text.ptr ? message->text : TEXT(""));
        return 0;
    }
    r = write_texts(write, message, err);
    return r < 0 ? r : write_images(write, target, message, err);
}

static void write_calls(struct json_write *write, const struct chat_message *message)
{
    json_write_open_array(write, "tool_calls");
    for (size_t i = 0; i < message->tool_calls_count; i++) {
        const struct chat_tool_call *call = &message->tool_calls[i];

        json_write_open_object(write, NULL);
        json_write_open_object(write, "function");
        json_write_text(write, "name", call->name);
        json_write_raw(write, "arguments", call->arguments.len ? call->arguments : TEXT("{}"));
        json_write_close(write);
        json_write_close(write);
    }
    json_write_close(write);
}

static void write_assistant(struct json_write *write, const struct provider_target *target,
                            const struct chat_message *message, bool with_state)
{
    struct text state = with_state ? opaque_state_for(target, message->opaque_state) : TEXT_NONE;
    struct text thinking = json_raw_get(state, OLLAMA_STATE_FIELD);

    json_write_string(write, "role", "assistant");
    json_write_text(write, "content", message->text.ptr ? message->text : TEXT(""));
    if (message->tool_calls_count == 0)
        return;
    if (json_raw_type(thinking) == JSON_RAW_STRING)
        json_write_raw(write, "thinking", thinking);
    write_calls(write, message);
}

static void write_result(struct json_write *write, const struct chat_request *request, size_t index)
{
    const struct chat_message *message = &request->messages[index];

    json_write_string(write, "role", "tool");
    json_write_text_if(write, "tool_name", encoder_called_name(request, index));
    json_write_text(write, "content", message->text.ptr ? message->text : TEXT(""));
}

static int write_messages(struct json_write *write, const struct provider_target *target,
                          const struct chat_request *request, struct error *err)
{
    size_t turn = encoder_present_turn(request);
    int r = 0;

    json_write_open_array(write, "messages");
    if (request->instructions.len) {
        json_write_open_object(write, NULL);
        json_write_string(write, "role", "system");
        json_write_text(write, "content", request->instructions);
        json_write_close(write);
    }
    for (size_t i = 0; r == 0 && i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];

        json_write_open_object(write, NULL);
        switch (message->role) {
        case CHAT_USER:
            r = write_user(write, target, message, err);
            break;
        case CHAT_ASSISTANT:
            write_assistant(write, target, message, i >= turn);
            break;
        case CHAT_TOOL:
            write_result(write, request, i);
            break;
        }
        json_write_close(write);
    }
    json_write_close(write);
    return r;
}

/* ---- tools ---- */

static void write_tool(struct json_write *write, const struct chat_tool *tool)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "function");
    json_write_open_object(write, "function");
    json_write_text(write, "name", tool->name);
    if (tool->description.len)
        json_write_text(write, "description", tool->description);
    if (tool->parameters.len)
        json_write_raw(write, "parameters", tool->parameters);
    json_write_close(write);
    json_write_close(write);
}

static bool is_offered(const struct chat_tool *tool, const struct chat_tool_choice *choice)
{
    switch (choice->kind) {
    case CHAT_TOOL_CHOICE_NONE:
        return false;
    case CHAT_TOOL_CHOICE_FUNCTION:
        return text_equal(tool->name, choice->name);
    case CHAT_TOOL_CHOICE_UNSET:
    case CHAT_TOOL_CHOICE_AUTO:
    case CHAT_TOOL_CHOICE_REQUIRED:
        break;
    }
    return true;
}

static void write_tools(struct json_write *write, const struct chat_request *request)
{
    bool any = false;

    for (size_t i = 0; i < request->tools_count; i++) {
        if (!is_offered(&request->tools[i], &request->tool_choice))
            continue;
        if (!any)
            json_write_open_array(write, "tools");
        any = true;
        write_tool(write, &request->tools[i]);
    }
    if (any)
        json_write_close(write);
}

/* ---- settings ---- */

static void write_options(struct json_write *write, const struct provider_target *target,
                          const struct chat_request *request)
{
    if (target->context_tokens <= 0 && request->max_completion_tokens <= 0 &&
        !request->has_temperature && !request->has_top_p && !request->has_presence_penalty &&
        !request->has_frequency_penalty && request->stops_count == 0)
        return;
    json_write_open_object(write, "options");
    if (target->context_tokens > 0)
        json_write_int(write, "num_ctx", target->context_tokens);
    if (request->max_completion_tokens > 0)
        json_write_int(write, "num_predict", encoder_output_tokens(target, request));
    if (request->has_temperature)
        json_write_double(write, "temperature", request->temperature);
    if (request->has_top_p)
        json_write_double(write, "top_p", request->top_p);
    encoder_penalties(write, "presence_penalty", "frequency_penalty", request);
    encoder_stops(write, "stop", request);
    json_write_close(write);
}

/* "max" is known to servers of 2026 only, and "high" to all that know levels. Models that do not
 * think refuse any level, but not false. */
static void write_think(struct json_write *write, struct text effort)
{
    static const struct {
        const char *word;
        const char *level; /* NULL: false */
    } levels[] = {
        {"none", NULL},   {"minimal", "low"}, {"low", "low"},  {"medium", "medium"},
        {"high", "high"}, {"xhigh", "high"},  {"max", "high"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (!text_is(effort, levels[i].word))
            continue;
        if (levels[i].level)
            json_write_string(write, "think", levels[i].level);
        else
            json_write_bool(write, "think", false);
    }
}

static void write_format(struct json_write *write, const struct chat_format *format)
{
    switch (format->kind) {
    case CHAT_FORMAT_UNSET:
    case CHAT_FORMAT_TEXT: /* is what it gives unasked */
        break;
    case CHAT_FORMAT_JSON_SCHEMA:
        if (format->schema.len) {
            json_write_raw(write, "format", format->schema);
            break;
        }
        json_write_string(write, "format", "json");
        break;
    case CHAT_FORMAT_JSON_OBJECT:
        json_write_string(write, "format", "json");
        break;
    }
}

int ollama_encode(const struct provider_target *target, const struct chat_request *request,
                  struct provider_wire *wire, struct error *err)
{
    const struct wire_address address = {
        .path = "/api/chat",
        .key_header = "Authorization",
        .key_scheme = "Bearer ",
        .idempotency_key = request->idempotency_key,
        .stream = request->stream,
    };
    struct json_write write;
    int r = encoder_check_numbers(request, err);

    if (r == 0)
        r = provider_wire_address(wire, target, &address, err);
    if (r < 0)
        return r;
    provider_wire_reserve(wire, request);
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "model", target->model);
    r = write_messages(&write, target, request, err);
    if (r < 0)
        return r;
    write_tools(&write, request);
    write_format(&write, &request->response_format);
    write_think(&write, request->reasoning_effort);
    write_options(&write, target, request);
    json_write_bool(&write, "truncate", false);
    json_write_bool(&write, "stream", request->stream); /* it streams unless told not to */
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

const struct provider provider_ollama = {
    .kind = "ollama",
    .framing = PROVIDER_NDJSON,
    .context_unasked_max = OLLAMA_CONTEXT_UNASKED_MAX,
    .encode = ollama_encode,
    .read_event = ollama_read_event,
    .read_whole = ollama_read_whole,
    .close = ollama_close,
    .embedding = &ollama_embedding,
};
