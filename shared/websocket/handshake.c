/* The answer proves that it was made for this very request, by whoever knows the protocol: caches
 * and servers of other protocols can't have it. It proves nothing else, so SHA-1 does. */

#include "shared/websocket/handshake.h"

#include <openssl/evp.h>

#define GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_CHARS 24
#define KEY_BYTES 16

static bool is_key(struct text key)
{
    unsigned char bytes[KEY_CHARS / 4 * 3];

    /* OpenSSL counts the bytes of the padding, too. */
    return key.len == KEY_CHARS && text_ends(key, "==") && key.ptr[KEY_CHARS - 3] != '=' &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.ptr, KEY_CHARS) == sizeof(bytes);
}

bool websocket_accept(struct text key, char out[WEBSOCKET_ACCEPT_SIZE])
{
    unsigned char all[KEY_CHARS + sizeof(GUID) - 1];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    int ok;

    if (!is_key(key))
        return false;
    memcpy(all, key.ptr, KEY_CHARS);
    memcpy(all + KEY_CHARS, GUID, sizeof(GUID) - 1);
    ok = EVP_Digest(all, sizeof(all), hash, &len, EVP_sha1(), NULL);
    ASSERT(ok == 1 && len == 20);
    ok = EVP_EncodeBlock((unsigned char *)out, hash, (int)len);
    ASSERT(ok == WEBSOCKET_ACCEPT_SIZE - 1);
    return true;
}

bool websocket_protocol_next(struct text *rest, struct text *out)
{
    while (rest->len > 0) {
        struct text item = *rest;

        if (!text_cut(*rest, ',', &item, rest))
            *rest = TEXT_NONE;
        item = text_trim(item);
        if (item.len == 0)
            continue;
        *out = item;
        return true;
    }
    return false;
}
