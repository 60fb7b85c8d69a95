/* The window.
 *
 * From the last message back, tokens are added up. Wherever a turn begins and no call is parted
 * from its result, the conversation may be cut: the last such place at which the sum was within the
 * room is the answer. The first of these places, at the last user message or at the very beginning,
 * is where WINDOW_FULL is decided.
 *
 * Results are counted rather than matched by id, which would be quadratic: a result is open until a
 * message with calls comes before it, which closes as many as it has calls. In a sound conversation
 * none is open where a turn begins. */

#include "providers/context/window.h"

#include "providers/chat_tokens.h"

/* A part of the room that is not used by a first try. Texts of a hundred kilobytes are estimated
 * within a few per cent, and a refusal costs a request. */
#define MARGIN_PART 32

/* What a refused request is at most when it is tried again: three quarters. */
#define TIGHTER_OF 4

/* More tokens than a message or a call, and a picture take beside their texts. */
#define MESSAGE_TOKENS 16
#define PART_TOKENS    1200

int64_t window_tokens_at_most(const struct chat_message *message)
{
    size_t bytes = MESSAGE_TOKENS + message->text.len + message->opaque_state.len;

    for (size_t i = 0; i < message->parts_count; i++)
        bytes += PART_TOKENS + message->parts[i].text.len;
    for (size_t i = 0; i < message->tool_calls_count; i++)
        bytes +=
            MESSAGE_TOKENS + message->tool_calls[i].name.len + message->tool_calls[i].arguments.len;
    return (int64_t)bytes;
}

int64_t window_room(const struct window_limits *limits, int64_t frame_tokens)
{
    int64_t room = INT64_MAX;

    if (limits->window_tokens > 0) {
        room = limits->window_tokens - limits->answer_tokens;
        room -= room > 0 ? room / MARGIN_PART : 0;
    }
    if (limits->messages_tokens > 0 && frame_tokens + limits->messages_tokens < room)
        room = frame_tokens + limits->messages_tokens;
    if (limits->refused) {
        int64_t tighter = limits->refused->tokens - limits->refused->tokens / TIGHTER_OF - 1;

        room = tighter < room ? tighter : room;
    }
    return room;
}

/* Results whose call lies before what was looked at. */
static size_t still_open(size_t open, const struct chat_message *message)
{
    if (message->role == CHAT_TOOL)
        return open + 1;
    return open > message->tool_calls_count ? open - message->tool_calls_count : 0;
}

static bool has_user_message(const struct chat_request *request)
{
    for (size_t i = request->messages_count; i > 0; i--)
        if (request->messages[i - 1].role == CHAT_USER)
            return true;
    return false;
}

int window_fit(const struct chat_request *request, const struct window_limits *limits,
               struct window *out)
{
    int64_t frame = chat_frame_tokens(request, limits->vocabulary);
    int64_t room = window_room(limits, frame);
    int64_t tokens = frame + limits->before_tokens;
    bool may_cut = has_user_message(request);
    bool last_turn = true; /* the last user message was not yet seen */
    bool fits = false;
    size_t open = 0;

    *out = (struct window){.left_out = request->messages_count, .tokens = tokens};
    for (size_t i = request->messages_count; i > 0; i--) {
        const struct chat_message *message = &request->messages[i - 1];
        bool begins = message->role == CHAT_USER;

        last_turn = last_turn && !begins;
        tokens += chat_message_tokens(message, last_turn, limits->vocabulary);
        if (tokens > room && fits)
            return 0;
        open = still_open(open, message);
        if (i > 1 && !(may_cut && begins && open == 0))
            continue;
        *out = (struct window){.left_out = i - 1, .tokens = tokens};
        if (tokens > room)
            return WINDOW_FULL;
        fits = true;
    }
    return tokens > room && !fits ? WINDOW_FULL : 0;
}
