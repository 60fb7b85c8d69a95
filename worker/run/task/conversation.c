/* The conversation of a run: an array that grows in its arena. */

#include "worker/run/task/conversation.h"

#include <string.h>

#include "shared/base/id.h"
#include "shared/base/log.h"

#define ROOM_MIN 8

static bool add(struct conversation *conversation, const struct chat_message *message)
{
    if (conversation->count == conversation->room) {
        size_t room = conversation->room ? conversation->room * 2 : ROOM_MIN;
        struct chat_message *moved = arena_calloc(conversation->arena, room, sizeof(*moved));

        if (!moved)
            return false;
        if (conversation->count > 0)
            memcpy(moved, conversation->messages, conversation->count * sizeof(*moved));
        conversation->messages = moved;
        conversation->room = room;
    }
    conversation->messages[conversation->count++] = *message;
    return true;
}

static void take(struct conversation *conversation, const struct context *context)
{
    conversation->messages = context->messages;
    conversation->count = conversation->room = context->count;
    conversation->first = context->first;
}

int conversation_load(struct conversation *conversation, const struct context_history *source,
                      struct error *err)
{
    struct context context;
    int r = context_build(source, conversation->arena, &context, err);

    if (r == 0)
        take(conversation, &context);
    if (r == 0)
        conversation->history = *source->history;
    return r;
}

bool conversation_add_reply(struct conversation *conversation, const struct chat_reply *reply)
{
    struct chat_message message = {
        .role = CHAT_ASSISTANT,
        .text = reply->text,
        .tool_calls = reply->tool_calls,
        .tool_calls_count = reply->tool_calls_count,
        .opaque_state = reply->opaque_state,
    };

    return add(conversation, &message);
}

bool conversation_add_result(struct conversation *conversation, struct text call_id,
                             struct text result)
{
    struct chat_message message = {.role = CHAT_TOOL, .tool_call_id = call_id, .text = result};

    return add(conversation, &message);
}

int conversation_add_said(struct conversation *conversation, const struct message_list *said,
                          struct error *err)
{
    struct context context;
    int r = context_build(&(struct context_history){.history = said}, conversation->arena, &context,
                          err);

    for (size_t i = 0; r == 0 && i < context.count; i++) {
        context.messages[i].stored = 0; /* of another history */
        if (!add(conversation, &context.messages[i]))
            return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    }
    return r;
}

static bool id_is_used(const struct conversation *conversation, struct text id)
{
    for (size_t i = 0; i < conversation->count; i++) {
        const struct chat_message *message = &conversation->messages[i];

        for (size_t k = 0; k < message->tool_calls_count; k++)
            if (text_equal(message->tool_calls[k].id, id))
                return true;
    }
    return false;
}

bool conversation_tidy_calls(const struct conversation *conversation, struct chat_reply *reply)
{
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        struct chat_tool_call *call = &reply->tool_calls[i];
        char id[ID_TEXT_SIZE];
        const char *own;

        if (!id_is_used(conversation, call->id))
            continue;
        id_format(ID_RUN, uuid_new(), id);
        own = arena_printf(conversation->arena, "call_%s", strchr(id, '_') + 1);
        if (!own)
            return false;
        call->id = text_of(own);
    }
    return true;
}

int conversation_repair(struct conversation *conversation, struct error *err)
{
    struct context context = {conversation->messages, conversation->count, conversation->first};
    int r;

    if (context_is_sound(&context))
        return 0;
    log_warn("conversation repaired", LOG_INT("messages", (int64_t)conversation->count));
    r = context_repair(&context, conversation->arena, err);
    if (r == 0)
        take(conversation, &context);
    return r;
}

static bool is_unseen(const struct chat_part *part)
{
    return part->kind == CHAT_PART_IMAGE_URL && part->file.len > 0 && part->url.len == 0;
}

struct chat_part *conversation_unseen(struct conversation *conversation, bool *out_full)
{
    *out_full = false;
    for (size_t i = conversation->count; i-- > 0;) {
        struct chat_message *message = &conversation->messages[i];

        for (size_t k = message->parts_count; k-- > 0;) {
            struct chat_part *own;

            if (!is_unseen(&message->parts[k]))
                continue;
            /* The parts are borrowed: this message gets its own. */
            own = arena_calloc(conversation->arena, message->parts_count, sizeof(*own));
            *out_full = !own;
            if (!own)
                return NULL;
            memcpy(own, message->parts, message->parts_count * sizeof(*own));
            message->parts = own;
            return &own[k];
        }
    }
    return NULL;
}
