#pragma once
/* What an agent notes of its own work in a thread: a plan of steps, and a scratchpad. Both are
 * members of the thread's agent_state, beside whatever a client keeps there:
 *
 *     {"plan": {"steps": [{"title": "Read the order", "status": "done", "note": "No. 4711"}]},
 *      "scratchpad": "..."}
 *
 * The tools plan_set, plan_update and scratchpad_write change them (worker/tools/plan/), and the
 * system prompt of each step shows them:
 *
 *     # Plan
 *     1. [x] Read the order (No. 4711)
 *     2. [>] Ask the carrier
 *     3. [ ] Write to the customer
 *
 *     # Scratchpad
 *     > ...
 *
 * What a client has written there is data like what a model has: members of another shape are
 * passed over. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;
struct failure;

#define PLAN_STEPS_MAX 50
#define PLAN_TITLE_MAX 200  /* characters */
#define PLAN_NOTE_MAX  300  /* characters */
#define SCRATCHPAD_MAX 8000 /* characters */

enum plan_tool_kind { PLAN_TOOL_SET, PLAN_TOOL_UPDATE, PLAN_TOOL_SCRATCHPAD, PLAN_TOOLS };

/* "plan_set", "plan_update", "scratchpad_write" */
extern const char *const plan_tool_names[PLAN_TOOLS];

/* What an agent with `planning: true` is told of it. */
extern const char plan_instructions[];

/* What a tool changes, of the state as it is, which may be NULL, by arguments that its schema
 * allows: an object of the members that are new, which the caller puts. Returns 0; -E_INVALID with
 * words for the model: there is no such step. */
typedef int (*plan_change_fn)(struct json_object *state, struct json_object *arguments,
                              struct json_object **out_changes, struct error *err);

/* Another plan: {"steps": ["title", …]}. A step that was there before keeps its status and note. */
int plan_set(struct json_object *state, struct json_object *arguments,
             struct json_object **out_changes, struct error *err);

/* One step: {"step": 1, "status": "done", "note": "…"}. Without a note it keeps the one it has. */
int plan_update(struct json_object *state, struct json_object *arguments,
                struct json_object **out_changes, struct error *err);

/* Another scratchpad: {"text": "…"}. */
int plan_write_scratchpad(struct json_object *state, struct json_object *arguments,
                          struct json_object **out_changes, struct error *err);

/* Appends the sections of a state; nothing where there is neither a plan nor a scratchpad. */
void plan_sections_write(struct json_object *state, struct buf *out);

/* ---- who may plan ---- */

/* Whether the tools of an agent or a run, a member of its spec, are `max` at most with those of
 * planning that they do not name, where the member `planning` says so. Returns 0, or -E_INVALID
 * with *failure. */
MUSTCHECK int plan_check_room(struct text planning, struct text tools, size_t max,
                              struct failure *failure);

/* What the request for a run says of `planning`, where its agent says `agents`: its tools are a
 * permission as others are. Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int plan_narrow(struct text agents, struct json_object *said, struct failure *failure);
