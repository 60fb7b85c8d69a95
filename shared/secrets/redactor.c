/* Looking for secrets. A text is compared with each form of each secret, at each of its characters
 * that may begin one; escapes are read while comparing, so that a text that is escaped in part, or
 * more than it need be, hides nothing. */

#include "shared/secrets/redactor.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "shared/base/memory.h"
#include "shared/text/base64.h"

#define ENCODED      8 /* as it is, hexadecimal, base64 and base64url at three places each */
#define FORMS        (3 * ENCODED) /* of the value, of its JSON and of its %XX */
#define ESCAPE_BYTES 4             /* that one escape stands for, at most */

struct needle {
    struct text name;
    char *ptr; /* its own */
    size_t len;
    bool any_case;
};

struct redactor {
    struct needle *needles;
    size_t count;
    bool begins[256]; /* whether a needle, or an escape, may begin with this byte */
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static void add(struct redactor *redactor, struct text name, struct text form, bool any_case)
{
    struct needle *needle = &redactor->needles[redactor->count++];
    uint8_t first = (uint8_t)form.ptr[0];

    *needle = (struct needle){name, xmalloc(form.len), form.len, any_case};
    memcpy(needle->ptr, form.ptr, form.len);
    redactor->begins[first] = true;
    if (any_case)
        redactor->begins[first - ('a' - 'A')] |= first >= 'a';
}

static void add_hex(struct redactor *redactor, const struct known_secret *secret)
{
    char *hex = xmalloc(2 * secret->value.len);

    (void)text_put_hex(hex, (const uint8_t *)secret->value.ptr, secret->value.len);
    add(redactor, secret->name, (struct text){hex, 2 * secret->value.len}, true);
    OPENSSL_cleanse(hex, 2 * secret->value.len);
    free(hex);
}

/* Behind `before` bytes of something else: only characters that hold bits of the secret alone. */
static void add_base64(struct redactor *redactor, const struct known_secret *secret, size_t before)
{
    static const size_t shared[] = {0, 2, 3}; /* characters that hold bits of what is before */
    size_t bytes = before + secret->value.len;
    size_t size = BASE64_BYTES(bytes);
    uint8_t *padded = xcalloc(1, bytes);
    char *form = xmalloc(size);
    struct text kept = {form + shared[before], bytes * 4 / 3 - shared[before]};

    memcpy(padded + before, secret->value.ptr, secret->value.len);
    (void)base64_put(form, padded, bytes);
    add(redactor, secret->name, kept, false);
    for (size_t i = 0; i < size; i++)
        form[i] = form[i] == '+' ? '-' : form[i] == '/' ? '_' : form[i];
    add(redactor, secret->name, kept, false);
    OPENSSL_cleanse(padded, bytes);
    OPENSSL_cleanse(form, size);
    free(padded);
    free(form);
}

static void add_encoded(struct redactor *redactor, const struct known_secret *form)
{
    add(redactor, form->name, form->value, false);
    add_hex(redactor, form);
    for (size_t before = 0; before < 3; before++)
        add_base64(redactor, form, before);
}

static void percent_encode(struct text text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if ((c >= '0' && c <= '9') || (lower((uint8_t)c) >= 'a' && lower((uint8_t)c) <= 'z') ||
            (c && strchr("-._~", c)))
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(uint8_t)c);
    }
}

/* As it was sent in a JSON body, in a form or a URL: a server may say all of these back, encoded or
 * escaped once more. */
static void add_escaped(struct redactor *redactor, const struct known_secret *secret)
{
    struct known_secret form = {.name = secret->name};
    struct buf text;

    buf_init(&text, 0);
    buf_add_json(&text, secret->value);
    form.value = (struct text){text.ptr + 1, text.len - 2}; /* without its quotes */
    if (form.value.len != secret->value.len)
        add_encoded(redactor, &form);
    OPENSSL_cleanse(text.ptr, text.len);
    buf_reset(&text);
    percent_encode(secret->value, &text);
    form.value = buf_text(&text);
    if (form.value.len != secret->value.len)
        add_encoded(redactor, &form);
    OPENSSL_cleanse(text.ptr, text.len);
    buf_deinit(&text);
}

