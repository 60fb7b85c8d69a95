#pragma once
/* A call of a model beside the run's own: what the run is about to do would be better done with
 * what it answers, and can be done without. So it is made once, and nothing that becomes of it ends
 * the run, or lets it wait for long. It goes through the gate and the budgets, and is counted in
 * the run's usage, as any call. */

#include "providers/chat.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct run_task;

struct aside {
    const char *what; /* for logs and the provider: "summary" */
    struct text model;
    const struct chat_request *request;
    int64_t for_ms; /* it may take so long */
};

/* Condition: there is no answer, whatever the reason. */
enum { ASIDE_NOTHING = 1 };

/* Returns 0 with *out, whose texts live in the run's arena; ASIDE_NOTHING; or -E_CANCELED. */
SUSPENDS MUSTCHECK int aside_ask(struct run_task *task, const struct aside *aside,
                                 struct chat_reply *out, struct error *err);
