/* One call between tags.
 *
 * Read from left to right in steps: a tag, a piece of JSON, a mark of a code block. A step that
 * meets what can't be part of a call ends it there, which is how missing closing tags are borne;
 * before anything of a call was met, it means that the tag was merely mentioned.
 *
 * A step looks at no more than it takes. So it either needs more text (STEP_MORE) or has decided
 * once and for all, and a stream that is cut anywhere gives the same calls.
 *
 * JSON is taken as far as its brackets go. Where they never close, the text up to the next closing
 * tag stands for the arguments: the call is then broken, and says so. */

#include "providers/prompted/prompted_call.h"

#include <strings.h>

#include "shared/agent/tools/tools.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

#define TAG_MAX  512 /* bytes of a tag with its attributes */
#define WORD_MAX 32  /* of a tag's name, of a block's language */
#define CALL_TAG "tool_call"
#define NO_NAME                                                                                    \
    "the call names no tool: write <tool_call><name>NAME</name><arguments>{…}</arguments>"       \
    "</tool_call>"
#define NO_JSON "the call is not valid JSON"

enum step { STEP_ON, STEP_MORE, STEP_END, STEP_NO_CALL };

enum tag_kind { TAG_OTHER, TAG_CALL, TAG_NAME, TAG_ARGUMENTS };

struct reading {
    struct text in;
    size_t at;
    bool last;
    bool hasty;
    const struct chat_request *request;
    struct prompted_call call; /* from tags */
    bool has_name;
    bool has_arguments;
    bool has_block;             /* a code block is open */
    struct prompted_calls *out; /* from JSON */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static struct text rest(const struct reading *reading)
{
    return (struct text){reading->in.ptr + reading->at, reading->in.len - reading->at};
}

static size_t word_length(struct text in)
{
    size_t len = 0;

    while (len < in.len && is_word(in.ptr[len]))
        len++;
    return len;
}

static void skip_blanks(struct reading *reading)
{
    while (reading->at < reading->in.len && is_blank(reading->in.ptr[reading->at]))
        reading->at++;
}

/* Whether something of a call was met. */
static bool is_call(const struct reading *reading)
{
    return reading->has_name || reading->has_arguments || reading->out->count > 0;
}

/* Here is no more of it. */
static enum step ends_here(const struct reading *reading)
{
    return is_call(reading) ? STEP_END : STEP_NO_CALL;
}

/* The text ends in the midst of something. */
static enum step ends_too_soon(const struct reading *reading)
{
    return reading->last ? ends_here(reading) : STEP_MORE;
}

bool prompted_is_offered(const struct chat_request *request, struct text name)
{
    for (size_t i = 0; i < request->tools_count; i++)
        if (text_equal(request->tools[i].name, name))
            return true;
    return false;
}

enum call_result prompted_tag(struct text in, const char *tag)
{
    size_t len = strlen(tag);
    size_t there = in.len - 1 < len ? in.len - 1 : len;

    if (strncasecmp(in.ptr + 1, tag, there) != 0)
        return CALL_NONE;
    if (in.len < len + 2)
        return CALL_MORE;
    return in.ptr[len + 1] == '>' || in.ptr[len + 1] == '/' || is_blank(in.ptr[len + 1])
               ? CALL_READ
               : CALL_NONE;
}

/* ---- tags ---- */

static enum tag_kind kind_of(struct text word)
{
    static const char *const names[] = {"name", "n", "tool", "function", "tool_name"};
    static const char *const arguments[] = {"arguments", "parameters", "args", "input"};

    if (text_is_nocase(word, CALL_TAG))
        return TAG_CALL;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_is_nocase(word, names[i]))
            return TAG_NAME;
    for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++)
        if (text_is_nocase(word, arguments[i]))
            return TAG_ARGUMENTS;
    return TAG_OTHER;
}

