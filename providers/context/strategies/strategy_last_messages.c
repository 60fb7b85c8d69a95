/* last_messages: the newest max_messages, of which the oldest turns go first where they do not
 * fit. */

#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    out->newest = settings->max_messages;
}

const struct strategy strategy_last_messages = {reads, strategy_fit_newest};
