/* The table of strategies. */

#include "providers/context/strategy.h"

static const struct strategy *const strategies[] = {
    [CONTEXT_AUTO] = &strategy_auto,
    [CONTEXT_NONE] = &strategy_none,
    [CONTEXT_LAST_MESSAGES] = &strategy_last_messages,
    [CONTEXT_FIRST_LAST] = &strategy_first_last,
    [CONTEXT_SUMMARIZE] = &strategy_summarize,
    [CONTEXT_VECTOR] = &strategy_vector,
};

const struct strategy *strategy_of(enum context_strategy strategy)
{
    return strategies[strategy];
}

int strategy_fit_newest(const struct chat_request *request, size_t first,
                        const struct window_limits *limits, struct window *out)
{
    (void)first;
    return window_fit(request, limits, out);
}

void context_ask(const struct context_settings *settings, struct context_ask *out)
{
    *out = (struct context_ask){.part = HISTORY_NEWEST};
    strategy_of(settings->strategy)->reads(settings, out);
}
