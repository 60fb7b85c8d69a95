/* OpenAI's Responses, from the wire to a reply.
 * https://platform.openai.com/docs/api-reference/responses/object and …/responses-streaming, and the
 * types of openai 7.59.
 *
 * A response is a list of items: messages, calls, reasoning. In a stream an item is added, grows by
 * deltas, and is done; the event that ends the response has all of it once more. Servers leave some
 * of these out: what no delta said is taken from the item that is done, and where neither said
 * anything, from the end. Items that nobody asked for (of tools that run at OpenAI) are passed
 * over.
 *
 * Reasoning that is encrypted goes into the reply's parts, in its place between text and calls.
 * Without the encrypted part it would be refused: it would stand for what the server has not
 * stored. A message's phase ("commentary", "final_answer") is wanted back with it.
 *
 * A response says behind which one it stands. A server that does not know previous_response_id may
 * pass over it and answer what is new alone: so what says nothing of it, or another one, is no
 * reply. Nor has a response an id to go on behind where it says that it was not stored. */

#include "providers/formats/openai_responses.h"
#include "providers/reply/decoder.h"
#include "providers/reply/reply_parts.h"
#include "shared/json/json_raw.h"

#define NO_INDEX (-1)

/* decoder->text_mark and decoder->mark: how much of the reply's text and of its refusal belongs to
 * items that are done. */

/* ---- items ---- */

static int64_t index_of(struct text event)
{
    int64_t index = NO_INDEX;

    (void)!json_raw_int(json_raw_get(event, "output_index"), &index);
    return index;
}

/* Between the texts of two messages stands a blank line. */
static void add_text(struct provider_decoder *decoder, struct text value)
{
    struct reply_builder *reply = &decoder->reply;

    if (reply->text.len > 0 && reply->text.len == decoder->text_mark && value.len > strlen("\"\""))
        reply_add_text(reply, TEXT("\"\\n\\n\""));
    reply_add_text(reply, value);
}

static void add_content(struct provider_decoder *decoder, struct text content)
{
    struct json_raw_walk walk;
    struct text part;

    if (json_raw_type(content) != JSON_RAW_ARRAY) {
        add_text(decoder, content);
        return;
    }
    json_raw_begin(content, &walk);
    while (json_raw_next(&walk, &part)) {
        if (json_raw_get(part, "refusal").ptr)
            reply_add_refusal(&decoder->reply, json_raw_get(part, "refusal"));
        else
            add_text(decoder, json_raw_get(part, "text"));
    }
}

static void read_message(struct provider_decoder *decoder, struct text item)
{
    struct reply_builder *reply = &decoder->reply;
    bool was_told = reply->text.len > decoder->text_mark || reply->refusal.len > decoder->mark;
    struct text phase = json_raw_get(item, "phase");

    if (!was_told)
        add_content(decoder, json_raw_get(item, "content"));
    if (reply->text.len > decoder->text_mark)
        reply_parts_add_text(&reply->state, reply->text.len - decoder->text_mark,
                             json_raw_type(phase) == JSON_RAW_STRING ? phase : TEXT_NONE);
    decoder->text_mark = reply->text.len;
    decoder->mark = reply->refusal.len;
}

/* A call is known by its call_id; `id` is the item's own. */
static struct text id_of(struct text item)
{
    struct text id = json_raw_get(item, "call_id");

    return id.ptr ? id : json_raw_get(item, "id");
}

/* The call that an item is: one that has begun, or a new one. */
static size_t call_of(struct reply_builder *reply, int64_t index, struct text item)
{
    struct text id = id_of(item);
    size_t number = reply_find_call(reply, index);

    for (size_t i = reply->calls_count; i > 0; i--)
        if (json_raw_is(id, buf_string(&reply->calls[i - 1].id)))
            return i - 1;
    if (number != SIZE_MAX && (!id.ptr || reply->calls[number].id.len == 0))
        return number;
    return reply_open_call(reply, index, id, json_raw_get(item, "name"));
}

static void add_arguments_once(struct reply_builder *reply, size_t number, struct text arguments)
{
    if (number != SIZE_MAX && reply->calls[number].arguments.len == 0)
        reply_add_arguments(reply, number, arguments);
}

static void read_call(struct provider_decoder *decoder, int64_t index, struct text item)
{
    size_t number = call_of(&decoder->reply, index, item);

    add_arguments_once(&decoder->reply, number, json_raw_get(item, "arguments"));
    if (number != SIZE_MAX)
        reply_parts_add_call(&decoder->reply.state);
}

static void read_reasoning(struct provider_decoder *decoder, struct text item)
{
    struct buf *parts = &decoder->reply.state;
    struct text encrypted = json_raw_get(item, "encrypted_content");

    if (json_raw_type(encrypted) != JSON_RAW_STRING || encrypted.len <= 2)
        return;
    reply_parts_begin_item(parts);
    json_raw_write(item, parts);
    reply_parts_end_item(parts);
}

