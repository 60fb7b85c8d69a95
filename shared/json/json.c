/* Strict JSON decoding on json-c, which by itself is laxer than the RFC, and in each version in
 * another way.
 *
 * json-c does not see raw control characters in strings, turns lone surrogates into U+FFFD,
 * accepts \u0000, leading zeros and unfinished numbers, and takes \v and \f for space, so a scan of
 * the text comes first. Its STRICT flag refuses comments, single quotes, NaN, trailing commas and
 * trailing bytes.
 *
 * Where versions differ, json-c is not asked:
 *
 *   UTF-8      json-c 0.18 refuses all beyond ASCII when it validates; text_is_utf8 does that
 *   integers   beyond 64 bits json-c 0.16 takes the nearest that fits, and 0.18 refuses the
 *              document. They are fed as if they had an exponent, so that they become doubles,
 *              which keep their text, and get the text back that they came with
 */

#include "shared/json/json.h"

#include <stdarg.h>
#include <string.h>

#include <json-c/json_visit.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

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
    while (*at < in.len) {
        unsigned char c = (unsigned char)in.ptr[*at];
        int r;

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

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

/* Scans on from *at, to the end or until after an integer beyond 64 bits (*out_large). */
static int scan(struct text in, int max_depth, int *depth, size_t *at, bool *out_large,
                struct error *err)
{
    *out_large = false;
    while (*at < in.len && !*out_large) {
        char c = in.ptr[*at];
        int r = 0;

        if (c == '-' || (c >= '0' && c <= '9')) {
            r = scan_number(in, at, out_large, err);
            if (r < 0)
                return r;
            continue;
        }
        ++*at;
        if (c == '"')
            r = scan_string(in, at, err);
        else if (c == '+' || c == '.')
            r = fail_at(in, *at - 1, E_INVALID, "malformed number", err);
        else if (is_control(c))
            r = fail_at(in, *at - 1, E_INVALID, "unexpected control character", err);
        else if (c == '\'') /* json-c takes single-quoted member names, even when strict */
            r = fail_at(in, *at - 1, E_INVALID, "strings take double quotes", err);
        else if (c >= 'A' && c <= 'Z') /* json-c takes NaN and Infinity */
            r = fail_at(in, *at - 1, E_INVALID, "unexpected word", err);
        else if ((c == '{' || c == '[') && ++*depth > max_depth)
            r = error_set(err, E_LIMIT, "nested deeper than %d levels", max_depth);
        else if (c == '}' || c == ']')
            --*depth;
        if (r < 0)
            return r;
    }
    return 0;
}

/* What large integers are fed with behind them; nobody writes it so. */
#define MARK "e000"

/* For json_c_visit: gives a marked number its text back. */
static int unmark(struct json_object *value, int flags, struct json_object *parent, const char *key,
                  size_t *index, void *arg)
{
    struct text text;
    size_t digits;

    (void)flags;
    (void)parent;
    (void)key;
    (void)index;
    (void)arg;
    if (!json_object_is_type(value, json_type_double) || !json_object_get_userdata(value))
        return JSON_C_VISIT_RETURN_CONTINUE;
    text = text_of(json_object_get_userdata(value));
    if (text.len < sizeof(MARK))
        return JSON_C_VISIT_RETURN_CONTINUE;
    digits = text.len - (sizeof(MARK) - 1);
    if (memcmp(text.ptr + digits, MARK, sizeof(MARK) - 1) != 0)
        return JSON_C_VISIT_RETURN_CONTINUE;
    json_object_set_serializer(value, json_object_userdata_to_json_string,
                               xstrndup(text.ptr, digits), json_object_free_userdata);
    return JSON_C_VISIT_RETURN_CONTINUE;
}

/* One document on its way through json-c. */
struct parse {
    struct json_tokener *tokener;
    struct json_object *object;
    enum json_tokener_error result;
};

static void feed(struct parse *parse, const char *bytes, size_t count)
{
    parse->object = json_tokener_parse_ex(parse->tokener, bytes, (int)count);
    parse->result = json_tokener_get_error(parse->tokener);
}

/* Scans and feeds piece by piece; each large integer is the end of one. */
static int parse_pieces(struct parse *parse, struct text in, int max_depth, struct error *err)
{
    size_t at = 0;
    size_t end = 0;
    int depth = 0;
    bool large = false;
    bool marked = false;

    do {
        size_t from = at;
        int r = scan(in, max_depth, &depth, &at, &large, err);

        if (r < 0)
            return r;
        feed(parse, in.ptr + from, at - from);
        end = from + json_tokener_get_parse_end(parse->tokener);
        if (large && parse->result == json_tokener_continue)
            feed(parse, MARK, sizeof(MARK) - 1);
        marked = marked || large;
    } while (at < in.len && parse->result == json_tokener_continue);
    if (parse->result == json_tokener_continue) {
        /* A bare number at the end: one more byte tells json-c that it is complete. */
        feed(parse, " ", 1);
        end = in.len;
    }
    if (parse->result == json_tokener_continue)
        return fail_at(in, in.len, E_INVALID, "unexpected end", err);
    if (parse->result != json_tokener_success)
        return fail_at(in, end, E_INVALID, json_tokener_error_desc(parse->result), err);
    if (text_trim((struct text){in.ptr + end, in.len - end}).len)
        return fail_at(in, end, E_INVALID, "unexpected text after the document", err);
    if (marked)
        json_c_visit(parse->object, 0, unmark, NULL);
    return 0;
}

int json_decode(struct text in, int max_depth, struct json_object **out, struct error *err)
{
    struct parse parse = {0};
    int r;

    if (in.len == 0)
        return error_set(err, E_INVALID, "empty, where a JSON document was expected");
    if (in.len > INT32_MAX / 2)
        return error_set(err, E_LIMIT, "JSON document of %zu bytes is too large", in.len);
    if (!text_is_utf8(in))
        return error_set(err, E_INVALID, "not valid UTF-8");
    /* json-c counts scalars as a level of their own. */
    parse.tokener = json_tokener_new_ex(max_depth + 1);
    if (!parse.tokener)
        return error_set(err, E_LIMIT, "no memory for a JSON parser");
    json_tokener_set_flags(parse.tokener, JSON_TOKENER_STRICT);
    r = parse_pieces(&parse, in, max_depth, err);
    json_tokener_free(parse.tokener);
    if (r < 0)
        json_object_put(parse.object);
    else
        *out = parse.object;
    return r;
}

void json_free(struct json_object *object)
{
    json_object_put(object);
}

void json_freep(struct json_object **object)
{
    json_object_put(*object);
    *object = NULL;
}

struct text json_text(struct json_object *object)
{
    struct text text;

    if (!object)
        return TEXT("null");
    text.ptr = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &text.len);
    return text;
}

