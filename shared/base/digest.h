#pragma once
/* SHA-256 by OpenSSL, for API keys, migration checksums and request fingerprints. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SHA256_BYTES     32
#define SHA256_TEXT_SIZE 65 /* hex digits and the zero */

void sha256(struct text in, uint8_t out[SHA256_BYTES]);
void sha256_hex(struct text in, char out[SHA256_TEXT_SIZE]);
