#pragma once
/* Whether the deployment can run programs of models, asked where an assistant is to have the code
 * interpreter: better refused now than in each of its runs. */

#include "shared/base/compiler.h"

struct request;

/* `request->body` may name it. Returns 0, or -E_INVALID with the failure: no worker can, and why;
 * or none has said so yet, which is to be tried again. */
SUSPENDS MUSTCHECK int assistants_check_code(struct request *request);
