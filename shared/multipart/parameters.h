#pragma once
/* Values with parameters, as headers have them: form-data; name="file"; filename="a.txt". Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

struct parameter {
    struct text name;
    struct text value; /* without its quotes, and otherwise as written */
    bool quoted;
};

/* The value before the first semicolon; *rest begins behind it (empty: there are no parameters). */
struct text parameters_head(struct text value, struct text *rest);

/* Takes the next parameter off *rest. Returns 0; PARAMETERS_END; or -E_PROTOCOL. */
enum { PARAMETERS_END = 1 };
MUSTCHECK int parameters_next(struct text *rest, struct parameter *out, struct error *err);

/* Appends a quoted value as it is meant: a quote is written \" or %22, and nothing else is
 * escaped. */
void parameter_unescape(struct text value, struct buf *out);
