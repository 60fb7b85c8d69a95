/* agents.yaml: its syntax by libyaml, its members by the table of shared/agent/spec.h, values
 * turned into JSON.
 *
 * What the server alone can judge (is there such a model?) is left to it. Plain scalars follow
 * YAML 1.2's core schema (null, true, numbers); where a field is text, any scalar is text, so
 * that `name: 007` is what it looks like.
 */

#include "scheduler/cli/agents/agents_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/agents/yaml_scalars.h"
#include "scheduler/cli/client.h"
#include "scheduler/cli/options.h"
#include "shared/agent/spec.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/failure.h"
#include "shared/yaml/yaml_load.h"

#define TEXT_OF_LIST_MAX 8000 /* characters; each member is checked then */
#define DEPTH_MAX        32   /* of a value; less than YAML_DEPTH_MAX, ends aliases of themselves */
#define NODES_MAX        100000 /* aliases count again each time */

#define LISTS 3 /* agents, schedules, tools */

struct parse {
    const char *path;
    yaml_document_t document;
    unsigned nodes;
    struct agents_place *places[LISTS];
    struct error *err;
};

static int PRINTF(3, 4)
    refuse(struct parse *parse, const yaml_node_t *node, const char *format, ...)
{
    char text[sizeof(parse->err->text) - 64]; /* the place stands before it */
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(parse->err, E_INVALID, "%s:%zu:%zu: %s", parse->path,
                     node->start_mark.line + 1, node->start_mark.column + 1, text);
}

static struct text scalar(const yaml_node_t *node)
{
    return (struct text){(const char *)node->data.scalar.value, node->data.scalar.length};
}

static bool is_plain(const yaml_node_t *node)
{
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const yaml_node_t *node)
{
    struct text text = scalar(node);

    return node->type == YAML_SCALAR_NODE && is_plain(node) &&
           (text.len == 0 || text_is(text, "null") || text_is(text, "~"));
}

static yaml_node_t *node_at(struct parse *parse, int index)
{
    return yaml_document_get_node(&parse->document, index);
}

static struct json_object *text_json(struct text text)
{
    return json_object_new_string_len(text.ptr, (int)text.len);
}

static struct json_object *scalar_json(const yaml_node_t *node)
{
    struct text text = scalar(node);
    int64_t integer;
    double number;

    if (!is_plain(node))
        return text_json(text);
    if (text_is(text, "true") || text_is(text, "false"))
        return json_object_new_boolean(text_is(text, "true"));
    if (yaml_integer(text, &integer))
        return json_object_new_int64(integer);
    if (yaml_number(text, &number))
        return json_object_new_double(number);
    return text_json(text);
}

/* A key, after checking that it is text and new in its mapping. */
static int take_key(struct parse *parse, yaml_node_t *key, struct json_object *into,
                    const char **out)
{
    if (key->type != YAML_SCALAR_NODE)
        return refuse(parse, key, "a key must be a word");
    *out = (const char *)key->data.scalar.value;
    if (strlen(*out) != key->data.scalar.length)
        return refuse(parse, key, "a key must not hold a zero byte");
    if (json_object_object_get_ex(into, *out, NULL))
        return refuse(parse, key, "\"%.60s\" is there twice", *out);
    return 0;
}

static int any_json(struct parse *parse, yaml_node_t *node, unsigned depth,
                    struct json_object **out);

static int sequence_json(struct parse *parse, yaml_node_t *node, unsigned depth,
                         struct json_object *into)
{
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        struct json_object *value = NULL;
        int r = any_json(parse, node_at(parse, *item), depth + 1, &value);

        if (r < 0)
            return r;
        json_object_array_add(into, value);
    }
    return 0;
}

static int mapping_json(struct parse *parse, yaml_node_t *node, unsigned depth,
                        struct json_object *into)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        struct json_object *value = NULL;
        const char *key;
        int r = take_key(parse, node_at(parse, pair->key), into, &key);

        if (r == 0)
            r = any_json(parse, node_at(parse, pair->value), depth + 1, &value);
        if (r < 0)
            return r;
        json_object_object_add(into, key, value);
    }
    return 0;
}

/* Any YAML as JSON; at most DEPTH_MAX deep, which also ends aliases that hold themselves. */
static int any_json(struct parse *parse, yaml_node_t *node, unsigned depth,
                    struct json_object **out)
{
    bool list = node->type == YAML_SEQUENCE_NODE;
    CLEANUP(json_freep) struct json_object *into = NULL;
    int r;