struct redactor *redactor_new(const struct known_secret *secrets, size_t count)
{
    struct redactor *redactor;

    if (count == 0)
        return NULL;
    redactor = xcalloc(1, sizeof(*redactor));
    redactor->needles = xcalloc(count * FORMS, sizeof(*redactor->needles));
    redactor->begins['%'] = redactor->begins['\\'] = redactor->begins['&'] = true;
    redactor->begins['+'] = true;
    for (size_t i = 0; i < count; i++) {
        if (secrets[i].value.len == 0)
            continue;
        add_encoded(redactor, &secrets[i]);
        add_escaped(redactor, &secrets[i]);
    }
    return redactor;
}

void redactor_free(struct redactor *redactor)
{
    if (!redactor)
        return;
    for (size_t i = 0; i < redactor->count; i++) {
        OPENSSL_cleanse(redactor->needles[i].ptr, redactor->needles[i].len);
        free(redactor->needles[i].ptr);
    }
    free(redactor->needles);
    free(redactor);
}

/* ---- escapes ---- */

struct escape {
    uint8_t bytes[ESCAPE_BYTES];
    size_t count; /* 0: it is none */
    size_t width; /* of how it is written */
};

static int hex_number(struct text text, size_t at, size_t digits)
{
    int number = 0;

    if (at + digits > text.len)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        int digit = text_hex_digit(text.ptr[at + i]);

        if (digit < 0)
            return -1;
        number = number * 16 + digit;
    }
    return number;
}

static void encode(uint32_t code, struct escape *out)
{
    if (code < 0x80) {
        out->bytes[out->count++] = (uint8_t)code;
    } else if (code < 0x800) {
        out->bytes[out->count++] = (uint8_t)(0xC0 | code >> 6);
        out->bytes[out->count++] = (uint8_t)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        out->bytes[out->count++] = (uint8_t)(0xE0 | code >> 12);
        out->bytes[out->count++] = (uint8_t)(0x80 | (code >> 6 & 63));
        out->bytes[out->count++] = (uint8_t)(0x80 | (code & 63));
    } else {
        out->bytes[out->count++] = (uint8_t)(0xF0 | code >> 18);
        out->bytes[out->count++] = (uint8_t)(0x80 | (code >> 12 & 63));
        out->bytes[out->count++] = (uint8_t)(0x80 | (code >> 6 & 63));
        out->bytes[out->count++] = (uint8_t)(0x80 | (code & 63));
    }
}

static void read_backslash(struct text text, size_t at, struct escape *out)
{
    static const char letters[] = "\"\\/bfnrt'";
    static const char meant[] = "\"\\/\b\f\n\r\t'";
    char c = at + 1 < text.len ? text.ptr[at + 1] : '\0';
    const char *known = c ? strchr(letters, c) : NULL;
    int code = c == 'u' ? hex_number(text, at + 2, 4) : -1;
    int low;

    if (known) {
        out->bytes[out->count++] = (uint8_t)meant[known - letters];
        out->width = 2;
        return;
    }
    if (code < 0)
        return;
    out->width = 6;
    low = code >= 0xD800 && code < 0xDC00 && at + 7 < text.len && text.ptr[at + 6] == '\\' &&
                  text.ptr[at + 7] == 'u'
              ? hex_number(text, at + 8, 4)
              : -1;
    if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        out->width = 12;
    }
    encode((uint32_t)code, out);
}

