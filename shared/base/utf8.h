#pragma once
/* UTF-8 as RFC 3629 has it: what is valid, and where a text may be cut. */

#include <stdarg.h>

#include "shared/base/compiler.h"

/* No surrogates, no overlong forms, nothing above U+10FFFF. */
bool utf8_is_valid(const char *text, size_t len);

/* Bytes of the well-formed character at the start of `text`, which has at least one byte. 0: there
 * is none. */
size_t utf8_sequence(const char *text, size_t len);

/* How many bytes the longest beginning of at most max_bytes has that does not end within a
 * character. */
size_t utf8_prefix(const char *text, size_t len, size_t max_bytes);

/* How many bytes are left without the character at the end that a cut has halved: `len` where the
 * end is whole, or no UTF-8 at all. For what was cut before it came here (else: utf8_prefix). */
size_t utf8_without_half(const char *text, size_t len);

/* After vsnprintf into `text` of `size` (>= 4) bytes said that it wanted `wanted`: where that was
 * too much, ends the text with "..." in place of its last characters, never within one. */
void utf8_mark_cut(char *text, size_t size, int wanted);

/* vsnprintf into `text` of `size` (>= 4) bytes, for people: valid UTF-8 whatever the arguments are,
 * and "..." where it is cut. */
PRINTF(3, 0) void utf8_vformat(char *text, size_t size, const char *format, va_list args);

/* Drops the bytes that are no UTF-8, in place: what a format such as "%.80s" has cut within a
 * character. `text` is ended by a zero. */
void utf8_drop_broken(char *text);
