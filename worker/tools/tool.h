#pragma once
/* The tools that the server runs itself. A tool is one row of the table in tool.c: its name, what
 * the model is told about it, the JSON Schema of its arguments, its class, and a function.
 *
 * A new tool is one file with that function, and one row.
 */

#include <json-c/json.h>

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/net/guard.h"

struct error;
struct http_client;

#define TOOL_RESULT_MAX ((size_t)256 << 10) /* bytes */

/* What may happen when a call is made twice. */
enum tool_class {
    TOOL_PURE,       /* nothing: no effect outside, and it does not wait */
    TOOL_IDEMPOTENT, /* nothing, or nothing thanks to the idempotency key that goes with it */
    TOOL_ONCE,       /* harm: never again without being told */
};

/* What a tool may use, beside its arguments. */
struct tool_context {
    struct http_client *http;
    const char *const *http_allow; /* the agent's allow-list */
    size_t http_allow_count;
    struct guard_options guard;
    struct text idempotency_key;
    int64_t deadline_ms; /* clock_ms */
    int64_t now_wall_ms;
};

struct tool {
    const char *name;
    const char *description; /* for the model */
    const char *parameters;  /* JSON Schema */
    enum tool_class class;

    /* Of which class a call with these arguments is; NULL: always of `class`. Pure. */
    enum tool_class (*classify)(struct json_object *arguments);

    /* Appends the result for the model. Returns 0; -E_CANCELED; or an error whose text is told to
     * the model, which may do better. */
    SUSPENDS MUSTCHECK int (*run)(const struct tool_context *context, struct json_object *arguments,
                                  struct buf *out, struct error *err);
};

/* NULL: the server has no such tool. */
const struct tool *tool_find(struct text name);

/* Of which class a call is. One that can't be read has no effect, so it may be repeated. Pure. */
enum tool_class tool_class_of(const struct tool *tool, struct text arguments);

/* "pure", "idempotent" or "once". False, output untouched, for another word. */
MUSTCHECK bool tool_class_parse(struct text word, enum tool_class *out);

/* Every tool, for lists and tests. */
extern const struct tool tools_all[];
extern const size_t tools_all_count;

/* Parse and check the arguments against the tool's schema, then run it. Returns as tool.run does;
 * what is wrong with the arguments is -E_INVALID. */
SUSPENDS MUSTCHECK int tool_call(const struct tool *tool, const struct tool_context *context,
                                 struct text arguments, struct buf *out, struct error *err);
