#include "shared/text/base64.h"

#include <string.h>

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

static int value_of(char c)
{
    const char *at = c ? strchr(letters, c) : NULL;

    return at ? (int)(at - letters) : -1;
}

/* Four characters, the last ones of which may be padding. */
static bool read_word(const char *from, bool is_last, struct buf *out)
{
    size_t some = from[3] != '=' ? 4 : from[2] != '=' ? 3 : 2;
    uint32_t word = 0;
    char bytes[3];

    if (some < 4 && !is_last)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int value = i < some ? value_of(from[i]) : 0;

        if (value < 0)
            return false;
        word = word << 6 | (uint32_t)value;
    }
    bytes[0] = (char)(word >> 16);
    bytes[1] = (char)(word >> 8);
    bytes[2] = (char)word;
    buf_add(out, bytes, some - 1);
    return (word & ((1U << 8 * (4 - some)) - 1)) == 0;
}

bool base64_read(struct text text, struct buf *out)
{
    if (text.len % 4 != 0)
        return false;
    for (size_t at = 0; at < text.len; at += 4)
        if (!read_word(text.ptr + at, at + 4 == text.len, out))
            return false;
    return true;
}
