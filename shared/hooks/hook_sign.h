#pragma once
/* Signatures of webhooks, as Standard Webhooks 1.0.0 has them
 * (https://github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over "id.timestamp.body",
 * shown as "v1,BASE64", with secrets that are shown as "whsec_BASE64". Pure. */

#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/text.h"
#include "shared/text/base64.h"

#define HOOK_SECRET_BYTES     32 /* of those that we make */
#define HOOK_SECRET_BYTES_MAX 64 /* of those that we read; the least is 24 */
#define HOOK_SECRET_SIZE      (6 + BASE64_BYTES(HOOK_SECRET_BYTES_MAX) + 1)
#define HOOK_SIGNATURE_SIZE   (3 + BASE64_BYTES(SHA256_BYTES) + 1)
#define HOOK_TOLERANCE_S      300

/* What is signed. The id has no dot. */
struct hook_signed {
    const char *id;
    int64_t timestamp; /* unix seconds of this try */
    struct text body;
};

struct hook_secret {
    uint8_t bytes[HOOK_SECRET_BYTES_MAX];
    size_t len; /* 0: none */
};

void hook_secret_format(const struct hook_secret *secret, char out[HOOK_SECRET_SIZE]);

/* False, and anything in *out, for what is none. */
MUSTCHECK bool hook_secret_parse(struct text text, struct hook_secret *out);

/* "v1,…" */
void hook_sign(const struct hook_secret *secret, const struct hook_signed *what,
               char out[HOOK_SIGNATURE_SIZE]);

/* Whether one of the signatures of a header, with blanks between, is the secret's. */
bool hook_verify(const struct hook_secret *secret, const struct hook_signed *what,
                 struct text header);
