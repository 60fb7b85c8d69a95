#pragma once
/* Agents as code: agents.yaml to the bodies that POST /v1/assistants takes, and their schedules
 * and tools to those of POST /v1/schedules and POST /v1/tools. Pure. Every refusal names file, line
 * and column, what is wrong, and what would be right.
 */

#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;

#define AGENTS_FILE_BYTES_MAX ((size_t)8 << 20)
#define AGENTS_MAX            1000

struct agents_place {
    size_t line;
    size_t column;
};

struct agents_file {
    struct json_object *agents;  /* an array of objects, each with a name of its own and a model */
    struct agents_place *places; /* where each of them begins */
    struct json_object *schedules; /* an array of objects, each with a name of its own and an
                                    * "agent"; what else they have the server judges */
    struct agents_place *schedule_places;
    struct json_object *tools; /* an array of objects, each with a name of its own; as above */
    struct agents_place *tool_places;
};

/* Parses the text of the file `path` (a name for messages). Returns 0 with *out, for the caller to
 * agents_file_deinit; or -E_INVALID, and nothing is in *out. */
MUSTCHECK int agents_file_parse(const char *path, struct text text, struct agents_file *out,
                                struct error *err);
void agents_file_deinit(struct agents_file *file);