static void read_entity(struct text text, size_t at, struct escape *out)
{
    static const struct {
        const char *name;
        char meant;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    struct text rest = {text.ptr + at, text.len - at};
    bool is_hex = rest.len > 2 && (rest.ptr[2] == 'x' || rest.ptr[2] == 'X');
    size_t i = is_hex ? 3 : 2;
    uint32_t code = 0;

    for (size_t k = 0; k < ARRAY_LENGTH(names); k++) {
        if (!text_starts(rest, names[k].name))
            continue;
        out->bytes[out->count++] = (uint8_t)names[k].meant;
        out->width = strlen(names[k].name);
        return;
    }
    if (!text_starts(rest, "&#"))
        return;
    for (; i < rest.len && i < 10; i++) {
        int digit = text_hex_digit(rest.ptr[i]);

        if (digit < 0 || (!is_hex && digit > 9))
            break;
        code = code * (is_hex ? 16 : 10) + (uint32_t)digit;
    }
    if (i >= rest.len || rest.ptr[i] != ';' || code == 0 || code > 0x10FFFF)
        return;
    encode(code, out);
    out->width = i + 1;
}

static struct escape escape_at(struct text text, size_t at)
{
    struct escape escape = {.count = 0};
    int code;

    switch (text.ptr[at]) {
    case '%':
        code = hex_number(text, at + 1, 2);
        if (code >= 0) {
            escape.bytes[escape.count++] = (uint8_t)code;
            escape.width = 3;
        }
        break;
    case '+':
        escape.bytes[escape.count++] = ' ';
        escape.width = 1;
        break;
    case '\\':
        read_backslash(text, at, &escape);
        break;
    case '&':
        read_entity(text, at, &escape);
        break;
    }
    return escape;
}

/* ---- comparing ---- */

static bool same(const struct needle *needle, size_t i, uint8_t c)
{
    uint8_t wanted = (uint8_t)needle->ptr[i];

    return c == wanted || (needle->any_case && lower(c) == wanted);
}

/* How much of the text the needle takes here; 0: none of it. */
static size_t compare(const struct needle *needle, struct text text, size_t at, bool is_cut,
                      bool reads_escapes)
{
    size_t begin = at;
    size_t i = 0;

    while (i < needle->len) {
        struct escape escape = {.count = 0};
        size_t k = 0;

        if (at >= text.len)
            return is_cut && i > 0 ? at - begin : 0;
        if (reads_escapes)
            escape = escape_at(text, at);
        while (k < escape.count && i + k < needle->len && same(needle, i + k, escape.bytes[k]))
            k++;
        if (escape.count > 0 && k == escape.count) {
            i += k;
            at += escape.width;
        } else if (same(needle, i, (uint8_t)text.ptr[at])) {
            i++;
            at++;
        } else {
            return 0;
        }
    }
    return at - begin;
}

/* The longest that is found here: what is in base64 may have the same beginning. */
static const struct needle *find(const struct redactor *redactor, struct text text, size_t at,
                                 bool is_cut, size_t *out_bytes)
{
    const struct needle *found = NULL;

    *out_bytes = 0;
    for (size_t i = 0; i < redactor->count; i++) {
        const struct needle *needle = &redactor->needles[i];
        size_t bytes = compare(needle, text, at, is_cut, false);
        size_t escaped = compare(needle, text, at, is_cut, true);

        if (escaped > bytes)
            bytes = escaped;
        if (bytes > *out_bytes) {
            *out_bytes = bytes;
            found = needle;
        }
    }
    return found;
}

void redactor_write(const struct redactor *redactor, struct text text, bool is_cut, struct buf *out)
{
    size_t written = 0;
    size_t at = 0;

    while (redactor && at < text.len) {
        const struct needle *found = NULL;
        size_t bytes = 0;

        if (redactor->begins[(uint8_t)text.ptr[at]])
            found = find(redactor, text, at, is_cut, &bytes);
        if (!found) {
            at++;
            continue;
        }
        buf_add(out, text.ptr + written, at - written);
        buf_add_string(out, "[secret ");
        buf_add_text(out, found->name);
        buf_add_char(out, ']');
        at += bytes;
        written = at;
    }
    if (text.len > written)
        buf_add(out, text.ptr + written, text.len - written);
}