    if (depth > DEPTH_MAX)
        return refuse(parse, node, "is nested more than %d levels deep", DEPTH_MAX);
    if (++parse->nodes > NODES_MAX)
        return refuse(parse, node, "the file has more than %d values", NODES_MAX);
    if (is_null(node)) {
        *out = NULL;
        return 0;
    }
    if (node->type == YAML_SCALAR_NODE && is_plain(node) && yaml_is_doubtful(scalar(node)))
        return refuse(parse, node,
                      "%.40s: a number has no \"+\" and no leading zeros; quote a text",
                      node->data.scalar.value);
    if (node->type == YAML_SCALAR_NODE) {
        *out = scalar_json(node);
        return 0;
    }
    into = list ? json_object_new_array() : json_object_new_object();
    r = list ? sequence_json(parse, node, depth, into) : mapping_json(parse, node, depth, into);
    if (r < 0)
        return r;
    *out = into;
    into = NULL;
    return 0;
}

static int text_value(struct parse *parse, yaml_node_t *node, const struct field *field,
                      struct json_object **out)
{
    struct text text;
    int64_t length;

    if (node->type != YAML_SCALAR_NODE)
        return refuse(parse, node, "%s must be text", field->name);
    text = scalar(node);
    length = (int64_t)text_characters(text);
    if (field->max && (length < field->min || length > field->max))
        return refuse(parse, node,
                      "%s must be %" PRId64 " to %" PRId64 " characters long, not %" PRId64,
                      field->name, field->min, field->max, length);
    if (memchr(text.ptr, '\0', text.len))
        return refuse(parse, node, "%s must not hold a zero byte", field->name);
    *out = text_json(text);
    return 0;
}

static int number_value(struct parse *parse, yaml_node_t *node, const struct field *field,
                        struct json_object **out)
{
    int64_t integer;
    double number = 0;
    bool whole =
        node->type == YAML_SCALAR_NODE && is_plain(node) && yaml_integer(scalar(node), &integer);
    bool right =
        node->type == YAML_SCALAR_NODE && is_plain(node) && yaml_number(scalar(node), &number);

    if (!right || (field->kind == FIELD_INTEGER && !whole) || number < (double)field->min ||
        number > (double)field->max)
        return refuse(parse, node, "%s must be a %snumber from %" PRId64 " to %" PRId64,
                      field->name, field->kind == FIELD_INTEGER ? "whole " : "", field->min,
                      field->max);
    *out = whole ? json_object_new_int64(integer) : json_object_new_double(number);
    return 0;
}

static int metadata_value(struct parse *parse, yaml_node_t *node, struct json_object **out)
{
    static const struct field value_field = {
        .name = "a value of metadata", .kind = FIELD_STRING, .max = METADATA_VALUE_MAX};
    CLEANUP(json_freep) struct json_object *into = json_object_new_object();

    if (node->type != YAML_MAPPING_NODE)
        return refuse(parse, node, "metadata must be a mapping (key: value)");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        struct json_object *value;
        const char *key;
        int r = take_key(parse, node_at(parse, pair->key), into, &key);

        if (r == 0)
            r = text_value(parse, node_at(parse, pair->value), &value_field, &value);
        if (r < 0)
            return r;
        json_object_object_add(into, key, value);
    }
    if (json_object_object_length(into) > METADATA_PAIRS_MAX)
        return refuse(parse, node, "metadata must have at most %d keys", METADATA_PAIRS_MAX);
    *out = into;
    into = NULL;
    return 0;
}

static int texts_value(struct parse *parse, yaml_node_t *node, const struct field *field,
                       struct json_object **out)
{
    const struct field entry = {
        .name = field->name, .kind = FIELD_STRING, .min = 1, .max = TEXT_OF_LIST_MAX};
    CLEANUP(json_freep) struct json_object *into = json_object_new_array();

    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(parse, node, "%s must be a list, as in [a, b]", field->name);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        struct json_object *value;
        int r = text_value(parse, node_at(parse, *item), &entry, &value);

        if (r < 0)
            return r;
        json_object_array_add(into, value);
    }
    if ((int64_t)json_object_array_length(into) > field->max)
        return refuse(parse, node, "%s must have at most %" PRId64 " entries", field->name,
                      field->max);
    *out = into;
    into = NULL;
    return 0;
}

static int check_tool(struct parse *parse, const yaml_node_t *node, struct json_object *tool)
{
    const char *const *types = tool_types_offered();
    const char *type = json_get_string(tool, "type");
    struct json_object *class = json_get(tool, "class");
    const struct tool_kind *kind = tool_kind_find(text_of(type));
    char list[320];
    const char *near;
    size_t count = 0;

    if (!type)
        return refuse(parse, node,
                      "a tool must be a mapping with a type, as in {type: calculator}");
    if (tool_is_declared(text_of(type)))
        return 0; /* the server knows whether there is one */
    while (types[count])
        count++;
    near = suggest(type, types, count);
    if (!kind && near)
        return refuse(parse, node, "there is no tool \"%.60s\"; did you mean %s?", type, near);
    words_format(types, list, sizeof(list));
    if (!kind || kind->executor == TOOL_BY_NOBODY)
        return refuse(parse, node, "there is no tool \"%.60s\"; there are %s", type, list);
    words_format(tool_classes, list, sizeof(list));
    if (class && !kind->has_class)
        return refuse(parse, node, "class is %s, and only http_request has one: see docs/tools.md",
                      list);
    if (kind->executor == TOOL_BY_CLIENT && !json_get_string(json_get(tool, "function"), "name"))
        return refuse(parse, node, "a function tool must have function: {name: ...}");
    return 0;
}

