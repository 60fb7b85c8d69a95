/* What a provider has kept: when it is used, and what is noted of it. */

#include "providers/native/native_state.h"

#include <string.h>

#include "providers/reply/opaque_state.h"
#include "shared/base/digest.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define OF_BYTES 16 /* of the digest */
#define OF_SIZE  (2 * OF_BYTES + 1)
#define ID_MAX   200

/* ---- the digest ---- */

static void add_number(struct digest *digest, uint64_t number)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    digest_add(digest, (struct text){(const char *)bytes, sizeof(bytes)});
}

/* With its length, so that no two lists of texts are the same bytes. */
static void add_text(struct digest *digest, struct text text)
{
    add_number(digest, text.len);
    digest_add(digest, text);
}

/* An image of a file is known by its id: its bytes may not have been fetched. */
static void add_parts(struct digest *digest, const struct chat_message *message)
{
    add_number(digest, message->parts_count);
    for (size_t i = 0; i < message->parts_count; i++) {
        const struct chat_part *part = &message->parts[i];

        add_number(digest, part->kind);
        add_text(digest, part->text);
        add_text(digest, part->file.len > 0 ? part->file : part->url);
        add_text(digest, part->detail);
    }
}

/* Without what the provider wants back: it has that. */
static void add_message(struct digest *digest, const struct chat_message *message)
{
    add_number(digest, message->role);
    add_text(digest, message->text);
    add_text(digest, message->system);
    add_parts(digest, message);
    add_number(digest, message->tool_calls_count);
    for (size_t i = 0; i < message->tool_calls_count; i++) {
        add_text(digest, message->tool_calls[i].id);
        add_text(digest, message->tool_calls[i].name);
        add_text(digest, message->tool_calls[i].arguments);
    }
    add_text(digest, message->tool_call_id);
}

/* Another account knows nothing of it. */
static struct text key_id(const struct provider_target *target)
{
    for (size_t i = 0; i < target->keys_count; i++)
        if (strcmp(target->keys[i].secret, target->api_key) == 0)
            return text_of(target->keys[i].id);
    return TEXT_NONE;
}

/* Of the first `count` messages, and of one more unless it is NULL. */
static void digest_of(const struct provider_target *target, const struct chat_message *messages,
                      size_t count, const struct chat_message *more, char out[OF_SIZE])
{
    struct digest *digest = digest_new(DIGEST_SHA256);
    uint8_t bytes[DIGEST_BYTES_MAX];

    add_text(digest, text_of(target->base_url));
    add_text(digest, key_id(target));
    for (size_t i = 0; i < count; i++)
        add_message(digest, &messages[i]);
    if (more)
        add_message(digest, more);
    digest_end(digest, bytes);
    digest_free(digest);
    *text_put_hex(out, bytes, OF_BYTES) = '\0';
}

/* ---- use ---- */

/* Those that leave something out in the midst, or say it in other words, have nothing that only
 * grows. */
static bool strategy_grows(enum context_strategy strategy)
{
    switch (strategy) {
    case CONTEXT_AUTO:
    case CONTEXT_NONE:
    case CONTEXT_LAST_MESSAGES:
        return true;
    case CONTEXT_FIRST_LAST:
    case CONTEXT_SUMMARIZE:
    case CONTEXT_VECTOR:
        break;
    }
    return false;
}

/* What is said in other words (providers/adaptation.h) is not what stands in the thread. */
static bool is_said_as_it_is(const struct provider_target *target,
                             const struct chat_request *request)
{
    return target->abilities.tools && (request->response_format.kind != CHAT_FORMAT_JSON_SCHEMA ||
                                       target->abilities.structured_output);
}

/* The newest reply; `count` when there is none. */
static size_t find_reply(const struct chat_request *request)
{
    for (size_t i = request->messages_count; i > 0; i--)
        if (request->messages[i - 1].role == CHAT_ASSISTANT)
            return i - 1;
    return request->messages_count;
}

/* A text out of a note, which has no escapes. */
static struct text string_in(struct text value)
{
    if (json_raw_type(value) != JSON_RAW_STRING || value.len < 3)
        return TEXT_NONE;
    return (struct text){value.ptr + 1, value.len - 2};
}

static bool is_trusted(const struct native_state *state, struct text note)
{
    int64_t at;

    return json_raw_int(json_raw_get(note, "at"), &at) && at <= state->now_s &&
           state->now_s - at < NATIVE_STATE_TRUST_S;
}

static void go_on_behind(const struct native_state *state, struct chat_request *request)
{
    size_t last = find_reply(request);
    const struct chat_message *reply = &request->messages[last];
    char of[OF_SIZE];
    struct text note;

    if (last + 1 >= request->messages_count) /* there is none, or nothing new behind it */
        return;
    note = opaque_state_kept(state->target, reply->opaque_state);
    if (!is_trusted(state, note))
        return;
    digest_of(state->target, request->messages, last + 1, NULL, of);
    if (!text_is(string_in(json_raw_get(note, "of")), of))
        return;
    request->previous = string_in(json_raw_get(note, "id"));
    request->known = request->previous.len > 0 ? last + 1 : 0;
}

void native_state_use(const struct native_state *state, struct chat_request *request)
{
    const struct provider_target *target = state->target;

    if (!target->native_state || !target->provider->keeps_state || state->left_out > 0 ||
        request->messages_count == 0 || !strategy_grows(state->strategy) ||
        !is_said_as_it_is(target, request))
        return;
    request->store = true;
    go_on_behind(state, request);
}

void native_state_drop(struct chat_request *request)
{
    request->previous = TEXT_NONE;
    request->known = 0;
}

bool native_state_is_refused(const struct chat_request *request,
                             const struct provider_failure_info *failure)
{
    return request->known > 0 &&
           (failure->failure == PROVIDER_BAD_REQUEST || failure->status == 404 ||
            text_starts(text_of(failure->code), "previous_response"));
}

/* ---- notes ---- */

/* Nothing that would have to be escaped, in JSON or in a header. */
static bool is_plain(struct text id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '"' || id.ptr[i] == '\\')
            return false;
    return id.len > 0 && id.len <= ID_MAX;
}

/* Whether the reply stands in the thread as the provider has it: ended, and with its own calls. */
static bool is_whole(const struct chat_reply *reply)
{
    if (reply->finish != CHAT_FINISH_STOP && reply->finish != CHAT_FINISH_TOOL)
        return false;
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        if (reply->tool_calls[i].said.len > 0 || reply->tool_calls[i].problem.len > 0)
            return false;
    return true;
}

bool native_state_note(const struct native_state *state, const struct chat_request *request,
                       struct chat_reply *reply)
{
    CLEANUP(buf_deinit) struct buf note = {0};
    const struct chat_message said = {
        .role = CHAT_ASSISTANT,
        .text = reply->text,
        .tool_calls = reply->tool_calls,
        .tool_calls_count = reply->tool_calls_count,
    };
    struct json_write write;
    char of[OF_SIZE];

    if (!request->store || !is_plain(reply->state_id) || !is_whole(reply))
        return true;
    digest_of(state->target, request->messages, request->messages_count, &said, of);
    buf_init(&note, 1024);
    json_write_init(&write, &note);
    json_write_open_object(&write, NULL);
    json_write_text(&write, "id", reply->state_id);
    json_write_int(&write, "at", state->now_s);
    json_write_string(&write, "of", of);
    json_write_close(&write);
    return opaque_state_keep(state->target, buf_text(&note), reply->arena, &reply->opaque_state);
}
