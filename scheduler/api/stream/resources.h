#pragma once
/* Events as they happen: a table of endpoints for each resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table run_event_endpoints;
extern const struct endpoint_table ticket_endpoints;
extern const struct endpoint_table thread_socket_endpoints;
