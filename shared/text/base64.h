#pragma once
/* Base64 as RFC 4648 has it, with padding. Pure. */

#include "shared/base/compiler.h"

#define BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)

/* Writes BASE64_BYTES(len) characters, and no zero. Returns where they ended. */
char *base64_put(char *to, const uint8_t *bytes, size_t len);