void json_encode(struct buf *buf, struct json_object *object)
{
    buf_add_text(buf, json_text(object));
}

bool json_has(struct json_object *object, const char *key)
{
    return json_object_is_type(object, json_type_object) &&
           json_object_object_get_ex(object, key, NULL);
}

struct json_object *json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(object, json_type_object))
        return NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

struct text json_string(struct json_object *object)
{
    if (!json_object_is_type(object, json_type_string))
        return TEXT_NONE;
    return (struct text){json_object_get_string(object),
                         (size_t)json_object_get_string_len(object)};
}

struct text json_get_text(struct json_object *object, const char *key)
{
    return json_string(json_get(object, key));
}

const char *json_get_string(struct json_object *object, const char *key)
{
    return json_get_text(object, key).ptr;
}

enum json_type json_type_of(struct json_object *value)
{
    enum json_type type = json_object_get_type(value);
    const char *text = type == json_type_double ? json_object_get_userdata(value) : NULL;

    return text && !strpbrk(text, ".eE") ? json_type_int : type;
}

int64_t json_get_int(struct json_object *object, const char *key, int64_t otherwise)
{
    struct json_object *value = json_get(object, key);

    return json_type_of(value) == json_type_int ? json_object_get_int64(value) : otherwise;
}

double json_get_double(struct json_object *object, const char *key, double otherwise)
{
    struct json_object *value = json_get(object, key);

    if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
        return json_object_get_double(value);
    return otherwise;
}

bool json_get_bool(struct json_object *object, const char *key, bool otherwise)
{
    struct json_object *value = json_get(object, key);

    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                         : otherwise;
}

struct json_object *json_path(struct json_object *object, ...)
{
    va_list keys;
    const char *key;

    va_start(keys, object);
    while (object && (key = va_arg(keys, const char *)))
        object = json_get(object, key);
    va_end(keys);
    return object;
}