/* The bytes of a tag up to its '>'. 0: it does not end; SIZE_MAX: it is none. */
static size_t tag_length(struct text in)
{
    char quote = 0;

    for (size_t at = 0; at < in.len && at < TAG_MAX; at++) {
        char c = in.ptr[at];

        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return at + 1;
    }
    return in.len < TAG_MAX ? 0 : SIZE_MAX;
}

/* What the attribute `name` of a tag says, or TEXT_NONE. */
static struct text name_attribute(struct text tag)
{
    for (size_t at = 1; at + 6 < tag.len; at++) {
        struct text after = {tag.ptr + at + 5, tag.len - at - 6};
        struct text value;
        struct text behind;

        if (!is_blank(tag.ptr[at - 1]) || strncasecmp(tag.ptr + at, "name=", 5) != 0)
            continue;
        if (after.ptr[0] == '"' || after.ptr[0] == '\'') {
            struct text quoted = {after.ptr + 1, after.len - 1};

            return text_cut(quoted, after.ptr[0], &value, &behind) ? text_trim(value) : TEXT_NONE;
        }
        return (struct text){after.ptr, word_length(after)};
    }
    return TEXT_NONE;
}

static void set_name(struct reading *reading, struct text name)
{
    if (name.len == 0 || reading->has_name)
        return;
    reading->call.name = name;
    reading->has_name = true;
}

/* Past a tag. Those of the call and its name may name the tool in an attribute. */
static enum step open_tag(struct reading *reading, bool names)
{
    struct text in = rest(reading);
    size_t len = tag_length(in);

    if (len == 0)
        return ends_too_soon(reading);
    if (len == SIZE_MAX)
        return ends_here(reading);
    if (names)
        set_name(reading, name_attribute((struct text){in.ptr, len}));
    reading->at += len;
    return STEP_ON;
}

/* What stands up to the next tag. JSON is left to step_json. */
static enum step read_name(struct reading *reading)
{
    enum step step = open_tag(reading, true);
    struct text content;
    struct text behind;

    if (step != STEP_ON)
        return step;
    skip_blanks(reading);
    content = rest(reading);
    if (content.len > 0 && content.ptr[0] == '{')
        return STEP_ON;
    if (!text_cut(content, '<', &content, &behind)) {
        if (!reading->last && content.len < TAG_MAX)
            return STEP_MORE;
        (void)text_cut(content, '\n', &content, &behind);
        content = text_prefix(content, TAG_MAX);
    }
    reading->at += content.len;
    (void)text_cut(content, '\n', &content, &behind);
    set_name(reading, text_trim(content));
    return STEP_ON;
}

/* ---- JSON ---- */

/* As prompted_json_extent. */
static size_t json_extent(struct reading *reading)
{
    size_t len = reading->hasty ? 0 : prompted_json_extent(rest(reading));

    if (len == 0 && !reading->hasty)
        reading->out->in_vain += rest(reading).len;
    return len;
}

/* The bytes up to a closing tag of the arguments or the call, or to the next call. SIZE_MAX: there
 * may still come one. */
static size_t raw_extent(const struct reading *reading)
{
    struct text in = rest(reading);
    size_t at = 0;

    while (at < in.len) {
        const char *found = memchr(in.ptr + at, '<', in.len - at);
        struct text word;
        enum tag_kind kind;
        bool closes;

        if (!found)
            break;
        at = (size_t)(found - in.ptr);
        closes = at + 1 < in.len && in.ptr[at + 1] == '/';
        word = (struct text){in.ptr + at + 1 + closes, in.len - at - 1 - closes};
        word.len = word_length(word);
        kind = kind_of(word);
        if (word.ptr + word.len < in.ptr + in.len &&
            (kind == TAG_CALL || (closes && kind == TAG_ARGUMENTS)))
            return at;
        at++;
    }
    return reading->last ? in.len : SIZE_MAX;
}

/* Takes what stands there for the arguments, up to a closing tag. */
static enum step read_raw(struct reading *reading, size_t from)
{
    size_t len = raw_extent(reading);
    struct text in = reading->in;

