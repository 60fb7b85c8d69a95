/* Gemini's generateContent, from a request to the wire. https://ai.google.dev/api/generate-content
 * The members' names are those of the types of @google/genai 3.3.0.
 *
 * The server refuses more than other servers do, so the conversation is put together again:
 *
 *   - a part without a word in it is refused, and a content without parts; both are left out
 *   - calls must stand behind something of the user or behind results: what assistants say in a
 *     row becomes one content, and a blank is put before one that begins the conversation. A blank
 *     stands at the end, too, where an assistant had the last word, so that somebody is answered
 *   - as many results as calls, in one content of the user; repair.h sees to the number
 *   - a result is an object: {"result": TEXT}
 *
 * Signatures: a model signs its calls, of several at once only the first, and wants the signatures
 * back. Models since Gemini 3 refuse an unsigned call of the present turn. For calls that another
 * model made, or whose state was lost, there is a word that they take for one
 * (https://ai.google.dev/gemini-api/docs/thought-signatures).
 *
 * Not said, for there is no word for it: parallel_tool_calls, an image's detail, and "strict" of
 * one tool alone: where one is strict, all calls are held to their schemas.
 */

#include "providers/formats/gemini.h"

#include <stdio.h>

#include "providers/formats/encoder.h"
#include "providers/formats/formats.h"
#include "providers/reply/opaque_state.h"
#include "providers/wire/data_url.h"
#include "providers/wire/wire.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define BLANK         TEXT(" ")
#define ANY_SIGNATURE "skip_thought_signature_validator"

/* ---- models ---- */

/* Whether a name says already which kind of resource it is, and how long that is. */
static size_t resource_bytes(struct text model)
{
    static const char *const kinds[] = {"models/", "tunedModels/"};

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (text_starts(model, kinds[i]))
            return strlen(kinds[i]);
    return 0;
}

void gemini_add_model(const struct provider_target *target, struct buf *out)
{
    if (resource_bytes(text_of(target->model)) == 0)
        buf_add_string(out, "models/");
    buf_add_string(out, target->model);
}

/* As RFC 3986 has it; ':' ends a model's name, and '/' would begin another step of the path. */
static void add_escaped(struct text text, struct buf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (size_t i = 0; i < text.len; i++)
        if (memchr(plain, text.ptr[i], sizeof(plain) - 1))
            buf_add_char(out, text.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text.ptr[i]);
}

void gemini_add_path(const struct provider_target *target, const char *what, struct buf *out)
{
    struct text model = text_of(target->model);
    size_t kind = resource_bytes(model);

    buf_add_char(out, '/');
    if (kind > 0)
        buf_add(out, model.ptr, kind);
    else
        buf_add_string(out, "models/");
    add_escaped((struct text){model.ptr + kind, model.len - kind}, out);
    buf_add_char(out, ':');
    buf_add_string(out, what);
}

/* What a model wants to know of thinking. */
enum thinking {
    THINKING_NONE,   /* Gemini 1 and 2.0, Gemma: refuses the setting */
    THINKING_BUDGET, /* Gemini 2.5: tokens */
    THINKING_LEVEL,  /* since Gemini 3, and names without a number ("gemini-flash-latest"): a word.
                      * These check signatures, too */
};

static enum thinking thinking_of(const struct provider_target *target)
{
    struct text name = text_of(target->model);
    size_t kind = resource_bytes(name);

    name = (struct text){name.ptr + kind, name.len - kind};
    if (text_starts(name, "gemini-2.5"))
        return THINKING_BUDGET;
    if (!text_starts(name, "gemini-") || text_starts(name, "gemini-1") ||
        text_starts(name, "gemini-2"))
        return THINKING_NONE;
    return THINKING_LEVEL;
}

/* ---- contents ---- */

enum content {
    CONTENT_NONE, /* nothing is open yet */
    CONTENT_USER,
    CONTENT_MODEL,
    CONTENT_RESULTS, /* of the user, too */
};

struct contents {
    struct json_write *write;
    const struct provider_target *target;
    const struct chat_request *request;
    size_t turn; /* number of the message at which the present turn begins */
    enum content open;
};

static void write_text(struct json_write *write, struct text text)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "text", text);
    json_write_close(write);
}

static void begin_content(struct contents *contents, enum content kind)
{
    struct json_write *write = contents->write;

    if (contents->open != CONTENT_NONE) {
        json_write_close(write);
        json_write_close(write);
    }
    json_write_open_object(write, NULL);
    json_write_string(write, "role", kind == CONTENT_MODEL ? "model" : "user");
    json_write_open_array(write, "parts");
    contents->open = kind;
}

