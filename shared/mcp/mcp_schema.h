#pragma once
/* The schemas of a server's tools, made fit for providers of models: an object with `properties`,
 * arrays with `items`, references to parts of itself put where they stand, and nothing that names a
 * dialect. A reference to elsewhere is never followed. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;

#define MCP_SCHEMA_BYTES_MAX ((size_t)16 << 10)

/* Appends the schema. `schema` NULL: of a tool without arguments. Returns 0, or -E_INVALID or
 * -E_LIMIT with what is wrong with it. */
MUSTCHECK int mcp_schema_fit(struct json_object *schema, struct buf *out, struct error *err);
