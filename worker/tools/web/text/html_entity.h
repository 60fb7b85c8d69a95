#pragma once
/* References to characters in HTML: "&amp;", "&#8364;". Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* No reference that is understood is longer. */
#define HTML_ENTITY_MAX 16 /* bytes */

/* The reference at the start of `at`, which begins with '&'. Returns how many bytes it has, with
 * its code point in *out; 0: it is none. */
size_t html_entity_read(struct text at, uint32_t *out);

/* Writes a code point as UTF-8, and returns how many bytes it has. */
size_t html_utf8_put(uint32_t code, char out[4]);
