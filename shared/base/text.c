/* Texts and the bounded text builder. */

#include "shared/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/utf8.h"

#define BUF_DEFAULT_LIMIT ((size_t)16 << 20)
#define BUF_FIRST_SIZE    256

bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool text_is(struct text a, const char *string)
{
    return text_equal(a, text_of(string));
}

bool text_is_nocase(struct text a, const char *string)
{
    return a.len == strlen(string) && (a.len == 0 || strncasecmp(a.ptr, string, a.len) == 0);
}

bool text_starts(struct text a, const char *prefix)
{
    size_t len = strlen(prefix);

    return a.len >= len && (len == 0 || memcmp(a.ptr, prefix, len) == 0);
}

bool text_ends(struct text a, const char *suffix)
{
    size_t len = strlen(suffix);

    return a.len >= len && (len == 0 || memcmp(a.ptr + a.len - len, suffix, len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text a)
{
    while (a.len > 0 && is_blank(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && is_blank(a.ptr[a.len - 1]))
        a.len--;
    return a;
}

bool text_cut(struct text a, char separator, struct text *head, struct text *rest)
{
    const char *at = a.len ? memchr(a.ptr, separator, a.len) : NULL;

    if (!at)
        return false;
    *head = (struct text){a.ptr, (size_t)(at - a.ptr)};
    *rest = (struct text){at + 1, a.len - head->len - 1};
    return true;
}

bool text_to_int(struct text a, int64_t *out)
{
    int64_t value = 0;
    size_t i = 0;
    bool negative = a.len > 0 && a.ptr[0] == '-';

    if (negative)
        i++;
    if (i == a.len)
        return false;
    for (; i < a.len; i++) {
        int digit = a.ptr[i] - '0';

        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *text_put_hex(char *to, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    return to;
}

uint64_t text_hash(struct text a)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < a.len; i++)
        hash = (hash ^ (unsigned char)a.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

bool text_is_utf8(struct text a)
{
    return utf8_is_valid(a.ptr, a.len);
}

size_t text_characters(struct text a)
{
    size_t count = a.len;
    size_t at = 0;

    /* All bytes but those that continue a character, 10xxxxxx, of which eight are looked at at
     * once. */
    for (uint64_t eight; a.len - at >= sizeof(eight); at += sizeof(eight)) {
        memcpy(&eight, a.ptr + at, sizeof(eight));
        count -= (size_t)__builtin_popcountll(eight >> 7 & ~(eight >> 6) & 0x0101010101010101);
    }
    for (; at < a.len; at++)
        count -= ((unsigned char)a.ptr[at] & 0xC0) == 0x80;
    return count;
}

struct text text_prefix(struct text a, size_t max_bytes)
{
    return (struct text){a.ptr, utf8_prefix(a.ptr, a.len, max_bytes)};
}

void text_excerpt(struct text text, char *out, size_t size)
{
    size_t len;

    ASSERT(size > 0);
    len = text_prefix(text, size - 1).len;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F ? '?' : text.ptr[i];
    out[len] = '\0';
}

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit ? limit : BUF_DEFAULT_LIMIT};
}

void buf_deinit(struct buf *buf)
{
    free(buf->ptr);
    buf->ptr = NULL;
    buf->len = buf->size = 0;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    size_t want;
    size_t size;
    char *ptr;

    if (buf->failed)
        return NULL;
    if (len > buf->limit || buf->len > buf->limit - len) {
        buf->failed = true;
        return NULL;
    }
    want = buf->len + len + 1;
    if (want <= buf->size)
        return buf->ptr + buf->len;
    size = buf->size ? buf->size * 2 : BUF_FIRST_SIZE;
    if (size < want)
        size = want;
    ptr = realloc(buf->ptr, size);
    if (!ptr) {
        buf->failed = true;
        return NULL;
    }
    buf->ptr = ptr;
    buf->size = size;
    return buf->ptr + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *at = buf_reserve(buf, len);

    if (!at)
        return;
    if (len > 0)
        memcpy(at, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void buf_add_text(struct buf *buf, struct text text)
{
    buf_add(buf, text.ptr, text.len);
}

void buf_add_string(struct buf *buf, const char *string)
{
    buf_add(buf, string, strlen(string));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_add_int(struct buf *buf, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    buf_add(buf, at, (size_t)(digits + sizeof(digits) - at));
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    size_t room = buf->failed ? 0 : buf->size - buf->len; /* with that for the zero */
    va_list again;
    char *at;
    int len;

    va_copy(again, args);
    len = vsnprintf(room ? buf->ptr + buf->len : NULL, room, format, args);
    ASSERT(len >= 0);
    at = buf_reserve(buf, (size_t)len);
    if (at) {
        if ((size_t)len >= room)
            vsnprintf(at, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    } else if (room) {
        buf->ptr[buf->len] = '\0';
    }
    va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

static void add_json_escape(struct buf *buf, char c)
{
    switch (c) {
    case '"':
        buf_add(buf, "\\\"", 2);
        break;
    case '\\':
        buf_add(buf, "\\\\", 2);
        break;
    case '\n':
        buf_add(buf, "\\n", 2);
        break;
    case '\r':
        buf_add(buf, "\\r", 2);
        break;
    case '\t':
        buf_add(buf, "\\t", 2);
        break;
    default:
        buf_printf(buf, "\\u%04x", (unsigned char)c);
    }
}

void buf_add_utf8(struct buf *buf, struct text text)
{
    size_t start = 0;
    size_t at = 0;

    if (text.len == 0)
        return;
    if (!memchr(text.ptr, '\0', text.len) && utf8_is_valid(text.ptr, text.len)) {
        buf_add_text(buf, text);
        return;
    }
    while (at < text.len) {
        size_t step = text.ptr[at] ? utf8_sequence(text.ptr + at, text.len - at) : 0;

        if (step > 0) {
            at += step;
            continue;
        }
        buf_add(buf, text.ptr + start, at - start);
        buf_add_string(buf, "\xEF\xBF\xBD");
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at++;
        start = at;
    }
    buf_add(buf, text.ptr + start, text.len - start);
}

static bool json_is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7F;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether one of eight bytes is zero (not 0 then); the same for one that is less than `bound`, of
 * at most 128. Bit Twiddling Hacks, "Determine if a word has a zero byte". */
static uint64_t has_zero(uint64_t eight)
{
    return (eight - EACH_BYTE(1)) & ~eight & EACH_BYTE(0x80);
}

static uint64_t has_less(uint64_t eight, unsigned bound)
{
    return (eight - EACH_BYTE(bound)) & ~eight & EACH_BYTE(0x80);
}

size_t text_json_plain(struct text a)
{
    size_t at = 0;

    for (uint64_t eight; a.len - at >= sizeof(eight); at += sizeof(eight)) {
        memcpy(&eight, a.ptr + at, sizeof(eight));
        if (has_less(eight, 0x20) | has_zero(eight ^ EACH_BYTE('"')) |
            has_zero(eight ^ EACH_BYTE('\\')) | has_zero(eight ^ EACH_BYTE(0x7F)))
            break;
    }
    while (at < a.len && json_is_plain((unsigned char)a.ptr[at]))
        at++;
    return at;
}

void buf_add_json(struct buf *buf, struct text text)
{
    buf_add_char(buf, '"');
    for (;;) {
        size_t plain = text_json_plain(text);

        if (plain > 0)
            buf_add(buf, text.ptr, plain);
        if (plain == text.len)
            break;
        add_json_escape(buf, text.ptr[plain]);
        text.ptr += plain + 1;
        text.len -= plain + 1;
    }
    buf_add_char(buf, '"');
}

void buf_add_json_string(struct buf *buf, const char *string)
{
    if (string)
        buf_add_json(buf, text_of(string));
    else
        buf_add(buf, "null", 4);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->ptr)
        buf->ptr[0] = '\0';
}

void buf_consume(struct buf *buf, size_t len)
{
    ASSERT(len <= buf->len);
    if (len == 0)
        return;
    memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
    buf->ptr[buf->len] = '\0';
}

int buf_check(const struct buf *buf, struct error *err)
{
    if (buf->failed)
        return error_set(err, E_LIMIT, "text is larger than its limit of %zu bytes", buf->limit);
    return 0;
}

struct text buf_text(const struct buf *buf)
{
    return (struct text){buf_string(buf), buf->len};
}

const char *buf_string(const struct buf *buf)
{
    return buf->ptr ? buf->ptr : "";
}

char *buf_take(struct buf *buf)
{
    char *ptr = buf->ptr ? buf->ptr : xstrdup("");

    buf->ptr = NULL;
    buf->len = buf->size = 0;
    return ptr;
}