/* Makes the content that is open one of that kind. */
static void open_content(struct contents *contents, enum content kind)
{
    if (contents->open == CONTENT_NONE && kind != CONTENT_USER) {
        begin_content(contents, CONTENT_USER);
        write_text(contents->write, BLANK);
    }
    if (contents->open != kind)
        begin_content(contents, kind);
}

static void add_text(struct contents *contents, enum content kind, struct text text)
{
    if (text.len == 0)
        return;
    open_content(contents, kind);
    write_text(contents->write, text);
}

/* The type of a file that the server fetches itself, which it wants to be told. */
static struct text type_of_url(struct text url)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        {".png", "image/png"},   {".webp", "image/webp"}, {".heic", "image/heic"},
        {".heif", "image/heif"}, {".gif", "image/gif"},
    };
    struct text rest;

    (void)!text_cut(url, '#', &url, &rest);
    (void)!text_cut(url, '?', &url, &rest);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (text_ends(url, types[i].ending))
            return text_of(types[i].type);
    return TEXT("image/jpeg");
}

static int add_image(struct contents *contents, struct text url, struct error *err)
{
    struct json_write *write = contents->write;
    bool is_link = text_starts(url, "https://") || text_starts(url, "http://");
    struct text type;
    struct text data;

    if (!is_link && !data_url_split(url, &type, &data))
        return error_set(err, E_INVALID,
                         "an image for provider %s must be an http(s) url, or a data: url in "
                         "base64: data:image/png;base64,...",
                         contents->target->provider_name);
    open_content(contents, CONTENT_USER);
    json_write_open_object(write, NULL);
    json_write_open_object(write, is_link ? "fileData" : "inlineData");
    json_write_text(write, "mimeType", is_link ? type_of_url(url) : type);
    json_write_text(write, is_link ? "fileUri" : "data", is_link ? url : data);
    json_write_close(write);
    json_write_close(write);
    return 0;
}

static int add_user(struct contents *contents, const struct chat_message *message,
                    struct error *err)
{
    int r = 0;

    if (message->parts_count == 0)
        add_text(contents, CONTENT_USER, message->text);
    for (size_t i = 0; r == 0 && i < message->parts_count; i++)
        switch (message->parts[i].kind) {
        case CHAT_PART_TEXT:
            add_text(contents, CONTENT_USER, message->parts[i].text);
            break;
        case CHAT_PART_IMAGE_URL:
            r = add_image(contents, message->parts[i].url, err);
            break;
        }
    return r;
}

static bool is_signature(struct text value)
{
    return json_raw_type(value) == JSON_RAW_STRING && value.len > 2;
}

/* The signatures of a message's calls, one value each; TEXT_NONE: none is there. */
static struct text signatures_of(const struct contents *contents,
                                 const struct chat_message *message)
{
    struct text list =
        json_raw_get(opaque_state_for(contents->target, message->opaque_state), GEMINI_STATE_FIELD);
    struct json_raw_walk walk;
    struct text value;
    size_t count = 0;
    bool any = false;

    json_raw_begin(list, &walk);
    while (json_raw_next(&walk, &value)) {
        any = any || is_signature(value);
        count++;
    }
    return any && count == message->tool_calls_count ? list : TEXT_NONE;
}

/* A name begins with a letter or an underscore here. What another model called otherwise would have
 * the whole conversation refused, so it gets an underscore; of the tools that are offered, the
 * refusal says what is wrong. */
static void write_name(struct json_write *write, struct text name)
{
    char other[TOOL_NAME_MAX + 2];

    if (name.len > 0 && (name.ptr[0] == '-' || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))) {
        (void)snprintf(other, sizeof(other), "_%.*s", TEXT_ARGS(name));
        name = text_of(other);
    }
    json_write_text(write, "name", name);
}

static void write_call(struct json_write *write, const struct chat_tool_call *call)
{
    json_write_open_object(write, "functionCall");
    json_write_text(write, "id", call->id);
    write_name(write, call->name);
    json_write_raw(write, "args", call->arguments.len ? call->arguments : TEXT("{}"));
    json_write_close(write);
}

static void add_calls(struct contents *contents, size_t index)
{
    const struct chat_message *message = &contents->request->messages[index];
    struct text signatures = signatures_of(contents, message);
    bool is_checked = index >= contents->turn && thinking_of(contents->target) == THINKING_LEVEL;
    struct json_raw_walk walk;

    json_raw_begin(signatures, &walk);
    for (size_t i = 0; i < message->tool_calls_count; i++) {
        struct text signature = TEXT_NONE;

        open_content(contents, CONTENT_MODEL);
        json_write_open_object(contents->write, NULL);
        write_call(contents->write, &message->tool_calls[i]);
        if (json_raw_next(&walk, &signature) && is_signature(signature))
            json_write_raw(contents->write, "thoughtSignature", signature);
        else if (i == 0 && is_checked && !signatures.ptr)
            json_write_string(contents->write, "thoughtSignature", ANY_SIGNATURE);
        json_write_close(contents->write);
    }
}

