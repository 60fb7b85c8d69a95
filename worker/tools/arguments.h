#pragma once
/* The arguments of a call, as its tool wants them. Pure. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct error;

/* `name` is the tool's, `parameters` its JSON Schema. Members that are null and need not be there
 * are taken away. *out is the caller's to json_free. Returns 0, or -E_INVALID or -E_LIMIT with what
 * is wrong, in words for the model. */
MUSTCHECK int arguments_read(const char *name, const char *parameters, struct text arguments,
                             struct json_object **out, struct error *err);
