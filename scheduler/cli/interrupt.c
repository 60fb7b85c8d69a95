/* A fiber that waits for the signals of a person who has seen enough. */

#include "scheduler/cli/interrupt.h"

#include <signal.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"

static void watch(void *arg)
{
    struct interrupt *interrupt = arg;
    struct error err;

    if (loop_signal_wait(DEADLINE_NONE, &interrupt->signal, &err) == 0)
        fiber_cancel(interrupt->target);
}

void interrupt_start(struct interrupt *interrupt)
{
    static const int signals[] = {SIGINT, SIGTERM};

    loop_signals(signals, ARRAY_LENGTH(signals));
    *interrupt = (struct interrupt){.target = fiber_self()};
    interrupt->watcher = fiber_start("interrupt", watch, interrupt);
}

void interrupt_stop(struct interrupt *interrupt)
{
    fiber_cancel(interrupt->watcher);
    fiber_join(interrupt->watcher);
}
