/* vector: the newest max_messages, and in front of them the turns of the thread that are nearest to
 * what was said last (providers/nearest), which are chosen once a run. A mark says where others lie
 * between. Where there is no room for all of them the oldest go first. */

#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    out->newest = settings->max_messages;
    out->near = settings->top_k;
}

const struct strategy strategy_vector = {reads, strategy_fit_newest};
