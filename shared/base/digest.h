#pragma once
/* SHA-256 by OpenSSL, for API keys, migration checksums, request fingerprints and the content of
 * files; MD5 where a client says what its file has. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SHA256_BYTES     32
#define SHA256_TEXT_SIZE 65 /* hex digits and the zero */

void sha256(struct text in, uint8_t out[SHA256_BYTES]);
void sha256_hex(struct text in, char out[SHA256_TEXT_SIZE]);

/* Of bytes that come one after the other. */
enum digest_method { DIGEST_SHA256, DIGEST_MD5 };
#define MD5_BYTES        16
#define DIGEST_BYTES_MAX SHA256_BYTES

struct digest;

struct digest *digest_new(enum digest_method method);
void digest_free(struct digest *digest); /* accepts NULL */
void digest_add(struct digest *digest, struct text bytes);
/* Of all that was added; once. Writes SHA256_BYTES or MD5_BYTES. */
void digest_end(struct digest *digest, uint8_t out[DIGEST_BYTES_MAX]);

/* HMAC (RFC 2104) with SHA-256. */
void hmac_sha256(struct text key, struct text in, uint8_t out[SHA256_BYTES]);
