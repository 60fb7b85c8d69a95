/* Chat Completions, from a request to the wire. https://platform.openai.com/docs/api-reference/chat
 *
 * One format for OpenAI, Groq, DeepSeek, vLLM, llama.cpp, LM Studio and many others. The body is
 * written straight into a text that was sized beforehand, since 10,000 of them are in flight in one
 * process: no JSON tree is built. Nothing is sent that the request did not set, but for "stream":
 * reasoning models reject even a temperature of 1, and small servers reject what they do not know.
 *
 * Ids of calls that came from another server go out as this one takes them (short_call_ids): a call
 * and its result alike, since what is made of an id is made of that id alone.
 *
 * Reasoning state: DeepSeek wants `reasoning_content` back within the present turn's tool calls and
 * rejects it elsewhere, so it is replayed for messages with tool calls after the last user message.
 */

#include "providers/formats/openai_chat.h"

#include "providers/formats/encoder.h"
#include "providers/formats/formats.h"
#include "providers/reply/opaque_state.h"
#include "providers/wire/wire.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define SHORT_ID_CHARS 9

static const char short_id_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static struct text text_or_empty(struct text text)
{
    return text.ptr ? text : TEXT("");
}

static void write_part(struct json_write *write, const struct chat_part *part)
{
    json_write_open_object(write, NULL);
    switch (part->kind) {
    case CHAT_PART_TEXT:
        json_write_string(write, "type", "text");
        json_write_text(write, "text", part->text);
        break;
    case CHAT_PART_IMAGE_URL:
        json_write_string(write, "type", "image_url");
        json_write_open_object(write, "image_url");
        json_write_text(write, "url", part->url);
        if (part->detail.len)
            json_write_text(write, "detail", part->detail);
        json_write_close(write);
        break;
    }
    json_write_close(write);
}

/* One text alone is sent as a string, which servers without images understand, too. */
static void write_user(struct json_write *write, const struct provider_target *target,
                       const struct chat_message *message)
{
    bool is_text = message->parts_count == 1 && message->parts[0].kind == CHAT_PART_TEXT;

    if (message->system.ptr && target->habits.system_anywhere) {
        json_write_string(write, "role", "system");
        json_write_text(write, "content", message->system);
        return;
    }
    json_write_string(write, "role", "user");
    if (message->parts_count == 0 || is_text) {
        json_write_text(write, "content",
                        is_text ? message->parts[0].text : text_or_empty(message->text));
        return;
    }
    json_write_open_array(write, "content");
    for (size_t i = 0; i < message->parts_count; i++)
        write_part(write, &message->parts[i]);
    json_write_close(write);
}

static void write_state(struct json_write *write, const struct provider_target *target,
                        struct text state)
{
    struct text reasoning = json_raw_get(opaque_state_for(target, state), OPENAI_CHAT_STATE_FIELD);

    if (json_raw_type(reasoning) == JSON_RAW_STRING) /* as it was written when it was stored */
        json_write_raw(write, OPENAI_CHAT_STATE_FIELD, reasoning);
}

static bool is_short_id(struct text id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!memchr(short_id_letters, id.ptr[i], sizeof(short_id_letters) - 1))
            return false;
    return id.len == SHORT_ID_CHARS;
}

static void write_call_id(struct json_write *write, const struct provider_target *target,
                          const char *name, struct text id)
{
    uint8_t digest[SHA256_BYTES];
    char made[SHORT_ID_CHARS];

    if (!target->habits.short_call_ids || is_short_id(id)) {
        json_write_text(write, name, id);
        return;
    }
    sha256(id, digest);
    for (size_t i = 0; i < sizeof(made); i++)
        made[i] = short_id_letters[digest[i] % (sizeof(short_id_letters) - 1)];
    json_write_text(write, name, (struct text){made, sizeof(made)});
}

