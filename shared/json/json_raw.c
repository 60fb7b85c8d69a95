/* Reading JSON in place.
 *
 * The check is a loop over a few states with a bit for each open level, so depth costs no stack.
 * Afterwards the getters only find where values end: a string by its closing quote (memchr, which
 * is fast over megabytes), an array or object by counting brackets outside of strings. Each getter
 * walks over its container again; documents of models have a dozen members a level.
 */

#include "shared/json/json_raw.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

enum want {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind [ */
    WANT_NAME,
    WANT_NAME_OR_END, /* behind { */
    WANT_COLON,
    WANT_COMMA_OR_END,
    WANT_NOTHING,
};

struct check {
    struct text in;
    size_t at;
    int depth;
    int max_depth;
    enum want want;
    uint64_t arrays[JSON_RAW_DEPTH_MAX / 64 + 1]; /* bit n: level n is an array */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct text in, size_t at)
{
    while (at < in.len && is_blank(in.ptr[at]))
        at++;
    return at;
}

/* The byte behind the string whose quote is at `at`; 0: it does not end. */
static size_t string_end(struct text in, size_t at)
{
    size_t from = at + 1;

    while (from < in.len) {
        const char *quote = memchr(in.ptr + from, '"', in.len - from);
        size_t end = quote ? (size_t)(quote - in.ptr) : in.len;
        size_t back = end;

        if (!quote)
            return 0;
        while (back > at + 1 && in.ptr[back - 1] == '\\')
            back--;
        if ((end - back) % 2 == 0)
            return end + 1;
        from = end + 1;
    }
    return 0;
}

static bool ends_scalar(char c)
{
    return is_blank(c) || c == ',' || c == ':' || c == ']' || c == '}' || c == '[' || c == '{' ||
           c == '"';
}

static size_t scalar_end(struct text in, size_t at)
{
    while (at < in.len && !ends_scalar(in.ptr[at]))
        at++;
    return at;
}

static size_t digits_end(struct text in, size_t at)
{
    while (at < in.len && in.ptr[at] >= '0' && in.ptr[at] <= '9')
        at++;
    return at;
}

/* RFC 8259, section 6. */
static bool is_number(struct text in)
{
    size_t start = in.len > 0 && in.ptr[0] == '-';
    size_t at = digits_end(in, start);
    size_t from;

    if (at == start || (at > start + 1 && in.ptr[start] == '0'))
        return false;
    if (at < in.len && in.ptr[at] == '.') {
        from = ++at;
        at = digits_end(in, at);
        if (at == from)
            return false;
    }
    if (at < in.len && (in.ptr[at] == 'e' || in.ptr[at] == 'E')) {
        at++;
        at += at < in.len && (in.ptr[at] == '+' || in.ptr[at] == '-');
        from = at;
        at = digits_end(in, at);
        if (at == from)
            return false;
    }
    return at == in.len;
}

static bool is_no_number(struct text word)
{
    return text_is(word, "NaN") || text_is(word, "Infinity") || text_is(word, "-Infinity");
}

static bool is_scalar(struct text word)
{
    return text_is(word, "null") || text_is(word, "true") || text_is(word, "false") ||
           is_no_number(word) || is_number(word);
}

static int fail(const struct check *check, const char *what, struct error *err)
{
    return error_set(err, E_INVALID, "%s at byte %zu", what, check->at + 1);
}

static bool in_array(const struct check *check)
{
    return check->arrays[check->depth / 64] >> check->depth % 64 & 1;
}

static void after_value(struct check *check)
{
    check->want = check->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static int check_open(struct check *check, bool array, struct error *err)
{
    uint64_t bit;

    if (check->depth >= check->max_depth)
        return error_set(err, E_LIMIT, "nested deeper than %d levels", check->max_depth);
    check->depth++;
    check->at++;
    bit = (uint64_t)1 << check->depth % 64;
    if (array)
        check->arrays[check->depth / 64] |= bit;
    else
        check->arrays[check->depth / 64] &= ~bit;
    check->want = array ? WANT_VALUE_OR_END : WANT_NAME_OR_END;
    return 0;
}

static int check_string(struct check *check, enum want next, struct error *err)
{
    size_t end = string_end(check->in, check->at);

    if (end == 0)
        return fail(check, "a string that does not end", err);
    check->at = end;
    if (next == WANT_COLON)
        check->want = WANT_COLON;
    else
        after_value(check);
    return 0;
}

static int check_value(struct check *check, struct error *err)
{
    char c = check->in.ptr[check->at];
    size_t end;

    if (c == '{' || c == '[')
        return check_open(check, c == '[', err);
    if (c == '"')
        return check_string(check, WANT_NOTHING, err);
    end = scalar_end(check->in, check->at);
    if (!is_scalar((struct text){check->in.ptr + check->at, end - check->at}))
        return fail(check, "no JSON value", err);
    check->at = end;
    after_value(check);
    return 0;
}

/* What follows a value within an array or object: a comma, or its end. */
static int check_after(struct check *check, struct error *err)
{
    char c = check->in.ptr[check->at];

    if (c == ',') {
        check->want = in_array(check) ? WANT_VALUE : WANT_NAME;
    } else if (c == (in_array(check) ? ']' : '}')) {
        check->depth--;
        after_value(check);
    } else {
        return fail(check, "neither a comma nor the end of an array or object", err);
    }
    check->at++;
    return 0;
}

static int check_step(struct check *check, struct error *err)
{
    char c = check->in.ptr[check->at];

    switch (check->want) {
    case WANT_VALUE_OR_END:
        return c == ']' ? check_after(check, err) : check_value(check, err);
    case WANT_VALUE:
        return check_value(check, err);
    case WANT_NAME_OR_END:
        if (c == '}')
            return check_after(check, err);
        return c == '"' ? check_string(check, WANT_COLON, err) : fail(check, "no name", err);
    case WANT_NAME:
        return c == '"' ? check_string(check, WANT_COLON, err) : fail(check, "no name", err);
    case WANT_COLON:
        if (c != ':')
            return fail(check, "no colon behind a name", err);
        check->at++;
        check->want = WANT_VALUE;
        return 0;
    case WANT_COMMA_OR_END:
        return check_after(check, err);
    case WANT_NOTHING:
        break;
    }
    return fail(check, "text behind the document", err);
}

int json_raw_check(struct text in, int max_depth, struct text *out, struct error *err)
{
    struct check check = {.in = in, .max_depth = max_depth};
    size_t start;

    ASSERT(max_depth >= 1);
    ASSERT(max_depth <= JSON_RAW_DEPTH_MAX);
    if (text_starts(in, "\xEF\xBB\xBF"))
        check.at = 3;
    start = skip_blanks(in, check.at);
    for (check.at = start; check.at < in.len; check.at = skip_blanks(in, check.at)) {
        int r = check_step(&check, err);

        if (r < 0)
            return r;
    }
    if (check.want != WANT_NOTHING)
        return fail(&check, start == in.len ? "no JSON document" : "an end too soon", err);
    *out = text_trim((struct text){in.ptr + start, in.len - start});
    return 0;
}

enum json_raw_type json_raw_type(struct text value)
{
    if (value.len == 0)
        return JSON_RAW_NONE;
    switch (value.ptr[0]) {
    case '{':
        return JSON_RAW_OBJECT;
    case '[':
        return JSON_RAW_ARRAY;
    case '"':
        return JSON_RAW_STRING;
    case 't':
    case 'f':
        return JSON_RAW_BOOL;
    default:
        return text_is(value, "null") || is_no_number(value) ? JSON_RAW_NULL : JSON_RAW_NUMBER;
    }
}

/* The byte behind the value at `at`. */
static size_t value_end(struct text in, size_t at)
{
    int depth = 0;

    if (in.ptr[at] != '{' && in.ptr[at] != '[')
        return in.ptr[at] == '"' ? string_end(in, at) : scalar_end(in, at);
    while (at < in.len) {
        char c = in.ptr[at];

        if (c == '"') {
            at = string_end(in, at);
            continue;
        }
        at++;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    return at;
}

static struct text take(struct text *rest, size_t end)
{
    struct text taken = {rest->ptr, end};

    rest->ptr += end;
    rest->len -= end;
    return taken;
}

/* Past blanks, commas and colons. */
static void skip_between(struct text *rest)
{
    size_t at = 0;

    while (at < rest->len &&
           (is_blank(rest->ptr[at]) || rest->ptr[at] == ',' || rest->ptr[at] == ':'))
        at++;
    (void)take(rest, at);
}

void json_raw_begin(struct text container, struct json_raw_walk *walk)
{
    enum json_raw_type type = json_raw_type(container);

    *walk = (struct json_raw_walk){.rest = TEXT(""), .named = type == JSON_RAW_OBJECT};
    if (type == JSON_RAW_ARRAY || type == JSON_RAW_OBJECT)
        walk->rest = (struct text){container.ptr + 1, container.len - 2};
}

bool json_raw_next(struct json_raw_walk *walk, struct text *out)
{
    skip_between(&walk->rest);
    if (walk->rest.len == 0)
        return false;
    if (walk->named) {
        walk->name = take(&walk->rest, string_end(walk->rest, 0));
        skip_between(&walk->rest);
    }
    *out = take(&walk->rest, value_end(walk->rest, 0));
    return true;
}

bool json_raw_is_empty(struct text container)
{
    struct json_raw_walk walk;
    struct text value;

    json_raw_begin(container, &walk);
    return !json_raw_next(&walk, &value);
}

struct text json_raw_get(struct text object, const char *name)
{
    struct text found = TEXT_NONE;
    struct json_raw_walk walk;
    struct text value;

    if (json_raw_type(object) != JSON_RAW_OBJECT)
        return TEXT_NONE;
    json_raw_begin(object, &walk);
    while (json_raw_next(&walk, &value))
        if (json_raw_is(walk.name, name))
            found = value;
    return json_raw_type(found) == JSON_RAW_NULL ? TEXT_NONE : found;
}

static int hex4(struct text in)
{
    int value = 0;

    if (in.len < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = text_hex_digit(in.ptr[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* An escape at the start of `in`. Returns how long it is, with the character that it means; 0 is
 * one that can't be kept. *out_known is false for an escape that JSON does not know. */
static size_t read_escape(struct text in, unsigned *out, bool *out_known)
{
    static const char names[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    struct text after = {in.ptr + 2, in.len - 2};
    const char *known = in.len >= 2 && in.ptr[1] ? strchr(names, in.ptr[1]) : NULL;
    int unit;
    int low;

    *out_known = true;
    *out = 0;
    if (known) {
        *out = (unsigned char)means[known - names];
        return 2;
    }
    unit = in.len >= 2 && in.ptr[1] == 'u' ? hex4(after) : -1;
    if (unit < 0) {
        *out_known = false;
        return 1;
    }
    if (unit < 0xD800 || unit > 0xDFFF) {
        *out = (unsigned)unit;
        return 6;
    }
    if (unit > 0xDBFF || in.len < 12 || in.ptr[6] != '\\' || in.ptr[7] != 'u')
        return 6;
    low = hex4((struct text){in.ptr + 8, in.len - 8});
    if (low < 0xDC00 || low > 0xDFFF)
        return 6;
    *out = 0x10000 + ((unsigned)unit - 0xD800) * 0x400 + ((unsigned)low - 0xDC00);
    return 12;
}

static void add_character(struct buf *out, unsigned c)
{
    char bytes[4];
    size_t len = 0;

    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[len++] = (char)(0xE0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        bytes[len++] = (char)(0xF0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    if (c >= 0x80)
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    buf_add(out, bytes, len);
}

/* What stands between the quotes. */
static struct text inside(struct text string)
{
    return (struct text){string.ptr + 1, string.len - 2};
}

static size_t plain_length(struct text in)
{
    const char *escape = in.len ? memchr(in.ptr, '\\', in.len) : NULL;

    return escape ? (size_t)(escape - in.ptr) : in.len;
}

bool json_raw_add_string(struct text value, struct buf *out)
{
    struct text in;

    if (json_raw_type(value) != JSON_RAW_STRING)
        return false;
    in = inside(value);
    while (in.len > 0) {
        unsigned character;
        bool known;

        buf_add_utf8(out, take(&in, plain_length(in)));
        if (in.len == 0)
            break;
        (void)take(&in, read_escape(in, &character, &known));
        if (!known)
            buf_add_char(out, '\\');
        else if (character == 0)
            buf_add_string(out, REPLACEMENT);
        else
            add_character(out, character);
    }
    return true;
}

bool json_raw_is(struct text value, const char *string)
{
    CLEANUP(buf_deinit) struct buf said = {0};
    struct text in;

    if (json_raw_type(value) != JSON_RAW_STRING)
        return false;
    in = inside(value);
    if (plain_length(in) == in.len)
        return text_is(in, string);
    if (in.len > 12 * strlen(string))
        return false;
    buf_init(&said, 0);
    (void)json_raw_add_string(value, &said);
    return text_is(buf_text(&said), string);
}

bool json_raw_is_true(struct text value)
{
    return text_is(value, "true");
}

/* Bytes of a string that are no escape, as they may stand in one. */
static void write_plain(struct text in, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf valid;
    struct text rest = in;

    buf_init(&valid, out->limit);
    if (!utf8_is_valid(in.ptr, in.len)) {
        buf_add_utf8(&valid, in);
        out->failed |= valid.failed;
        rest = buf_text(&valid);
    }
    while (rest.len > 0) {
        size_t at = 0;

        while (at < rest.len && (unsigned char)rest.ptr[at] >= 0x20)
            at++;
        buf_add_text(out, take(&rest, at));
        if (rest.len == 0)
            break;
        if (rest.ptr[0])
            buf_printf(out, "\\u%04x", (unsigned)rest.ptr[0]);
        else
            buf_add_string(out, REPLACEMENT);
        (void)take(&rest, 1);
    }
}

static void write_string(struct text string, struct buf *out)
{
    struct text in = inside(string);

    buf_add_char(out, '"');
    while (in.len > 0) {
        struct text escape;
        unsigned character;
        bool known;

        write_plain(take(&in, plain_length(in)), out);
        if (in.len == 0)
            break;
        escape = take(&in, read_escape(in, &character, &known));
        if (!known)
            buf_add_string(out, "\\\\");
        else if (character == 0)
            buf_add_string(out, "\\ufffd");
        else
            buf_add_text(out, escape);
    }
    buf_add_char(out, '"');
}

void json_raw_write(struct text value, struct buf *out)
{
    struct text rest = value;

    if (value.len == 0)
        buf_add_string(out, "null");
    while (rest.len > 0) {
        struct text word;
        size_t at = 0;

        while (at < rest.len && ends_scalar(rest.ptr[at]) && rest.ptr[at] != '"')
            at++;
        buf_add_text(out, take(&rest, at));
        if (rest.len == 0)
            break;
        if (rest.ptr[0] == '"') {
            write_string(take(&rest, string_end(rest, 0)), out);
            continue;
        }
        word = take(&rest, scalar_end(rest, 0));
        buf_add_text(out, is_no_number(word) ? TEXT("null") : word);
    }
}

bool json_raw_int(struct text value, int64_t *out)
{
    struct text number = json_raw_type(value) == JSON_RAW_STRING ? text_trim(inside(value)) : value;
    char copy[64];
    double real;

    if (!is_number(number))
        return false;
    if (text_to_int(number, out))
        return true;
    /* A fraction or an exponent, or too large: of the digits that are cut off none is worth one. */
    snprintf(copy, sizeof(copy), "%.*s", (int)(number.len < 63 ? number.len : 63), number.ptr);
    if (number.len > 63 && memchr(number.ptr, '.', 63) == NULL)
        real = number.ptr[0] == '-' ? -1e300 : 1e300;
    else
        real = strtod(copy, NULL);
    if (real >= 9223372036854775807.0)
        *out = INT64_MAX;
    else if (real <= -9223372036854775808.0)
        *out = INT64_MIN;
    else
        *out = (int64_t)real;
    return true;
}
