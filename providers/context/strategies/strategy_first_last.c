/* first_last: the first preserve_first messages, where people say what a conversation is about,
 * and the newest max_messages. Where these do not fit together, the oldest of the newest turns go
 * first; and only where the last turn alone leaves no room, the first messages, from their end. */

#include "providers/chat_tokens.h"
#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    out->newest = settings->max_messages;
    out->first = settings->preserve_first;
}

/* A call and its results are one piece: where the piece that begins at `at` ends. */
static size_t piece_end(const struct chat_request *request, size_t at, size_t end)
{
    at++;
    while (at < end && request->messages[at].role == CHAT_TOOL)
        at++;
    return at;
}

static int64_t tokens_of(const struct chat_request *request, size_t from, size_t to,
                         const struct window_limits *limits)
{
    int64_t tokens = 0;

    for (size_t i = from; i < to; i++)
        tokens += chat_message_tokens(&request->messages[i], false, limits->vocabulary);
    return tokens;
}

/* As many of the first messages as there is room for; *tokens becomes what they have. */
static size_t shorten(const struct chat_request *request, size_t first, int64_t room,
                      const struct window_limits *limits, int64_t *tokens)
{
    size_t kept = 0;

    *tokens = 0;
    while (kept < first) {
        size_t end = piece_end(request, kept, first);
        int64_t more = tokens_of(request, kept, end, limits);

        if (*tokens + more > room)
            break;
        *tokens += more;
        kept = end;
    }
    return kept;
}

static bool says_something_of_user(const struct chat_request *request, size_t from)
{
    for (size_t i = request->messages_count; i > from; i--)
        if (request->messages[i - 1].role == CHAT_USER)
            return true;
    return false;
}

int strategy_fit_ends(const struct chat_request *request, size_t first,
                      const struct window_limits *limits, struct window *out)
{
    struct window_limits behind = *limits;
    struct chat_request newest = *request;
    int64_t head;
    int64_t room;
    size_t kept;

    /* The last user message and all behind it stay: then nothing lies between. */
    if (first == 0 || !says_something_of_user(request, first))
        return window_fit(request, limits, out);
    head = tokens_of(request, 0, first, limits);
    behind.before_tokens = head;
    newest.messages += first;
    newest.messages_count -= first;
    if (window_fit(&newest, &behind, out) == 0) {
        out->first = first;
        return 0;
    }
    room = window_room(limits, chat_frame_tokens(request, limits->vocabulary));
    out->tokens -= head;
    kept = shorten(request, first, room - out->tokens, limits, &head);
    out->left_out += first - kept;
    out->first = kept;
    out->tokens += head;
    return out->tokens > room ? WINDOW_FULL : 0;
}

const struct strategy strategy_first_last = {reads, strategy_fit_ends};
