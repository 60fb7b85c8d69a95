#pragma once
/* The body of a request. */

#include "shared/base/compiler.h"

struct failure;
struct json_object;
struct request;

/* Reads it as JSON into request->body and checks it by the endpoint's table, where the endpoint
 * takes JSON. A large one is read on a thread: a megabyte takes milliseconds. Returns 0, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int body_read(struct request *request);

/* Whether the models that a body names are served: of an api (arg), for submit_options.check_models
 * and request_check_models. Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int body_check_models(void *arg, struct json_object *body, struct failure *failure);
