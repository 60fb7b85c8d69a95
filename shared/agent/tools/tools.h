#pragma once
/* The catalogue of tools that an agent may name: who executes a tool, and what may be said about
 * it.
 *
 * The API refuses what is not here when an agent is made, the worker finds its implementation by
 * the same names (worker/tools/builtin/builtin.c; a test compares the two), and a run's request may
 * give a run those only that the client executes itself. A new tool that the server runs is one row
 * here and one there. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

enum tool_executor {
    TOOL_BY_SERVER, /* by a worker: an agent's permission */
    TOOL_BY_CLIENT, /* a function: the run waits for its output */
    TOOL_BY_NOBODY, /* OpenAI's, and not offered here */
};

struct tool_kind {
    const char *type; /* the member "type" of a tool */
    enum tool_executor executor;
    bool has_class; /* an agent may say what a repetition does: tool_classes */
};

extern const struct tool_kind tool_kinds[];
extern const size_t tool_kinds_count;

/* "idempotent", "once": ended by NULL. */
extern const char *const tool_classes[];

/* NULL: there is no such type. */
const struct tool_kind *tool_kind_find(struct text type);

/* The types that are offered, ended by NULL. */
const char *const *tool_types_offered(void);

/* Whether it may be the name of a tool of the tenant's own (declared.h): it is none of the types
 * here, and has the form of a name. */
bool tool_is_declared(struct text type);

/* The rule for names, of tools and of whatever else a model is told by name: ^[a-zA-Z0-9_-]{1,64}$,
 * the strictest of any provider. */
#define TOOL_NAME_MAX 64 /* bytes */
bool tool_name_fits(struct text name);

/* Whether a text has only letters, digits, '_' and '-', or nothing at all. */
bool tool_name_letters(struct text text);

/* By which name the model calls a tool of a spec: a function's own, else its type. Of a server,
 * whose tools have names that begin with it, its label. */
struct text tool_spec_name(struct json_object *tool);
