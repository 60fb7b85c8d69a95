/* When a summary is due, what the next one speaks of, and what becomes of what a model has said. */

#include "providers/context/summary.h"

#include <string.h>

#include "providers/chat_tokens.h"
#include "providers/context/record.h"
#include "providers/context/window.h"
#include "shared/base/error.h"

#define ANSWER_TOKENS_MAX   1000
#define ANSWER_TOKENS_LEAST 16
#define ANSWER_PART         4 /* of what it stands for, at most */

bool summary_is_due(int64_t tokens, int64_t trigger, int64_t tried_tokens)
{
    if (tokens <= trigger)
        return false;
    return tried_tokens < 0 || tokens - tried_tokens >= trigger / 2;
}

static size_t behind_record(const struct context *context)
{
    return context->first > 0 && context->messages[0].stored == 0 ? 1 : 0;
}

static int64_t tokens_of(const struct chat_message *messages, size_t count)
{
    int64_t tokens = 0;

    for (size_t i = 0; i < count; i++)
        tokens += chat_message_tokens(&messages[i], false, TOKENS_O200K);
    return tokens;
}

int64_t summary_tokens_behind(const struct context *context, int64_t most)
{
    size_t from = behind_record(context);
    int64_t at_most = 0;

    for (size_t i = from; i < context->count && at_most <= most; i++)
        at_most += window_tokens_at_most(&context->messages[i]);
    if (at_most <= most)
        return at_most;
    return tokens_of(context->messages + from, context->count - from);
}

/* Of `count` messages, how many the next summary may speak of: up to the first that stands at the
 * position `before`, or behind it. */
static size_t count_before(const struct chat_message *messages, size_t count,
                           const struct message_list *history, int64_t before)
{
    for (size_t i = 0; i < count; i++)
        if (messages[i].stored > 0 && history->items[messages[i].stored - 1].position >= before)
            return i;
    return count;
}

bool summary_plan(const struct context *context, const struct message_list *history,
                  const struct thread_summary *seen, int64_t keep_tokens, int64_t before,
                  struct summary_plan *out)
{
    const struct window_limits limits = {.messages_tokens = keep_tokens > 0 ? keep_tokens : 1};
    size_t from = behind_record(context);
    const struct chat_message *messages = context->messages + from;
    struct chat_request request = {.messages = messages};
    struct window window;
    size_t read;

    request.messages_count = count_before(messages, context->count - from, history, before);
    IGNORE(window_fit(&request, &limits, &window));
    if (window.left_out == 0 || window.left_out >= request.messages_count)
        return false;
    read = messages[window.left_out].stored;
    if (read <= 1)
        return false;
    read--;
    *out = (struct summary_plan){
        .seen = seen,
        .messages = messages,
        .count = window.left_out,
        .read = (int64_t)read,
        .from = history->items[0].position,
        .to = history->items[read - 1].position,
        .tokens = tokens_of(messages, window.left_out) + seen->tokens,
    };
    out->answer_tokens = out->tokens / ANSWER_PART;
    if (out->answer_tokens > ANSWER_TOKENS_MAX)
        out->answer_tokens = ANSWER_TOKENS_MAX;
    return out->answer_tokens >= ANSWER_TOKENS_LEAST;
}

/* Characters that are no text, and breaks of lines in more than one form. */
static void tidy(struct text text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\r')
            c = '\n';
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            continue;
        if (c == '\n' && text_ends(buf_text(out), "\n\n"))
            continue;
        buf_add_char(out, (char)c);
    }
}

/* Models are asked for so many tokens and know of their own. */
static struct text shorten(struct text text, int64_t tokens_max, int64_t *out_tokens)
{
    int64_t most = tokens_max + tokens_max / 4;

    text = text_prefix(text, SUMMARY_BYTES_MAX);
    *out_tokens = tokens_estimate(text, TOKENS_O200K);
    while (*out_tokens > most) {
        text = text_prefix(text,
                           (size_t)((double)text.len * (double)tokens_max / (double)*out_tokens));
        *out_tokens = tokens_estimate(text, TOKENS_O200K);
    }
    return text;
}

static bool has_said_something(const struct chat_reply *reply)
{
    return (reply->finish == CHAT_FINISH_STOP || reply->finish == CHAT_FINISH_LENGTH) &&
           reply->tool_calls_count == 0 && reply->text.len > 0;
}

static bool is_shorter(const struct summary_plan *plan, int64_t tokens)
{
    return tokens * 3 <= plan->tokens * 2;
}

/* What it stands in for is longer, also as runs are told it. */
static int is_of_use(const struct summary_plan *plan, const struct summary_draft *draft,
                     struct arena *arena, struct error *err)
{
    struct chat_message record;
    int r = record_message(draft->text, draft->messages, arena, &record, err);

    if (r < 0)
        return r;
    return tokens_of(&record, 1) < plan->tokens ? 0 : SUMMARY_USELESS;
}

int summary_take(const struct summary_plan *plan, const struct chat_reply *reply,
                 struct arena *arena, struct summary_draft *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf valid;
    CLEANUP(buf_deinit) struct buf text;
    struct summary_draft draft = {
        .before = plan->seen->position,
        .from = plan->from,
        .to = plan->to,
        .read = plan->read,
        .messages = plan->seen->messages + plan->read,
        .source_tokens = plan->seen->source_tokens + plan->tokens - plan->seen->tokens,
    };
    struct text short_one;
    int r;

    buf_init(&valid, 0);
    buf_init(&text, 0);
    if (!has_said_something(reply))
        return SUMMARY_USELESS;
    buf_add_utf8(&valid, reply->text);
    tidy(buf_text(&valid), &text);
    if (!is_shorter(plan, tokens_estimate(buf_text(&text), TOKENS_O200K)))
        return SUMMARY_USELESS;
    short_one = shorten(text_trim(buf_text(&text)), plan->answer_tokens, &draft.tokens);
    if (short_one.len == 0)
        return SUMMARY_USELESS;
    draft.text = (struct text){arena_copy(arena, short_one), short_one.len};
    if (valid.failed || text.failed || !draft.text.ptr)
        return error_set(err, E_LIMIT, "no room for a summary");
    r = is_of_use(plan, &draft, arena, err);
    if (r == 0)
        *out = draft;
    return r;
}

int summary_shorten(struct context *context, const struct summary_plan *plan,
                    const struct summary_draft *draft, struct arena *arena, struct error *err)
{
    size_t from = behind_record(context) + plan->count;
    size_t count = context->count - from;
    struct chat_message *messages = arena_calloc(arena, count + 1, sizeof(*messages));
    int r = messages ? 0 : error_set(err, E_LIMIT, "no room for a summary");

    if (r == 0)
        r = record_message(draft->text, draft->messages, arena, &messages[0], err);
    if (r < 0)
        return r;
    memcpy(messages + 1, context->messages + from, count * sizeof(*messages));
    *context = (struct context){messages, count + 1, 1};
    return 0;
}
