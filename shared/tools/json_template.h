#pragma once
/* Bodies of declared tools. Pure.
 *
 * A body is JSON with templates as its strings: one that is a placeholder and nothing else becomes
 * the value with its type (and a member whose parameter is absent is left out), in others values
 * stand as text. Or it is the text of a JSON document, where a placeholder within quotes is a piece
 * of that string, and one outside of them a value.
 */

#include "shared/base/compiler.h"
#include "shared/tools/template.h"

#define BODY_DEPTH_MAX 16

/* Returns 0; -E_INVALID: it goes deeper than BODY_DEPTH_MAX; or -E_NOT_FOUND, as template_write. */
MUSTCHECK int json_template_write(struct json_object *body, const struct template_values *values,
                                  struct buf *out, struct error *err);

/* Whether this is the text of a JSON document with places. Returns 0 or -E_INVALID. */
MUSTCHECK int json_text_check(struct text template, struct error *err);

/* Appends it, filled. Returns as json_template_write. */
MUSTCHECK int json_text_write(struct text template, const struct template_values *values,
                              struct buf *out, struct error *err);
