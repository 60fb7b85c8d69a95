#pragma once
/* What an agent is, described once; and specs: what an agent is, and what a run is to do, as JSON
 * objects with every member present. Pure.
 *
 * The table of members is what the API's bodies, the agents' YAML file, a run's spec and the tests
 * of docs/openapi.yaml read. A new member is one row there, and what the worker does with it.
 *
 * An assistant's spec is what the API shows of it but id and times; a run's is frozen when the
 * run is created: the assistant's, with what the request overrides. Members are kept as JSON
 * texts, so a run's spec is put together without parsing the assistant's again.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/check/fields.h"
#include "shared/json/json.h"

struct declared_tools;
struct failure;

enum spec_member {
    SPEC_MODEL,
    SPEC_FALLBACKS,
    SPEC_NAME,
    SPEC_SLUG,
    SPEC_DESCRIPTION,
    SPEC_ROLE,
    SPEC_GOAL,
    SPEC_CONSTRAINTS,
    SPEC_PERSONALITY,
    SPEC_EXAMPLES,
    SPEC_INSTRUCTIONS,
    SPEC_TASK_INSTRUCTIONS,
    SPEC_TEMPLATE,
    SPEC_USER_MEMORY,
    SPEC_PLANNING,
    SPEC_TOOLS,
    SPEC_TOOL_POLICY,
    SPEC_TOOL_RESOURCES,
    SPEC_METADATA,
    SPEC_CONFIG,
    SPEC_IS_ACTIVE,
    SPEC_TEMPERATURE,
    SPEC_TOP_P,
    SPEC_RESPONSE_FORMAT,
    SPEC_REASONING_EFFORT,
    SPEC_VERBOSITY,
    SPEC_MAX_ITERATIONS,
    SPEC_TIMEOUT_SECONDS,
    SPEC_HTTP_ALLOW,
    SPEC_SECRETS,
    SPEC_MAX_PROMPT_TOKENS,
    SPEC_MAX_COMPLETION_TOKENS,
    SPEC_MAX_OUTPUT_TOKENS,
    SPEC_MAX_TOKENS_PER_REQUEST,
    SPEC_BUDGET,
    SPEC_RETENTION,
    SPEC_MEMORY_STRATEGY,
    SPEC_MEMORY_CONFIG,
    SPEC_MEMORIES,
    SPEC_VARIABLES,
    SPEC_TRUNCATION_STRATEGY,
    SPEC_TOOL_CHOICE,
    SPEC_PARALLEL_TOOL_CALLS,
    SPEC_MEMBER_COUNT, /* not a member */
};

#define AGENT_MODEL_MAX     256 /* characters */
#define AGENT_FALLBACKS_MAX 8
#define AGENT_CONFIG_MAX    65536 /* bytes of JSON */

/* Of an agent's or a run's spec. Instructions of 256,000 characters fit, of whatever language, and
 * most models' contexts hold less; but each run stores a spec, and each look at a run sends it. */
#define SPEC_BYTES_MAX ((size_t)1 << 20)

/* In a field's flags: who has the member. */
enum { FIELD_OF_AGENT = FIELD_GROUP, FIELD_OF_RUN = FIELD_GROUP << 1 };

/* What the request for a run may do with a member of its agent. */
enum member_rule {
    MEMBER_REPLACED, /* say another value */
    MEMBER_NARROWED, /* say a part of it: it is a permission, or a budget of several parts */
    MEMBER_CAPPED,   /* say a smaller number: it is a budget. Any, where the agent says none */
};

struct agent_member {
    struct field field; /* first: the rows are a table of fields */
    enum member_rule rule;
    const char *otherwise;     /* JSON of an agent's member that nobody said */
    const char *run_otherwise; /* of a run's; NULL: the same */
    bool run_may_lack;         /* a run's spec has it only where somebody said it */
};

extern const struct agent_member agent_members[SPEC_MEMBER_COUNT];

/* The same, for fields_check: `only` FIELD_OF_AGENT or FIELD_OF_RUN. */
extern const struct fields agent_fields;

