/* auto: as much of the thread as the model's window takes, the newest turns first. */

#include "providers/context/strategy.h"

static void reads(const struct context_settings *settings, struct context_ask *out)
{
    (void)settings;
    (void)out; /* as many of the newest messages as a run is ever given */
}

const struct strategy strategy_auto = {reads, strategy_fit_newest};
