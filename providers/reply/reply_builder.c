/* The reply as it comes together.
 *
 * Texts grow in bufs of their own, since pieces of several kinds come in turn; at the end each is
 * copied into the reply's arena once. The bound is of all together, so that a model can't hold more
 * by spreading what it says over reasoning and calls. */

#include "providers/reply/reply_builder.h"

#include <math.h>
#include <stdlib.h>

#include "providers/reply/reply_form.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define MODEL_NAME_MAX 256
#define STATE_ID_MAX   256

void reply_builder_init(struct reply_builder *builder, const struct chat_sink *sink,
                        size_t bytes_max)
{
    *builder = (struct reply_builder){.sink = sink, .bytes_max = bytes_max};
    buf_init(&builder->text, bytes_max);
    buf_init(&builder->refusal, bytes_max);
    buf_init(&builder->reasoning, bytes_max);
    buf_init(&builder->model, MODEL_NAME_MAX * 3);
    buf_init(&builder->state_id, STATE_ID_MAX * 3);
    buf_init(&builder->state, bytes_max);
}

void reply_builder_deinit(struct reply_builder *builder)
{
    for (size_t i = 0; i < builder->calls_count; i++) {
        buf_deinit(&builder->calls[i].id);
        buf_deinit(&builder->calls[i].name);
        buf_deinit(&builder->calls[i].arguments);
    }
    free(builder->calls);
    builder->calls = NULL;
    builder->calls_count = 0;
    buf_deinit(&builder->text);
    buf_deinit(&builder->refusal);
    buf_deinit(&builder->reasoning);
    buf_deinit(&builder->model);
    buf_deinit(&builder->state_id);
    buf_deinit(&builder->state);
}

static void emit(const struct reply_builder *builder, const struct chat_event *event)
{
    if (builder->sink)
        builder->sink->emit(builder->sink->arg, event);
}

/* Counts what a buf has grown by since it had `before` bytes. Returns it. */
static struct text grown(struct reply_builder *builder, const struct buf *buf, size_t before)
{
    builder->bytes += buf->len - before;
    if (buf->failed || builder->bytes > builder->bytes_max)
        builder->full = true;
    return (struct text){buf_string(buf) + before, buf->len - before};
}

/* The text of a part of content, which is a string or has one at "text", or at "text.value". */
static struct text part_text(struct text part)
{
    struct text text = json_raw_get(part, "text");

    if (json_raw_type(part) == JSON_RAW_STRING)
        return part;
    return json_raw_type(text) == JSON_RAW_OBJECT ? json_raw_get(text, "value") : text;
}

static void add_parts(struct buf *buf, struct text parts)
{
    struct json_raw_walk walk;
    struct text part;

    json_raw_begin(parts, &walk);
    while (json_raw_next(&walk, &part))
        (void)json_raw_add_string(part_text(part), buf);
}

/* A number or a word is taken by its letters. */
static void add_said(struct buf *buf, struct text value)
{
    switch (json_raw_type(value)) {
    case JSON_RAW_NONE:
    case JSON_RAW_NULL:
        break;
    case JSON_RAW_ARRAY:
        add_parts(buf, value);
        break;
    case JSON_RAW_OBJECT:
        if (!json_raw_add_string(part_text(value), buf))
            json_raw_write(value, buf);
        break;
    case JSON_RAW_STRING:
        (void)json_raw_add_string(value, buf);
        break;
    case JSON_RAW_BOOL:
    case JSON_RAW_NUMBER:
        json_raw_write(value, buf);
        break;
    }
}

static void add(struct reply_builder *builder, struct buf *buf, enum chat_event_kind kind,
                struct text value)
{
    struct chat_event event = {.kind = kind};
    size_t before = buf->len;

    if (builder->full)
        return;
    add_said(buf, value);
    event.text = grown(builder, buf, before);
    if (event.text.len > 0)
        emit(builder, &event);
}

void reply_add_text(struct reply_builder *builder, struct text value)
{
    add(builder, &builder->text, CHAT_EVENT_TEXT, value);
}

