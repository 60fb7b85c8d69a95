#pragma once
/* Templates: texts with places to be filled, "Hello {{name}}". Pure.
 *
 * A placeholder is a name within double braces, with blanks around it or not. Whatever else stands
 * within double braces is text, and so are single ones: people's instructions are full of braces.
 * What is filled in is not looked at again. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* ^[A-Za-z_][A-Za-z0-9_]*$ */
#define PLACEHOLDER_NAME_MAX 64
bool placeholder_name_fits(struct text name);

/* Appends what stands at a name. False: nothing is known of it, and nothing was appended. */
typedef bool (*placeholder_value_fn)(void *arg, struct text name, struct buf *out);

/* Appends the filled text. Returns 0; or -E_INVALID with *out_unknown, the first name, within
 * `template`, of which nothing is known. */
MUSTCHECK int placeholders_fill(struct text template, placeholder_value_fn value, void *arg,
                                struct buf *out, struct text *out_unknown);
