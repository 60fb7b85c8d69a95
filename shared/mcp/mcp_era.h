#pragma once
/* Of which era a server is: what its answer to a request of the newer one says. Pure.
 *
 * The newer request is sent first, always: a server that knows it answers, and one that does not
 * refuses it before it has done anything.
 */

#include "shared/mcp/mcp_message.h"

enum mcp_verdict {
    MCP_ANSWERED,     /* with what was asked for, or with an error about it: the era is right */
    MCP_OTHER_ERA,    /* it waits for `initialize` */
    MCP_SESSION_LOST, /* it does not know the session any more, and did nothing */
    MCP_NOT_ALLOWED,  /* credentials are missing, or not right */
    MCP_REFUSED,      /* something else, said by the status */
};

/* An answer over HTTP. `message` is what its body says, NULL: nothing that is a message. */
struct mcp_http_answer {
    enum mcp_era era;  /* in which the request was made: known, or a guess */
    bool is_guess;     /* it is not known of which the server is */
    bool with_session; /* the request named a session */
    int status;
    const struct mcp_incoming *message;
};
enum mcp_verdict mcp_judge_http(const struct mcp_http_answer *answer);

/* An answer to `server/discover` by a server that is a program. */
enum mcp_verdict mcp_judge_discover(const struct mcp_incoming *message);

/* Whether this client speaks what an answer to `initialize` chose; copies it to `out`. */
MUSTCHECK bool mcp_version_chosen(struct json_object *result, char out[MCP_VERSION_SIZE]);
