/* Filling templates.
 *
 * A template is scanned each time it is filled: it is short, and its placeholders were checked when
 * the script was loaded, so that a misspelt one is an error with a line and not a strange reply.
 */

#include "providers/rehearsal/script/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/rehearsal/script/arithmetic.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

enum source {
    SOURCE_CAPTURE,
    SOURCE_TOOL,
    SOURCE_USER,
    SOURCE_MODEL,
    SOURCE_EXPRESSION,
    SOURCE_VALUE,
};

enum filter {
    FILTER_NONE,
    FILTER_NUMBER,
    FILTER_PAD,
    FILTER_CLOCK,
    FILTER_MONEY,
    FILTER_ROUND,
    FILTER_LOWER,
    FILTER_TABLE,
};

struct placeholder {
    enum source source;
    size_t index;     /* of the capture; of the tool result from 1 on, 0: the last */
    struct text path; /* members of a tool result, with dots between them; empty: the whole */
    enum filter filter;
    const struct script_table *table;
};

static bool take_digits(struct text *rest, size_t *out)
{
    size_t value = 0;
    size_t len = 0;

    while (len < rest->len && len < 4 && isdigit((unsigned char)rest->ptr[len]))
        value = value * 10 + (size_t)(rest->ptr[len++] - '0');
    if (len == 0 || (len < rest->len && rest->ptr[len] != '.'))
        return false;
    rest->ptr += len;
    rest->len -= len;
    *out = value;
    return true;
}

static bool parse_source(struct text name, struct placeholder *out)
{
    static const struct {
        const char *name;
        enum source source;
    } plain[] = {
        {"user", SOURCE_USER},
        {"model", SOURCE_MODEL},
        {"expression", SOURCE_EXPRESSION},
        {"value", SOURCE_VALUE},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++) {
        if (!text_is(name, plain[i].name))
            continue;
        out->source = plain[i].source;
        return true;
    }
    if (name.len == 1 && isdigit((unsigned char)name.ptr[0])) {
        out->source = SOURCE_CAPTURE;
        out->index = (size_t)(name.ptr[0] - '0');
        return true;
    }
    if (!text_starts(name, "tool"))
        return false;
    out->source = SOURCE_TOOL;
    out->path = (struct text){name.ptr + 4, name.len - 4};
    if (!out->path.len)
        return true;
    if (out->path.ptr[0] != '.' || out->path.len == 1)
        return false;
    out->path.ptr++;
    out->path.len--;
    if (!take_digits(&out->path, &out->index))
        return !isdigit((unsigned char)out->path.ptr[0]);
    if (out->path.len) { /* the dot after the digits */
        out->path.ptr++;
        out->path.len--;
        return out->index > 0 && out->path.len > 0;
    }
    return out->index > 0;
}

static bool parse_filter(const struct script *script, struct text name, struct placeholder *out)
{
    static const struct {
        const char *name;
        enum filter filter;
    } filters[] = {
        {"number", FILTER_NUMBER}, {"pad", FILTER_PAD},     {"clock", FILTER_CLOCK},
        {"money", FILTER_MONEY},   {"round", FILTER_ROUND}, {"lower", FILTER_LOWER},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
        if (!text_is(name, filters[i].name))
            continue;
        out->filter = filters[i].filter;
        return true;
    }
    out->table = script_find_table(script, name);
    out->filter = FILTER_TABLE;
    return out->table != NULL;
}

static bool parse_placeholder(const struct script *script, struct text inside,
                              struct placeholder *out)
{
    struct text filter;
    struct text name;

    *out = (struct placeholder){.filter = FILTER_NONE};
    inside = text_trim(inside);
    if (!text_cut(inside, '|', &name, &filter))
        return parse_source(inside, out);
    return parse_source(text_trim(name), out) && parse_filter(script, text_trim(filter), out);
}

/* Splits *rest before and after its next {{…}}. Returns 1 with *inside, 0 when there is none (all
 * of it is *literal), -1 when one is not closed. */
