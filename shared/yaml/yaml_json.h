#pragma once
/* YAML as JSON, where both say the same: mappings with texts as keys, sequences, and scalars. A
 * plain scalar is null, true, false or a number where JSON would write it so; all else is a text,
 * as is all in quotes. Anchors are followed: what is named twice is there twice. Pure. */

#include "shared/json/json.h"
#include "shared/yaml/yaml_load.h"

/* Returns 0 with *out (the caller's; NULL for a document without a root, and for null), or
 * -E_INVALID with line and column: a key that is no text or is there twice, an anchor that holds
 * itself, or more than YAML_NODES_MAX values once anchors are followed. */
MUSTCHECK int yaml_json(const char *path, yaml_document_t *document, struct json_object **out,
                        struct error *err);
