#pragma once
/* The tables of memories of users. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table memory_endpoints;
extern const struct endpoint_table memory_search_endpoints;
