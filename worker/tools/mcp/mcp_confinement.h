#pragma once
/* How a program that is a server is started: in a sandbox of bubblewrap, which shows it /usr, what
 * the operator names, and a network only where he says so. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct config_mcp_server;
struct error;

#define MCP_ARGUMENTS_MAX 256
#define MCP_FILTER_FD     9

struct mcp_command {
    const char *argv[MCP_ARGUMENTS_MAX]; /* ended by NULL */
    const char *envp[MCP_ARGUMENTS_MAX]; /* the same */
    size_t argc;
    size_t envc;
};

/* `bwrap`: its path; NULL: the operator wants no sandbox for it. Returns 0, or -E_LIMIT. */
MUSTCHECK int mcp_command(const struct config_mcp_server *server, const char *bwrap,
                          struct mcp_command *out, struct error *err);
