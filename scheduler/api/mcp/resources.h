#pragma once
/* The Model Context Protocol: a tenant's agents as tools. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table mcp_endpoints;