static void read_item(struct provider_decoder *decoder, int64_t index, struct text item)
{
    struct text type = json_raw_get(item, "type");

    if (json_raw_is(type, "message"))
        read_message(decoder, item);
    else if (json_raw_is(type, "function_call"))
        read_call(decoder, index, item);
    else if (json_raw_is(type, "reasoning"))
        read_reasoning(decoder, item);
}

/* All items, with the reasoning that can be read. */
static void read_output(struct provider_decoder *decoder, struct text output)
{
    bool was_told = decoder->reply.reasoning.len > 0;
    struct json_raw_walk walk;
    struct text item;

    if (json_raw_type(output) != JSON_RAW_ARRAY)
        return;
    json_raw_begin(output, &walk);
    for (int64_t index = 0; json_raw_next(&walk, &item); index++) {
        if (!was_told && json_raw_is(json_raw_get(item, "type"), "reasoning")) {
            reply_add_reasoning(&decoder->reply, json_raw_get(item, "summary"));
            reply_add_reasoning(&decoder->reply, json_raw_get(item, "content"));
        }
        read_item(decoder, index, item);
    }
}

/* ---- the end ---- */

static void read_usage(struct reply_builder *reply, struct text usage)
{
    struct text input = json_raw_get(usage, "input_tokens_details");
    struct text output = json_raw_get(usage, "output_tokens_details");
    struct chat_usage out = {
        .input_tokens = reply_tokens_at(usage, "input_tokens"),
        .output_tokens = reply_tokens_at(usage, "output_tokens"),
        .cached_input_tokens = reply_tokens_at(input, "cached_tokens"),
        .cache_write_tokens = reply_tokens_at(input, "cache_write_tokens"),
        .reasoning_tokens = reply_tokens_at(output, "reasoning_tokens"),
    };

    if (json_raw_type(usage) == JSON_RAW_OBJECT)
        reply_set_usage(reply, &out);
}

static enum decode_result read_incomplete(struct provider_decoder *decoder, struct text response)
{
    struct text details = json_raw_get(response, "incomplete_details");
    bool filtered = json_raw_is(json_raw_get(details, "reason"), "content_filter");

    reply_set_finish(&decoder->reply, filtered ? CHAT_FINISH_FILTER : CHAT_FINISH_LENGTH);
    return DECODE_COMPLETE;
}

static enum decode_result read_failed(struct provider_decoder *decoder, struct text response)
{
    if (decode_holds_error(decoder, response))
        return DECODE_FAILED;
    return decode_fail(decoder, PROVIDER_OVERLOADED, "failed, and does not say why");
}

/* `ended`: an event said that it is complete, whatever its status says. */
static enum decode_result read_status(struct provider_decoder *decoder, struct text response,
                                      bool ended)
{
    struct text status = json_raw_get(response, "status");

    if (json_raw_is(status, "failed"))
        return read_failed(decoder, response);
    if (json_raw_is(status, "cancelled"))
        return decode_fail(decoder, PROVIDER_OVERLOADED, "was cancelled");
    if (json_raw_is(status, "incomplete"))
        return read_incomplete(decoder, response);
    if (!ended && (json_raw_is(status, "queued") || json_raw_is(status, "in_progress")))
        return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has not been made yet");
    reply_set_finish(&decoder->reply, CHAT_FINISH_STOP);
    return DECODE_COMPLETE;
}

/* Whether it stands behind the one that the request named, if it named one. */
static bool is_behind(const struct provider_decoder *decoder, struct text response)
{
    CLEANUP(buf_deinit) struct buf said = {0};

    if (decoder->behind.len == 0)
        return true;
    buf_init(&said, 0);
    return json_raw_add_string(json_raw_get(response, "previous_response_id"), &said) &&
           text_equal(buf_text(&said), decoder->behind);
}

static enum decode_result not_behind(struct provider_decoder *decoder)
{
    return decode_fail(decoder, PROVIDER_BAD_REQUEST, "passes over previous_response_id");
}

static void read_begun(struct provider_decoder *decoder, struct text response)
{
    reply_set_model(&decoder->reply, json_raw_get(response, "model"));
    if (json_raw_type(json_raw_get(response, "store")) != JSON_RAW_BOOL ||
        json_raw_is_true(json_raw_get(response, "store")))
        reply_set_state_id(&decoder->reply, json_raw_get(response, "id"));
}

static void read_response(struct provider_decoder *decoder, struct text response)
{
    struct reply_builder *reply = &decoder->reply;

    read_begun(decoder, response);
    if (reply->text.len == 0 && reply->refusal.len == 0 && reply->calls_count == 0) {
        buf_reset(&reply->state);
        read_output(decoder, json_raw_get(response, "output"));
    }
    read_usage(reply, json_raw_get(response, "usage"));
}

