/* Chat Completions, from a request to the wire. https://platform.openai.com/docs/api-reference/chat
 *
 * One format for OpenAI, Groq, DeepSeek, vLLM, llama.cpp, LM Studio and many others. The body is
 * written straight into a text that was sized beforehand, since 10,000 of them are in flight in one
 * process: no JSON tree is built, but for two rare cases (user content that comes as parts, and
 * state of a reasoning model). Nothing is sent that the request did not set: reasoning models
 * reject even a temperature of 1, and small servers reject what they do not know.
 *
 * Reasoning state: DeepSeek wants `reasoning_content` back within the present turn's tool calls and
 * rejects it elsewhere, so it is replayed for messages with tool calls after the last user message.
 */

#include "providers/formats/openai_chat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

#define IMAGE_DEPTH 8

static void add_member(struct buf *body, const char *name, struct text json)
{
    buf_printf(body, ",\"%s\":", name);
    buf_add_text(body, json);
}

/* The shortest of two forms that reads back as the same number. */
static void add_double(struct buf *body, const char *name, double value)
{
    char text[32];
    double back;

    snprintf(text, sizeof(text), "%.15g", value);
    back = strtod(text, NULL);
    if (back < value || back > value)
        snprintf(text, sizeof(text), "%.17g", value);
    add_member(body, name, text_of(text));
}

/* Text of a text part, which is a string or an object with "value". TEXT_NONE: it has neither. */
static struct text part_text(struct json_object *part)
{
    struct json_object *text = json_get(part, "text");

    return json_object_is_type(text, json_type_object) ? json_get_text(text, "value")
                                                       : json_string(text);
}

static int check_parts(struct json_object *parts, bool *out_images, struct error *err)
{
    bool images = false;

    if (!json_object_is_type(parts, json_type_array))
        return error_set(err, E_INVALID, "the content parts of a message are not a JSON array");
    for (size_t i = 0; i < json_object_array_length(parts); i++) {
        struct json_object *part = json_object_array_get_idx(parts, i);
        struct text type = json_get_text(part, "type");

        if (text_is(type, "image_url") && json_get(part, "image_url"))
            images = true;
        else if (!text_is(type, "text") || !part_text(part).ptr)
            return error_set(err, E_INVALID,
                             "content part %zu is of type '%.40s'; this provider takes text and "
                             "image_url parts",
                             i, type.ptr ? type.ptr : "");
    }
    *out_images = images;
    return 0;
}

/* Text parts next to each other become one text, with a line break between them. */
static void add_parts(struct buf *body, struct json_object *parts, bool images)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    size_t count = json_object_array_length(parts);
    bool any = false;

    buf_init(&text, body->limit);
    if (images)
        buf_add_char(body, '[');
    for (size_t i = 0; i <= count; i++) {
        struct json_object *part = i < count ? json_object_array_get_idx(parts, i) : NULL;
        bool is_image = part && text_is(json_get_text(part, "type"), "image_url");

        if (part && !is_image) {
            if (text.len)
                buf_add_char(&text, '\n');
            buf_add_text(&text, part_text(part));
            continue;
        }
        if (images && text.len) {
            buf_add_string(body,
                           any ? ",{\"type\":\"text\",\"text\":" : "{\"type\":\"text\",\"text\":");
            buf_add_json(body, buf_text(&text));
            buf_add_char(body, '}');
            buf_reset(&text);
            any = true;
        }
        if (is_image) {
            if (any)
                buf_add_char(body, ',');
            buf_add_string(body, "{\"type\":\"image_url\",\"image_url\":");
            json_encode(body, json_get(part, "image_url"));
            buf_add_char(body, '}');
            any = true;
        }
    }
    if (images)
        buf_add_char(body, ']');
    else
        buf_add_json(body, buf_text(&text));
    body->failed |= text.failed;
}

static int add_user(struct buf *body, const struct chat_message *message, struct error *err)
{
    CLEANUP(json_freep) struct json_object *parts = NULL;
    bool images = false;
    int r;

    buf_add_string(body, "{\"role\":\"user\",\"content\":");
    if (!message->content_parts.len) {
        buf_add_json(body, message->text);
    } else {
        r = json_decode(message->content_parts, IMAGE_DEPTH, &parts, err);
        if (r < 0)
            return error_wrap(err, "content parts of a user message");
        r = check_parts(parts, &images, err);
        if (r < 0)
            return r;
        add_parts(body, parts, images);
    }
    buf_add_char(body, '}');
    return 0;
}

