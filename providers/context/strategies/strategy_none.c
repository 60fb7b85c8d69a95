/* none: what the run brings and does. Of the thread that is what stands behind the last answer
 * before it: messages that came with the run, and those that somebody has added since. */

#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    (void)settings;
    out->part = HISTORY_NEW;
}

const struct strategy strategy_none = {reads, strategy_fit_newest};