static int tools_value(struct parse *parse, yaml_node_t *node, struct json_object **out)
{
    CLEANUP(json_freep) struct json_object *into = json_object_new_array();

    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(parse, node, "tools must be a list, as in [{type: calculator}]");
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *entry = node_at(parse, *item);
        struct json_object *tool = NULL;
        int r = any_json(parse, entry, 1, &tool);

        if (r == 0)
            json_object_array_add(into, tool);
        if (r == 0)
            r = check_tool(parse, entry, tool);
        if (r < 0)
            return r;
    }
    *out = into;
    into = NULL;
    return 0;
}

/* By its kind, with errors that say where in the file. */
static int syntax_value(struct parse *parse, yaml_node_t *node, const struct field *field,
                        struct json_object **out)
{
    switch (field->kind) {
    case FIELD_STRING:
        return text_value(parse, node, field, out);
    case FIELD_NUMBER:
    case FIELD_INTEGER:
        return number_value(parse, node, field, out);
    case FIELD_METADATA:
        return metadata_value(parse, node, out);
    case FIELD_ARRAY:
        if (strcmp(field->name, agent_members[SPEC_TOOLS].field.name) == 0)
            return tools_value(parse, node, out);
        if (strcmp(field->name, agent_members[SPEC_EXAMPLES].field.name) == 0)
            break;
        return texts_value(parse, node, field, out);
    case FIELD_BOOLEAN:
    case FIELD_OBJECT:
    case FIELD_ANY:
        break;
    }
    return any_json(parse, node, 1, out);
}

static int field_value(struct parse *parse, yaml_node_t *node, const struct field *field,
                       struct json_object **out)
{
    struct path path = {NULL, field->name, 0};
    struct json_object *value = NULL;
    struct failure failure;
    int r;

    *out = NULL;
    if (is_null(node) && strcmp(field->name, "name") != 0 && strcmp(field->name, "model") != 0)
        return 0;
    r = syntax_value(parse, node, field, &value);
    if (r < 0)
        return r;
    if (fields_check_one(field, value, &path, &failure) < 0) {
        char member[CLIENT_MEMBER_SIZE];

        json_free(value);
        client_name_member(text_of(failure.param), text_of(failure.message), member);
        return refuse(parse, node, "%s%s", member, failure.message);
    }
    *out = value;
    return 0;
}

static int unknown_field(struct parse *parse, const yaml_node_t *node, const char *key)
{
    const char *names[SPEC_MEMBER_COUNT];
    const char *near;
    size_t count = 0;

    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++)
        if (agent_members[i].field.flags & FIELD_OF_AGENT)
            names[count++] = agent_members[i].field.name;
    near = suggest(key, names, count);
    if (near)
        return refuse(parse, node, "an agent has no \"%.60s\"; did you mean \"%s\"?", key, near);
    return refuse(parse, node, "an agent has no \"%.60s\"", key);
}

static int agent_json(struct parse *parse, yaml_node_t *node, struct json_object *agent)
{
    if (node->type != YAML_MAPPING_NODE)
        return refuse(parse, node, "an agent must be a mapping with name and model");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const struct field *field;
        struct json_object *value;
        const char *key;
        int r = take_key(parse, node_at(parse, pair->key), agent, &key);

        if (r < 0)
            return r;
        field = fields_find(&agent_fields, key);
        if (!field || !(field->flags & FIELD_OF_AGENT))
            return unknown_field(parse, node_at(parse, pair->key), key);
        r = field_value(parse, node_at(parse, pair->value), field, &value);
        if (r < 0)
            return r;
        json_object_object_add(agent, key, value);
    }
    if (json_get_text(agent, "name").len == 0)
        return refuse(parse, node, "this agent has no name");
    if (!json_get(agent, "model"))
        return refuse(parse, node, "agent \"%.60s\" has no model, as in model: openai/gpt-4o-mini",
                      json_get_string(agent, "name"));
    return 0;
}

