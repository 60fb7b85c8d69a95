/* Context: decoding of stored messages and the repair of unpaired tool calls.
 *
 * A thread can hold a call without its result: a run failed, was cancelled or expired between the
 * two. Every provider refuses such a history, for ever; so the repair runs before every model call
 * that starts from stored messages.
 */

#include "worker/context.h"

#include "shared/base/error.h"
#include "shared/base/json.h"

#define UNANSWERED "This call was not completed, its result is not known."

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
}

int context_parts_text(struct text parts, struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(json_freep)
    struct json_object *list = NULL;
    CLEANUP(buf_deinit)
    struct buf buf;
    char *copy;
    int r;

    buf_init(&buf, 0);
    r = json_decode(parts, JSON_DEPTH_DEFAULT, &list, err);
    if (r < 0)
        return error_wrap(err, "a message's content");
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        struct json_object *part = json_object_array_get_idx(list, i);
        struct json_object *text = json_get(part, "text");
        struct text value = text ? json_string(text) : json_get_text(part, "refusal");

        if (text && !value.ptr)
            value = json_get_text(text, "value");
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

int context_parse_calls(struct text json, struct arena *arena, struct chat_tool_call **out,
                        size_t *out_count, struct error *err)
{
    CLEANUP(json_freep)
    struct json_object *list = NULL;
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
        if (r < 0)
            return r;
    }
    *out = calls;
    *out_count = count;
    return 0;
}

static int append(struct context *context, struct arena *arena, struct chat_message message,
                  struct error *err)
{
    if (context->count == context->room) {
        size_t room = context->room ? context->room * 2 : 4;
        struct chat_message *moved = arena_calloc(arena, room, sizeof(*moved));

        if (!moved)
            return no_room(err);
        if (context->count > 0)
            memcpy(moved, context->messages, context->count * sizeof(*moved));
        context->messages = moved;
        context->room = room;
    }
    context->messages[context->count++] = message;
    return 0;
}

/* The stored result of a call: behind the assistant message, before the next message that is none.
 * */
static const struct message *find_result(const struct message_list *history, size_t from,
                                         struct text call_id)
{
    for (size_t i = from; i < history->count && history->items[i].role == MESSAGE_TOOL; i++)
        if (text_equal(history->items[i].tool_call_id, call_id))
            return &history->items[i];
    return NULL;
}

static int append_result(struct context *context, struct arena *arena, const struct message *stored,
                         struct text call_id, struct error *err)
{
    struct chat_message message = {
        .role = CHAT_TOOL, .tool_call_id = call_id, .text = TEXT(UNANSWERED)};
    int r = stored ? context_parts_text(stored->content, arena, &message.text, err) : 0;

    return r < 0 ? r : append(context, arena, message, err);
}

static int append_assistant(const struct message_list *history, size_t index,
                            struct uuid pending_run, struct arena *arena, struct context *context,
                            struct error *err)
{
    const struct message *stored = &history->items[index];
    struct chat_message message = {.role = CHAT_ASSISTANT, .opaque_state = stored->opaque};
    struct chat_tool_call *calls = NULL;
    bool pending = !uuid_is_zero(pending_run) && uuid_equal(stored->run_id, pending_run);
    int r = context_parts_text(stored->content, arena, &message.text, err);

    if (r == 0 && stored->tool_calls.ptr)
        r = context_parse_calls(stored->tool_calls, arena, &calls, &message.tool_calls_count, err);
    message.tool_calls = calls;
    if (r == 0)
        r = append(context, arena, message, err);
    for (size_t i = 0; r == 0 && i < message.tool_calls_count; i++) {
        const struct message *result = find_result(history, index + 1, calls[i].id);

        if (result || !pending)
            r = append_result(context, arena, result, calls[i].id, err);
    }
    return r;
}

int context_build(const struct message_list *history, struct uuid pending_run, struct arena *arena,
                  struct context *out, struct error *err)
{
    struct context context = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < history->count; i++) {
        const struct message *stored = &history->items[i];

        switch (stored->role) {
        case MESSAGE_USER:
            r = append(&context, arena,
                       (struct chat_message){.role = CHAT_USER, .content_parts = stored->content},
                       err);
            break;
        case MESSAGE_ASSISTANT:
            r = append_assistant(history, i, pending_run, arena, &context, err);
            break;
        case MESSAGE_TOOL: /* taken by the message with its call, or left out */
            break;
        }
    }
    if (r < 0)
        return r;
    *out = context;
    return 0;
}
