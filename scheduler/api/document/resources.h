#pragma once
/* The tables of what describes the API. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table document_endpoints;
