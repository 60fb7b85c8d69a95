#pragma once
/* What is decided of a request by its head, before its body is read: the endpoint, the key, the
 * form of the body, its size. Private to scheduler/api. */

#include "shared/base/compiler.h"

struct request;

/* Fills in the endpoint, the tenant and the tenant's share. Returns 0, or -E_INVALID with
 * request->failure: 404, 405, 401, 415, 400 for an unknown member of the query, 503. */
SUSPENDS MUSTCHECK int request_admit(struct request *request);

/* The same, of a request in the name of another one, whose key was asked for. */
SUSPENDS MUSTCHECK int request_admit_as(struct request *request, const struct request *other);

/* The largest body that the request's endpoint takes, at most `otherwise`. */
size_t request_body_max(const struct request *request, size_t otherwise);
