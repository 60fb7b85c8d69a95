#pragma once
/* Submission: from a request for a run to the run.
 *
 * A request is a JSON object as POST /v1/threads/{thread_id}/runs takes it (bodies.h), or, for a
 * new thread, as POST /v1/threads/runs does: the agent, what the run says otherwise than its agent,
 * the messages. The run's spec is frozen from both, and thread, messages and run are written in one
 * request to the database. Nothing here knows of HTTP: the API submits what clients send, and a
 * clock or a batch may submit what was stored.
 *
 * The id of the run is the caller's choice. The same id again makes nothing twice: who does not
 * know what became of an attempt repeats it with `replaying`, and is given the run that is
 * there. So an id that is derived from a key makes a submission idempotent.
 */

#include "shared/submit/submission.h"

struct submitter;

struct submitter *submitter_new(const struct submit_options *options);
SUSPENDS void submitter_free(struct submitter *submitter); /* accepts NULL */

/* Whether a request has the form. Pure. Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int submission_check(struct json_object *request, bool new_thread,
                               struct failure *failure);

/* Returns 0 with *out; THREAD_MOVED or THREAD_BUSY, and nothing was written: of a submission that
 * is_behind and makes no copy; or -E_INVALID with *failure: 400 and 404 are the request's doing,
 * and nothing was written; of a 5xx `ambiguous` says whether the run may be there. */
SUSPENDS MUSTCHECK int submit(struct submitter *submitter, const struct store *store,
                              const struct submission *submission, struct submitted *out,
                              struct failure *failure);

/* What submit would write for a run on a new thread. Returns 0 with *out, or -E_INVALID with
 * *failure. */
SUSPENDS MUSTCHECK int submit_prepare(struct submitter *submitter, const struct store *store,
                                      const struct submission *submission, struct submit_draft *out,
                                      struct failure *failure);

/* Whether it could be made at this moment: agent, models, permissions and templates are looked at,
 * and nothing is written. Returns 0, or -E_INVALID with *failure. */
SUSPENDS MUSTCHECK int submit_try(struct submitter *submitter, const struct store *store,
                                  const struct submission *submission, struct failure *failure);

/* The agent of the tenant that has this id or slug. Returns 0; AGENT_MISSING; or what the store
 * failed with. */
SUSPENDS MUSTCHECK int submitter_find_agent(struct submitter *submitter, const struct store *store,
                                            struct text id_or_slug, struct uuid *out,
                                            struct error *err);

/* An agent of the tenant was changed or deleted by this process. (Others find out by
 * themselves.) */
void submitter_agent_changed(struct submitter *submitter, struct uuid tenant, struct uuid agent);
