/* UTF-8. */

#include "shared/base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at p, or 0 when it is malformed. Table 3-7 of the Unicode standard.
 */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t len;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        len = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        len = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        len = 4;
    else
        return 0;
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return len;
}

size_t utf8_sequence(const char *text, size_t len)
{
    return sequence((const unsigned char *)text, len);
}

bool utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = len;

    while (left > 0) {
        uint64_t eight;
        size_t step;

        if (left >= sizeof(eight)) { /* mostly it is ASCII */
            memcpy(&eight, p, sizeof(eight));
            if (!(eight & 0x8080808080808080)) {
                p += sizeof(eight);
                left -= sizeof(eight);
                continue;
            }
        }
        step = sequence(p, left);
        if (step == 0)
            return false;
        p += step;
        left -= step;
    }
    return true;
}

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t utf8_prefix(const char *text, size_t len, size_t max_bytes)
{
    size_t cut = max_bytes;

    if (len <= max_bytes)
        return len;
    while (cut > 0 && max_bytes - cut < 4 && continues_character(text[cut]))
        cut--;
    return continues_character(text[cut]) ? max_bytes : cut; /* or it is something else */
}

size_t utf8_without_half(const char *text, size_t len)
{
    size_t back = 0;
    unsigned char lead;
    size_t want;

    while (back < 3 && back < len && continues_character(text[len - 1 - back]))
        back++;
    if (back == len)
        return len;
    lead = (unsigned char)text[len - 1 - back];
    want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return want > back + 1 ? len - back - 1 : len;
}

void utf8_mark_cut(char *text, size_t size, int wanted)
{
    ASSERT(size >= 4);
    if (wanted >= 0 && (size_t)wanted >= size)
        strcpy(text + utf8_prefix(text, size - 1, size - 4), "...");
}

void utf8_drop_broken(char *text)
{
    size_t len = strlen(text);
    size_t kept = 0;

    if (utf8_is_valid(text, len))
        return;
    for (size_t at = 0; at < len;) {
        size_t step = utf8_sequence(text + at, len - at);

        memmove(text + kept, text + at, step);
        kept += step;
        at += step ? step : 1;
    }
    text[kept] = '\0';
}

void utf8_vformat(char *text, size_t size, const char *format, va_list args)
{
    utf8_mark_cut(text, size, vsnprintf(text, size, format, args));
    utf8_drop_broken(text);
}
