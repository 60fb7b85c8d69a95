/* Loading YAML in two passes over the same text. The first looks at libyaml's events, which come
 * one by one, and stops at the first that goes over a limit. The second builds the nodes: alone it
 * would take 20 s for 100,000 nested lists, and it compares each anchor with all before it.
 */

#include "shared/yaml/yaml_load.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/base/error.h"

struct look {
    const char *path;
    unsigned depth;
    unsigned nodes;
    unsigned anchors;
    unsigned documents;
    struct error *err;
};

static int PRINTF(3, 4)
    refuse(const struct look *look, const yaml_mark_t *mark, const char *format, ...)
{
    char text[120];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(look->err, E_INVALID, "%s:%zu:%zu: %s", look->path, mark->line + 1,
                     mark->column + 1, text);
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        return event->data.scalar.anchor;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return event->data.sequence_start.anchor;
    return event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor : NULL;
}

static int look_at(struct look *look, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    bool opens =
        event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT;

    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        look->depth--;
    if (event->type == YAML_DOCUMENT_START_EVENT && ++look->documents > 1)
        return refuse(look, mark, "there is a second document; the file may hold one");
    if (opens && ++look->depth > YAML_DEPTH_MAX)
        return refuse(look, mark, "this is nested more than %d levels deep", YAML_DEPTH_MAX);
    if ((opens || event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT) &&
        ++look->nodes > YAML_NODES_MAX)
        return refuse(look, mark, "the file has more than %d values", YAML_NODES_MAX);
    if (anchor_of(event) && ++look->anchors > YAML_ANCHORS_MAX)
        return refuse(look, mark, "the file has more than %d anchors (\"&name\")",
                      YAML_ANCHORS_MAX);
    return 0;
}

static int wrong_syntax(const char *path, const yaml_parser_t *parser, struct error *err)
{
    return error_set(err, E_INVALID, "%s:%zu:%zu: %s", path, parser->problem_mark.line + 1,
                     parser->problem_mark.column + 1,
                     parser->problem ? parser->problem : "this is no YAML");
}

static int check_bounds(const char *path, yaml_parser_t *parser, struct error *err)
{
    struct look look = {.path = path, .err = err};
    yaml_event_t event;
    bool more = true;
    int r = 0;

    while (r == 0 && more) {
        if (!yaml_parser_parse(parser, &event))
            return wrong_syntax(path, parser, err);
        more = event.type != YAML_STREAM_END_EVENT;
        r = look_at(&look, &event);
        yaml_event_delete(&event);
    }
    return r;
}

static int with_parser(const char *path, struct text text, yaml_document_t *out, struct error *err)
{
    yaml_parser_t parser;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return error_set(err, E_LIMIT, "no memory to parse %s", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    if (!out)
        r = check_bounds(path, &parser, err);
    else if (!yaml_parser_load(&parser, out))
        r = wrong_syntax(path, &parser, err);
    yaml_parser_delete(&parser);
    return r;
}

int yaml_load(const char *path, struct text text, yaml_document_t *out, struct error *err)
{
    int r = with_parser(path, text, NULL, err);

    return r < 0 ? r : with_parser(path, text, out, err);
}

bool yaml_integer(struct text scalar, int64_t *out)
{
    struct text digits = scalar;

    if (text_starts(digits, "-"))
        digits = (struct text){digits.ptr + 1, digits.len - 1};
    if (digits.len > 1 && digits.ptr[0] == '0')
        return false;
    return !text_is(scalar, "-0") && text_to_int(scalar, out);
}
