/* OpenAI's Responses, from a request to the wire.
 * https://platform.openai.com/docs/api-reference/responses/create and the types of openai 7.59.
 *
 * The conversation is a list of items: messages, calls of functions and their outputs, which belong
 * together by call_id. Unless the caller says otherwise nothing is stored at the server ("store"),
 * and each request carries all of it. Where it is stored a request may name the response that it
 * goes on behind, and carry what is new; instructions and tools come with each.
 *
 * Reasoning comes encrypted and goes back where it stood in the reply (reply_parts.h), verbatim. It
 * is asked for where the model reasons, as the effort or reasoning in the conversation shows: other
 * models refuse to be asked. */

#include "providers/formats/openai_responses.h"

#include "providers/formats/encoder.h"
#include "providers/formats/formats.h"
#include "providers/reply/opaque_state.h"
#include "providers/reply/reply_parts.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define OUTPUT_TOKENS_MIN 16 /* less is refused */

/* ---- input ---- */

static void write_part(struct json_write *write, const struct chat_part *part)
{
    json_write_open_object(write, NULL);
    switch (part->kind) {
    case CHAT_PART_TEXT:
        json_write_string(write, "type", "input_text");
        json_write_text(write, "text", part->text);
        break;
    case CHAT_PART_IMAGE_URL:
        json_write_string(write, "type", "input_image");
        json_write_text(write, "image_url", part->url);
        json_write_text(write, "detail", part->detail.len ? part->detail : TEXT("auto"));
        break;
    }
    json_write_close(write);
}

/* A message whose content is one text. `phase` is a value, or TEXT_NONE. */
static void write_message(struct json_write *write, const char *role, struct text text,
                          struct text phase)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "role", role);
    json_write_text(write, "content", text.ptr ? text : TEXT(""));
    json_write_raw_if(write, "phase", phase);
    json_write_close(write);
}

static void write_user(struct json_write *write, const struct chat_message *message)
{
    if (message->system.ptr) {
        write_message(write, "system", message->system, TEXT_NONE);
        return;
    }
    if (message->parts_count == 0) {
        write_message(write, "user", message->text, TEXT_NONE);
        return;
    }
    json_write_open_object(write, NULL);
    json_write_string(write, "role", "user");
    json_write_open_array(write, "content");
    for (size_t i = 0; i < message->parts_count; i++)
        write_part(write, &message->parts[i]);
    json_write_close(write);
    json_write_close(write);
}

static void write_call(struct json_write *write, const struct chat_tool_call *call)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "function_call");
    json_write_text(write, "call_id", call->id);
    json_write_text(write, "name", call->name);
    json_write_text(write, "arguments", call->arguments.len ? call->arguments : TEXT("{}"));
    json_write_close(write);
}

static void write_assistant(struct json_write *write, const struct provider_target *target,
                            const struct chat_message *message)
{
    struct reply_parts_walk walk;
    enum reply_part part;

    reply_parts_walk(message, opaque_state_for(target, message->opaque_state), &walk);
    while ((part = reply_parts_next(&walk)) != REPLY_PART_NONE)
        switch (part) {
        case REPLY_PART_NONE:
            break;
        case REPLY_PART_ITEM:
            json_write_raw(write, NULL, walk.item);
            break;
        case REPLY_PART_TEXT:
            write_message(write, "assistant", walk.text, walk.note);
            break;
        case REPLY_PART_CALL:
            write_call(write, walk.call);
            break;
        }
}

static void write_result(struct json_write *write, const struct chat_message *message)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "function_call_output");
    json_write_text(write, "call_id", message->tool_call_id);
    json_write_text(write, "output", message->text.ptr ? message->text : TEXT(""));
    json_write_close(write);
}

/* Input may not be empty: instructions alone are a message of it. */
static void write_input(struct json_write *write, const struct provider_target *target,
                        const struct chat_request *request)
{
    bool alone = request->messages_count == 0;

    if (request->instructions.len && !alone)
        json_write_text(write, "instructions", request->instructions);
    json_write_open_array(write, "input");
    if (request->instructions.len && alone)
        write_message(write, "system", request->instructions, TEXT_NONE);
    for (size_t i = request->known; i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];

        switch (message->role) {
        case CHAT_USER:
            write_user(write, message);
            break;
        case CHAT_ASSISTANT:
            write_assistant(write, target, message);
            break;
        case CHAT_TOOL:
            write_result(write, message);
            break;
        }
    }
    json_write_close(write);
}

/* ---- tools ---- */

