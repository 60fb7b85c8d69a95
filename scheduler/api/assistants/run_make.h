#pragma once
/* Runs that endpoints make, by shared/submit. */

#include "scheduler/api/request.h"
#include "shared/submit/submit.h"

/* Submits `request`, a body of runs, in the name of the API's request. The caller sets what else
 * the submission says. Returns as submit does, with request->found set. */
SUSPENDS MUSTCHECK int run_make(struct request *request, struct submission *submission,
                                struct submitted *out);
