#pragma once
/* Agents as code: agents.yaml to the bodies that POST /v1/assistants takes. Pure. Every refusal
 * names file, line and column, what is wrong, and what would be right.
 */

#include "shared/base/text.h"
#include "shared/json/json.h"

struct error;

#define AGENTS_FILE_BYTES_MAX ((size_t)8 << 20)
#define AGENTS_MAX            1000

/* Parses the text of the file `path` (a name for messages). Returns 0 with *out, an array of
 * objects, each with a name of its own and a model, which the caller frees; or -E_INVALID. */
MUSTCHECK int agents_file_parse(const char *path, struct text text, struct json_object **out,
                                struct error *err);
