#pragma once
/* What the parts of the MCP server share: a message on its way through it. Private to
 * scheduler/api/mcp. */

#include "scheduler/api/mcp/mcp_message.h"
#include "scheduler/api/request.h"

struct mcp {
    struct request *request;
    struct mcp_message message;
    struct mcp_failure failure;
    bool takes_events;    /* its client reads server-sent events */
    struct text session;  /* of a legacy client; TEXT_NONE: none was said */
    struct text token;    /* JSON of its progressToken; TEXT_NONE: it wants no progress */
    struct text revision; /* that a legacy message was said to be of; TEXT_NONE: of none */
};

/* What does a message: returns 0 with the answer in request->reply, or sent; or -E_INVALID with
 * mcp->failure. */
typedef int (*mcp_fn)(struct mcp *mcp);

/* A failure of the API is the answer's: what a client can put right is told its model as the result
 * of the call, what the server could not do is an error. */
SUSPENDS MUSTCHECK int mcp_refuse(struct mcp *mcp, const struct failure *failure);

/* ---- tools ---- */

struct mcp_tool {
    const char *name;
    const char *title;
    const char *description;
    const char *schema;      /* of its arguments, JSON */
    const char *output;      /* the same of its result */
    const char *annotations; /* JSON */
    const struct fields *arguments;
    int (*call)(struct mcp *mcp, struct json_object *arguments);
};

extern const struct mcp_tool mcp_tools[]; /* beside the agents */
extern const size_t mcp_tools_count;
extern const struct mcp_tool mcp_agent_tool; /* of each agent, but for name and description */

SUSPENDS MUSTCHECK int mcp_tools_list(struct mcp *mcp);
SUSPENDS MUSTCHECK int mcp_tools_call(struct mcp *mcp);

/* The fixed ones. */
SUSPENDS MUSTCHECK int mcp_agents_list(struct mcp *mcp, struct json_object *arguments);
SUSPENDS MUSTCHECK int mcp_run_get(struct mcp *mcp, struct json_object *arguments);
SUSPENDS MUSTCHECK int mcp_run_cancel(struct mcp *mcp, struct json_object *arguments);
SUSPENDS MUSTCHECK int mcp_run_submit_outputs(struct mcp *mcp, struct json_object *arguments);

/* The traceparent of a call, as its client said it; TEXT_NONE: it said none. */
struct text mcp_trace(const struct mcp *mcp);

/* ---- runs ---- */

#define MCP_WAIT_S 50 /* clients lose their patience after a minute */

struct mcp_wait {
    struct uuid run;
    int64_t wait_s;
    bool cancels; /* a client that goes away meanwhile gives the run up */
};

/* The answer is what became of the run, when it has ended or needs its client, or as far as it is
 * by then. Returns as mcp_fn. The message keeps nothing of its body. */
SUSPENDS MUSTCHECK int mcp_await(struct mcp *mcp, const struct mcp_wait *wait);

/* Appends the answer: the run as it is now. Returns 0, RUN_UNSETTLED (`patient`: it goes on, and
 * nothing was appended), or -E_INVALID with request->failure. */
enum { RUN_UNSETTLED = 100 };
SUSPENDS MUSTCHECK int mcp_show_run(struct mcp *mcp, struct uuid run, bool patient,
                                    struct buf *out);

/* Appends the answer of a call that failed: {"content":[text],"isError":true}. */
void mcp_write_refusal(const struct mcp_message *message, const char *text, struct buf *out);

/* Asks another endpoint in the name of the request. Returns 0 with *reply (to be freed), or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int mcp_ask(struct mcp *mcp, const struct inner_request *inner,
                               struct json_object **reply);

SUSPENDS MUSTCHECK int mcp_cancel_run(struct mcp *mcp, struct uuid run);

/* The pair of a run's metadata by which `notifications/cancelled` finds it. */
#define MCP_REQUEST_LABEL "mcp_request"
#define MCP_REQUEST_SIZE  33

void mcp_request_label(const struct mcp *mcp, struct text id, char out[MCP_REQUEST_SIZE]);
SUSPENDS void mcp_cancelled(struct mcp *mcp);

/* The progress of a run, as an event_format whose memory is a struct mcp_progress. */
struct mcp_progress {
    struct mcp *mcp;
    struct uuid run;
    int64_t told;
};

extern const struct event_format mcp_events;
