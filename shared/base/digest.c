/* SHA-256, by OpenSSL. */

#include "shared/base/digest.h"

#include <pthread.h>

#include <openssl/evp.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *method;

/* Looking for the method takes OpenSSL 3 as long as using it on a key. */
static void fetch(void)
{
    method = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(method);
}

void sha256(struct text in, uint8_t out[SHA256_BYTES])
{
    int ok;

    pthread_once(&once, fetch);
    ok = EVP_Digest(in.ptr ? in.ptr : "", in.len, out, NULL, method, NULL);

    ASSERT(ok == 1);
}

void sha256_hex(struct text in, char out[SHA256_TEXT_SIZE])
{
    uint8_t digest[SHA256_BYTES];

    sha256(in, digest);
    *text_put_hex(out, digest, sizeof(digest)) = '\0';
}
