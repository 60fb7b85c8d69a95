#pragma once
/* A server that is a program, and the conversation with it: JSON a line, in and out. Inside
 * worker/tools/mcp. */

#include "worker/tools/mcp/mcp_internal.h"

struct fiber;
struct spawned;

#define MCP_WRITE_MS       10000
#define MCP_COMPLAINT_SIZE 160
#define MCP_TAIL_BYTES     1024

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
    bool useful;               /* it has answered */
    bool listened;             /* to all that it complained of */
    char tail[MCP_TAIL_BYTES]; /* the end of that */
    size_t tail_len;
    size_t users;
    int64_t used_ms;
    int64_t born_ms;
};

/* Fibers of a process: what it says, until it has ended; and what it complains of. */
SUSPENDS void mcp_process_read(void *process);
SUSPENDS void mcp_process_listen(void *process);

/* -E_CLOSED: it has ended, with the last line of its errors that speaks of one, else the last. */
int mcp_process_died(const struct mcp_process *process, struct error *err);

/* Returns 0; -E_CLOSED: the program has ended, with what it complained of. */
SUSPENDS MUSTCHECK int mcp_process_write(struct mcp_process *process, const struct buf *line,
                                         int64_t deadline_ms, struct error *err);

/* Writes a request and waits for its answer, as long as the program shows signs of progress. A
 * program whose answer nobody waits for any more is told so. Returns 0 with *out, or as
 * mcp_process_write, -E_TIMEOUT or -E_CANCELED. */
SUSPENDS MUSTCHECK int mcp_process_converse(struct mcp_process *process, const struct buf *line,
                                            int64_t id, int64_t idle_ms, int64_t deadline_ms,
                                            struct mcp_incoming *out, struct error *err);