/* A result of no call, which repair.h leaves out, would be refused: it is told as a text. */
static void add_result(struct contents *contents, size_t index)
{
    const struct chat_message *message = &contents->request->messages[index];
    struct text name = encoder_called_name(contents->request, index);
    struct json_write *write = contents->write;

    if (!name.ptr) {
        add_text(contents, CONTENT_USER, message->text);
        return;
    }
    open_content(contents, CONTENT_RESULTS);
    json_write_open_object(write, NULL);
    json_write_open_object(write, "functionResponse");
    json_write_text(write, "id", message->tool_call_id);
    write_name(write, name);
    json_write_open_object(write, "response");
    json_write_text(write, "result", message->text.ptr ? message->text : TEXT(""));
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
}

static int write_contents(struct json_write *write, const struct provider_target *target,
                          const struct chat_request *request, struct error *err)
{
    struct contents contents = {
        .write = write,
        .target = target,
        .request = request,
        .turn = encoder_present_turn(request),
    };
    int r = 0;

    json_write_open_array(write, "contents");
    for (size_t i = 0; r == 0 && i < request->messages_count; i++)
        switch (request->messages[i].role) {
        case CHAT_USER:
            r = add_user(&contents, &request->messages[i], err);
            break;
        case CHAT_ASSISTANT:
            add_text(&contents, CONTENT_MODEL, request->messages[i].text);
            add_calls(&contents, i);
            break;
        case CHAT_TOOL:
            add_result(&contents, i);
            break;
        }
    if (contents.open == CONTENT_NONE || contents.open == CONTENT_MODEL)
        add_text(&contents, CONTENT_USER, BLANK);
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
    return r;
}

/* ---- tools ---- */

static void write_tool(struct json_write *write, const struct chat_tool *tool)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "name", tool->name);
    if (tool->description.len)
        json_write_text(write, "description", tool->description);
    if (tool->parameters.len)
        json_write_raw(write, "parametersJsonSchema", tool->parameters);
    json_write_close(write);
}

static bool has_strict_tool(const struct chat_request *request)
{
    for (size_t i = 0; i < request->tools_count; i++)
        if (request->tools[i].strict == CHAT_SWITCH_ON)
            return true;
    return false;
}

/* NULL: the request leaves it to the server. */
static const char *calling_mode(const struct chat_request *request)
{
    switch (request->tool_choice.kind) {
    case CHAT_TOOL_CHOICE_UNSET:
        return has_strict_tool(request) ? "VALIDATED" : NULL;
    case CHAT_TOOL_CHOICE_AUTO:
        return has_strict_tool(request) ? "VALIDATED" : "AUTO";
    case CHAT_TOOL_CHOICE_NONE:
        return "NONE";
    case CHAT_TOOL_CHOICE_REQUIRED:
    case CHAT_TOOL_CHOICE_FUNCTION:
        return "ANY";
    }
    return NULL;
}

static void write_tool_config(struct json_write *write, const struct chat_request *request)
{
    const char *mode = calling_mode(request);

    if (!mode)
        return;
    json_write_open_object(write, "toolConfig");
    json_write_open_object(write, "functionCallingConfig");
    json_write_string(write, "mode", mode);
    if (request->tool_choice.kind == CHAT_TOOL_CHOICE_FUNCTION) {
        json_write_open_array(write, "allowedFunctionNames");
        json_write_text(write, NULL, request->tool_choice.name);
        json_write_close(write);
    }
    json_write_close(write);
    json_write_close(write);
}

static void write_tools(struct json_write *write, const struct chat_request *request)
{
    if (!request->tools_count)
        return;
    json_write_open_array(write, "tools");
    json_write_open_object(write, NULL);
    json_write_open_array(write, "functionDeclarations");
    for (size_t i = 0; i < request->tools_count; i++)
        write_tool(write, &request->tools[i]);
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
    write_tool_config(write, request);
}

/* ---- settings ---- */

/* The words of OpenAI's reasoning_effort, as Google itself maps them. Levels are those that every
 * model with levels takes, tokens what every model with a budget takes; none of the former can be
 * told not to think, and of the latter Pro can't. */