static int next(struct text *rest, struct text *literal, struct text *inside)
{
    const char *open = rest->len ? memmem(rest->ptr, rest->len, "{{", 2) : NULL;
    const char *end = rest->ptr + rest->len;
    const char *close;

    if (!open) {
        *literal = *rest;
        *rest = (struct text){end, 0};
        return 0;
    }
    close = memmem(open, (size_t)(end - open), "}}", 2);
    if (!close)
        return -1;
    *literal = (struct text){rest->ptr, (size_t)(open - rest->ptr)};
    *inside = (struct text){open + 2, (size_t)(close - open - 2)};
    *rest = (struct text){close + 2, (size_t)(end - close - 2)};
    return 1;
}

int template_check(const struct script *script, const char *template, struct error *err)
{
    struct text rest = text_of(template);
    struct placeholder placeholder;
    struct text literal;
    struct text inside;
    int r;

    while ((r = next(&rest, &literal, &inside)) > 0)
        if (!parse_placeholder(script, inside, &placeholder))
            return error_set(
                err, E_INVALID,
                "{{%.*s}} is no value; there are {{0}} to {{9}}, {{tool}}, {{tool.2}}, "
                "{{tool.member}}, {{user}}, {{model}}, {{expression}}, {{value}}, each with "
                "|number, |pad, |clock, |money, |round, |lower or a table",
                inside.len > 40 ? 40 : (int)inside.len, inside.ptr);
    if (r < 0)
        return error_set(err, E_INVALID, "a {{ is not closed by }}");
    return 0;
}

/* The member at a path of names with dots between them; false when there is none. */
static bool add_member(struct buf *out, struct text result, struct text path)
{
    CLEANUP(json_freep) struct json_object *root = NULL;
    struct json_object *at;
    struct text name;
    char key[64];

    if (json_decode(result, JSON_DEPTH_DEFAULT, &root, NULL) < 0)
        return false;
    at = root;
    while (at && path.len) {
        if (!text_cut(path, '.', &name, &path)) {
            name = path;
            path.len = 0;
        }
        if (name.len >= sizeof(key))
            return false;
        memcpy(key, name.ptr, name.len);
        key[name.len] = '\0';
        at = json_get(at, key);
    }
    if (!at)
        return false;
    buf_add_text(out, json_object_is_type(at, json_type_string) ? json_string(at) : json_text(at));
    return true;
}

static bool add_tool(struct buf *out, const struct placeholder *placeholder,
                     const struct template_values *values)
{
    size_t index = placeholder->index ? placeholder->index : values->tools_count;

    if (index == 0 || index > values->tools_count)
        return false;
    if (placeholder->path.len && add_member(out, values->tools[index - 1], placeholder->path))
        return true;
    buf_add_text(out, values->tools[index - 1]);
    return !placeholder->path.len;
}

/* Appends the bare value; false when there is none. */
static bool add_source(const struct placeholder *placeholder, const struct template_values *values,
                       struct buf *out)
{
    const regmatch_t *match;

    switch (placeholder->source) {
    case SOURCE_USER:
        buf_add_text(out, values->user);
        return true;
    case SOURCE_MODEL:
        buf_add_text(out, values->model);
        return true;
    case SOURCE_CAPTURE:
        match = &values->captures[placeholder->index];
        if (match->rm_so < 0)
            return false;
        buf_add(out, values->user.ptr + match->rm_so, (size_t)(match->rm_eo - match->rm_so));
        return true;
    case SOURCE_EXPRESSION:
        buf_add_text(out, values->expression);
        return values->expression.ptr != NULL;
    case SOURCE_VALUE:
        if (values->expression.ptr)
            arithmetic_value(values->expression, out);
        return values->expression.ptr != NULL;
    case SOURCE_TOOL:
        return add_tool(out, placeholder, values);
    }
    return false;
}

/* "3 pm", "3:30 p.m.", "15:30", "noon" as "15:00", …; what is no time of day stays as it is. */
static void add_clock(struct buf *out, const char *value)
{
    int hour = 0;
    int minute = 0;
    int used = 0;

    if (strcasecmp(value, "noon") == 0 || strcasecmp(value, "midnight") == 0) {
        buf_add_string(out, tolower((unsigned char)value[0]) == 'n' ? "12:00" : "00:00");
        return;
    }
    if (sscanf(value, "%2d%n:%2d%n", &hour, &used, &minute, &used) < 1 || hour > 24 ||
        minute > 59) {
        buf_add_string(out, value);
        return;
    }
    value += used;
    value += strspn(value, " ");
    if (tolower((unsigned char)*value) == 'p' && hour < 12)
        hour += 12;
    else if (tolower((unsigned char)*value) == 'a' && hour == 12)
        hour = 0;
    buf_printf(out, "%02d:%02d", hour, minute);
}