void reply_add_refusal(struct reply_builder *builder, struct text value)
{
    add(builder, &builder->refusal, CHAT_EVENT_REFUSAL, value);
}

void reply_add_reasoning(struct reply_builder *builder, struct text value)
{
    add(builder, &builder->reasoning, CHAT_EVENT_REASONING, value);
}

size_t reply_find_call(const struct reply_builder *builder, int64_t key)
{
    for (size_t i = builder->calls_count; i > 0; i--)
        if (builder->calls[i - 1].key == key)
            return i - 1;
    return SIZE_MAX;
}

/* A string, or the JSON of anything else. */
static void add_plain(struct buf *buf, struct text value)
{
    if (json_raw_type(value) == JSON_RAW_NONE || json_raw_type(value) == JSON_RAW_NULL)
        return;
    if (!json_raw_add_string(value, buf))
        json_raw_write(value, buf);
}

size_t reply_open_call(struct reply_builder *builder, int64_t key, struct text id, struct text name)
{
    struct chat_event event = {.kind = CHAT_EVENT_CALL, .number = builder->calls_count};
    struct reply_call *call;

    if (builder->full || builder->calls_count == REPLY_CALLS_MAX)
        return SIZE_MAX;
    if (builder->calls_count % 8 == 0)
        builder->calls =
            xrealloc(builder->calls, (builder->calls_count + 8) * sizeof(*builder->calls));
    call = &builder->calls[builder->calls_count++];
    *call = (struct reply_call){.key = key};
    buf_init(&call->id, builder->bytes_max);
    buf_init(&call->name, builder->bytes_max);
    buf_init(&call->arguments, builder->bytes_max);
    add_plain(&call->id, id);
    add_plain(&call->name, name);
    event.id = grown(builder, &call->id, 0);
    event.name = grown(builder, &call->name, 0);
    emit(builder, &event);
    return event.number;
}

void reply_add_name(struct reply_builder *builder, size_t number, struct text name)
{
    struct reply_call *call;
    size_t before;
    struct text added;

    if (number == SIZE_MAX || builder->full)
        return;
    call = &builder->calls[number];
    before = call->name.len;
    if (call->arguments.len > 0)
        return;
    add_plain(&call->name, name);
    added = (struct text){buf_string(&call->name) + before, call->name.len - before};
    if (before > 0 && added.len == before && memcmp(added.ptr, call->name.ptr, before) == 0)
        call->name.len = before; /* the same again */
    (void)grown(builder, &call->name, before);
}

void reply_add_arguments(struct reply_builder *builder, size_t number, struct text value)
{
    struct chat_event event = {.kind = CHAT_EVENT_ARGUMENTS, .number = number};
    struct buf *arguments;
    size_t before;

    if (number == SIZE_MAX || builder->full)
        return;
    arguments = &builder->calls[number].arguments;
    before = arguments->len;
    add_plain(arguments, value);
    event.text = grown(builder, arguments, before);
    if (event.text.len > 0)
        emit(builder, &event);
}

void reply_set_model(struct reply_builder *builder, struct text value)
{
    if (builder->model.len > 0 || json_raw_type(value) != JSON_RAW_STRING ||
        value.len > MODEL_NAME_MAX)
        return;
    (void)json_raw_add_string(value, &builder->model);
}

void reply_set_state_id(struct reply_builder *builder, struct text value)
{
    if (builder->state_id.len > 0 || json_raw_type(value) != JSON_RAW_STRING ||
        value.len > STATE_ID_MAX)
        return;
    (void)json_raw_add_string(value, &builder->state_id);
}

void reply_set_usage(struct reply_builder *builder, const struct chat_usage *usage)
{
    struct chat_event event = {.kind = CHAT_EVENT_USAGE, .usage = *usage};

    builder->usage = *usage;
    emit(builder, &event);
}

