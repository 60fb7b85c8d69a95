#pragma once
/* The body of a request. */

#include "shared/base/compiler.h"

struct request;

/* Reads it as JSON into request->body and checks it by the endpoint's table, where the endpoint
 * takes JSON. A large one is read on a thread: a megabyte takes milliseconds. Returns 0, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int body_read(struct request *request);
