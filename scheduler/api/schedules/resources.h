#pragma once
/* The tables of schedules, and of what is done with them. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table schedule_endpoints;
extern const struct endpoint_table schedule_work_endpoints;
