#pragma once
/* Making responses that nobody waits for, at the lowest priority. request->body is what is asked
 * for, and was checked. */

#include "scheduler/api/request.h"

/* All but the writing: *out, which borrows from the body and from *out_run, the caller's to
 * json_free whatever is returned. out->alone: it can't be one of many, and nothing else of it is
 * there. Returns 0, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int response_prepare(struct request *request, struct submit_draft *out,
                                        struct json_object **out_run);

/* Makes it; the reply shows it. Returns 0, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int response_make_low(struct request *request);
