/* JSON. What json_decode accepts, a reading of RFC 8259 of our own accepts too, and the other way
 * round; and what was accepted says the same after it was written out and read again. */

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

/* The grammar, letter by letter. json_decode refuses a little more than the RFC: escapes of NUL and
 * of lone surrogates, more than JSON_DEPTH_DEFAULT levels, and integers beyond 64 bits. */
struct reader {
    struct text in;
    size_t at;
    bool large; /* holds an integer that may be beyond 64 bits */
};

static bool take(struct reader *reader, char c)
{
    if (reader->at == reader->in.len || reader->in.ptr[reader->at] != c)
        return false;
    reader->at++;
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if (reader->in.len - reader->at < len || memcmp(reader->in.ptr + reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static void skip_space(struct reader *reader)
{
    while (take(reader, ' ') || take(reader, '\t') || take(reader, '\n') || take(reader, '\r'))
        ;
}

static size_t take_digits(struct reader *reader)
{
    size_t start = reader->at;

    while (reader->at < reader->in.len && reader->in.ptr[reader->at] >= '0' &&
           reader->in.ptr[reader->at] <= '9')
        reader->at++;
    return reader->at - start;
}

static bool take_number(struct reader *reader)
{
    size_t whole;

    take(reader, '-');
    whole = take(reader, '0') ? 1 : take_digits(reader);
    if (whole == 0)
        return false;
    if (take(reader, '.')) {
        if (take_digits(reader) == 0)
            return false;
        whole = 0;
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '-'))
            take(reader, '+');
        if (take_digits(reader) == 0)
            return false;
        whole = 0;
    }
    reader->large |= whole > 18;
    return true;
}

/* The four digits of an escape; -1: they are none. */
static int take_unit(struct reader *reader)
{
    static const char digits[] = "0123456789abcdef";
    int unit = 0;

    for (int i = 0; i < 4; i++) {
        char c = reader->at < reader->in.len ? reader->in.ptr[reader->at] : '\0';
        const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

        if (!digit)
            return -1;
        unit = unit * 16 + (int)(digit - digits);
        reader->at++;
    }
    return unit;
}

static bool take_escape(struct reader *reader)
{
    int unit;

    if (!take(reader, 'u'))
        return reader->at < reader->in.len && reader->in.ptr[reader->at] != '\0' &&
               strchr("\"\\/bfnrt", reader->in.ptr[reader->at++]);
    unit = take_unit(reader);
    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return false;
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (!take(reader, '\\') || !take(reader, 'u'))
        return false;
    unit = take_unit(reader);
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

static bool take_string(struct reader *reader)
{
    if (!take(reader, '"'))
        return false;
    while (reader->at < reader->in.len) {
        unsigned char c = (unsigned char)reader->in.ptr[reader->at++];

        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !take_escape(reader)))
            return false;
    }
    return false;
}

static bool take_value(struct reader *reader, int depth);

static bool take_members(struct reader *reader, int depth, char end)
{
    skip_space(reader);
    if (take(reader, end))
        return true;
    do {
        skip_space(reader);
        if (end == '}') {
            if (!take_string(reader))
                return false;
            skip_space(reader);
            if (!take(reader, ':'))
                return false;
        }
        if (!take_value(reader, depth))
            return false;
        skip_space(reader);
    } while (take(reader, ','));
    return take(reader, end);
}

static bool take_value(struct reader *reader, int depth)
{
    skip_space(reader);
    if (reader->at == reader->in.len)
        return false;
    switch (reader->in.ptr[reader->at]) {
    case '{':
        reader->at++;
        return depth < JSON_DEPTH_DEFAULT && take_members(reader, depth + 1, '}');
    case '[':
        reader->at++;
        return depth < JSON_DEPTH_DEFAULT && take_members(reader, depth + 1, ']');
    case '"':
        return take_string(reader);
    case 't':
        return take_word(reader, "true");
    case 'f':
        return take_word(reader, "false");
    case 'n':
        return take_word(reader, "null");
    default:
        return take_number(reader);
    }
}

static bool is_json(struct reader *reader)
{
    if (!text_is_utf8(reader->in) || !take_value(reader, 0))
        return false;
    skip_space(reader);
    return reader->at == reader->in.len;
}

static void check_again(struct json_object *object)
{
    CLEANUP(json_freep) struct json_object *again = NULL;
    CLEANUP(buf_deinit) struct buf first;
    CLEANUP(buf_deinit) struct buf second;
    struct error err;

    buf_init(&first, 0);
    buf_init(&second, 0);
    json_encode(&first, object);
    ASSERT(json_decode(buf_text(&first), JSON_DEPTH_DEFAULT, &again, &err) == 0);
    ASSERT(json_object_equal(object, again));
    json_encode(&second, again);
    ASSERT(text_equal(buf_text(&first), buf_text(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {.in = {(const char *)data, size}};
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err = {0};
    bool expected = is_json(&reader);
    int r = json_decode(reader.in, JSON_DEPTH_DEFAULT, &object, &err);

    if (r < 0) {
        ASSERT(err.text[0] && text_is_utf8(text_of(err.text)));
        ASSERT(!expected || reader.large);
        return 0;
    }
    ASSERT(expected);
    check_again(object);
    return 0;
}