/* State that is broken or another model's is left out: the reply is then merely less good. */
static void add_state(struct buf *body, const struct provider_target *target, struct text state)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct text reasoning;

    if (!state.len || json_decode(state, JSON_DEPTH_DEFAULT, &object, NULL) < 0)
        return;
    if (!text_is(json_get_text(object, "provider"), target->provider_name) ||
        !text_is(json_get_text(object, "model"), target->model))
        return;
    reasoning = json_string(json_path(object, "message", OPENAI_CHAT_STATE_FIELD, NULL));
    if (!reasoning.ptr)
        return;
    buf_add_string(body, ",\"" OPENAI_CHAT_STATE_FIELD "\":");
    buf_add_json(body, reasoning);
}

static void add_tool_calls(struct buf *body, const struct chat_message *message)
{
    buf_add_string(body, ",\"tool_calls\":[");
    for (size_t i = 0; i < message->tool_calls_count; i++) {
        const struct chat_tool_call *call = &message->tool_calls[i];

        buf_add_string(body, i ? ",{\"id\":" : "{\"id\":");
        buf_add_json(body, call->id);
        buf_add_string(body, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_add_json(body, call->name);
        buf_add_string(body, ",\"arguments\":");
        buf_add_json(body, call->arguments.len ? call->arguments : TEXT("{}"));
        buf_add_string(body, "}}");
    }
    buf_add_char(body, ']');
}

static void add_assistant(struct buf *body, const struct provider_target *target,
                          const struct chat_message *message, bool with_state)
{
    buf_add_string(body, "{\"role\":\"assistant\",\"content\":");
    if (message->text.len || !message->tool_calls_count)
        buf_add_json(body, message->text);
    else
        buf_add_string(body, "null");
    if (message->tool_calls_count)
        add_tool_calls(body, message);
    if (with_state && message->tool_calls_count)
        add_state(body, target, message->opaque_state);
    buf_add_char(body, '}');
}

static void add_tool_result(struct buf *body, const struct chat_message *message)
{
    buf_add_string(body, "{\"role\":\"tool\",\"tool_call_id\":");
    buf_add_json(body, message->tool_call_id);
    buf_add_string(body, ",\"content\":");
    buf_add_json(body, message->text);
    buf_add_char(body, '}');
}

/* Index after the last user message. */
static size_t present_turn(const struct chat_request *request)
{
    size_t i = request->messages_count;

    while (i > 0 && request->messages[i - 1].role != CHAT_USER)
        i--;
    return i;
}

static int add_messages(struct buf *body, const struct provider_target *target,
                        const struct chat_request *request, struct error *err)
{
    size_t turn = present_turn(request);
    bool first = true;

    buf_add_string(body, ",\"messages\":[");
    if (request->instructions.len) {
        buf_add_string(body, "{\"role\":\"system\",\"content\":");
        buf_add_json(body, request->instructions);
        buf_add_char(body, '}');
        first = false;
    }
    for (size_t i = 0; i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];
        int r = 0;

        if (!first)
            buf_add_char(body, ',');
        first = false;
        switch (message->role) {
        case CHAT_USER:
            r = add_user(body, message, err);
            break;
        case CHAT_ASSISTANT:
            add_assistant(body, target, message, i >= turn);
            break;
        case CHAT_TOOL:
            add_tool_result(body, message);
            break;
        }
        if (r < 0)
            return error_wrap(err, "message %zu", i);
    }
    buf_add_char(body, ']');
    return 0;
}

static void add_switch(struct buf *body, const char *name, enum chat_switch value)
{
    if (value != CHAT_SWITCH_UNSET)
        buf_printf(body, ",\"%s\":%s", name, value == CHAT_SWITCH_ON ? "true" : "false");
}

static void add_tools(struct buf *body, const struct chat_request *request)
{
    if (!request->tools_count)
        return;
    buf_add_string(body, ",\"tools\":[");
    for (size_t i = 0; i < request->tools_count; i++) {
        const struct chat_tool *tool = &request->tools[i];

        buf_add_string(body, i ? ",{\"type\":\"function\",\"function\":{\"name\":"
                               : "{\"type\":\"function\",\"function\":{\"name\":");
        buf_add_json(body, tool->name);
        if (tool->description.len) {
            buf_add_string(body, ",\"description\":");
            buf_add_json(body, tool->description);
        }
        if (tool->parameters.len)
            add_member(body, "parameters", tool->parameters);
        add_switch(body, "strict", tool->strict);
        buf_add_string(body, "}}");
    }
    buf_add_char(body, ']');
    if (request->tool_choice.len)
        add_member(body, "tool_choice", request->tool_choice);
    add_switch(body, "parallel_tool_calls", request->parallel_tool_calls);
}

