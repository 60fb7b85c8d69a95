#pragma once
/* The tables of tools that a tenant declares. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table tool_endpoints;
extern const struct endpoint_table tool_stats_endpoints;
extern const struct endpoint_table tool_test_endpoints;
