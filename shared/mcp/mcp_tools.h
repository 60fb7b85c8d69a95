#pragma once
/* The tools of a server, from the pages of its list. Pure.
 *
 * One that can't be used (no name, a schema that is none) drops out alone, and is told of.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;

#define MCP_PAGES_MAX       64
#define MCP_TOOLS_MAX       1000 /* of a server; an agent gets fewer (AGENT_TOOLS_MAX) */
#define MCP_LIST_BYTES_MAX  ((size_t)256 << 10) /* of names, descriptions and schemas */
#define MCP_TOOL_NAME_MAX   128
#define MCP_DESCRIPTION_MAX 4096 /* bytes; what is longer is cut */
#define MCP_MODEL_NAME_SIZE 65   /* with the final zero */
#define MCP_HEADERS_MAX     8

/* What a server says of a tool's effects. Nobody has to believe it. */
struct mcp_hints {
    bool read_only;
    bool idempotent;
};

struct mcp_tool {
    struct text name; /* as the server knows it */
    struct text description;
    struct text parameters; /* a schema that is fit (mcp_schema.h) */
    struct text headers;    /* JSON object of names of headers and the arguments that they repeat;
                             * TEXT_NONE: none */
    struct mcp_hints hints;
};

struct mcp_tools {
    struct arena arena;
    struct mcp_tool *items;
    size_t count;
    size_t room;
    size_t bytes;
    size_t dropped;
    char why[240]; /* of the first that was dropped, with its name */
    size_t pages;
    struct text cursors[MCP_PAGES_MAX]; /* of the pages so far */
};

void mcp_tools_init(struct mcp_tools *tools);
void mcp_tools_deinit(struct mcp_tools *tools);

/* Takes a page: the result of `tools/list`. *out_cursor is that of the next one; NULL ptr: this was
 * the last. Returns 0; -E_PROTOCOL: it is no page, or a cursor comes again; -E_LIMIT: there are too
 * many, or more than MCP_LIST_BYTES_MAX. */
MUSTCHECK int mcp_tools_add_page(struct mcp_tools *tools, struct json_object *result,
                                 struct text *out_cursor, struct error *err);

/* The name by which a model calls a tool: "label__tool", with what providers refuse replaced. Names
 * that had to be changed, or are to differ from another one, end in a part of a digest. */
void mcp_model_name(struct text label, struct text tool, bool differ,
                    char out[MCP_MODEL_NAME_SIZE]);