    if (len == SIZE_MAX)
        return STEP_MORE;
    reading->at += len;
    prompted_set_arguments(&reading->call, (struct text){in.ptr + from, reading->at - from});
    reading->has_arguments = true;
    return STEP_ON;
}

/* "```" and a language. */
static enum step skip_mark(struct reading *reading)
{
    struct text in = rest(reading);
    size_t word;

    if (in.len < 3)
        return ends_too_soon(reading);
    if (!text_starts(in, "```"))
        return ends_here(reading);
    reading->at += 3;
    if (reading->has_block) {
        reading->has_block = false;
        return STEP_ON;
    }
    word = word_length(rest(reading));
    if (word == rest(reading).len && !reading->last) {
        reading->at -= 3;
        return STEP_MORE;
    }
    reading->at += word;
    reading->has_block = true;
    return STEP_ON;
}

static bool begins_value(struct text in)
{
    return in.ptr[0] == '{' || in.ptr[0] == '[' || in.ptr[0] == '"';
}

/* Behind the value of <arguments>: a bracket too many is forgiven, anything else but a tag makes
 * all of it the arguments, if a closing tag comes. */
static enum step after_value(struct reading *reading, size_t from)
{
    size_t behind = reading->at;

    for (;;) {
        skip_blanks(reading);
        if (reading->at == reading->in.len)
            break;
        if (reading->in.ptr[reading->at] != '}')
            break;
        reading->at++;
    }
    if (reading->at == reading->in.len)
        return reading->last ? STEP_ON : STEP_MORE;
    if (reading->in.ptr[reading->at] == '<' || reading->in.ptr[reading->at] == '`')
        return STEP_ON;
    if (raw_extent(reading) == SIZE_MAX)
        return STEP_MORE;
    if (reading->at + raw_extent(reading) < reading->in.len)
        return read_raw(reading, from);
    reading->at = behind;
    return STEP_END;
}

static enum step read_value(struct reading *reading)
{
    size_t from = reading->at;
    struct text value = rest(reading);

    if (value.len == 0)
        return reading->last ? STEP_ON : STEP_MORE;
    if (!begins_value(value))
        return read_raw(reading, from);
    value.len = json_extent(reading);
    if (value.len == 0)
        return reading->last ? read_raw(reading, from) : STEP_MORE;
    reading->at += value.len;
    prompted_set_arguments(&reading->call, value);
    reading->has_arguments = true;
    return after_value(reading, from);
}

static enum step read_arguments(struct reading *reading)
{
    enum step step = open_tag(reading, false);

    if (step != STEP_ON)
        return step;
    skip_blanks(reading);
    if (reading->at < reading->in.len && reading->in.ptr[reading->at] == '`') {
        step = skip_mark(reading);
        skip_blanks(reading);
    }
    if (step == STEP_ON)
        step = read_value(reading);
    reading->has_arguments |= step == STEP_ON;
    return step;
}

static void add_call(struct reading *reading, struct text object)
{
    struct prompted_calls *out = reading->out;

    if (out->count < PROMPTED_CALLS_MAX &&
        prompted_json_call(object, reading->call.name, &out->items[out->count]))
        out->count++;
}

/* JSON that stands in <tool_call> itself. */
static enum step read_json(struct reading *reading)
{
    struct text said = rest(reading);
    struct json_raw_walk walk;
    struct text value;

    if (reading->has_arguments)
        return STEP_END;
    said.len = json_extent(reading);
    if (said.len == 0) {
        if (!reading->last)
            return STEP_MORE;
        reading->call.problem = NO_JSON;
        return read_raw(reading, reading->at);
    }
    reading->at += said.len;
    if (json_raw_check(said, JSON_DEPTH_DEFAULT, &value, NULL) < 0) {
        reading->has_arguments = true;
        reading->call.arguments = said;
        reading->call.problem = NO_JSON;
        return STEP_ON;
    }
    json_raw_begin(json_raw_type(said) == JSON_RAW_ARRAY ? said : TEXT_NONE, &walk);
    while (json_raw_next(&walk, &value))
        add_call(reading, value);
    if (json_raw_type(said) == JSON_RAW_OBJECT)
        add_call(reading, said);
    return STEP_ON;
}

