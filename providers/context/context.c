/* Context: decoding of stored messages, one by one, and then the repair of what does not pair. */

#include "providers/context/context.h"

#include "providers/chat_read.h"
#include "providers/context/marks.h"
#include "providers/context/record.h"
#include "providers/context/repair.h"
#include "providers/reply/reply_form.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/summaries/summaries.h"

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
}

/* The text of a part: of a refusal, too. TEXT_NONE: it has none. */
static struct text part_text(struct json_object *part)
{
    struct json_object *text = json_get(part, "text");

    if (!text)
        return json_get_text(part, "refusal");
    return json_object_is_type(text, json_type_object) ? json_get_text(text, "value")
                                                       : json_string(text);
}

/* Texts with a line break between them. */
static int join_texts(struct json_object *list, struct arena *arena, struct text *out,
                      struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf;
    char *copy;
    int r;

    buf_init(&buf, 0);
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        struct text value = part_text(json_object_array_get_idx(list, i));

        if (!value.ptr)
            continue;
        if (buf.len > 0)
            buf_add_char(&buf, '\n');
        buf_add_text(&buf, value);
    }
    r = buf_check(&buf, err);
    if (r < 0)
        return r;
    copy = arena_copy(arena, buf_text(&buf));
    if (!copy)
        return no_room(err);
    *out = (struct text){copy, buf.len};
    return 0;
}

int context_parts_text(struct text parts, struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    int r = json_decode(parts, JSON_DEPTH_DEFAULT, &list, err);

    if (r < 0)
        return error_wrap(err, "a message's content");
    return join_texts(list, arena, out, err);
}

/* What is text alone becomes text here, once, and not before every call of the model. */
static int decode_user(const struct message *stored, struct arena *arena, struct chat_message *out,
                       struct error *err)
{
    struct chat_part *parts;
    size_t count;
    int r = chat_read_parts(stored->content, arena, &parts, &count, err);

    if (r < 0)
        return error_wrap(err, "a user's message");
    *out = (struct chat_message){.role = CHAT_USER};
    if (count == 1 && parts[0].kind == CHAT_PART_TEXT) {
        out->text = parts[0].text;
        return 0;
    }
    out->parts = parts;
    out->parts_count = count;
    return 0;
}

/* One with images is said by the user: no server takes these from the system. */
static int decode_system(const struct message *stored, struct arena *arena,
                         struct chat_message *out, struct error *err)
{
    const char *text;
    int r = decode_user(stored, arena, out, err);

    if (r < 0 || !out->text.ptr)
        return r;
    text =
        arena_printf(arena, "Message of the system, not of the user: %.*s", TEXT_ARGS(out->text));
    if (!text)
        return no_room(err);
    out->system = out->text;
    out->text = text_of(text);
    return 0;
}

static int copy_member(struct json_object *item, const char *key, struct arena *arena,
                       struct text *out, struct error *err)
{
    struct text value = json_get_text(item, key);
    char *copy = arena_copy(arena, value);

    if (!copy)
        return no_room(err);
    *out = (struct text){copy, value.len};
    return 0;
}

/* From [{id,name,arguments,said}] to calls in form. What was said is for people alone. */
static int parse_calls(struct text json, struct arena *arena, struct chat_tool_call **out,
                       size_t *out_count, struct error *err)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    struct chat_tool_call *calls;
    size_t count;
    int r = json_decode(json, JSON_DEPTH_DEFAULT, &list, err);

    if (r < 0)
        return error_wrap(err, "a message's tool calls");
    if (!json_object_is_type(list, json_type_array))
        return error_set(err, E_INVALID, "a message's tool calls are no list");
    count = json_object_array_length(list);
    calls = arena_calloc(arena, count, sizeof(*calls));
    if (!calls)
        return no_room(err);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);

        r = copy_member(item, "id", arena, &calls[i].id, err);
        if (r == 0)
            r = copy_member(item, "name", arena, &calls[i].name, err);
        if (r == 0)
            r = copy_member(item, "arguments", arena, &calls[i].arguments, err);
        if (r == 0) /* it may have been stored by an earlier version, as it was said */
            r = reply_form_call(&calls[i], arena, err);
        if (r < 0)
            return r;
    }
    *out = calls;
    *out_count = count;
    return 0;
}

static int decode(const struct message *stored, struct arena *arena, struct chat_message *out,
                  struct error *err)
{
    struct chat_tool_call *calls = NULL;
    int r;

