#pragma once
/* A server that is a program, and the conversation with it: JSON a line, in and out. Inside
 * worker/tools/mcp. */

#include "worker/tools/mcp/mcp_internal.h"

struct fiber;
struct spawned;

#define MCP_WRITE_MS       10000
#define MCP_COMPLAINT_SIZE 160

struct mcp_process {
    struct list link;
    struct mcp_server *server; /* which it keeps */
    struct spawned *spawned;
    int in; /* its input and outputs, from our end */
    int out;
    int error;
    struct fiber *reader;
    struct fiber *listener;
    struct list pending; /* of waiting.link */
    struct cond changed;
    bool writing;
    bool dead;
    bool useful;                        /* it has answered */
    char complaint[MCP_COMPLAINT_SIZE]; /* the last line of its errors */
    size_t users;
    int64_t used_ms;
    int64_t born_ms;
};

/* Fibers of a process: what it says, until it has ended; and what it complains of. */
SUSPENDS void mcp_process_read(void *process);
SUSPENDS void mcp_process_listen(void *process);

/* Returns 0; -E_CLOSED: the program has ended, with what it complained of last. */
SUSPENDS MUSTCHECK int mcp_process_write(struct mcp_process *process, const struct buf *line,
                                         int64_t deadline_ms, struct error *err);

/* Writes a request and waits for its answer, as long as the program shows signs of progress. A
 * program whose answer nobody waits for any more is told so. Returns 0 with *out, or as
 * mcp_process_write, -E_TIMEOUT or -E_CANCELED. */
SUSPENDS MUSTCHECK int mcp_process_converse(struct mcp_process *process, const struct buf *line,
                                            int64_t id, int64_t idle_ms, int64_t deadline_ms,
                                            struct mcp_incoming *out, struct error *err);
