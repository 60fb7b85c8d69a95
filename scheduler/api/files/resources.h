#pragma once
/* OpenAI's files and uploads: a table of endpoints for each. Each is defined in the file of its
 * resource. */

#include "scheduler/api/endpoints.h"

extern const struct endpoint_table file_endpoints;
extern const struct endpoint_table file_content_endpoints;
extern const struct endpoint_table upload_endpoints;
