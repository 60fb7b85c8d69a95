/* The scan: containers are a stack, and what may come next is one state, as json_scan.h draws. */

#include "shared/json/json_scan.h"

#include <string.h>

#include "shared/base/error.h"

struct place {
    size_t line;
    size_t column;
};

static struct place place_of(struct text in, size_t offset)
{
    struct place place = {1, 1};

    for (size_t i = 0; i < offset && i < in.len; i++) {
        if (in.ptr[i] == '\n') {
            place.line++;
            place.column = 1;
        } else {
            place.column++;
        }
    }
    return place;
}

static int fail_at(struct text in, size_t offset, int code, const char *what, struct error *err)
{
    struct place place = place_of(in, offset);

    return error_set(err, code, "%s at line %zu column %zu", what, place.line, place.column);
}

static int hex4(struct text in, size_t at)
{
    int value = 0;

    if (in.len < at + 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        int digit = text_hex_digit(in.ptr[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Checks the \u escape whose 'u' is at *at and moves *at past it (both halves of a pair). */
static int scan_unicode_escape(struct text in, size_t *at, struct error *err)
{
    int unit = hex4(in, *at + 1);
    int low;

    if (unit < 0)
        return fail_at(in, *at, E_INVALID, "malformed \\u escape", err);
    if (unit == 0)
        return fail_at(in, *at, E_INVALID, "the character \\u0000 is not accepted", err);
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fail_at(in, *at, E_INVALID, "lone low surrogate in a \\u escape", err);
    *at += 5;
    if (unit < 0xD800 || unit > 0xDBFF)
        return 0;
    low =
        in.len > *at + 1 && in.ptr[*at] == '\\' && in.ptr[*at + 1] == 'u' ? hex4(in, *at + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return fail_at(in, *at - 5, E_INVALID, "lone high surrogate in a \\u escape", err);
    *at += 6;
    return 0;
}

/* Scans the string whose first character after the quote is at *at; *at ends after the quote. */
static int scan_string(struct text in, size_t *at, struct error *err)
{
    for (;;) {
        unsigned char c;
        int r;

        *at += text_json_plain((struct text){in.ptr + *at, in.len - *at});
        if (*at == in.len)
            break;
        c = (unsigned char)in.ptr[*at];
        if (c == '"') {
            ++*at;
            return 0;
        }
        if (c < 0x20)
            return fail_at(in, *at, E_INVALID, "unescaped control character in a string", err);
        ++*at;
        if (c != '\\' || *at == in.len)
            continue;
        if (in.ptr[*at] != 'u') {
            if (!memchr("\"\\/bfnrt", in.ptr[*at], 8))
                return fail_at(in, *at, E_INVALID, "unknown escape in a string", err);
            ++*at;
            continue;
        }
        r = scan_unicode_escape(in, at, err);
        if (r < 0)
            return r;
    }
    return fail_at(in, *at, E_INVALID, "unterminated string", err);
}

/* How many digits there are from `at` on. */
static size_t count_digits(struct text in, size_t at)
{
    size_t end = at;

    while (end < in.len && in.ptr[end] >= '0' && in.ptr[end] <= '9')
        end++;
    return end - at;
}

/* Whether an integer fits what json-c keeps: int64, or uint64 when it is positive. */
static bool fits_64_bits(struct text digits, bool negative)
{
    static const char *const largest[] = {"18446744073709551615", "9223372036854775808"};
    struct text most = text_of(largest[negative]);

    return digits.len < most.len ||
           (digits.len == most.len && memcmp(digits.ptr, most.ptr, most.len) <= 0);
}

#define NUMBER_MAX 1000 /* Postgres refuses those of some ten thousand digits */

/* Scans the number whose first character is at *at, as RFC 8259 has it in section 6; *at ends after
 * it. *out_large: it is an integer beyond 64 bits. */
static int scan_number(struct text in, size_t *at, bool *out_large, struct error *err)
{
    bool negative = in.ptr[*at] == '-';
    size_t i = *at + negative;
    size_t digits = count_digits(in, i);
    bool right = digits == 1 || (digits > 1 && in.ptr[i] != '0');
    bool large = right && !fits_64_bits((struct text){in.ptr + i, digits}, negative);

    i += digits;
    if (right && i < in.len && memchr(".eE", in.ptr[i], 3))
        large = false;
    if (right && i < in.len && in.ptr[i] == '.') {
        digits = count_digits(in, ++i);
        right = digits > 0;
        i += digits;
    }
    if (right && i < in.len && (in.ptr[i] == 'e' || in.ptr[i] == 'E')) {
        i++;
        i += i < in.len && (in.ptr[i] == '+' || in.ptr[i] == '-');
        digits = count_digits(in, i);
        right = digits > 0;
        i += digits;
    }
    if (!right || (i < in.len && memchr("0123456789+-.eE", in.ptr[i], 15)))
        return fail_at(in, *at, E_INVALID, "malformed number", err);
    if (i - *at > NUMBER_MAX)
        return fail_at(in, *at, E_INVALID, "number of too many digits", err);
    *at = i;
    *out_large = large;
    return 0;
}

static bool in_object(const struct json_scan *scan)
{
    return scan->depth > 0 && scan->objects[scan->depth - 1];
}

static bool wants_value(const struct json_scan *scan)
{
    return scan->next == JSON_NEXT_VALUE || scan->next == JSON_NEXT_VALUE_OR_END;
}

static bool wants_key(const struct json_scan *scan)
{
    return scan->next == JSON_NEXT_KEY || scan->next == JSON_NEXT_KEY_OR_END;
}

static void after_value(struct json_scan *scan)
{
    scan->next = scan->depth > 0 ? JSON_NEXT_COMMA_OR_END : JSON_NEXT_NOTHING;
}

static int count_value(struct json_scan *scan, struct error *err)
{
    if (++scan->values > JSON_SCAN_VALUES_MAX)
        return error_set(err, E_LIMIT, "more than %d values", JSON_SCAN_VALUES_MAX);
    return 0;
}

static int after_scalar(struct json_scan *scan, struct error *err)
{
    after_value(scan);
    return count_value(scan, err);
}

/* The character at scan->at is not what may come here. */
static int fail_unexpected(const struct json_scan *scan, struct error *err)
{
    static const char *const wanted[] = {
        [JSON_NEXT_VALUE] = "a value was expected",
        [JSON_NEXT_VALUE_OR_END] = "a value or ] was expected",
        [JSON_NEXT_KEY] = "a member's name in double quotes was expected",
        [JSON_NEXT_KEY_OR_END] = "a member's name in double quotes or } was expected",
        [JSON_NEXT_COLON] = "a colon was expected",
        [JSON_NEXT_COMMA_OR_END] = "a comma or the end of the list was expected",
        [JSON_NEXT_NOTHING] = "unexpected text after the document",
    };

    if (scan->next == JSON_NEXT_COMMA_OR_END && in_object(scan))
        return fail_at(scan->in, scan->at, E_INVALID, "a comma or } was expected", err);
    if (scan->next == JSON_NEXT_COMMA_OR_END)
        return fail_at(scan->in, scan->at, E_INVALID, "a comma or ] was expected", err);
    return fail_at(scan->in, scan->at, E_INVALID, wanted[scan->next], err);
}

static int open_container(struct json_scan *scan, bool object, struct error *err)
{
    if (!wants_value(scan))
        return fail_unexpected(scan, err);
    if (scan->depth == scan->max_depth)
        return error_set(err, E_LIMIT, "nested deeper than %d levels", scan->max_depth);
    scan->objects[scan->depth++] = object;
    scan->next = object ? JSON_NEXT_KEY_OR_END : JSON_NEXT_VALUE_OR_END;
    scan->at++;
    return count_value(scan, err);
}

static int close_container(struct json_scan *scan, bool object, struct error *err)
{
    bool empty = scan->next == (object ? JSON_NEXT_KEY_OR_END : JSON_NEXT_VALUE_OR_END);

    if (!empty && (scan->next != JSON_NEXT_COMMA_OR_END || in_object(scan) != object))
        return fail_unexpected(scan, err);
    scan->depth--;
    scan->at++;
    after_value(scan);
    return 0;
}

static int take_separator(struct json_scan *scan, enum json_next after, enum json_next then,
                          struct error *err)
{
    if (scan->next != after)
        return fail_unexpected(scan, err);
    scan->next = then;
    scan->at++;
    return 0;
}

static int take_string(struct json_scan *scan, struct error *err)
{
    bool key = wants_key(scan);
    int r;

    if (!key && !wants_value(scan))
        return fail_unexpected(scan, err);
    scan->at++;
    r = scan_string(scan->in, &scan->at, err);
    if (r == 0 && key)
        scan->next = JSON_NEXT_COLON;
    else if (r == 0)
        r = after_scalar(scan, err);
    return r;
}

static int take_number(struct json_scan *scan, struct error *err)
{
    int r;

    if (!wants_value(scan))
        return fail_unexpected(scan, err);
    r = scan_number(scan->in, &scan->at, &scan->large, err);
    return r == 0 ? after_scalar(scan, err) : r;
}

static int take_word(struct json_scan *scan, struct text word, struct error *err)
{
    if (!wants_value(scan) || scan->in.len - scan->at < word.len ||
        memcmp(scan->in.ptr + scan->at, word.ptr, word.len) != 0)
        return fail_unexpected(scan, err);
    scan->at += word.len;
    return after_scalar(scan, err);
}

static int take(struct json_scan *scan, struct error *err)
{
    switch (scan->in.ptr[scan->at]) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        scan->at++;
        return 0;
    case '"':
        return take_string(scan, err);
    case '{':
    case '[':
        return open_container(scan, scan->in.ptr[scan->at] == '{', err);
    case '}':
    case ']':
        return close_container(scan, scan->in.ptr[scan->at] == '}', err);
    case ',':
        return take_separator(scan, JSON_NEXT_COMMA_OR_END,
                              in_object(scan) ? JSON_NEXT_KEY : JSON_NEXT_VALUE, err);
    case ':':
        return take_separator(scan, JSON_NEXT_COLON, JSON_NEXT_VALUE, err);
    case 't':
        return take_word(scan, TEXT("true"), err);
    case 'f':
        return take_word(scan, TEXT("false"), err);
    case 'n':
        return take_word(scan, TEXT("null"), err);
    case '-':
    case '0' ... '9':
        return take_number(scan, err);
    }
    return fail_unexpected(scan, err);
}

void json_scan_init(struct json_scan *scan, struct text in, int max_depth)
{
    ASSERT(max_depth > 0 && max_depth <= JSON_SCAN_DEPTH_MAX);
    *scan = (struct json_scan){.in = in, .max_depth = max_depth, .next = JSON_NEXT_VALUE};
}

int json_scan_on(struct json_scan *scan, struct error *err)
{
    scan->large = false;
    while (scan->at < scan->in.len && !scan->large) {
        int r = take(scan, err);

        if (r < 0)
            return r;
    }
    if (scan->at == scan->in.len && scan->next != JSON_NEXT_NOTHING)
        return fail_at(scan->in, scan->at, E_INVALID, "unexpected end", err);
    return 0;
}
