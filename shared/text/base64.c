#include "shared/text/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_put(char *to, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t some = len < 3 ? len : 3;
        uint32_t word = (uint32_t)bytes[0] << 16;

        word |= some > 1 ? (uint32_t)bytes[1] << 8 : 0;
        word |= some > 2 ? bytes[2] : 0;
        *to++ = letters[word >> 18];
        *to++ = letters[word >> 12 & 63];
        *to++ = some > 1 ? letters[word >> 6 & 63] : '=';
        *to++ = some > 2 ? letters[word & 63] : '=';
        bytes += some;
        len -= some;
    }
    return to;
}
