#pragma once
/* Messages of the Model Context Protocol: JSON-RPC 2.0, written and read. Pure.
 *
 * There are two eras. Since the revision 2026-07-28 a request stands alone and says all about
 * itself in `params._meta`; before it a session is opened by `initialize`, and requests say
 * nothing.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;

#define MCP_VERSION_MODERN "2026-07-28"
#define MCP_VERSION_LEGACY "2025-11-25" /* the newest with sessions */
#define MCP_VERSION_SIZE   16

#define MCP_DEPTH_MAX 64

enum mcp_era { MCP_ERA_UNKNOWN, MCP_ERA_MODERN, MCP_ERA_LEGACY };

/* What a server may say with an error. */
enum mcp_code {
    MCP_CODE_VERSION = -32022, /* it speaks other versions: data.supported */
    MCP_CODE_CAPABILITY = -32021,
    MCP_CODE_HEADER = -32020, /* a header says something else than the body */
    MCP_CODE_NO_METHOD = -32601,
};

/* A message to a server. */
struct mcp_outgoing {
    enum mcp_era era;
    int64_t id; /* 0: a notification */
    const char *method;
    struct text members;     /* of `params`, without braces; may be empty */
    bool progress;           /* the server is asked to tell of it; the token is the id */
    const char *traceparent; /* NULL: none */
};

/* Append a message without a line break. */
void mcp_message_write(const struct mcp_outgoing *message, struct buf *out);
void mcp_initialize_write(int64_t id, struct buf *out);

/* The answer to a request of the server's; `id` is as it came. Of what a server may ask a client
 * only `ping` is answered, since nothing else was offered. */
void mcp_reply_write(struct json_object *id, struct text method, struct buf *out);

enum mcp_kind { MCP_RESPONSE, MCP_REQUEST, MCP_NOTIFICATION };

/* A message of a server. What it points to is its own. */
struct mcp_incoming {
    enum mcp_kind kind;
    int64_t id;                /* of a response: of what it answers; 0: of nothing of ours */
    struct json_object *whose; /* of a request: its id, as it came */
    struct text method;        /* of a request or notification */
    struct json_object *params;
    struct json_object *result; /* of a response that is none of an error; may be NULL */
    bool is_error;
    int64_t code; /* with is_error */
    struct text said;
    struct json_object *data;
    struct json_object *root;
};

/* Returns 0, or -E_PROTOCOL with what is wrong. What is badly written and certain in its meaning is
 * read all the same (json_raw.h). */
MUSTCHECK int mcp_message_read(struct text json, struct mcp_incoming *out, struct error *err);
void mcp_incoming_deinit(struct mcp_incoming *message);

/* Whether it is told with this message how far the request with this id is. */
bool mcp_is_progress(const struct mcp_incoming *message, int64_t id);

/* Whether the list of tools may be another one now. */
bool mcp_is_list_changed(const struct mcp_incoming *message);
