#pragma once
/* OpenAI's other resources: a table of endpoints for each. Each is defined in the file of its
 * resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table model_endpoints;
extern const struct endpoint_table chat_completion_endpoints;
extern const struct endpoint_table embedding_endpoints;
extern const struct endpoint_table batch_endpoints;
