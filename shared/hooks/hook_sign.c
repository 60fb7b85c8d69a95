/* What is signed is put together in one piece: bodies are of 20 KB at most, but for those of others
 * that `penstock webhooks listen` is sent. */

#include "shared/hooks/hook_sign.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX           "whsec_"
#define SECRET_BYTES_MIN 24

void hook_secret_format(const struct hook_secret *secret, char out[HOOK_SECRET_SIZE])
{
    char *end;

    ASSERT(secret->len <= HOOK_SECRET_BYTES_MAX);
    memcpy(out, PREFIX, sizeof(PREFIX) - 1);
    end = base64_put(out + sizeof(PREFIX) - 1, secret->bytes, secret->len);
    *end = '\0';
}

bool hook_secret_parse(struct text text, struct hook_secret *out)
{
    CLEANUP(buf_deinit) struct buf key;

    buf_init(&key, HOOK_SECRET_BYTES_MAX);
    if (!text_starts(text, PREFIX))
        return false;
    text.ptr += sizeof(PREFIX) - 1;
    text.len -= sizeof(PREFIX) - 1;
    if (!base64_read(text, &key) || key.failed || key.len < SECRET_BYTES_MIN)
        return false;
    memcpy(out->bytes, key.ptr, key.len);
    out->len = key.len;
    return true;
}

void hook_sign(const struct hook_secret *secret, const struct hook_signed *what,
               char out[HOOK_SIGNATURE_SIZE])
{
    CLEANUP(buf_deinit) struct buf text;
    uint8_t mac[SHA256_BYTES];
    char *end;

    buf_init(&text, 0);
    buf_printf(&text, "%s.%" PRId64 ".", what->id, what->timestamp);
    buf_add_text(&text, what->body);
    hmac_sha256((struct text){(const char *)secret->bytes, secret->len}, buf_text(&text), mac);
    memcpy(out, "v1,", 3);
    end = base64_put(out + 3, mac, sizeof(mac));
    *end = '\0';
}

/* In a time that does not tell how much of it is right. */
static bool is_same(struct text said, const char *right, size_t len)
{
    unsigned differs = 0;

    if (said.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)said.ptr[i] ^ (unsigned char)right[i];
    return differs == 0;
}

bool hook_verify(const struct hook_secret *secret, const struct hook_signed *what,
                 struct text header)
{
    char right[HOOK_SIGNATURE_SIZE];
    bool found = false;

    hook_sign(secret, what, right);
    while (header.len > 0) {
        struct text said = header;
        struct text rest = {header.ptr, 0};

        (void)text_cut(header, ' ', &said, &rest);
        found = is_same(said, right, sizeof(right) - 1) || found;
        header = rest;
    }
    return found;
}
