#pragma once
/* What the endpoints of conversations share. */

#include "scheduler/api/request.h"

/* The conversation that the path names. Returns 0, or -E_INVALID with the 404. */
MUSTCHECK int conversation_read_id(struct request *request, struct uuid *out);

/* The 404 of it. Returns -E_INVALID. */
int conversation_missing(struct request *request);

/* The conversation becomes the reply. Returns 0, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int conversation_show(struct request *request, struct uuid id);

/* It has an active run. Returns -E_INVALID. */
int conversation_locked(struct request *request);
