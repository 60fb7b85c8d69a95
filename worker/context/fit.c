/* How much of a conversation is sent.
 *
 * Most requests are far shorter than the model's context. A text has no more tokens than bytes, so
 * for those the bytes are counted, and nothing is estimated. */

#include "providers/chat_tokens.h"
#include "shared/base/log.h"
#include "worker/context/context.h"
#include "worker/context/window.h"

/* More tokens than a message, a call or a tool, and a picture take beside their texts. */
#define MESSAGE_TOKENS 16
#define PART_TOKENS    1200

static int64_t message_bytes(const struct chat_message *message)
{
    size_t bytes = MESSAGE_TOKENS + message->text.len + message->opaque_state.len;

    for (size_t i = 0; i < message->parts_count; i++)
        bytes += PART_TOKENS + message->parts[i].text.len;
    for (size_t i = 0; i < message->tool_calls_count; i++)
        bytes +=
            MESSAGE_TOKENS + message->tool_calls[i].name.len + message->tool_calls[i].arguments.len;
    return (int64_t)bytes;
}

/* No fewer than its tokens. */
static int64_t request_bytes(const struct chat_request *request)
{
    int64_t bytes =
        (int64_t)(MESSAGE_TOKENS + request->instructions.len + request->response_format.schema.len);

    for (size_t i = 0; i < request->messages_count; i++)
        bytes += message_bytes(&request->messages[i]);
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

/* As window_fit. */
static int fit_window(const struct provider_target *target, const struct context_fit *fit,
                      const struct chat_request *request, struct window *out)
{
    const struct window refused = {fit->left_out, fit->tokens};
    const struct window_limits limits = {
        .vocabulary = TOKENS_O200K,
        .window_tokens = target->context_tokens,
        .answer_tokens = answer_tokens(target, request),
        .refused = fit->refused ? &refused : NULL,
    };

    return window_fit(request, &limits, out);
}

void context_fit(const struct provider_target *target, struct context_fit *fit,
                 struct chat_request *request)
{
    struct window window = {.tokens = request_bytes(request)};
    int64_t room = target->context_tokens - answer_tokens(target, request);

    if (fit->refused || (target->context_tokens > 0 && window.tokens > room))
        IGNORE(fit_window(target, fit, request, &window));
    if (window.left_out > fit->left_out)
        log_info("the oldest messages are left out: the model's context is too small for all",
                 LOG_INT("left_out", window.left_out), LOG_INT("of", request->messages_count));
    if (!fit->refused)
        *fit = (struct context_fit){.left_out = window.left_out, .tokens = window.tokens};
    request->messages += window.left_out;
    request->messages_count -= window.left_out;
}

bool context_refused(const struct provider_target *target, struct context_fit *fit,
                     const struct chat_request *request)
{
    struct chat_request sent = *request;
    struct window window;

    if (fit->refused)
        return false;
    sent.messages += fit->left_out;
    sent.messages_count -= fit->left_out;
    fit->tokens = chat_tokens(&sent, TOKENS_O200K);
    fit->refused = true;
    return fit_window(target, fit, request, &window) == 0;
}
