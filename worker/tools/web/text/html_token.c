/* A reader of HTML by the rules of the standard's tokenizer, as far as they matter to who wants the
 * text. Each byte is looked at a fixed number of times: what has no end (a comment, a quote, a
 * script) ends with the input, and is looked for once. */

#include "worker/tools/web/text/html_token.h"

#include <stdio.h>
#include <strings.h>

#include "shared/base/utf8.h"
#include "worker/tools/web/text/html_entity.h"

/* Elements with no tags in them: their text ends where their own end tag begins. */
static const struct {
    const char *name;
    bool shown;
} raw_elements[] = {
    {"script", false},  {"style", false},    {"xmp", true},   {"iframe", false},
    {"noembed", false}, {"noframes", false}, {"title", true}, {"textarea", false},
};

void html_reader_init(struct html_reader *reader, struct text input, bool is_xml)
{
    *reader = (struct html_reader){.input = input, .is_xml = is_xml};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct text rest_of(const struct html_reader *reader)
{
    return (struct text){reader->input.ptr + reader->at, reader->input.len - reader->at};
}

/* Behind `end`, or at the end of the input. */
static void skip_past(struct html_reader *reader, const char *end)
{
    struct text rest = rest_of(reader);
    size_t len = strlen(end);
    const char *found = memmem(rest.ptr, rest.len, end, len);

    reader->at = found ? (size_t)(found - reader->input.ptr) + len : reader->input.len;
}

/* Where the end tag of the raw element begins, or the input ends. */
static size_t find_raw_end(const struct html_reader *reader)
{
    struct text input = reader->input;
    size_t len = strlen(reader->raw);
    size_t at = reader->at;

    while (at < input.len) {
        const char *found = memmem(input.ptr + at, input.len - at, "</", 2);
        size_t place;

        if (!found)
            break;
        place = (size_t)(found - input.ptr);
        if (input.len - place >= len + 2 && strncasecmp(found + 2, reader->raw, len) == 0 &&
            (input.len - place == len + 2 || !is_alpha(found[len + 2])))
            return place;
        at = place + 2;
    }
    return input.len;
}

static bool raw_is_shown(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(raw_elements); i++)
        if (strcmp(raw_elements[i].name, name) == 0)
            return raw_elements[i].shown;
    return false;
}

/* A piece of text up to `end`: not too long, and not cut within a character or a reference. */
static void take_text(struct html_reader *reader, size_t end, struct html_token *out)
{
    struct text text = {reader->input.ptr + reader->at, end - reader->at};

    if (text.len > HTML_PIECE) {
        size_t len = utf8_prefix(text.ptr, text.len, HTML_PIECE);
        size_t back = len > HTML_ENTITY_MAX ? len - HTML_ENTITY_MAX : 0;
        const char *reference = memrchr(text.ptr + back, '&', len - back);

        if (len == 0)
            len = HTML_PIECE; /* it is no UTF-8 */
        text.len = reference && reference > text.ptr ? (size_t)(reference - text.ptr) : len;
    }
    reader->at += text.len;
    out->kind = HTML_TEXT;
    out->text = text;
}

/* Returns false where the raw element has nothing (more) that is shown. */
static bool take_raw(struct html_reader *reader, struct html_token *out)
{
    size_t end = reader->raw_end;
    bool shown = raw_is_shown(reader->raw) && end > reader->at;

    if (!shown) {
        reader->at = end;
        reader->raw[0] = 0;
        return false;
    }
    take_text(reader, end, out);
    if (reader->at == end)
        reader->raw[0] = 0;
    return true;
}