static int add_settings(struct buf *body, const struct provider_target *target,
                        const struct chat_request *request, struct error *err)
{
    if ((request->has_temperature && !isfinite(request->temperature)) ||
        (request->has_top_p && !isfinite(request->top_p)))
        return error_set(err, E_INVALID, "temperature and top_p must be finite numbers");
    if (request->has_temperature)
        add_double(body, "temperature", request->temperature);
    if (request->has_top_p)
        add_double(body, "top_p", request->top_p);
    if (request->max_completion_tokens > 0)
        buf_printf(body, ",\"%s\":%lld",
                   target->max_tokens_is_new ? "max_completion_tokens" : "max_tokens",
                   (long long)request->max_completion_tokens);
    if (request->response_format.len && !text_is(request->response_format, "\"auto\""))
        add_member(body, "response_format", request->response_format);
    if (request->reasoning_effort.len) {
        buf_add_string(body, ",\"reasoning_effort\":");
        buf_add_json(body, request->reasoning_effort);
    }
    if (request->user.len) {
        buf_add_string(body, ",\"user\":");
        buf_add_json(body, request->user);
    }
    return 0;
}

/* About what the body will take, so that it is allocated once: texts grow a little by escapes. */
static size_t estimate(const struct chat_request *request)
{
    size_t bytes = 512 + request->instructions.len + request->response_format.len;

    for (size_t i = 0; i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];

        bytes += 96 + message->text.len + message->content_parts.len + message->opaque_state.len;
        for (size_t n = 0; n < message->tool_calls_count; n++)
            bytes += 128 + message->tool_calls[n].arguments.len;
    }
    for (size_t i = 0; i < request->tools_count; i++)
        bytes += 128 + request->tools[i].description.len + request->tools[i].parameters.len;
    return bytes + bytes / 16;
}

static int add_headers(struct provider_wire *wire, const struct provider_target *target,
                       const struct chat_request *request, struct error *err)
{
    CLEANUP(buf_deinit) struct buf bearer = {0};
    int r = provider_wire_add_header(wire, TEXT("Content-Type"), TEXT("application/json"), err);

    buf_init(&bearer, 16384);
    if (r == 0)
        r = provider_wire_add_header(wire, TEXT("Accept"), TEXT("application/json"), err);
    if (r == 0 && target->api_key && target->api_key[0]) {
        buf_add_string(&bearer, "Bearer ");
        buf_add_string(&bearer, target->api_key);
        r = buf_check(&bearer, err);
        if (r == 0)
            r = provider_wire_add_header(wire, TEXT("Authorization"), buf_text(&bearer), err);
    }
    if (r == 0 && request->idempotency_key.len)
        r = provider_wire_add_header(wire, TEXT("Idempotency-Key"), request->idempotency_key, err);
    for (size_t i = 0; r == 0 && i < target->headers_count; i++) {
        struct text name;
        struct text value;

        if (!text_cut(text_of(target->headers[i]), ':', &name, &value))
            return error_set(err, E_INVALID, "header %zu of provider %s is not 'Name: value'", i,
                             target->provider_name);
        r = provider_wire_add_header(wire, text_trim(name), text_trim(value), err);
    }
    return r;
}

int openai_chat_encode(const struct provider_target *target, const struct chat_request *request,
                       struct provider_wire *wire, struct error *err)
{
    struct text base = text_of(target->base_url);
    struct buf *body = &wire->body;
    size_t size = estimate(request);
    int r;

    while (text_ends(base, "/"))
        base.len--;
    wire->url = arena_printf(&wire->arena, "%.*s/chat/completions", TEXT_ARGS(base));
    if (!wire->url)
        return error_set(err, E_LIMIT, "the base_url of provider %s is too long",
                         target->provider_name);
    r = add_headers(wire, target, request, err);
    if (r < 0)
        return r;

    (void)buf_reserve(body, size < body->limit ? size : body->limit);
    buf_add_string(body, "{\"model\":");
    buf_add_json(body, text_of(target->model));
    r = add_messages(body, target, request, err);
    if (r < 0)
        return r;
    add_tools(body, request);
    r = add_settings(body, target, request, err);
    if (r < 0)
        return r;
    buf_add_char(body, '}');
    r = buf_check(body, err);
    return r < 0 ? error_wrap(err, "request to %s", target->provider_name) : 0;
}

const struct provider provider_openai_chat = {
    .kind = "openai_chat",
    .encode = openai_chat_encode,
    .decode = openai_chat_decode,
};
