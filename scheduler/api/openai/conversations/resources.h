#pragma once
/* Conversations: a table of endpoints for each resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table conversation_endpoints;
extern const struct endpoint_table conversation_item_endpoints;
