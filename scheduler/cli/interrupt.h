#pragma once
/* Ctrl-C for commands on the loop: the first SIGINT or SIGTERM cancels the fiber that asked. */

#include "shared/base/compiler.h"

struct fiber;

struct interrupt {
    struct fiber *target;
    struct fiber *watcher;
    int signal; /* that came; 0: none */
};

/* The calling fiber is cancelled when a signal comes, until interrupt_stop(). */
void interrupt_start(struct interrupt *interrupt);
SUSPENDS void interrupt_stop(struct interrupt *interrupt);
