#pragma once
/* What a line asks for that is no single call of a model: a run of an agent, by the body of
 * whatever endpoint of it. The body was checked (batch_endpoint.check). */

#include "shared/check/failure.h"
#include "shared/submit/submit.h"

struct batch_task;
struct trace_context;

struct batch_run_ask {
    struct json_object *body;
    struct uuid run;                     /* that its line has */
    const struct trace_context *made_in; /* NULL: in no trace */
};

/* All but the writing, with texts of the body, of *out_kept (the caller's to json_free, whatever is
 * returned; may be NULL) and in store->arena. out->alone: nothing else of it is there, and
 * batch_ask_submit makes it. Returns 0, or -E_INVALID with *failure. */
SUSPENDS MUSTCHECK int batch_ask_prepare(struct batch_task *task, const struct store *store,
                                         const struct batch_run_ask *ask, struct submit_draft *out,
                                         struct json_object **out_kept, struct failure *failure);

/* Makes it, or finds it. Returns 0, or -E_INVALID with *failure. */
SUSPENDS MUSTCHECK int batch_ask_submit(struct batch_task *task, const struct store *store,
                                        const struct batch_run_ask *ask, struct failure *failure);

/* Whether that is the answer of the line; else it is to be asked for again. */
bool batch_ask_is_refused(const struct failure *failure);
