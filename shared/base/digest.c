/* Digests, by OpenSSL. */

#include "shared/base/digest.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "shared/base/memory.h"

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

struct digest {
    EVP_MD_CTX *context;
};

struct digest *digest_new(enum digest_method wanted)
{
    struct digest *digest = xcalloc(1, sizeof(*digest));
    int ok;

    pthread_once(&once, fetch);
    digest->context = EVP_MD_CTX_new();
    ASSERT(digest->context);
    ok = EVP_DigestInit_ex(digest->context, wanted == DIGEST_MD5 ? EVP_md5() : method, NULL);
    ASSERT(ok == 1);
    return digest;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void digest_add(struct digest *digest, struct text bytes)
{
    int ok = EVP_DigestUpdate(digest->context, bytes.ptr ? bytes.ptr : "", bytes.len);

    ASSERT(ok == 1);
}

void digest_end(struct digest *digest, uint8_t out[DIGEST_BYTES_MAX])
{
    int ok = EVP_DigestFinal_ex(digest->context, out, NULL);

    ASSERT(ok == 1);
}

void hmac_sha256(struct text key, struct text in, uint8_t out[SHA256_BYTES])
{
    const unsigned char *done =
        HMAC(EVP_sha256(), key.ptr ? key.ptr : "", (int)key.len,
             (const unsigned char *)(in.ptr ? in.ptr : ""), in.len, out, NULL);

    ASSERT(done);
}
