/* YAML nodes to values, on libyaml's document interface: it keeps the place of each node, which is
 * what a person who writes a script needs most when it is wrong. */

#include "providers/rehearsal/script/script_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "providers/rehearsal/script/template.h"
#include "shared/base/memory.h"
#include "shared/yaml/yaml_load.h"

int script_fail_at(struct script_reader *reader, const yaml_node_t *node, const char *format, ...)
{
    char what[230];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return error_set(reader->err, E_INVALID, "%s:%zu:%zu: %s", reader->file,
                     node->start_mark.line + 1, node->start_mark.column + 1, what);
}

int script_too_large(struct script_reader *reader, const yaml_node_t *node)
{
    return error_set(reader->err, E_LIMIT,
                     "%s:%zu:%zu: the script says more than there is room for", reader->file,
                     node->start_mark.line + 1, node->start_mark.column + 1);
}

void *script_alloc(struct script_reader *reader, size_t count, size_t size)
{
    return arena_calloc(&reader->script->arena, count ? count : 1, size);
}

yaml_node_t *script_node(struct script_reader *reader, int id)
{
    return yaml_document_get_node(&reader->document, id);
}

yaml_node_t *script_item(struct script_reader *reader, yaml_node_t *node, int index)
{
    return script_node(reader, node->data.sequence.items.start[index]);
}

int script_sequence_length(struct script_reader *reader, yaml_node_t *node, const char *what)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return script_fail(reader, node, "%s must be a list", what);
    return (int)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static void list_keys(const struct script_field *fields, size_t count, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", fields[i].key);
}

int script_read_mapping(struct script_reader *reader, yaml_node_t *node, const char *what,
                        const struct script_field *fields, size_t count, void *to)
{
    char known[200];
    uint64_t seen = 0; /* a bit for each field */

    ASSERT(count <= 64);
    if (node->type != YAML_MAPPING_NODE)
        return script_fail(reader, node, "%s must be a mapping of keys to values", what);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = script_node(reader, pair->key);
        const char *name = scalar(key);
        size_t i = 0;
        int r;

        while (i < count && (!name || strcmp(fields[i].key, name) != 0))
            i++;
        if (i == count) {
            list_keys(fields, count, known, sizeof(known));
            return script_fail(reader, key, "%s has no key '%.30s'; known are: %s", what,
                               name ? name : "?", known);
        }
        if (seen & UINT64_C(1) << i)
            return script_fail(reader, key, "%s has the key '%s' twice", what, name);
        seen |= UINT64_C(1) << i;
        r = fields[i].read(reader, script_node(reader, pair->value), (char *)to + fields[i].offset);
        if (r < 0)
            return r;
    }
    return 0;
}

int script_read_string(struct script_reader *reader, yaml_node_t *node, void *to)
{
    const char *value = scalar(node);

    if (!value)
        return script_fail(reader, node, "a text is expected here");
    if (strlen(value) != node->data.scalar.length)
        return script_fail(reader, node, "a text must not contain a zero byte");
    value = arena_string(&reader->script->arena, value);
    if (!value)
        return script_too_large(reader, node);
    *(const char **)to = value;
    return 0;
}

int script_read_template(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct error wrong;
    const char *value = NULL;
    int r = script_read_string(reader, node, &value);

    if (r < 0)
        return r;
    if (template_check(reader->script, value, &wrong) < 0)
        return script_fail(reader, node, "%s", wrong.text);
    *(const char **)to = value;
    return 0;
}

int script_read_regex(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script *script = reader->script;
    const char *value = NULL;
    char wrong[100];
    regex_t *regex;
    int code;
    int r = script_read_string(reader, node, &value);

    if (r < 0)
        return r;
    if (strlen(value) > 2000)
        return script_fail(reader, node, "a regular expression is at most 2000 bytes");
    if (!script_pattern_fits(value))
        return script_fail(reader, node, "a regular expression must not repeat that much");
    regex = xcalloc(1, sizeof(*regex));
    code = regcomp(regex, value, REG_EXTENDED | REG_ICASE);
    if (code != 0) {
        regerror(code, regex, wrong, sizeof(wrong));
        free(regex);
        return script_fail(reader, node, "not a regular expression: %s", wrong);
    }
    script->regexes =
        xrealloc(script->regexes, (script->regexes_count + 1) * sizeof(*script->regexes));
    script->regexes[script->regexes_count++] = regex;
    if (regex->re_nsub >= SCRIPT_CAPTURES)
        return script_fail(reader, node, "a regular expression has at most nine groups");
    *(regex_t **)to = regex;
    return 0;
}

int script_read_count(struct script_reader *reader, yaml_node_t *node, void *to)
{
    const char *value = scalar(node);
    int64_t number;

    if (!value || !yaml_integer(text_of(value), &number) || number < 0 || number > INT32_MAX)
        return script_fail(reader, node, "a whole number from 0 to %d is expected here", INT32_MAX);
    *(int64_t *)to = number;
    return 0;
}

int script_read_bool(struct script_reader *reader, yaml_node_t *node, void *to)
{
    const char *value = scalar(node);
    bool yes = value && (strcmp(value, "true") == 0 || strcmp(value, "yes") == 0);

    if (!yes && (!value || (strcmp(value, "false") != 0 && strcmp(value, "no") != 0)))
        return script_fail(reader, node, "true or false is expected here");
    *(bool *)to = yes;
    return 0;
}

int script_read_pairs(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_pairs *pairs = to;
    size_t count;

    if (node->type != YAML_MAPPING_NODE)
        return script_fail(reader, node, "a mapping of texts to texts is expected here");
    count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    pairs->items = script_alloc(reader, count, sizeof(*pairs->items));
    if (!pairs->items)
        return script_too_large(reader, node);
    pairs->count = count;
    for (size_t i = 0; i < count; i++) {
        yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
        int r = script_read_string(reader, script_node(reader, pair->key), &pairs->items[i].key);

        if (r == 0)
            r = script_read_string(reader, script_node(reader, pair->value),
                                   &pairs->items[i].value);
        if (r < 0)
            return r;
    }
    return 0;
}