static int schedule_json(struct parse *parse, yaml_node_t *node, struct json_object *schedule)
{
    int r;

    if (node->type != YAML_MAPPING_NODE)
        return refuse(parse, node, "a schedule must be a mapping with name, agent and a time");
    r = mapping_json(parse, node, 1, schedule);
    if (r < 0)
        return r;
    if (json_get_text(schedule, "name").len == 0)
        return refuse(parse, node, "this schedule has no name");
    if (json_get_text(schedule, "agent").len == 0)
        return refuse(parse, node, "schedule \"%.60s\" has no agent",
                      json_get_string(schedule, "name"));
    return 0;
}

/* What else it has the server judges. */
static int tool_json(struct parse *parse, yaml_node_t *node, struct json_object *tool)
{
    int r;

    if (node->type != YAML_MAPPING_NODE)
        return refuse(parse, node, "a tool must be a mapping with type, name and url");
    r = mapping_json(parse, node, 1, tool);
    if (r == 0 && json_get_text(tool, "name").len == 0)
        return refuse(parse, node, "this tool has no name");
    return r;
}

/* The lists of the file. */
struct list_kind {
    const char *what; /* "agents" */
    int (*read)(struct parse *parse, yaml_node_t *node, struct json_object *into);
};

static int check_new_name(struct parse *parse, const yaml_node_t *node, const char *what,
                          struct json_object *list, struct json_object *item)
{
    const char *name = json_get_string(item, "name");

    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (strcmp(json_get_string(json_object_array_get_idx(list, i), "name"), name) == 0)
            return refuse(parse, node, "there are two %s with the name \"%.60s\"", what, name);
    return 0;
}

static int list_json(struct parse *parse, yaml_node_t *list, const struct list_kind *kind,
                     struct json_object *into, struct agents_place *places)
{
    if (list->type != YAML_SEQUENCE_NODE)
        return refuse(parse, list, "%s must be a list (lines that begin with \"- \")", kind->what);
    if (list->data.sequence.items.top - list->data.sequence.items.start > AGENTS_MAX)
        return refuse(parse, list, "there must be at most %d %s", AGENTS_MAX, kind->what);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        CLEANUP(json_freep) struct json_object *one = json_object_new_object();
        yaml_node_t *node = node_at(parse, *item);
        int r = kind->read(parse, node, one);

        if (r == 0)
            r = check_new_name(parse, node, kind->what, into, one);
        if (r < 0)
            return r;
        places[json_object_array_length(into)] =
            (struct agents_place){node->start_mark.line + 1, node->start_mark.column + 1};
        json_object_array_add(into, json_object_get(one));
    }
    return 0;
}

static int root_json(struct parse *parse, struct json_object *into[LISTS])
{
    static const struct list_kind kinds[LISTS] = {
        {"agents", agent_json}, {"schedules", schedule_json}, {"tools", tool_json}};
    yaml_node_t *root = yaml_document_get_root_node(&parse->document);
    yaml_node_t *lists[LISTS] = {NULL};
    int r = 0;

    if (!root || root->type != YAML_MAPPING_NODE)
        return error_set(parse->err, E_INVALID, "%s:1:1: the file must begin with \"agents:\"",
                         parse->path);
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = node_at(parse, pair->key);
        size_t which = 0;

        while (which < LISTS &&
               !(key->type == YAML_SCALAR_NODE && text_is(scalar(key), kinds[which].what)))
            which++;
        if (which == LISTS)
            return refuse(parse, key,
                          "the file may hold \"agents:\", \"tools:\" and \"schedules:\" alone");
        if (lists[which])
            return refuse(parse, key, "\"%s\" is there twice", kinds[which].what);
        lists[which] = node_at(parse, pair->value);
    }
    if (!lists[0] && !lists[1] && !lists[2])
        return refuse(parse, root, "the file has no \"agents:\"");
    for (size_t i = 0; r == 0 && i < LISTS; i++)
        if (lists[i])
            r = list_json(parse, lists[i], &kinds[i], into[i], parse->places[i]);
    return r;
}

int agents_file_parse(const char *path, struct text text, struct agents_file *out,
                      struct error *err)
{
    struct json_object *lists[LISTS];
    struct parse parse = {.path = path, .err = err};
    int r = yaml_load(path, text, &parse.document, err);

    for (size_t i = 0; i < LISTS; i++) {
        lists[i] = json_object_new_array();
        parse.places[i] = xcalloc(AGENTS_MAX, sizeof(*parse.places[i]));
    }
    if (r == 0) {
        r = root_json(&parse, lists);
        yaml_document_delete(&parse.document);
    }
    *out = (struct agents_file){lists[0],        parse.places[0], lists[1],
                                parse.places[1], lists[2],        parse.places[2]};
    if (r == 0)
        return 0;
    agents_file_deinit(out);
    return error_clean(err);
}

void agents_file_deinit(struct agents_file *file)
{
    json_free(file->agents);
    free(file->places);
    json_free(file->schedules);
    free(file->schedule_places);
    json_free(file->tools);
    free(file->tool_places);
    *file = (struct agents_file){0};
}
