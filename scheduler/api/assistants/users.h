#pragma once
/* What the endpoints of users share. */

#include "scheduler/api/request.h"

/* The user that the path names. A user need not be known. Returns 0, or -E_INVALID with the
 * failure. */
MUSTCHECK int request_user(struct request *request, struct text *out);

/* What is written of users waits for others who write of the same one: on a connection that makes
 * no runs. */
void request_write_apart(struct request *request);
