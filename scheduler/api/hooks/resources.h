#pragma once
/* Webhooks: a table of endpoints for each resource. Each is defined in the file of its resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table webhook_endpoints;
extern const struct endpoint_table webhook_log_endpoints;
extern const struct endpoint_table webhook_sdk_endpoints; /* as OpenAI's SDK manages them */
