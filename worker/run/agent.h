#pragma once
/* What a run is to do: its spec, parsed. The spec was frozen when the run was created, so an update
 * of the agent never changes a run under way. */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "worker/tools/tool.h"

struct error;

/* A tool that the model may call. `tool` is NULL for a function that the client runs. */
struct agent_tool {
    const struct tool *tool;
    struct text name;
    bool has_class;        /* the agent says of which class its calls are */
    enum tool_class class; /* if has_class */
};

struct agent_setup {
    struct text model;
    struct text instructions;
    struct agent_tool *tools;
    struct chat_tool *chat_tools; /* the same, as the model sees them */
    size_t tools_count;
    struct chat_tool_choice tool_choice;
    struct chat_format response_format;
    struct text reasoning_effort;
    struct text trace; /* joins our log lines with those of who asked for the run */
    enum chat_switch parallel_tool_calls;
    bool has_temperature;
    bool has_top_p;
    double temperature;
    double top_p;
    int64_t max_prompt_tokens;     /* of the whole run; 0: no limit */
    int64_t max_completion_tokens; /* of the whole run; 0: no limit */
    int64_t last_messages;         /* of truncation_strategy; 0: auto */
    int64_t max_iterations;        /* 0: the worker's default */
    int64_t timeout_ms;            /* 0: none beside the run's expiry */
    const char **http_allow;       /* hosts that http_request may talk to */
    size_t http_allow_count;
};

/* All texts of *out live in the arena. Returns 0, or -E_INVALID with what is wrong in the spec. */
MUSTCHECK int agent_parse(struct text spec, struct arena *arena, struct agent_setup *out,
                          struct error *err);

/* The tool of that name, or NULL. */
const struct agent_tool *agent_find_tool(const struct agent_setup *agent, struct text name);
