/* Reading JSON: one pass over the text, which makes json-c's objects directly.
 *
 * Not json-c's own parser, for two reasons. It is laxer than RFC 8259 (raw control characters, lone
 * surrogates, \u0000, leading zeros, single quotes), so that a scan of the whole text would have to
 * come first; and it costs as much again as the objects do: most of what a worker spent on JSON
 * was its state, its locale and its copies.
 *
 * There is no recursion: containers that are open stand on a list of fixed length. A value is put
 * into its container as soon as it begins, so whatever goes wrong, the root owns everything.
 */

#include "shared/base/json.h"

#include <stdlib.h>

#include "shared/base/error.h"

struct reader {
    struct text in;
    size_t at;
    struct buf key;     /* of the member whose value comes next */
    struct buf scratch; /* a string without its escapes; the digits of a number */
    struct json_object *root;
    struct json_object *open[JSON_DEPTH_MAX];
    int depth;
    int max_depth;
};

static int fail_at(const struct reader *reader, size_t offset, const char *what, struct error *err)
{
    size_t line = 1;
    size_t column = 1;

    for (size_t i = 0; i < offset && i < reader->in.len; i++) {
        column = reader->in.ptr[i] == '\n' ? 1 : column + 1;
        line += reader->in.ptr[i] == '\n';
    }
    return error_set(err, E_INVALID, "%s at line %zu column %zu", what, line, column);
}

static int no_memory(struct error *err)
{
    return error_set(err, E_LIMIT, "no memory for a JSON document");
}

/* The next byte behind blanks; 0 at the end (no document may hold a zero outside a string, where it
 * is refused, too). */
static char peek(struct reader *reader)
{
    const struct text in = reader->in;
    size_t at = reader->at;

    while (at < in.len &&
           (in.ptr[at] == ' ' || in.ptr[at] == '\n' || in.ptr[at] == '\t' || in.ptr[at] == '\r'))
        at++;
    reader->at = at;
    return at < in.len ? in.ptr[at] : '\0';
}