static const struct effort {
    const char *word;
    const char *level;
    int64_t tokens;
} efforts[] = {
    {"none", "LOW", 0},         {"minimal", "LOW", 1024}, {"low", "LOW", 1024},
    {"medium", "MEDIUM", 8192}, {"high", "HIGH", 24576},  {"xhigh", "HIGH", 24576},
    {"max", "HIGH", 24576},
};
#define PRO_TOKENS_MIN 128

static const struct effort *find_effort(const struct provider_target *target,
                                        const struct chat_request *request)
{
    if (thinking_of(target) != THINKING_NONE)
        for (size_t i = 0; i < ARRAY_LENGTH(efforts); i++)
            if (text_is(request->reasoning_effort, efforts[i].word))
                return &efforts[i];
    return NULL;
}

static void write_thinking(struct json_write *write, const struct provider_target *target,
                           const struct effort *effort)
{
    bool is_pro = strstr(target->model, "-pro") != NULL;

    json_write_open_object(write, "thinkingConfig");
    if (thinking_of(target) == THINKING_LEVEL)
        json_write_string(write, "thinkingLevel", effort->level);
    else
        json_write_int(write, "thinkingBudget",
                       is_pro && effort->tokens == 0 ? PRO_TOKENS_MIN : effort->tokens);
    json_write_close(write);
}

static void write_format(struct json_write *write, const struct chat_format *format)
{
    switch (format->kind) {
    case CHAT_FORMAT_UNSET:
    case CHAT_FORMAT_TEXT: /* is what it gives unasked */
        break;
    case CHAT_FORMAT_JSON_SCHEMA:
        if (format->schema.len)
            json_write_raw(write, "responseJsonSchema", format->schema);
        json_write_string(write, "responseMimeType", "application/json");
        break;
    case CHAT_FORMAT_JSON_OBJECT:
        json_write_string(write, "responseMimeType", "application/json");
        break;
    }
}

static void write_settings(struct json_write *write, const struct provider_target *target,
                           const struct chat_request *request)
{
    const struct effort *effort = find_effort(target, request);
    enum chat_format_kind format = request->response_format.kind;

    if (!effort && !request->has_temperature && !request->has_top_p &&
        !request->has_presence_penalty && !request->has_frequency_penalty &&
        request->stops_count == 0 && request->max_completion_tokens <= 0 &&
        format != CHAT_FORMAT_JSON_OBJECT && format != CHAT_FORMAT_JSON_SCHEMA)
        return;
    json_write_open_object(write, "generationConfig");
    if (request->has_temperature)
        json_write_double(write, "temperature", request->temperature);
    if (request->has_top_p)
        json_write_double(write, "topP", request->top_p);
    encoder_penalties(write, "presencePenalty", "frequencyPenalty", request);
    encoder_stops(write, "stopSequences", request);
    if (request->max_completion_tokens > 0)
        json_write_int(write, "maxOutputTokens", encoder_output_tokens(target, request));
    write_format(write, &request->response_format);
    if (effort)
        write_thinking(write, target, effort);
    json_write_close(write);
}

static void write_instructions(struct json_write *write, struct text instructions)
{
    if (instructions.len == 0)
        return;
    json_write_open_object(write, "systemInstruction");
    json_write_open_array(write, "parts");
    write_text(write, instructions);
    json_write_close(write);
    json_write_close(write);
}

static int set_address(const struct provider_target *target, const struct chat_request *request,
                       struct provider_wire *wire, struct error *err)
{
    CLEANUP(buf_deinit) struct buf path = {0};
    struct wire_address address = {
        .key_header = GEMINI_KEY_HEADER,
        .key_scheme = "",
        .idempotency_key = request->idempotency_key,
        .stream = request->stream,
    };

    buf_init(&path, GEMINI_PATH_BYTES_MAX);
    gemini_add_path(target, request->stream ? "streamGenerateContent?alt=sse" : "generateContent",
                    &path);
    address.path = buf_string(&path);
    return provider_wire_address(wire, target, &address, err);
}

int gemini_encode(const struct provider_target *target, const struct chat_request *request,
                  struct provider_wire *wire, struct error *err)
{
    struct json_write write;
    int r = encoder_check_numbers(request, err);

    if (r == 0)
        r = set_address(target, request, wire, err);
    if (r < 0)
        return r;
    provider_wire_reserve(wire, request);
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    write_instructions(&write, request->instructions);
    r = write_contents(&write, target, request, err);
    if (r < 0)
        return r;
    write_tools(&write, request);
    write_settings(&write, target, request);
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

const struct provider provider_gemini = {
    .kind = "gemini",
    .framing = PROVIDER_SSE,
    .encode = gemini_encode,
    .read_event = gemini_read_event,
    .read_whole = gemini_read_whole,
    .close = gemini_close,
    .embedding = &gemini_embedding,
};
