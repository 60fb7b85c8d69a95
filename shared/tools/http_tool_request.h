#pragma once
/* From a declared tool, arguments and secrets to the request that goes out. Pure. */

#include "shared/base/compiler.h"
#include "shared/check/header_rules.h"
#include "shared/http_client/http_client.h"
#include "shared/tools/http_tool.h"
#include "shared/tools/template.h"

#define TOOL_BODY_BYTES_MAX ((size_t)1 << 20)

/* The arguments of a call as they are used: those of the text, which fit the tool's schema; with
 * defaults, and without what is null and need not be there. Returns 0 with *out, the caller's; or
 * -E_INVALID or -E_LIMIT with a sentence for the model. */
MUSTCHECK int http_tool_arguments(const struct http_tool *tool, struct text arguments,
                                  struct json_object **out, struct error *err);

/* Lives as short as its secrets: http_tool_request_deinit wipes it. */
struct http_tool_request {
    const char *method;
    struct buf url;
    struct buf body;
    struct http_header headers[TOOL_HEADERS_MAX + 1];
    size_t headers_count;
    struct buf header_values; /* of those that are templates */
};

/* Returns 0 with *out; -E_INVALID: a value may not stand where it would, or all together is too
 * large, in words for the model; -E_NOT_FOUND: there is no such secret. *out is the caller's to
 * http_tool_request_deinit in any case. */
MUSTCHECK int http_tool_request_make(const struct http_tool *tool,
                                     const struct template_values *values,
                                     struct http_tool_request *out, struct error *err);
void http_tool_request_deinit(struct http_tool_request *request);