/* ---- a call ---- */

static enum step closing_tag(struct reading *reading, enum tag_kind kind)
{
    struct text in = rest(reading);
    size_t len = tag_length(in);

    if (kind == TAG_OTHER || len == SIZE_MAX)
        return ends_here(reading);
    if (len == 0 && !reading->last)
        return STEP_MORE;
    reading->at += len == 0 ? in.len : len;
    return kind == TAG_CALL ? ends_here(reading) : STEP_ON;
}

static enum step read_tag(struct reading *reading)
{
    struct text in = rest(reading);
    bool closes = in.len > 1 && in.ptr[1] == '/';
    struct text word = {in.ptr + 1 + closes, in.len - 1 - closes};
    enum tag_kind kind;

    word.len = word_length(word);
    if (1 + closes + word.len == in.len && word.len <= WORD_MAX) {
        reading->at += reading->last && closes ? in.len : 0;
        return ends_too_soon(reading);
    }
    kind = kind_of(word);
    if (closes)
        return closing_tag(reading, kind);
    switch (kind) {
    case TAG_NAME:
        return read_name(reading);
    case TAG_ARGUMENTS:
        return reading->has_arguments ? STEP_END : read_arguments(reading);
    case TAG_CALL:
    case TAG_OTHER:
        break;
    }
    return ends_here(reading);
}

/* A tool's name without a tag, first of all. */
static enum step read_word(struct reading *reading)
{
    struct text word = rest(reading);
    bool ends;

    word.len = word_length(word);
    ends = reading->at + word.len == reading->in.len;
    if (is_call(reading) || word.len > TOOL_NAME_MAX)
        return ends_here(reading);
    if (ends && !reading->last)
        return STEP_MORE;
    if (!prompted_is_offered(reading->request, word))
        return STEP_NO_CALL;
    set_name(reading, word);
    reading->at += word.len;
    return STEP_ON;
}

static enum step take_step(struct reading *reading)
{
    size_t before = reading->at;

    skip_blanks(reading);
    if (reading->at == reading->in.len) {
        enum step step = ends_too_soon(reading);

        reading->at = step == STEP_END ? before : reading->at;
        return step;
    }
    switch (reading->in.ptr[reading->at]) {
    case '<':
        return read_tag(reading);
    case '{':
    case '[':
        return read_json(reading);
    case '`':
        return reading->has_block || !is_call(reading) ? skip_mark(reading) : STEP_END;
    case '}':
        if (!is_call(reading))
            return STEP_NO_CALL;
        reading->at++;
        return STEP_ON;
    default:
        return read_word(reading);
    }
}

static void finish(struct reading *reading)
{
    struct prompted_calls *out = reading->out;

    if (out->count > 0)
        return;
    if (!reading->has_name && !reading->call.problem)
        reading->call.problem = NO_NAME;
    out->items[out->count++] = reading->call;
}

enum call_result prompted_call_read(const struct prompted_source *source,
                                    struct prompted_calls *out, size_t *out_len)
{
    struct reading reading = {.in = source->in,
                              .last = source->last,
                              .hasty = source->last && source->hasty,
                              .request = source->request,
                              .out = out};
    enum step step;

    out->count = out->in_vain = 0;
    step = open_tag(&reading, true);
    if (step == STEP_ON && source->in.ptr[reading.at - 2] == '/')
        step = ends_here(&reading);
    while (step == STEP_ON)
        step = take_step(&reading);
    switch (step) {
    case STEP_ON:
    case STEP_END:
        break;
    case STEP_MORE:
        return CALL_MORE;
    case STEP_NO_CALL:
        return CALL_NONE;
    }
    finish(&reading);
    *out_len = reading.at;
    return CALL_READ;
}