/* Digits, sign and point; a stop after the last digit ends a sentence. */
static void add_number(struct buf *out, const char *value)
{
    for (; *value; value++)
        if (isdigit((unsigned char)*value) || *value == '-' ||
            (*value == '.' && isdigit((unsigned char)value[1])))
            buf_add_char(out, *value);
}

static void add_money(struct buf *out, const char *value)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end)
        buf_add_string(out, value);
    else
        buf_printf(out, "%.2f", number);
}

/* At most two decimals. */
static void add_rounded(struct buf *out, const char *value)
{
    size_t before = out->len;

    add_money(out, value);
    if (out->failed || !memchr(out->ptr + before, '.', out->len - before))
        return;
    while (out->ptr[out->len - 1] == '0')
        out->len--;
    if (out->ptr[out->len - 1] == '.')
        out->len--;
    out->ptr[out->len] = '\0';
}

/* Keys are looked up in lower case, without the blanks and dots around. */
static bool add_from_table(struct buf *out, const struct script_table *table, const char *value)
{
    struct text key = text_trim(text_of(value));

    for (size_t i = 0; i < table->pairs.count; i++) {
        if (!text_is_nocase(key, table->pairs.items[i].key))
            continue;
        buf_add_string(out, table->pairs.items[i].value);
        return true;
    }
    return false;
}

/* Returns false when a table lacks the value. */
static bool add_filtered(struct buf *out, const struct placeholder *placeholder, const char *value)
{
    switch (placeholder->filter) {
    case FILTER_NONE:
        buf_add_string(out, value);
        break;
    case FILTER_NUMBER:
        add_number(out, value);
        break;
    case FILTER_PAD:
        buf_printf(out, strlen(value) < 2 ? "0%s" : "%s", value);
        break;
    case FILTER_CLOCK:
        add_clock(out, value);
        break;
    case FILTER_MONEY:
        add_money(out, value);
        break;
    case FILTER_ROUND:
        add_rounded(out, value);
        break;
    case FILTER_LOWER:
        for (; *value; value++)
            buf_add_char(out, (char)tolower((unsigned char)*value));
        break;
    case FILTER_TABLE:
        return add_from_table(out, placeholder->table, value);
    }
    return true;
}

static void add_escaped(struct buf *out, struct text value)
{
    CLEANUP(buf_deinit) struct buf quoted = {0};

    buf_init(&quoted, out->limit);
    buf_add_json(&quoted, value);
    out->failed |= quoted.failed;
    if (!quoted.failed)
        buf_add(out, quoted.ptr + 1, quoted.len - 2);
}

static int fill_one(const struct placeholder *placeholder, const struct template_values *values,
                    struct buf *out, size_t *unfilled)
{
    CLEANUP(buf_deinit) struct buf value = {0};
    CLEANUP(buf_deinit) struct buf filtered = {0};

    buf_init(&value, out->limit);
    buf_init(&filtered, out->limit);
    if (!add_source(placeholder, values, &value))
        ++*unfilled;
    if (!add_filtered(&filtered, placeholder, buf_string(&value)))
        return TEMPLATE_NO_MATCH;
    out->failed |= value.failed | filtered.failed;
    if (values->escape_json)
        add_escaped(out, buf_text(&filtered));
    else
        buf_add_text(out, buf_text(&filtered));
    return 0;
}

int template_fill(const char *template, const struct template_values *values, struct buf *out,
                  size_t *unfilled)
{
    struct text rest = text_of(template);
    struct placeholder placeholder;
    struct text literal;
    struct text inside;

    while (next(&rest, &literal, &inside) > 0) {
        buf_add_text(out, literal);
        if (!parse_placeholder(values->script, inside, &placeholder)) {
            ++*unfilled;
            continue;
        }
        if (fill_one(&placeholder, values, out, unfilled) != 0)
            return TEMPLATE_NO_MATCH;
    }
    buf_add_text(out, literal);
    return 0;
}
