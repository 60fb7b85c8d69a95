#pragma once
/* A run on the screen while it happens: the words of its messages, and between them its tool calls.
 *
 * Steps go to standard error, words to standard output, and only where that is a terminal: a text
 * that breaks off, because its worker died, is said again, which a file or a pipe could not know.
 */

#include "scheduler/cli/runs/run_follow.h"

struct run_live {
    bool speaks;     /* words are shown */
    bool in_line;    /* the last one has no line break behind it */
    bool in_thought; /* the last one was what a model thinks */
    bool problems;   /* those of its servers are told */
};

void run_live_begin(struct run_live *live);

/* An event of the run, by the name that OpenAI gives it: run_follow's. */
void run_live_tell(void *run_live, struct text name, struct json_object *data);

/* What follows begins on a line of its own. */
void run_live_end(struct run_live *live);

/* The run is over: prints its answer, where that was not shown, and why there is none. Returns 0,
 * or what client_get does. */
SUSPENDS MUSTCHECK int run_live_conclude(const struct run_live *live, struct client *client,
                                         const struct run_followed *followed, struct error *err);

/* Says on standard error why the run has not completed; nothing where it has. */
void run_live_explain(const struct run_followed *followed);

/* What a run waits for, as run_follow's `wait` tells it, on standard error. */
void run_live_wait(void *arg, struct text why);
