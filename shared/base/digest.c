/* SHA-256, by OpenSSL. */

#include "shared/base/digest.h"

#include <stdio.h>

#include <openssl/evp.h>

void sha256(struct text in, uint8_t out[SHA256_BYTES])
{
    int ok = EVP_Digest(in.ptr ? in.ptr : "", in.len, out, NULL, EVP_sha256(), NULL);

    ASSERT(ok == 1);
}

void sha256_hex(struct text in, char out[SHA256_TEXT_SIZE])
{
    uint8_t digest[SHA256_BYTES];

    sha256(in, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
