#pragma once
/* Data in a prompt, each in a line that it can't leave: whatever a text holds, it neither ends its
 * line nor begins another section. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Bytes of the control character at the start of a text: C0, DEL and C1. 0: it is none. */
size_t prompt_control_at(const char *at, size_t left);

/* Appends the text as it is, but that it is one line: control characters, the tab excepted, and
 * what Unicode ends a line with are escapes. */
void prompt_add_line(struct text text, struct buf *out);
