#pragma once
/* Responses: a table of endpoints for each file. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table response_create_endpoints;
extern const struct endpoint_table response_endpoints;
extern const struct endpoint_table response_input_endpoints;
extern const struct endpoint_table response_compact_endpoints;

extern const char *const response_query[]; /* of those that ask nothing else */