static int fail_here(const struct reader *reader, struct error *err)
{
    if (reader->at >= reader->in.len)
        return fail_at(reader, reader->in.len, "unexpected end", err);
    if (reader->in.ptr[reader->at] == '\'')
        return fail_at(reader, reader->at, "strings take double quotes", err);
    return fail_at(reader, reader->at, "unexpected character", err);
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

static void add_utf8(struct buf *buf, unsigned code)
{
    if (code < 0x80) {
        buf_add_char(buf, (char)code);
    } else if (code < 0x800) {
        buf_add_char(buf, (char)(0xC0 | code >> 6));
        buf_add_char(buf, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        buf_add_char(buf, (char)(0xE0 | code >> 12));
        buf_add_char(buf, (char)(0x80 | (code >> 6 & 0x3F)));
        buf_add_char(buf, (char)(0x80 | (code & 0x3F)));
    } else {
        buf_add_char(buf, (char)(0xF0 | code >> 18));
        buf_add_char(buf, (char)(0x80 | (code >> 12 & 0x3F)));
        buf_add_char(buf, (char)(0x80 | (code >> 6 & 0x3F)));
        buf_add_char(buf, (char)(0x80 | (code & 0x3F)));
    }
}

/* Reads the \u escape whose 'u' is at `at`, and the second half of a pair. */
static int read_unicode_escape(struct reader *reader, struct buf *out, struct error *err)
{
    const struct text in = reader->in;
    size_t at = reader->at;
    int unit = hex4(in, at + 1);
    int low;

    if (unit < 0)
        return fail_at(reader, at, "malformed \\u escape", err);
    if (unit == 0)
        return fail_at(reader, at, "the character \\u0000 is not accepted", err);
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fail_at(reader, at, "lone low surrogate in a \\u escape", err);
    at += 5;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        low =
            in.len > at + 1 && in.ptr[at] == '\\' && in.ptr[at + 1] == 'u' ? hex4(in, at + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail_at(reader, reader->at, "lone high surrogate in a \\u escape", err);
        at += 6;
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    add_utf8(out, (unsigned)unit);
    reader->at = at;
    return 0;
}

/* Reads the escape behind a backslash. */
static int read_escape(struct reader *reader, struct buf *out, struct error *err)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    char c = reader->at < reader->in.len ? reader->in.ptr[reader->at] : '\0';
    const char *name = c ? memchr(names, c, sizeof(names) - 1) : NULL;

    if (c == 'u')
        return read_unicode_escape(reader, out, err);
    if (!name)
        return fail_at(reader, reader->at, "malformed escape in a string", err);
    buf_add_char(out, values[name - names]);
    reader->at++;
    return 0;
}

/* Where a run of plain characters ends: at a quote, a backslash or a control character. */
static size_t plain_end(struct text in, size_t at)
{
    while (at < in.len && in.ptr[at] != '"' && in.ptr[at] != '\\' &&
           (unsigned char)in.ptr[at] >= 0x20)
        at++;
    return at;
}

/* Reads a string from its opening quote on. *out is a piece of the document, or of `unescaped`
 * where there are escapes. */
static int read_string(struct reader *reader, struct buf *unescaped, struct text *out,
                       struct error *err)
{
    const struct text in = reader->in;
    size_t start = reader->at + 1;
    bool escapes = false;

    buf_reset(unescaped);
    for (;;) {
        size_t end = plain_end(in, start);
        int r;

        if (end == in.len)
            return fail_at(reader, end, "unterminated string", err);
        if (in.ptr[end] == '"' && !escapes) {
            *out = (struct text){in.ptr + start, end - start};
            reader->at = end + 1;
            return 0;
        }
        if (in.ptr[end] != '"' && in.ptr[end] != '\\')
            return fail_at(reader, end, "unescaped control character in a string", err);
        buf_add(unescaped, in.ptr + start, end - start);
        reader->at = end + 1;
        if (in.ptr[end] == '"')
            break;
        r = read_escape(reader, unescaped, err);
        if (r < 0)
            return r;
        escapes = true;
        start = reader->at;
    }
    *out = buf_text(unescaped);
    return unescaped->failed ? no_memory(err) : 0;
}

/* How many digits there are from `at` on. */
static size_t count_digits(struct text in, size_t at)
{
    size_t end = at;

    while (end < in.len && in.ptr[end] >= '0' && in.ptr[end] <= '9')
        end++;
    return end - at;
}

/* The length of the number at `at` as RFC 8259 has it in section 6, 0 when it is none. */
static size_t number_length(struct text in, size_t at, bool *out_fraction)
{
    size_t i = at + (in.ptr[at] == '-');
    size_t digits = count_digits(in, i);
    bool right = digits == 1 || (digits > 1 && in.ptr[i] != '0');

    *out_fraction = false;
    i += digits;
    if (right && i < in.len && in.ptr[i] == '.') {
        digits = count_digits(in, ++i);
        right = digits > 0;
        i += digits;
        *out_fraction = true;
    }
    if (right && i < in.len && (in.ptr[i] == 'e' || in.ptr[i] == 'E')) {
        i++;
        i += i < in.len && (in.ptr[i] == '+' || in.ptr[i] == '-');
        digits = count_digits(in, i);
        right = digits > 0;
        i += digits;
        *out_fraction = true;
    }
    if (i < in.len && memchr("0123456789+-.eE", in.ptr[i], 15))
        return 0;
    return right ? i - at : 0;
}

/* Whole numbers have 64 bits, and beyond that the largest or least of those; others keep their
 * digits, and are written as they were read. */
static int read_number(struct reader *reader, struct json_object **out, struct error *err)
{
    bool fraction;
    size_t len = number_length(reader->in, reader->at, &fraction);
    const char *digits;

    if (len == 0)
        return fail_at(reader, reader->at, "malformed number", err);
    buf_reset(&reader->scratch);
    buf_add(&reader->scratch, reader->in.ptr + reader->at, len);
    if (reader->scratch.failed)
        return no_memory(err);
    digits = buf_string(&reader->scratch);
    if (fraction) {
        *out = json_object_new_double_s(strtod(digits, NULL), digits);
    } else if (digits[0] == '-') {
        *out = json_object_new_int64(strtoll(digits, NULL, 10));
    } else {
        unsigned long long value = strtoull(digits, NULL, 10);

        *out = value <= INT64_MAX ? json_object_new_int64((int64_t)value)
                                  : json_object_new_uint64(value);
    }
    if (!*out)
        return no_memory(err);
    reader->at += len;
    return 0;
}

static int read_word(struct reader *reader, struct json_object **out, struct error *err)
{
    struct text rest = {reader->in.ptr + reader->at, reader->in.len - reader->at};

    if (text_starts(rest, "null")) {
        reader->at += 4;
        return 0; /* NULL is null */
    }
    if (text_starts(rest, "true"))
        reader->at += 4;
    else if (text_starts(rest, "false"))
        reader->at += 5;
    else
        return fail_here(reader, err);
    *out = json_object_new_boolean(rest.ptr[0] == 't');
    return *out ? 0 : no_memory(err);
}

/* Puts a value where it belongs, which owns it from then on. */
static int place(struct reader *reader, struct json_object *value, struct error *err)
{
    struct json_object *parent = reader->depth > 0 ? reader->open[reader->depth - 1] : NULL;
    int r = 0;

    if (!parent)
        reader->root = value;
    else if (json_object_is_type(parent, json_type_array))
        r = json_object_array_add(parent, value);
    else
        r = json_object_object_add(parent, buf_string(&reader->key), value);
    if (r == 0)
        return 0;
    json_object_put(value);
    return no_memory(err);
}

static int open_container(struct reader *reader, char bracket, struct error *err)
{
    struct json_object *container;
    int r;

    if (reader->depth == reader->max_depth)
        return error_set(err, E_LIMIT, "nested deeper than %d levels", reader->max_depth);
    container = bracket == '{' ? json_object_new_object() : json_object_new_array();
    if (!container)
        return no_memory(err);
    r = place(reader, container, err);
    if (r < 0)
        return r;
    reader->open[reader->depth++] = container;
    reader->at++;
    return 0;
}

/* Reads a scalar whole, of a container its opening bracket. */
static int read_value(struct reader *reader, struct error *err)
{
    struct json_object *value = NULL;
    struct text text;
    char c = peek(reader);
    int r;

    if (c == '{' || c == '[')
        return open_container(reader, c, err);
    if (c == '"') {
        r = read_string(reader, &reader->scratch, &text, err);
        if (r < 0)
            return r;
        value = json_object_new_string_len(text.ptr, (int)text.len);
        if (!value)
            return no_memory(err);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        r = read_number(reader, &value, err);
    } else {
        r = read_word(reader, &value, err);
    }
    if (r == 0)
        return place(reader, value, err);
    json_object_put(value);
    return r;
}

static int read_key(struct reader *reader, struct error *err)
{
    struct text text;
    int r;

    if (peek(reader) != '"')
        return fail_here(reader, err);
    r = read_string(reader, &reader->scratch, &text, err);
    if (r < 0)
        return r;
    buf_reset(&reader->key);
    buf_add_text(&reader->key, text);
    if (reader->key.failed)
        return no_memory(err);
    if (peek(reader) != ':')
        return fail_here(reader, err);
    reader->at++;
    return 0;
}

/* Behind a value or an opening bracket: closes what ends here, and goes on to the next value.
 * Returns 0, or 1 when the document is complete. */
static int read_on(struct reader *reader, bool opened, struct error *err)
{
    while (reader->depth > 0) {
        bool array = json_object_is_type(reader->open[reader->depth - 1], json_type_array);
        char c = peek(reader);

        if (c == (array ? ']' : '}')) {
            reader->at++;
            reader->depth--;
            opened = false;
            continue;
        }
        if (!opened) {
            if (c != ',')
                return fail_here(reader, err);
            reader->at++;
        }
        return array ? 0 : read_key(reader, err);
    }
    return 1;
}

static int read_document(struct reader *reader, struct error *err)
{
    int r = 0;

    while (r == 0) {
        int depth = reader->depth;

        r = read_value(reader, err);
        if (r == 0)
            r = read_on(reader, reader->depth > depth, err);
    }
    if (r < 0)
        return r;
    if (peek(reader) || reader->at < reader->in.len)
        return fail_at(reader, reader->at, "unexpected text after the document", err);
    return 0;
}

int json_decode(struct text in, int max_depth, struct json_object **out, struct error *err)
{
    struct reader reader;
    int r;

    ASSERT(max_depth > 0);
    ASSERT(max_depth <= JSON_DEPTH_MAX);
    if (in.len == 0)
        return error_set(err, E_INVALID, "empty, where a JSON document was expected");
    if (in.len > INT32_MAX / 2)
        return error_set(err, E_LIMIT, "JSON document of %zu bytes is too large", in.len);
    if (!text_is_utf8(in))
        return error_set(err, E_INVALID, "not valid UTF-8");
    reader.in = in;
    reader.at = 0;
    reader.root = NULL;
    reader.depth = 0;
    reader.max_depth = max_depth;
    buf_init(&reader.key, in.len + 1);
    buf_init(&reader.scratch, in.len + 1);
    r = read_document(&reader, err);
    buf_deinit(&reader.key);
    buf_deinit(&reader.scratch);
    if (r < 0)
        json_object_put(reader.root);
    else
        *out = reader.root;
    return r;
}
