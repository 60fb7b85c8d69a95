#pragma once
/* Responses that lines of batches ask for: as POST /v1/responses makes and shows them, without a
 * request of HTTP, and without who waits. */

#include "shared/check/failure.h"
#include "shared/json/json.h"
#include "shared/store/runs/runs.h"
#include "shared/submit/submit.h"

struct provider_registry;
struct response_lines;
struct response_words;
struct trace_context;

struct response_lines_options {
    struct pg *pg;
    struct provider_registry *registry;
    struct submitter *submitter;
};

struct response_lines *response_lines_new(const struct response_lines_options *options);
SUSPENDS void response_lines_free(struct response_lines *lines); /* accepts NULL */
void response_lines_set_registry(struct response_lines *lines, struct provider_registry *registry);

/* A body that fields_check found fit, and the id of its run. */
struct response_ask {
    struct json_object *body;
    struct uuid run;
    const struct trace_context *made_in; /* NULL: in no trace */
};

/* One that is not to be stored (response_line_erases) is there until whoever asked erases its
 * thread. */
bool response_line_erases(const struct run *run);

/* All but the writing, with texts of the body, of *out_run (the caller's to json_free, whatever is
 * returned) and in store->arena. out->alone: nothing else of it is there. Returns 0, or -E_INVALID
 * with *failure. */
SUSPENDS MUSTCHECK int response_line_prepare(struct response_lines *lines,
                                             const struct store *store,
                                             const struct response_ask *ask,
                                             struct submit_draft *out, struct json_object **out_run,
                                             struct failure *failure);

/* Makes it, or finds it. Returns 0, or -E_INVALID with *failure. */
SUSPENDS MUSTCHECK int response_line_submit(struct response_lines *lines, const struct store *store,
                                            const struct response_ask *ask,
                                            struct failure *failure);

/* Appends the response, as GET /v1/responses/{id} shows it. Returns 0, or -E_LIMIT. */
SUSPENDS MUSTCHECK int response_line_write(const struct run *run,
                                           const struct response_words *words, struct arena *arena,
                                           struct buf *out, struct error *err);
