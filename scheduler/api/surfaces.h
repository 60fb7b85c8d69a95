#pragma once
/* The surfaces of the API: the tables of all resources, listed once. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table *const surfaces[];
extern const size_t surfaces_count;
