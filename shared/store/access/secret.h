#pragma once
/* Inside the store: secrets that are shown once and known by their hash. */

#include "shared/base/compiler.h"

#define SECRET_CHARS 43 /* 32 random bytes in base64url without padding (RFC 4648, section 5) */

/* Writes SECRET_CHARS characters and the zero. */
void secret_new(char out[SECRET_CHARS + 1]);
