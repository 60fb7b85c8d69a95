#pragma once
/* JSON Schema (draft 2020-12) for the arguments of tools: the keywords that tools use.
 *
 *   any value   type enum const anyOf oneOf allOf not if then else $ref (to "#...") $defs
 *   objects     properties patternProperties additionalProperties propertyNames required
 *               dependentRequired minProperties maxProperties
 *   arrays      items prefixItems contains minItems maxItems uniqueItems
 *   strings     minLength maxLength pattern
 *   numbers     minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
 *
 * Other keywords (format, title) are ignored, as the specification has it. Patterns are PCRE2's,
 * with limits on what a match may cost. Both functions are pure and bounded in time and depth.
 */

#include <json-c/json.h>

#include "shared/base/compiler.h"

struct error;

/* Whether the value satisfies the schema. Returns 0; -E_INVALID with the path of what is wrong and
 * what would be right ("$.expression: expected a string, got a number"); or -E_LIMIT when checking
 * takes too long or goes too deep. Malformed keywords are ignored: see below. */
MUSTCHECK int schema_check(struct json_object *schema, struct json_object *value,
                           struct error *err);

/* Takes members out of arguments that are null and not required: models write null for what they
 * leave out. What is no object stays as it is. */
void schema_drop_nulls(struct json_object *schema, struct json_object *arguments);

/* Whether it is a schema, for when one is submitted: malformed keywords, references to nowhere and
 * patterns that don't compile are refused. Returns 0, -E_INVALID with the path, or -E_LIMIT. */
MUSTCHECK int schema_validate_schema(struct json_object *schema, struct error *err);
