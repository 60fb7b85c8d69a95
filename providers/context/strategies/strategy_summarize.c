/* summarize: the record of the thread's summary, and all messages that are behind it. Where these
 * do not fit the oldest turns go, as of any strategy; and the record only where the last turn alone
 * leaves no room for it. How summaries come about is in summary.h. */

#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    (void)settings;
    out->part = HISTORY_AFTER;
}

const struct strategy strategy_summarize = {reads, strategy_fit_ends};
