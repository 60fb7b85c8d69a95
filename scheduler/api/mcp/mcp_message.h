#pragma once
/* A message of the Model Context Protocol, from what HTTP brought to what is asked; and the frames
 * of answers. Pure.
 *
 * Two eras are spoken on one address. Since 2026-07-28 each request says in `params._meta` which
 * revision it is of, and in headers what its body says, too (modern). Before, a client said
 * `initialize` first (legacy). Neither leaves anything here: a message is understood by itself.
 */

#include "shared/base/compiler.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"

struct arena;

#define MCP_MODERN_REVISION "2026-07-28"
#define MCP_LEGACY_REVISION "2025-11-25" /* the newest of them */

#define MCP_VERSION_KEY      "io.modelcontextprotocol/protocolVersion"
#define MCP_CAPABILITIES_KEY "io.modelcontextprotocol/clientCapabilities"
#define MCP_SERVER_INFO_KEY  "io.modelcontextprotocol/serverInfo"

enum mcp_code {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603,
    MCP_HEADER_MISMATCH = -32020,
    MCP_UNSUPPORTED_VERSION = -32022,
};

struct mcp_failure {
    int status; /* of HTTP */
    enum mcp_code code;
    char message[640];
    char requested[64]; /* of MCP_UNSUPPORTED_VERSION: the revision that was asked for */
};

/* Fills *failure. Returns -E_INVALID. */
int mcp_fail(struct mcp_failure *failure, int status, enum mcp_code code, const char *format, ...)
    PRINTF(4, 5);

enum mcp_era { MCP_LEGACY, MCP_MODERN };

enum mcp_kind {
    MCP_REQUEST,
    MCP_NOTIFICATION,
    MCP_RESPONSE, /* of a client; it was asked for nothing */
};

#define MCP_ID_MAX 256 /* bytes of an id, and of a token, as JSON */

/* The headers that say what the body does. TEXT_NONE: absent. */
struct mcp_heads {
    struct text version; /* MCP-Protocol-Version */
    struct text method;  /* Mcp-Method */
    struct text name;    /* Mcp-Name */
};

struct mcp_message {
    enum mcp_era era;
    enum mcp_kind kind;
    struct text id;             /* JSON, in the arena; TEXT_NONE: none, or it could not be read */
    struct text method;         /* borrowed from the body, as all below */
    struct json_object *params; /* NULL: none */
    struct json_object *meta;   /* params._meta; NULL: none */
};

/* Reads a body that was decoded; NULL is `null`. Returns 0, or -E_INVALID with *failure, and the id
 * in *out, if it is known. */
MUSTCHECK int mcp_message_read(struct json_object *body, const struct mcp_heads *heads,
                               struct arena *arena, struct mcp_message *out,
                               struct mcp_failure *failure);

/* A string or an integer as JSON, in the arena: what ids and tokens are. False: it is neither, or
 * too long. */
MUSTCHECK bool mcp_token_read(struct json_object *value, struct arena *arena, struct text *out);

/* The revision that `initialize` is answered with. */
struct text mcp_initialize_revision(struct text asked);

/* As a JSON array. */
void mcp_revisions_write(struct json_write *w, const char *name);

/* {"jsonrpc","id","result":{…}}: what stands between these two are members of the result. */
void mcp_result_open(const struct mcp_message *message, struct json_write *w, struct buf *out);
void mcp_result_close(const struct mcp_message *message, struct json_write *w);

/* {"jsonrpc","id","error":{…}}; of a message whose id is not known without one. */
void mcp_error_write(const struct mcp_message *message, const struct mcp_failure *failure,
                     struct buf *out);

/* "name": {"name","title","version"} of this server. */
void mcp_server_info_write(struct json_write *w, const char *name);