struct agent_spec {
    struct text members[SPEC_MEMBER_COUNT]; /* JSON; TEXT_NONE: null or absent */
};

/* The members of a spec that the store gave. The texts are copies in the arena. Returns 0;
 * -E_INVALID when it is no JSON object, -E_LIMIT when the arena is full. */
MUSTCHECK int agent_spec_parse(struct text spec, struct arena *arena, struct agent_spec *out,
                               struct error *err);

/* Whether a spec of so many bytes may be stored, `whose` being "assistant" or "run". Returns 0, or
 * -E_INVALID with *failure, which names the largest member. */
MUSTCHECK int agent_spec_check_size(const struct agent_spec *spec, size_t bytes, const char *whose,
                                    struct failure *failure);

/* Whether a spec has no more tools than may be, with those of planning. Returns 0, or -E_INVALID
 * with *failure. */
MUSTCHECK int agent_spec_check_room(const struct agent_spec *spec, struct failure *failure);

/* The members of a body (checked before) over those of `spec`, which may be NULL for a new
 * assistant. What the body does not have stays; null makes it absent. Texts are borrowed from
 * both. */
void agent_spec_merge(const struct agent_spec *spec, struct json_object *body,
                      struct agent_spec *out);

/* Append the assistant's members, `"model":…,"name":…`, without braces. */
void agent_spec_write(const struct agent_spec *spec, struct buf *out);

/* What is put together when a run is made: of an agent's texts, and its tools. */
struct run_prompt {
    struct text preamble;     /* of its parts (prompt.h); empty: they say nothing */
    struct text instructions; /* a template that was filled, as JSON, in place of those of agent and
                               * request; TEXT_NONE: those */
    struct text memory;       /* what is known of the user (memory.h); empty: nothing, or it is
                               * not to be told */
    const struct declared_tools *declared; /* tools of the tenant's own that there are (declared.h);
                                            * NULL: none */
};

/* Append a run's spec as an object: the agent's with the body's overrides, where null overrides
 * nothing, the preamble and the memory. The body's member "functions", which no request of a client
 * has, is a list of functions of the client that come on top of the run's tools. Permissions are
 * those of the agent that the body names too (narrow.h). Returns 0, or -E_INVALID with *failure
 * when the body asks for more than the agent may, tool_choice names a tool that the run has not,
 * or the spec would be over SPEC_BYTES_MAX. */
MUSTCHECK int run_spec_write(const struct agent_spec *spec, struct json_object *body,
                             const struct run_prompt *prompt, struct buf *out,
                             struct failure *failure);

/* Adds that somebody said truncation_strategy: it outranks what agent and thread say of memory
 * (context_settings.h). */
void run_spec_add_truncation_said(struct buf *spec);

/* Adds that no model is to be called where nothing is new to the agent. */
void run_spec_add_if_pending(struct buf *spec);

/* Adds when it is to begin, in unix seconds, for those who look at it. */
void run_spec_add_start_after(struct buf *spec, int64_t unix_s);

/* Adds that a reply which calls functions of the client ends the run, which would be parked
 * else. */
void run_spec_add_calls_end(struct buf *spec);

/* Adds what only those look at that show the run as a response: a JSON object. */
void run_spec_add_response(struct buf *spec, struct text response);

/* Where else it is told what became of the run, as JSON that begins with "{": the database looks
 * for it there. */
void run_spec_add_webhook(struct buf *spec, struct text webhook);

/* Adds the id that joins the logs of caller, scheduler and worker to a spec that was written. */
void run_spec_add_trace(struct buf *spec, const char *trace);

/* Adds the slug of its agent, a JSON string. */
void run_spec_add_slug(struct buf *spec, struct text slug);

/* In which trace a run was made, and what it is called there: by the id and the name of its
 * agent. */
struct run_spec_trace {
    const char *parent; /* traceparent */
    struct text state;  /* tracestate; TEXT_NONE: none */
    const char *agent;  /* "": it has none */
    struct text name;   /* a JSON string; TEXT_NONE: it has none */
};

void run_spec_add_traceparent(struct buf *spec, const struct run_spec_trace *trace);