static void write_tool_calls(struct json_write *write, const struct provider_target *target,
                             const struct chat_message *message)
{
    json_write_open_array(write, "tool_calls");
    for (size_t i = 0; i < message->tool_calls_count; i++) {
        const struct chat_tool_call *call = &message->tool_calls[i];

        json_write_open_object(write, NULL);
        write_call_id(write, target, "id", call->id);
        json_write_string(write, "type", "function");
        json_write_open_object(write, "function");
        json_write_text(write, "name", call->name);
        json_write_text(write, "arguments", call->arguments.len ? call->arguments : TEXT("{}"));
        json_write_close(write);
        json_write_close(write);
    }
    json_write_close(write);
}

static void write_assistant(struct json_write *write, const struct provider_target *target,
                            const struct chat_message *message, bool with_state)
{
    json_write_string(write, "role", "assistant");
    if (message->text.len || !message->tool_calls_count)
        json_write_text(write, "content", text_or_empty(message->text));
    else
        json_write_null(write, "content");
    if (!message->tool_calls_count)
        return;
    write_tool_calls(write, target, message);
    if (with_state)
        write_state(write, target, message->opaque_state);
}

static void write_tool_result(struct json_write *write, const struct provider_target *target,
                              const struct chat_message *message)
{
    json_write_string(write, "role", "tool");
    write_call_id(write, target, "tool_call_id", message->tool_call_id);
    json_write_text(write, "content", text_or_empty(message->text));
}

/* Where a run was cancelled there is no answer to the results, and a user has gone on. */
static void write_unfinished(struct json_write *write)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "role", "assistant");
    json_write_string(write, "content", "(There was no answer.)");
    json_write_close(write);
}

static void write_messages(struct json_write *write, const struct provider_target *target,
                           const struct chat_request *request)
{
    size_t turn = encoder_present_turn(request);

    json_write_open_array(write, "messages");
    if (request->instructions.len) {
        json_write_open_object(write, NULL);
        json_write_string(write, "role", "system");
        json_write_text(write, "content", request->instructions);
        json_write_close(write);
    }
    for (size_t i = 0; i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];

        if (target->habits.answers_end_results && message->role == CHAT_USER && i > 0 &&
            request->messages[i - 1].role == CHAT_TOOL)
            write_unfinished(write);
        json_write_open_object(write, NULL);
        switch (message->role) {
        case CHAT_USER:
            write_user(write, target, message);
            break;
        case CHAT_ASSISTANT:
            write_assistant(write, target, message, i >= turn);
            break;
        case CHAT_TOOL:
            write_tool_result(write, target, message);
            break;
        }
        json_write_close(write);
    }
    json_write_close(write);
}

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
    encoder_switch(write, "strict", tool->strict);
    json_write_close(write);
    json_write_close(write);
}

static void write_tool_choice(struct json_write *write, const struct chat_tool_choice *choice)
{
    switch (choice->kind) {
    case CHAT_TOOL_CHOICE_UNSET:
        break;
    case CHAT_TOOL_CHOICE_AUTO:
        json_write_string(write, "tool_choice", "auto");
        break;
    case CHAT_TOOL_CHOICE_NONE:
        json_write_string(write, "tool_choice", "none");
        break;
    case CHAT_TOOL_CHOICE_REQUIRED:
        json_write_string(write, "tool_choice", "required");
        break;
    case CHAT_TOOL_CHOICE_FUNCTION:
        json_write_open_object(write, "tool_choice");
        json_write_string(write, "type", "function");
        json_write_open_object(write, "function");
        json_write_text(write, "name", choice->name);
        json_write_close(write);
        json_write_close(write);
        break;
    }
}

/* What earlier runs called is named, and may not be called again. */
static void write_tools_of_the_past(struct json_write *write, const struct chat_request *request)
{
    struct encoder_past_tools past = {0};
    struct chat_tool tool = {.parameters = TEXT(ENCODER_ANY_OBJECT)};

    if (!encoder_next_past_tool(request, &past, &tool.name))
        return;
    json_write_open_array(write, "tools");
    do
        write_tool(write, &tool);
    while (encoder_next_past_tool(request, &past, &tool.name));
    json_write_close(write);
    json_write_string(write, "tool_choice", "none");
}

