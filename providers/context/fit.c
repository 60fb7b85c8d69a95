/* How much of a conversation is sent.
 *
 * Most requests are far shorter than the model's context. A text has no more tokens than bytes, so
 * for those the bytes are counted, and nothing is estimated. */

#include <string.h>

#include "providers/chat_tokens.h"
#include "providers/context/context.h"
#include "providers/context/strategy.h"

/* More tokens than a message or a tool takes beside its texts. */
#define MESSAGE_TOKENS 16

/* No fewer than the tokens of its messages, and of the rest. */
static int64_t messages_bytes(const struct chat_request *request)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < request->messages_count; i++)
        bytes += window_tokens_at_most(&request->messages[i]);
    return bytes;
}

static int64_t frame_bytes(const struct chat_request *request)
{
    int64_t bytes =
        (int64_t)(MESSAGE_TOKENS + request->instructions.len + request->response_format.schema.len);

    for (size_t i = 0; i < request->tools_count; i++)
        bytes += (int64_t)(MESSAGE_TOKENS + request->tools[i].name.len +
                           request->tools[i].description.len + request->tools[i].parameters.len);
    return bytes;
}

/* Of the context, what the answer may take: a quarter where nothing says less. */
static int64_t answer_tokens(const struct provider_target *target,
                             const struct chat_request *request)
{
    int64_t most = target->context_tokens / 4;

    if (target->output_tokens_max > 0 && target->output_tokens_max < most)
        most = target->output_tokens_max;
    return request->max_completion_tokens > 0 && request->max_completion_tokens < most
               ? request->max_completion_tokens
               : most;
}

static struct window_limits limits_of(const struct provider_target *target,
                                      const struct context_plan *plan,
                                      const struct chat_request *request)
{
    return (struct window_limits){
        .vocabulary = TOKENS_O200K,
        .window_tokens = target->context_tokens,
        .answer_tokens = answer_tokens(target, request),
        .messages_tokens = plan->settings->max_tokens,
    };
}

/* As window_fit. */
static int fit_window(const struct provider_target *target, const struct context_plan *plan,
                      const struct context_fit *fit, const struct chat_request *request,
                      struct window *out)
{
    const struct window refused = {fit->first, fit->left_out, fit->tokens};
    struct window_limits limits = limits_of(target, plan, request);

    limits.refused = fit->refused ? &refused : NULL;
    return strategy_of(plan->settings->strategy)->fit(request, plan->first, &limits, out);
}

/* Room for so many messages side by side. NULL: the arena is full. */
static struct chat_message *make_room(struct context_joined *joined, size_t count)
{
    if (joined->room < count) {
        joined->items = arena_calloc(joined->arena, count * 2, sizeof(*joined->items));
        joined->room = joined->items ? count * 2 : 0;
    }
    return joined->items;
}

/* The request becomes what is sent of it. Without room for both parts, that is the newer one. */
static void leave_out(const struct context_plan *plan, struct window *window,
                      struct chat_request *request)
{
    size_t newest = request->messages_count - window->first - window->left_out;
    const struct chat_message *from = request->messages + window->first + window->left_out;
    struct chat_message *joined;

    if (window->left_out == 0)
        return;
    joined = window->first > 0 ? make_room(plan->joined, window->first + newest) : NULL;
    if (!joined) {
        window->left_out += window->first;
        window->first = 0;
        request->messages = from;
        request->messages_count = newest;
        return;
    }
    memcpy(joined, request->messages, window->first * sizeof(*joined));
    memcpy(joined + window->first, from, newest * sizeof(*joined));
    request->messages = joined;
    request->messages_count = window->first + newest;
}

void context_fit(const struct provider_target *target, const struct context_plan *plan,
                 struct context_fit *fit, struct chat_request *request)
{
    int64_t of_messages = messages_bytes(request);
    struct window window = {.tokens = of_messages + frame_bytes(request)};
    int64_t room = target->context_tokens - answer_tokens(target, request);
    int64_t most = plan->settings->max_tokens;

    if (fit->refused || (target->context_tokens > 0 && window.tokens > room) ||
        (most > 0 && of_messages > most))
        IGNORE(fit_window(target, plan, fit, request, &window));
    leave_out(plan, &window, request);
    if (!fit->refused)
        *fit = (struct context_fit){
            .first = window.first, .left_out = window.left_out, .tokens = window.tokens};
}

int64_t context_budget(const struct provider_target *target, const struct context_plan *plan,
                       const struct chat_request *request)
{
    struct window_limits limits = limits_of(target, plan, request);
    int64_t frame = chat_frame_tokens(request, limits.vocabulary);
    int64_t room = window_room(&limits, frame);

    if (room == INT64_MAX)
        return 0;
    return room > frame ? room - frame : 1;
}

/* Of what was sent. */
static int64_t count_tokens(const struct context_fit *fit, const struct chat_request *request)
{
    struct chat_request sent = *request;
    int64_t tokens = 0;

    for (size_t i = 0; i < fit->first; i++)
        tokens += chat_message_tokens(&request->messages[i], false, TOKENS_O200K);
    sent.messages += fit->first + fit->left_out;
    sent.messages_count -= fit->first + fit->left_out;
    return tokens + chat_tokens(&sent, TOKENS_O200K);
}

bool context_refused(const struct provider_target *target, const struct context_plan *plan,
                     struct context_fit *fit, const struct chat_request *request)
{
    struct window window;

    if (fit->refused)
        return false;
    fit->tokens = count_tokens(fit, request);
    fit->refused = true;
    return fit_window(target, plan, fit, request, &window) == 0;
}
