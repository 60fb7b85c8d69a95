#pragma once
/* A tool, and where tools come from.
 *
 * A source is one struct of functions: what it finds for a run, of which class a call is, how a
 * call is described to people, and how it is made. The tools of a run are found when its spec is
 * read (tools.h), so two runs need not have the same ones, and a source may ask elsewhere what it
 * has.
 *
 * A new source is a folder with one `struct tool_source`, and a row of the table in tools.c.
 */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/net/guard.h"
#include "shared/store/leases/run_write.h"
#include "shared/store/runs/call_state.h"
#include "shared/store/runs/waits.h"

struct blob_stores;
struct error;
struct http_client;
struct json_object;
struct key_ring;
struct mcp;
struct pg;
struct sandbox;
struct tool_source;
struct trace_context;
struct vectors_means;
struct web;

#define TOOL_RESULT_MAX    ((size_t)256 << 10) /* bytes */
#define TOOL_ARGUMENTS_MAX ((size_t)1 << 20)   /* bytes */

/* A tool that the model of a run may call. */
struct tool {
    const struct tool_source *source;
    struct text name;
    const void *own;       /* what the source knows it by */
    bool has_class;        /* the agent says of which class its calls are */
    enum call_class class; /* if has_class */
    int64_t timeout_ms;    /* of a call; 0: the worker's */
    struct text
        approvals[2]; /* rules of which calls somebody must allow (shared/agent/tools/approval.h):
                                  * the agent's and the run's own; JSON, TEXT_NONE: none */
    int64_t approval_timeout_ms; /* of those */
};

/* Where the files of programs lie. */
struct tool_files {
    struct pg *rows;
    struct blob_stores *blobs;
    int64_t quota; /* bytes, of a tenant */
};

/* For whom a call is made. */
struct tool_place {
    struct uuid tenant;
    struct uuid thread;
    struct run_lease lease;
    /* Of a run that is told of its user, or has tools for that: */
    struct text user;            /* TEXT_NONE: nobody's */
    struct uuid agent;           /* zero: none */
    int64_t requests_per_minute; /* of the tenant; 0: no limit */
    int64_t tokens_per_minute;
};

/* What the worker lends to every call. Process lifetime. */
struct tool_services {
    struct http_client *http;
    struct guard_options guard;
    struct key_ring *master_keys; /* of secrets */
    struct pg *pg;                /* where these are */
    int64_t (*now_wall_ms)(void);
    struct sandbox *sandbox; /* for programs of models; NULL: it is switched off */
    struct tool_files files; /* of these */
    struct web *web;         /* for tools that read the web; NULL: there is none */
    struct mcp *mcp;         /* servers that are asked for their tools; NULL: none can be */
    struct pg *pg_large;     /* for what may be megabytes */
    const struct vectors_means *vectors; /* of what is known of users */
};

/* What the agent allows its tools, and whose it is. Lives as long as the run. */
struct tool_permissions {
    struct uuid tenant;
    const char *const *http_allow; /* hosts that http_request may talk to */
    size_t http_allow_count;
};

/* One call, and what it may use. */
struct tool_call {
    const struct tool *tool;
    struct text arguments; /* JSON object, unless an earlier version stored the call */
    struct text key;       /* the same in every attempt of this call */
    int64_t deadline_ms;   /* clock_ms */
    int64_t expires_ms;    /* clock_ms, of the run: no wait is longer */
    struct tool_place place;
    const struct tool_services *services;
    const struct tool_permissions *permissions;
    const struct trace_context *trace; /* in which it is made; NULL: none */
};

enum tool_end {
    TOOL_DONE,   /* with the result */
    TOOL_ERROR,  /* with what went wrong, in words for the model, which may do better */
    TOOL_PARKED, /* somebody outside brings the result: the run is parked until then */
};

struct tool_outcome {
    enum tool_end end;
    enum wait_kind wait; /* of TOOL_PARKED: who settles the call */
    int64_t due_in_ms;   /* of TOOL_PARKED: when its time comes; CALL_NEVER_DUE */

    /* What the step tells of the call, as far as the source knows: tries, bytes and a cut, results.
     * All zeros: it was made once, and the result is whole. */
    struct call_report report;
};

/* A member of a spec's `tools`. */
struct tool_member {
    struct json_object *item;
    struct text raw; /* the same, as it was written: schemas stay so */
};

struct tool_source {
    const char *name;    /* in metrics */
    const char *type;    /* of its calls in steps; NULL: "function" */
    bool class_is_fixed; /* whatever an agent says of the class of its tools */
    bool waits;          /* also calls that have no effect may take a while */
    bool is_stored;      /* its calls are made with the database alone, and may be made twice */
    bool in_order;       /* calls of one step build on each other: one after another, as they are
                          * said */

    /* Is this member of the spec's `tools` one of the source's? Fills `name` and `own` of *tool and
     * what the model is told; texts are static or in the arena. Returns 0, TOOL_NOT_HERE,
     * TOOL_LATER, -E_INVALID or -E_LIMIT. */
    MUSTCHECK int (*find)(const struct tool_member *member, struct arena *arena, struct tool *tool,
                          struct chat_tool *shown, struct error *err);

    /* Of which class a call is when the agent does not say. One that can't be read has no effect,
     * so it may be repeated. Pure. */
    enum call_class (*classify)(const struct tool *tool, struct text arguments);

    /* Appends a few words for people and logs: "http_request GET example.com". No payload. Pure. */
    void (*describe)(const struct tool *tool, struct text arguments, struct buf *out);

    /* Makes the call: `out` takes the result. Returns 0 with *outcome, -E_CANCELED, or another
     * error whose text the model is told, as for TOOL_ERROR. */
    SUSPENDS MUSTCHECK int (*call)(const struct tool_call *call, struct buf *out,
                                   struct tool_outcome *outcome, struct error *err);
};

enum {
    TOOL_NOT_HERE = 1,
    TOOL_LATER, /* somebody has to be asked what it has: toolbox_ask */
};

extern const struct tool_source tool_source_builtin;
extern const struct tool_source tool_source_client;
extern const struct tool_source tool_source_declared;
extern const struct tool_source tool_source_mcp;
extern const struct tool_source tool_source_plan;
extern const struct tool_source tool_source_memory;
extern const struct tool_source tool_source_sandbox;
extern const struct tool_source tool_source_web;