static void take_name(struct html_reader *reader, struct html_token *out)
{
    struct text input = reader->input;
    size_t len = 0;

    while (reader->at < input.len) {
        char c = input.ptr[reader->at];

        if (is_space(c) || c == '>' || c == '/')
            break;
        if (len < sizeof(out->name) - 1)
            out->name[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        reader->at++;
    }
    out->name[len] = 0;
}

static void skip_space(struct html_reader *reader)
{
    while (reader->at < reader->input.len && is_space(reader->input.ptr[reader->at]))
        reader->at++;
}

/* Up to the first byte that ends a name or a bare value. */
static struct text take_word(struct html_reader *reader, bool is_name)
{
    struct text input = reader->input;
    size_t begin = reader->at;

    while (reader->at < input.len) {
        char c = input.ptr[reader->at];

        if (is_space(c) || c == '>' || (is_name && (c == '/' || (c == '=' && reader->at > begin))))
            break;
        reader->at++;
    }
    return (struct text){input.ptr + begin, reader->at - begin};
}

static struct text take_value(struct html_reader *reader)
{
    struct text input = reader->input;
    struct text value;
    const char *end;
    char quote;

    skip_space(reader);
    if (reader->at >= input.len)
        return TEXT_NONE;
    quote = input.ptr[reader->at];
    if (quote != '"' && quote != '\'')
        return take_word(reader, false);
    reader->at++;
    end = memchr(input.ptr + reader->at, quote, input.len - reader->at);
    value = (struct text){input.ptr + reader->at,
                          end ? (size_t)(end - input.ptr) - reader->at : input.len - reader->at};
    reader->at += value.len + (end ? 1 : 0);
    return value;
}

static void take_attribute(struct html_reader *reader, struct html_token *out)
{
    struct html_attribute attribute = {take_word(reader, true), {"", 0}};

    skip_space(reader);
    if (reader->at < reader->input.len && reader->input.ptr[reader->at] == '=') {
        reader->at++;
        attribute.value = take_value(reader);
    }
    if (out->attribute_count < HTML_ATTRIBUTES_MAX && attribute.name.len > 0)
        out->attributes[out->attribute_count++] = attribute;
}

/* Behind "<" or "</". False: the tag has no end, so it is none. */
static bool take_tag(struct html_reader *reader, struct html_token *out)
{
    struct text input = reader->input;

    out->attribute_count = 0;
    out->closed = false;
    take_name(reader, out);
    while (reader->at < input.len && input.ptr[reader->at] != '>') {
        if (is_space(input.ptr[reader->at])) {
            skip_space(reader);
        } else if (input.ptr[reader->at] == '/') {
            reader->at++;
            out->closed = reader->at < input.len && input.ptr[reader->at] == '>';
        } else {
            take_attribute(reader, out);
        }
    }
    if (reader->at >= input.len)
        return false;
    reader->at++;
    return true;
}

static void enter_raw(struct html_reader *reader, const struct html_token *token)
{
    for (size_t i = 0; i < ARRAY_LENGTH(raw_elements); i++) {
        if (strcmp(raw_elements[i].name, token->name) != 0)
            continue;
        (void)snprintf(reader->raw, sizeof(reader->raw), "%s", token->name);
        reader->raw_end = find_raw_end(reader);
    }
}

/* At a "<". True with *out, a tag; false: something that gives no token was passed over. */
static bool take_markup(struct html_reader *reader, struct html_token *out)
{
    struct text rest = rest_of(reader);

    if (text_starts(rest, "<!--")) {
        reader->at += text_starts(rest, "<!-->") ? 2 : 4;
        skip_past(reader, "-->");
        return false;
    }
    if (text_starts(rest, "<![CDATA[")) {
        reader->at += 9;
        skip_past(reader, "]]>");
        return false;
    }
    if (rest.len > 2 && rest.ptr[1] == '/' && is_alpha(rest.ptr[2])) {
        reader->at += 2;
        out->kind = HTML_END;
        return take_tag(reader, out);
    }
    if (rest.len > 1 && is_alpha(rest.ptr[1])) {
        reader->at++;
        out->kind = HTML_START;
        if (!take_tag(reader, out))
            return false;
        if (!reader->is_xml || !out->closed)
            enter_raw(reader, out);
        return true;
    }
    skip_past(reader, ">"); /* a declaration, or what browsers take for a comment */
    return false;
}

/* Whether a "<" begins something else than text. */
static bool begins_markup(struct text rest)
{
    if (rest.len < 2 || rest.ptr[0] != '<')
        return false;
    return is_alpha(rest.ptr[1]) || rest.ptr[1] == '!' || rest.ptr[1] == '?' || rest.ptr[1] == '/';
}

static size_t find_markup(const struct html_reader *reader)
{
    struct text input = reader->input;
    size_t at = reader->at;
    size_t most = at + HTML_PIECE + 1; /* further than that nobody looks now */

    if (most > input.len)
        most = input.len;
    while (at < most) {
        const char *found = memchr(input.ptr + at, '<', most - at);

        if (!found)
            return most;
        at = (size_t)(found - input.ptr);
        if (begins_markup((struct text){found, input.len - at}))
            return at;
        at++;
    }
    return most;
}

bool html_next(struct html_reader *reader, struct html_token *out)
{
    while (reader->at < reader->input.len) {
        if (reader->raw[0]) {
            if (take_raw(reader, out))
                return true;
            continue;
        }
        if (!begins_markup(rest_of(reader))) {
            take_text(reader, find_markup(reader), out);
            return true;
        }
        if (take_markup(reader, out))
            return true;
    }
    return false;
}

struct text html_attribute(const struct html_token *token, const char *name)
{
    for (size_t i = 0; i < token->attribute_count; i++)
        if (text_is_nocase(token->attributes[i].name, name))
            return token->attributes[i].value;
    return TEXT_NONE;
}
