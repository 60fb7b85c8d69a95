#pragma once
/* OpenAI's Assistants v2, and what this project adds to it: a table of endpoints for each resource.
 * Each is defined in the file of its resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table assistant_endpoints;
extern const struct endpoint_table thread_endpoints;
extern const struct endpoint_table message_create_endpoints;
extern const struct endpoint_table thread_search_endpoints;
extern const struct endpoint_table thread_context_endpoints;
extern const struct endpoint_table thread_compact_endpoints;
extern const struct endpoint_table message_endpoints;
extern const struct endpoint_table run_create_endpoints;
extern const struct endpoint_table run_get_endpoints;
extern const struct endpoint_table run_endpoints;
extern const struct endpoint_table step_endpoints;
extern const struct endpoint_table tool_output_endpoints;
extern const struct endpoint_table approval_endpoints;
extern const struct endpoint_table user_memory_endpoints;
extern const struct endpoint_table user_endpoints;