    if (stored->role == MESSAGE_USER)
        return decode_user(stored, arena, out, err);
    if (stored->role == MESSAGE_SYSTEM)
        return decode_system(stored, arena, out, err);
    *out = stored->role == MESSAGE_TOOL
               ? (struct chat_message){.role = CHAT_TOOL, .tool_call_id = stored->tool_call_id}
               : (struct chat_message){.role = CHAT_ASSISTANT, .opaque_state = stored->opaque};
    r = context_parts_text(stored->content, arena, &out->text, err);
    if (r == 0 && stored->role == MESSAGE_TOOL)
        r = reply_form_id(out->tool_call_id, arena, &out->tool_call_id, err);
    if (r == 0 && stored->role == MESSAGE_ASSISTANT && stored->tool_calls.ptr)
        r = parse_calls(stored->tool_calls, arena, &calls, &out->tool_calls_count, err);
    out->tool_calls = calls;
    return r;
}

/* Whether one of messages `at` on, and before `end`, answers the call. */
static bool is_answered(const struct chat_message *at, const struct chat_message *end,
                        struct text call_id)
{
    for (; at < end; at++)
        if (at->role == CHAT_TOOL && text_equal(at->tool_call_id, call_id))
            return true;
    return false;
}

/* Calls before the gap whose results are behind it, or in it, go: their messages fall silent, and
 * the repair leaves out what says nothing, and results of no call. */
static void drop_parted(struct chat_message *messages, size_t gap)
{
    for (size_t i = 0; i < gap; i++) {
        struct chat_message *message = &messages[i];
        bool whole = true;

        for (size_t k = 0; whole && k < message->tool_calls_count; k++)
            whole = is_answered(message + 1, messages + gap, message->tool_calls[k].id);
        if (!whole)
            *message = (struct chat_message){.role = CHAT_ASSISTANT};
    }
}

static void drop_parted_by(struct chat_message *messages, const struct context_history *source)
{
    size_t from = 0;

    for (size_t i = 0; i < source->breaks_count; from = source->breaks[i++])
        drop_parted(messages + from, source->breaks[i] - from);
}

/* How many messages at the front are of the thread's first ones, without an exchange of which the
 * end is not. */
static size_t count_first(const struct context *context, size_t first)
{
    const struct chat_message *messages = context->messages;
    size_t count = 0;

    while (count < context->count && messages[count].stored > 0 && messages[count].stored <= first)
        count++;
    while (count > 0 && count < context->count && messages[count].role == CHAT_TOOL)
        count--;
    return count;
}

/* Whether its first message is the record of a summary. */
static bool has_record(const struct context *context)
{
    return context->first > 0 && context->messages[0].stored == 0;
}

/* `records`: how many of the messages stand before those of the history. */
static int decode_all(const struct context_history *source, size_t records, struct arena *arena,
                      struct chat_message *messages, size_t *out_open, struct error *err)
{
    const struct message_list *history = source->history;
    int r = 0;

    *out_open = REPAIR_NONE;
    for (size_t i = 0; r == 0 && i < history->count; i++) {
        const struct message *stored = &history->items[i];
        size_t at = records + i;

        r = decode(stored, arena, &messages[at], err);
        messages[at].stored = i + 1;
        if (stored->role == MESSAGE_ASSISTANT && !uuid_is_zero(source->pending_run) &&
            uuid_equal(stored->run_id, source->pending_run))
            *out_open = at;
    }
    return r;
}

int context_build(const struct context_history *source, struct arena *arena, struct context *out,
                  struct error *err)
{
    const struct message_list *history = source->history;
    const struct thread_summary *summary = source->summary;
    struct chat_message *messages = arena_calloc(arena, history->count + 2, sizeof(*messages));
    size_t records = summary && summary->text.ptr ? 1 : 0;
    struct context context = {0};
    size_t open = REPAIR_NONE;
    int r = messages ? 0 : no_room(err);

    if (r == 0 && records > 0)
        r = record_message(summary->text, summary->messages, arena, messages, err);
    if (r == 0)
        r = decode_all(source, records, arena, messages, &open, err);
    if (r < 0)
        return r;
    drop_parted(messages, source->gap);
    drop_parted_by(messages, source);
    r = repair_conversation(messages, records + history->count, open, arena, &context.messages,
                            &context.count, err);
    if (r == 0)
        r = marks_add(&context.messages, &context.count, source->breaks, source->breaks_count,
                      arena, err);
    if (r < 0)
        return r;
    context.first = records > 0 ? records : count_first(&context, source->first);
    *out = context;
    return 0;
}

bool context_is_sound(const struct context *context)
{
    return !repair_is_needed(context->messages, context->count);
}

int context_repair(struct context *context, struct arena *arena, struct error *err)
{
    bool record = has_record(context);
    size_t first = context->first > 0 ? context->messages[context->first - 1].stored : 0;
    int r = repair_conversation(context->messages, context->count, REPAIR_NONE, arena,
                                &context->messages, &context->count, err);

    if (r == 0)
        context->first = record ? 1 : count_first(context, first);
    return r;
}