static enum chat_finish finish_of(const struct reply_builder *builder)
{
    if (builder->finish == CHAT_FINISH_LENGTH || builder->finish == CHAT_FINISH_FILTER)
        return builder->finish;
    if (builder->calls_count > 0)
        return CHAT_FINISH_TOOL;
    if (builder->finish == CHAT_FINISH_REFUSAL)
        return CHAT_FINISH_REFUSAL;
    return builder->text.len == 0 && builder->refusal.len > 0 ? CHAT_FINISH_REFUSAL
                                                              : CHAT_FINISH_STOP;
}

void reply_set_finish(struct reply_builder *builder, enum chat_finish finish)
{
    struct chat_event event = {.kind = CHAT_EVENT_FINISH};

    builder->finish = finish;
    builder->finished = true;
    event.finish = finish_of(builder);
    emit(builder, &event);
}

int64_t reply_tokens_at(struct text object, const char *name)
{
    int64_t value = 0;

    if (!json_raw_int(json_raw_get(object, name), &value) || value < 0)
        return 0;
    return value < CHAT_TOKENS_MAX ? value : CHAT_TOKENS_MAX;
}

int64_t reply_dollars_at(struct text object, const char *name)
{
    struct text number = json_raw_get(object, name);
    char digits[64];
    double micros;

    if (json_raw_type(number) != JSON_RAW_NUMBER || number.len >= sizeof(digits))
        return 0;
    memcpy(digits, number.ptr, number.len);
    digits[number.len] = '\0';
    micros = strtod(digits, NULL) * 1e6;
    if (!(micros > 0))
        return 0;
    return micros < (double)REPLY_DOLLARS_MAX * 1e6 ? llround(micros)
                                                    : INT64_C(1000000) * REPLY_DOLLARS_MAX;
}

void reply_keep_reasoning(struct reply_builder *builder, const char *name)
{
    struct json_write write;

    if (builder->calls_count == 0 || builder->reasoning.len == 0)
        return;
    json_write_init(&write, &builder->state);
    json_write_open_object(&write, NULL);
    json_write_text(&write, name, buf_text(&builder->reasoning));
    json_write_close(&write);
}

/* Returns false when the arena is full. */
static bool copy_text(struct arena *arena, struct text text, struct text *out)
{
    char *bytes;

    if (text.len == 0) {
        *out = TEXT_NONE;
        return true;
    }
    bytes = arena_copy(arena, text);
    *out = (struct text){bytes, text.len};
    return bytes != NULL;
}

static bool copy(struct arena *arena, const struct buf *buf, struct text *out)
{
    return copy_text(arena, buf_text(buf), out);
}

static bool copy_calls(const struct reply_builder *builder, struct chat_reply *out)
{
    if (builder->calls_count == 0)
        return true;
    out->tool_calls = arena_calloc(out->arena, builder->calls_count, sizeof(*out->tool_calls));
    if (!out->tool_calls)
        return false;
    out->tool_calls_count = builder->calls_count;
    for (size_t i = 0; i < builder->calls_count; i++) {
        const struct reply_call *from = &builder->calls[i];
        struct chat_tool_call *to = &out->tool_calls[i];

        if (!copy(out->arena, &from->id, &to->id) || !copy(out->arena, &from->name, &to->name) ||
            !copy(out->arena, &from->arguments, &to->arguments))
            return false;
    }
    return true;
}

int reply_builder_take(struct reply_builder *builder, struct chat_reply *out, struct error *err)
{
    struct chat_reply reply = {.arena = out->arena, .usage = builder->usage};
    const struct buf *said = builder->text.len > 0 ? &builder->text : &builder->refusal;
    struct text thought = text_prefix(buf_text(&builder->reasoning), CHAT_REASONING_BYTES_MAX);

    reply.finish = finish_of(builder);
    if (builder->full || !copy(reply.arena, said, &reply.text) ||
        !copy_text(reply.arena, thought, &reply.reasoning) ||
        !copy(reply.arena, &builder->model, &reply.model) ||
        !copy(reply.arena, &builder->state_id, &reply.state_id) || !copy_calls(builder, &reply))
        return error_set(err, E_LIMIT, "the reply is too large for the run's memory");
    *out = reply;
    return 0;
}
