#pragma once
/* A server that an agent names: a member of its `tools`, in OpenAI's shape with members of ours.
 *
 *   {"type": "mcp", "server_label", "server_url", "authorization", "headers", "server_description",
 *    "allowed_tools", "require_approval", "approval_timeout", "class", "trusted", "timeout_ms",
 *    "max_result_bytes", "session", "oauth": {"token_url", "client_id", "client_secret", "scopes"}}
 *
 * Without a `server_url` it is a server that the operator configured under this label. In a run it
 * has one member more, `secrets`: the names of those that it refers to. docs/mcp.md says what each
 * means. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;
struct failure;
struct path;

#define MCP_LABEL_MAX             32
#define MCP_SERVERS_MAX           16 /* of an agent */
#define MCP_SECRETS_MAX           8
#define MCP_HEADERS_OF_MEMBER_MAX 16
#define MCP_TIMEOUT_MS            60000 /* without a sign of progress, where it says nothing */
#define MCP_TIMEOUT_MAX_MS        600000
#define MCP_RESULT_BYTES          ((size_t)65536)
#define MCP_RESULT_BYTES_MAX      ((size_t)200000)

/* With whom a session with the server is shared. */
enum mcp_session_scope {
    MCP_SESSION_THREAD, /* with all runs of the thread */
    MCP_SESSION_RUN,    /* with nobody */
    MCP_SESSION_SHARED, /* with all runs of the tenant */
};

struct mcp_member {
    struct text label;
    struct text url;           /* TEXT_NONE: the operator's */
    struct text authorization; /* of what follows any may be absent */
    struct json_object *headers;
    struct json_object *oauth; /* {token_url, client_id, client_secret, scopes}; NULL: none */
    struct text description;
    struct json_object *allowed; /* names of tools; NULL: all */
    bool read_only;              /* only those that say so of themselves */
    struct text class;
    bool trusted;
    int64_t timeout_ms;
    size_t max_result_bytes;
    enum mcp_session_scope session;
};

/* Whether a member of `tools` is one. */
bool mcp_is_member(struct json_object *item);

/* The same as it is used; borrowed from the item, which was checked. */
void mcp_member_read(struct json_object *item, struct mcp_member *out);

/* All but require_approval, which is looked at as of other tools (shared/agent/tools/approval.h).
 * Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int mcp_member_check(struct json_object *item, const struct path *path,
                               struct failure *failure);

/* The names of the secrets that it refers to, each once, borrowed. Returns how many, up to
 * MCP_SECRETS_MAX + 1. */
size_t mcp_member_secrets(struct json_object *item, struct text out[MCP_SECRETS_MAX + 1]);

/* Whether it allows a tool of the server's. */
bool mcp_member_allows(const struct mcp_member *member, struct text tool, bool says_read_only);

/* ---- mcp_narrow.c ---- */

/* The member of a run: the agent's, with what the request narrows of it. Returns 0 with *out, the
 * caller's; or -E_INVALID with *failure: it asks for more than the agent has, or says what is the
 * agent's alone to say. */
MUSTCHECK int mcp_member_narrow(struct json_object *agents, struct json_object *said,
                                const struct path *path, struct json_object **out,
                                struct failure *failure);

/* Whether both are at one host and port, by whatever path and scheme. */
bool mcp_member_same_host(struct json_object *a, struct json_object *b);
