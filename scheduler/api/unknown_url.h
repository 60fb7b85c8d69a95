#pragma once
/* What is said of a URL that nobody serves. */

#include "shared/base/compiler.h"

struct request;

/* 404 with what would be right: a base URL with /v1, or that OpenAI has it and Penstock does not.
 * Returns -E_INVALID with request->failure. */
int refuse_unknown_url(struct request *request);

/* 405 of a URL that is served by other methods, those in `allow`; and whether OpenAI has it.
 * Returns -E_INVALID with request->failure. */
int refuse_method(struct request *request, const char *allow);
