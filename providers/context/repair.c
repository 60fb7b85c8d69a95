/* Repair of a conversation before a provider sees it.
 *
 * A thread can hold a call without its result: a run was cancelled, failed or expired between the
 * two, or the beginning of the history was cut off. Every provider refuses such a conversation, and
 * would for ever; so whatever is stored, what is sent passes here.
 *
 * The result takes at most one message for each call and each message given, so its size is known
 * before.
 */

#include "providers/context/repair.h"

#include "shared/base/error.h"

static bool is_silent(const struct chat_message *message)
{
    return message->role == CHAT_ASSISTANT && message->text.len == 0 &&
           message->tool_calls_count == 0;
}

/* Is call number `index` the first of its id in its message? */
static bool is_first(const struct chat_message *message, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (text_equal(message->tool_calls[i].id, message->tool_calls[index].id))
            return false;
    return true;
}

/* Do the messages from `at` on begin with exactly the results of this one's calls? */
static bool is_answered(const struct chat_message *message, const struct chat_message *at,
                        const struct chat_message *end)
{
    size_t count = message->tool_calls_count;

    if ((size_t)(end - at) < count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (at[i].role != CHAT_TOOL || !is_first(message, i) ||
            !text_equal(at[i].tool_call_id, message->tool_calls[i].id))
            return false;
    return true;
}

bool repair_is_needed(const struct chat_message *messages, size_t count)
{
    const struct chat_message *end = messages + count;

    for (const struct chat_message *at = messages; at < end; at++) {
        if (at->role == CHAT_TOOL || is_silent(at))
            return true;
        if (at->role != CHAT_ASSISTANT)
            continue;
        if (!is_answered(at, at + 1, end))
            return true;
        at += at->tool_calls_count;
    }
    return false;
}

static bool makes_call(const struct chat_message *message, struct text call_id)
{
    for (size_t i = 0; i < message->tool_calls_count; i++)
        if (text_equal(message->tool_calls[i].id, call_id))
            return true;
    return false;
}

static const struct chat_message *find_result(const struct chat_message *at,
                                              const struct chat_message *end, struct text call_id)
{
    for (; at < end; at++) {
        if (at->role == CHAT_TOOL && text_equal(at->tool_call_id, call_id))
            return at;
        if (makes_call(at, call_id))
            break;
    }
    return NULL;
}

/* The message without second calls of one id. False: the arena is full. */
static bool drop_second_calls(struct chat_message *message, struct arena *arena)
{
    size_t count = message->tool_calls_count;
    struct chat_tool_call *calls;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        kept += is_first(message, i);
    if (kept == count)
        return true;
    calls = arena_calloc(arena, kept, sizeof(*calls));
    if (!calls)
        return false;
    kept = 0;
    for (size_t i = 0; i < count; i++)
        if (is_first(message, i))
            calls[kept++] = message->tool_calls[i];
    message->tool_calls = calls;
    message->tool_calls_count = kept;
    return true;
}

static size_t room_for(const struct chat_message *messages, size_t count)
{
    size_t room = count;

    for (size_t i = 0; i < count; i++)
        room += messages[i].tool_calls_count;
    return room;
}

int repair_conversation(const struct chat_message *messages, size_t count, size_t open,
                        struct arena *arena, struct chat_message **out, size_t *out_count,
                        struct error *err)
{
    const struct chat_message *end = messages + count;
    struct chat_message *made = arena_calloc(arena, room_for(messages, count) + 1, sizeof(*made));
    size_t used = 0;

    if (!made)
        return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    for (size_t i = 0; i < count; i++) {
        struct chat_message message = messages[i];

        if (message.role == CHAT_TOOL || is_silent(&message))
            continue;
        if (!drop_second_calls(&message, arena))
            return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
        made[used++] = message;
        for (size_t k = 0; k < message.tool_calls_count; k++) {
            struct text id = message.tool_calls[k].id;
            const struct chat_message *result = find_result(&messages[i + 1], end, id);

            if (result)
                made[used++] = *result;
            else if (i != open)
                made[used++] = (struct chat_message){
                    .role = CHAT_TOOL, .tool_call_id = id, .text = TEXT(REPAIR_UNANSWERED)};
        }
    }
    *out = made;
    *out_count = used;
    return 0;
}
