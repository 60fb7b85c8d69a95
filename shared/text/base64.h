#pragma once
/* Base64 as RFC 4648 has it, with padding. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_BYTES(len) characters, and no zero. Returns where they ended. */
char *base64_put(char *to, const uint8_t *bytes, size_t len);

/* Appends the bytes that these characters stand for. False: they are no base64, or are written in
 * another way than base64_put does; then something may have been appended. */
MUSTCHECK bool base64_read(struct text text, struct buf *out);
