#pragma once
/* The tables of what operators of a tenant look at. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table budget_endpoints;
extern const struct endpoint_table retention_endpoints;
extern const struct endpoint_table secret_endpoints;
extern const struct endpoint_table usage_endpoints;
