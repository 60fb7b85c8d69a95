#pragma once
/* What a run is to do: its spec, parsed. The spec was frozen when the run was created, so an update
 * of the agent never changes a run under way. */

#include "providers/provider.h"
#include "shared/agent/context_settings.h"
#include "shared/agent/memories/memories_settings.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/limits/budget.h"
#include "worker/run/task/meter.h"
#include "worker/tools/tools.h"

struct error;

/* How the model is to answer. */
struct model_options {
    struct chat_tool_choice tool_choice;
    struct chat_format response_format;
    struct text reasoning_effort;
    struct text verbosity;
    enum chat_switch parallel_tool_calls;
    bool has_temperature;
    bool has_top_p;
    double temperature;
    double top_p;
};

struct embedding_request;

/* What the run may spend in all. */
struct run_budget {
    struct budget_amount max;      /* 0: no limit */
    enum budget_at_limit at_limit; /* not BUDGET_PARK: nothing would ever wake it */
    struct text fallback_model;    /* of BUDGET_FALLBACK */
};

struct run_setup {
    const struct chat_request *asked;      /* of a run of one call: all that is said to the model.
                                            * NULL: the conversation, and what follows */
    const struct embedding_request *texts; /* it asks for vectors of these; NULL: for an answer */
    struct text model;
    struct text *fallbacks; /* models, in the order in which they are asked */
    size_t fallbacks_count;
    struct text instructions;
    struct text trace;       /* joins our log lines with those of who asked for the run */
    struct text agent_slug;  /* for metrics; empty: it has none */
    struct text traceparent; /* in which trace it was made; empty: nobody traces it */
    struct text tracestate;  /* beside it */
    struct text agent_id;    /* these two beside a traceparent alone */
    struct text agent_name;
    struct toolbox tools;
    struct model_options options;
    struct run_budgets budgets; /* max_iterations 0: the worker's default */
    struct run_budget budget;
    int64_t tokens_per_request;        /* of one call, with what it reads; 0: no limit */
    struct context_settings memory;    /* how much of the thread it is given */
    struct memories_settings memories; /* what it learns of its user, and is told */
    bool planning;                     /* it is told how to plan */
    bool if_pending;                   /* no model is called where nothing is new to the agent */
    bool ends_at_calls;                /* of functions of the client: they do not park the run */
    int64_t timeout_ms;                /* 0: none beside the run's expiry */
};

/* All texts of *out live in the arena. Returns 0, -E_INVALID with what is wrong in the spec, or
 * -E_LIMIT when the arena is full. */
MUSTCHECK int setup_parse(struct text spec, struct arena *arena, struct run_setup *out,
                          struct error *err);

/* In which trace the run was made, of a spec of any kind. Texts are in the arena. */
MUSTCHECK int setup_parse_trace(struct json_object *spec, struct arena *arena,
                                struct run_setup *setup, struct error *err);
