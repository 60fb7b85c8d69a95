#pragma once
/* The OpenAPI document of what is served (https://spec.openapis.org/oas/v3.1.0).
 *
 * What the tables of endpoints know is taken from there: paths, methods, members of queries, and of
 * bodies the members with their kinds, limits and words. docs/openapi.yaml has what they do not:
 * prose, what is nested in bodies, replies. What it says otherwise than a table is an error, so
 * neither can get ahead of the other. Pure. */

#include "scheduler/api/endpoints.h"
#include "shared/json/json.h"

struct error;

/* Returns 0 with *out, the caller's; or -E_INVALID: the YAML is none, names what is not served,
 * leaves out what is, or contradicts a table. */
MUSTCHECK int document_make(const struct endpoints *endpoints, struct text yaml,
                            struct json_object **out, struct error *err);

/* Inside: a body's schema gets what its table says. `where` is for messages. Returns as above. */
MUSTCHECK int document_body(struct json_object *schema, const struct fields *fields,
                            const char *where, struct error *err);