enum decode_result openai_responses_read_whole(struct provider_decoder *decoder, struct text json)
{
    if (json_raw_type(json_raw_get(json, "output")) != JSON_RAW_ARRAY)
        return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no output");
    if (!is_behind(decoder, json))
        return not_behind(decoder);
    read_response(decoder, json);
    return read_status(decoder, json, false);
}

/* ---- events ---- */

static enum decode_result on_begun(struct provider_decoder *decoder, struct text event)
{
    struct text response = json_raw_get(event, "response");

    read_begun(decoder, response);
    return is_behind(decoder, response) ? DECODE_MORE : not_behind(decoder);
}

static enum decode_result on_item_added(struct provider_decoder *decoder, struct text event)
{
    struct text item = json_raw_get(event, "item");

    if (json_raw_is(json_raw_get(item, "type"), "function_call"))
        (void)reply_open_call(&decoder->reply, index_of(event), id_of(item),
                              json_raw_get(item, "name"));
    return DECODE_MORE;
}

static enum decode_result on_item_done(struct provider_decoder *decoder, struct text event)
{
    read_item(decoder, index_of(event), json_raw_get(event, "item"));
    return DECODE_MORE;
}

static enum decode_result on_text(struct provider_decoder *decoder, struct text event)
{
    add_text(decoder, json_raw_get(event, "delta"));
    return DECODE_MORE;
}

static enum decode_result on_refusal(struct provider_decoder *decoder, struct text event)
{
    reply_add_refusal(&decoder->reply, json_raw_get(event, "delta"));
    return DECODE_MORE;
}

static enum decode_result on_reasoning(struct provider_decoder *decoder, struct text event)
{
    reply_add_reasoning(&decoder->reply, json_raw_get(event, "delta"));
    return DECODE_MORE;
}

/* The call that an event speaks of. */
static size_t call_at(const struct reply_builder *reply, struct text event)
{
    int64_t index = index_of(event);
    size_t number = reply_find_call(reply, index);

    if (number == SIZE_MAX && index == NO_INDEX && reply->calls_count > 0)
        return reply->calls_count - 1;
    return number;
}

static enum decode_result on_arguments(struct provider_decoder *decoder, struct text event)
{
    reply_add_arguments(&decoder->reply, call_at(&decoder->reply, event),
                        json_raw_get(event, "delta"));
    return DECODE_MORE;
}

static enum decode_result on_arguments_done(struct provider_decoder *decoder, struct text event)
{
    add_arguments_once(&decoder->reply, call_at(&decoder->reply, event),
                       json_raw_get(event, "arguments"));
    return DECODE_MORE;
}

static enum decode_result on_completed(struct provider_decoder *decoder, struct text event)
{
    struct text response = json_raw_get(event, "response");

    if (!is_behind(decoder, response))
        return not_behind(decoder);
    read_response(decoder, response);
    return read_status(decoder, response, true);
}

static enum decode_result on_incomplete(struct provider_decoder *decoder, struct text event)
{
    struct text response = json_raw_get(event, "response");

    read_response(decoder, response);
    return read_incomplete(decoder, response);
}

static enum decode_result on_failed(struct provider_decoder *decoder, struct text event)
{
    return read_failed(decoder, json_raw_get(event, "response"));
}

/* All others say nothing that these do not say, too. */
static const struct {
    const char *type;
    enum decode_result (*read)(struct provider_decoder *decoder, struct text event);
} events[] = {
    {"response.output_text.delta", on_text},
    {"response.function_call_arguments.delta", on_arguments},
    {"response.reasoning_summary_text.delta", on_reasoning},
    {"response.reasoning_text.delta", on_reasoning},
    {"response.refusal.delta", on_refusal},
    {"response.output_item.added", on_item_added},
    {"response.output_item.done", on_item_done},
    {"response.function_call_arguments.done", on_arguments_done},
    {"response.created", on_begun},
    {"response.in_progress", on_begun},
    {"response.completed", on_completed},
    {"response.incomplete", on_incomplete},
    {"response.failed", on_failed},
    {"error", decode_error},
};

enum decode_result openai_responses_read_event(struct provider_decoder *decoder, struct text name,
                                               struct text json)
{
    struct text type = json_raw_get(json, "type");

    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++)
        if (type.ptr ? json_raw_is(type, events[i].type) : text_is(name, events[i].type))
            return events[i].read(decoder, json);
    if (!type.ptr && json_raw_get(json, "output").ptr)
        return openai_responses_read_whole(decoder, json);
    return DECODE_MORE;
}

void openai_responses_close(struct provider_decoder *decoder)
{
    if (decoder->reply.calls_count == 0)
        buf_reset(&decoder->reply.state);
    reply_parts_close(&decoder->reply.state);
}