static void write_tools(struct json_write *write, const struct chat_request *request)
{
    if (!request->tools_count) {
        write_tools_of_the_past(write, request);
        return;
    }
    json_write_open_array(write, "tools");
    for (size_t i = 0; i < request->tools_count; i++)
        write_tool(write, &request->tools[i]);
    json_write_close(write);
    write_tool_choice(write, &request->tool_choice);
    encoder_switch(write, "parallel_tool_calls", request->parallel_tool_calls);
}

static void write_response_format(struct json_write *write, const struct chat_format *format)
{
    if (format->kind == CHAT_FORMAT_UNSET)
        return;
    json_write_open_object(write, "response_format");
    switch (format->kind) {
    case CHAT_FORMAT_UNSET:
        break;
    case CHAT_FORMAT_TEXT:
        json_write_string(write, "type", "text");
        break;
    case CHAT_FORMAT_JSON_OBJECT:
        json_write_string(write, "type", "json_object");
        break;
    case CHAT_FORMAT_JSON_SCHEMA:
        json_write_string(write, "type", "json_schema");
        json_write_open_object(write, "json_schema");
        json_write_text(write, "name", format->name);
        json_write_text_if(write, "description", format->description);
        if (format->schema.len)
            json_write_raw(write, "schema", format->schema);
        encoder_switch(write, "strict", format->strict);
        json_write_close(write);
        break;
    }
    json_write_close(write);
}

/* What a server has no word for is said as the nearest that it has. */
static struct text effort_for(const struct provider_target *target, struct text effort)
{
    if (!target->habits.efforts_are_few)
        return effort;
    if (text_is(effort, "minimal"))
        return TEXT("low");
    return text_is(effort, "xhigh") || text_is(effort, "max") ? TEXT("high") : effort;
}

static int write_settings(struct json_write *write, const struct provider_target *target,
                          const struct chat_request *request, struct error *err)
{
    int r = encoder_check_numbers(request, err);

    if (r < 0)
        return r;
    if (request->has_temperature)
        json_write_double(write, "temperature", request->temperature);
    if (request->has_top_p)
        json_write_double(write, "top_p", request->top_p);
    encoder_penalties(write, "presence_penalty", "frequency_penalty", request);
    encoder_stops(write, "stop", request);
    if (request->max_completion_tokens > 0)
        json_write_int(write,
                       target->habits.max_tokens_is_new ? "max_completion_tokens" : "max_tokens",
                       encoder_output_tokens(target, request));
    write_response_format(write, &request->response_format);
    if (request->reasoning_effort.len)
        json_write_text(write, "reasoning_effort", effort_for(target, request->reasoning_effort));
    if (request->verbosity.len && target->habits.takes_verbosity)
        json_write_text(write, "verbosity", request->verbosity);
    return 0;
}

static void write_stream(struct json_write *write, const struct provider_target *target,
                         const struct chat_request *request)
{
    json_write_bool(write, "stream", request->stream); /* some stream unless told not to */
    if (!request->stream || target->habits.usage_is_not_asked)
        return;
    json_write_open_object(write, "stream_options");
    json_write_bool(write, "include_usage", true);
    json_write_close(write);
}

int openai_chat_encode(const struct provider_target *target, const struct chat_request *request,
                       struct provider_wire *wire, struct error *err)
{
    const struct wire_address address = {
        .path = "/chat/completions",
        .key_header = "Authorization",
        .key_scheme = "Bearer ",
        .idempotency_key = request->idempotency_key,
        .stream = request->stream,
    };
    struct json_write write;
    int r = provider_wire_address(wire, target, &address, err);

    if (r < 0)
        return r;
    provider_wire_reserve(wire, request);
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "model", target->model);
    write_messages(&write, target, request);
    write_tools(&write, request);
    r = write_settings(&write, target, request, err);
    if (r < 0)
        return r;
    write_stream(&write, target, request);
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

const struct provider provider_openai_chat = {
    .kind = "openai_chat",
    .framing = PROVIDER_SSE,
    .encode = openai_chat_encode,
    .read_event = openai_chat_read_event,
    .read_whole = openai_chat_read_whole,
    .close = openai_chat_close,
    .embedding = &openai_chat_embedding,
};