/* Where strictness is left out it holds, and the schema is changed to fit it: so it is said. */
static void write_tool(struct json_write *write, const struct chat_tool *tool)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "function");
    json_write_text(write, "name", tool->name);
    if (tool->description.len)
        json_write_text(write, "description", tool->description);
    json_write_raw(write, "parameters",
                   tool->parameters.len ? tool->parameters : TEXT(ENCODER_ANY_OBJECT));
    json_write_bool(write, "strict", tool->strict == CHAT_SWITCH_ON);
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
        json_write_text(write, "name", choice->name);
        json_write_close(write);
        break;
    }
}

/* Calls in the conversation need no tools beside them. */
static void write_tools(struct json_write *write, const struct chat_request *request)
{
    if (!request->tools_count)
        return;
    json_write_open_array(write, "tools");
    for (size_t i = 0; i < request->tools_count; i++)
        write_tool(write, &request->tools[i]);
    json_write_close(write);
    write_tool_choice(write, &request->tool_choice);
    encoder_switch(write, "parallel_tool_calls", request->parallel_tool_calls);
}

/* ---- settings ---- */

static void write_text_format(struct json_write *write, const struct chat_format *format)
{
    if (format->kind == CHAT_FORMAT_UNSET)
        return;
    json_write_open_object(write, "format");
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
        json_write_text(write, "name", format->name);
        json_write_text_if(write, "description", format->description);
        json_write_raw(write, "schema", format->schema.len ? format->schema : TEXT("{}"));
        encoder_switch(write, "strict", format->strict);
        break;
    }
    json_write_close(write);
}

static void write_text(struct json_write *write, const struct chat_request *request)
{
    if (request->response_format.kind == CHAT_FORMAT_UNSET && !request->verbosity.len)
        return;
    json_write_open_object(write, "text");
    write_text_format(write, &request->response_format);
    if (request->verbosity.len)
        json_write_text(write, "verbosity", request->verbosity);
    json_write_close(write);
}

/* Whether the conversation holds reasoning that goes back. */
static bool has_reasoned(const struct provider_target *target, const struct chat_request *request)
{
    for (size_t i = 0; i < request->messages_count; i++)
        if (json_raw_type(opaque_state_for(target, request->messages[i].opaque_state)) ==
            JSON_RAW_ARRAY)
            return true;
    return false;
}

static void write_reasoning(struct json_write *write, const struct provider_target *target,
                            const struct chat_request *request)
{
    struct text effort = request->reasoning_effort;

    if (effort.len) {
        json_write_open_object(write, "reasoning");
        json_write_text(write, "effort", effort);
        json_write_close(write);
    }
    if ((!effort.len || text_is(effort, "none")) && !has_reasoned(target, request))
        return;
    json_write_open_array(write, "include");
    json_write_string(write, NULL, "reasoning.encrypted_content");
    json_write_close(write);
}

static void write_settings(struct json_write *write, const struct provider_target *target,
                           const struct chat_request *request)
{
    int64_t tokens = encoder_output_tokens(target, request);

    if (request->has_temperature)
        json_write_double(write, "temperature", request->temperature);
    if (request->has_top_p)
        json_write_double(write, "top_p", request->top_p);
    if (tokens > 0)
        json_write_int(write, "max_output_tokens",
                       tokens > OUTPUT_TOKENS_MIN ? tokens : OUTPUT_TOKENS_MIN);
    write_text(write, request);
    write_reasoning(write, target, request);
    json_write_bool(write, "store", request->store);
    json_write_text_if(write, "previous_response_id", request->previous);
    json_write_bool(write, "stream", request->stream);
}

int openai_responses_encode(const struct provider_target *target,
                            const struct chat_request *request, struct provider_wire *wire,
                            struct error *err)
{
    const struct wire_address address = {
        .path = "/responses",
        .key_header = "Authorization",
        .key_scheme = "Bearer ",
        .idempotency_key = request->idempotency_key,
        .stream = request->stream,
    };
    struct json_write write;
    int r = provider_wire_address(wire, target, &address, err);

    if (r == 0)
        r = encoder_check_numbers(request, err);
    if (r == 0 && request->stops_count > 0)
        r = error_set(err, E_INVALID, "the Responses API of %s has no word for 'stop'",
                      target->provider_name);
    if (r < 0)
        return r;
    provider_wire_reserve(wire, request);
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "model", target->model);
    write_input(&write, target, request);
    write_tools(&write, request);
    write_settings(&write, target, request);
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

const struct provider provider_openai_responses = {
    .kind = "openai_responses",
    .framing = PROVIDER_SSE,
    .keeps_state = true,
    .encode = openai_responses_encode,
    .read_event = openai_responses_read_event,
    .read_whole = openai_responses_read_whole,
    .close = openai_responses_close,
};
