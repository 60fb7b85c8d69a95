#pragma once
/* What a look at a run finds behind a step that is known already (run_reader.h). */

#include "shared/store/runs/run_steps.h"
#include "shared/store/threads/messages.h"

#define LOOK_STEPS    3
#define LOOK_TEXT_MAX 16384 /* bytes of each of the texts that are read */

/* A look at what a run has behind step number `seq`. */
struct run_look {
    int64_t seq;
    struct arena *arena; /* for what is found */
    struct looked_step {
        struct run_step step;
        struct message message;
        bool has_message; /* a message creation whose message is still there */
    } steps[LOOK_STEPS];  /* in their order */
    size_t count;
    bool more; /* there may be others behind these, or larger ones: run_steps_after reads them */
};
