/* The configuration file: read, substitute, check its syntax (libyaml), load it by its schema
 * (libcyaml, config_schema.c), and tell where in it a value stands, for checks that come later.
 */

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/nearest.h"
#include "shared/config/config_internal.h"
#include "shared/config/config_schema.h"
#include "shared/yaml/yaml_load.h"

#define KEYS_MAX 64 /* that are looked at for one that may have been meant */

/* What libcyaml logged about its first error: the message, then a line for each level, the
 * innermost first, such as " in mapping field 'port' (line: 3, column: 9)". */
struct complaint {
    char message[128];
    char where[80];
    unsigned line;
    unsigned column;
};

static void put_before(struct complaint *complaint, const char *name, bool entry)
{
    char old[sizeof(complaint->where)];
    const char *joint = !*complaint->where || *complaint->where == '[' ? "" : ".";

    memcpy(old, complaint->where, sizeof(old));
    if (entry) /* libcyaml counts from 1 */
        (void)snprintf(complaint->where, sizeof(complaint->where), "[%d]%s%.60s", atoi(name) - 1,
                       joint, old);
    else
        (void)snprintf(complaint->where, sizeof(complaint->where), "%s%s%.60s", name, joint, old);
}

static void hear_level(struct complaint *complaint, const char *text)
{
    const char *position = strstr(text, "(line: ");
    char name[32] = "";
    unsigned line;
    unsigned column;

    if (position && complaint->line == 0 &&
        sscanf(position, "(line: %u, column: %u)", &line, &column) == 2) {
        complaint->line = line;
        complaint->column = column;
    }
    if (sscanf(text, " in mapping field '%31[^']'", name) == 1)
        put_before(complaint, name, false);
    else if (sscanf(text, " in sequence entry '%31[^']'", name) == 1)
        put_before(complaint, name, true);
}

static void PRINTF(3, 0) hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct complaint *complaint = context;
    char line[256];
    char *text = line;

    (void)level;
    (void)vsnprintf(line, sizeof(line), format, args);
    if (strncmp(text, "Load: ", 6) == 0)
        text += 6;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(text, "  in ", 5) == 0)
        hear_level(complaint, text);
    else if (!*complaint->message)
        (void)snprintf(complaint->message, sizeof(complaint->message), "%.120s", text);
}

/* What libyaml calls a kind of value, as people call it. */
static const char *kind_word(const char *theirs)
{
    static const char *const words[][2] = {
        {"MAPPING_START", "a mapping"}, {"SEQUENCE_START", "a list"}, {"SCALAR", "a single value"}};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(theirs, words[i][0]) == 0)
            return words[i][1];
    return theirs;
}

/* What an entry of a list looks like, where people write a mapping in its place. */
static const char *list_form(const char *where)
{
    static const char *const forms[][2] = {{"headers", "['Name: value']"},
                                           {"env", "['NAME=value']"}};
    const char *member = strrchr(where, '.') ? strrchr(where, '.') + 1 : where;

    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++)
        if (strcmp(member, forms[i][0]) == 0)
            return forms[i][1];
    return "lines that begin with \"- \"";
}

/* libcyaml's words, and ours where those would not say what is right. */
static const char *explain(const struct complaint *complaint, char *out, size_t size)
{
    static const struct {
        const char *theirs;
        const char *ours;
    } words[] = {
        {"Invalid INT value: ", "must be a whole number, not "},
        {"Unexpected key: ", "there is no such setting: "},
        {"Mapping field already seen: ", "is there twice: "},
        {"Expecting MAPPING, got event: ", "must be a mapping (name: value), not "},
        {"Expecting STRING, got event: ", "must be a single value, not "},
        {"Expecting INT, got event: ", "must be a whole number, not "},
        {"STRING length > ", "is too long; longest length: "},
    };

    static const char no_list[] = "Expecting SEQUENCE, got event: ";

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        size_t len = strlen(words[i].theirs);

        if (strncmp(complaint->message, words[i].theirs, len) != 0)
            continue;
        (void)snprintf(out, size, "%s%s", words[i].ours, kind_word(complaint->message + len));
        return out;
    }
    if (strncmp(complaint->message, no_list, strlen(no_list)) == 0) {
        (void)snprintf(out, size, "must be a list (%s), not %s", list_form(complaint->where),
                       kind_word(complaint->message + strlen(no_list)));
        return out;
    }
    return complaint->message;
}

static yaml_node_t *find_member(struct config_file *file, yaml_node_t *node, struct text name)
{
    if (node->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(&file->document, pair->key);

        if (key && key->type == YAML_SCALAR_NODE &&
            text_equal((struct text){(char *)key->data.scalar.value, key->data.scalar.length},
                       name))
            return yaml_document_get_node(&file->document, pair->value);
    }
    return NULL;
}

static yaml_node_t *find_entry(struct config_file *file, yaml_node_t *node, unsigned long index)
{
    if (node->type != YAML_SEQUENCE_NODE ||
        index >= (unsigned long)(node->data.sequence.items.top - node->data.sequence.items.start))
        return NULL;
    return yaml_document_get_node(&file->document, node->data.sequence.items.start[index]);
}

/* The node of a path, or the deepest one on the way to it that exists. */
static yaml_node_t *find_node(struct config_file *file, const char *where)
{
    yaml_node_t *node = file->has_document ? yaml_document_get_root_node(&file->document) : NULL;

    while (node && *where) {
        yaml_node_t *next;

        if (*where == '[') {
            char *end;

            next = find_entry(file, node, strtoul(where + 1, &end, 10));
            where = end + 1;
        } else {
            size_t len = strcspn(where, ".[");

            next = find_member(file, node, (struct text){where, len});
            where += len;
        }
        if (!next)
            break;
        node = next;
        if (*where == '.')
            where++;
    }
    return node;
}

/* The members that a mapping at a path may have, as far as the schema goes; else NULL. */
static const cyaml_schema_field_t *fields_at(const char *where)
{
    const cyaml_schema_value_t *schema = &config_file_schema;

    while (*where) {
        if (*where == '[') {
            if (schema->type != CYAML_SEQUENCE)
                return NULL;
            schema = schema->sequence.entry;
            where += strcspn(where, "]");
            where += *where == ']';
        } else {
            size_t len = strcspn(where, ".[");
            const cyaml_schema_field_t *field;

            if (schema->type != CYAML_MAPPING)
                return NULL;
            field = schema->mapping.fields;
            while (field->key && !text_is((struct text){where, len}, field->key))
                field++;
            if (!field->key)
                return NULL;
            schema = &field->value;
            where += len;
        }
        where += *where == '.';
    }
    return schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL;
}

/* What agents call members of a server, which are the operator's here. */
static const char *other_key(const char *key, const char *const *names, size_t count)
{
    static const char *const keys[][2] = {{"server_label", "label"}, {"server_url", "url"}};

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        for (size_t k = 0; strcmp(key, keys[i][0]) == 0 && k < count; k++)
            if (strcmp(names[k], keys[i][1]) == 0)
                return names[k];
    return NULL;
}

/* `; did you mean "port"?` for a key that is not known and near to one that is; else "". */
static void suggest_key(const struct complaint *complaint, char *out, size_t size)
{
    static const char unknown[] = "Unexpected key: ";
    const cyaml_schema_field_t *fields = fields_at(complaint->where);
    const char *names[KEYS_MAX];
    const char *near;
    size_t count = 0;

    *out = '\0';
    if (!fields || strncmp(complaint->message, unknown, sizeof(unknown) - 1) != 0)
        return;
    for (; fields->key && count < KEYS_MAX; fields++)
        names[count++] = fields->key;
    near = other_key(complaint->message + sizeof(unknown) - 1, names, count);
    if (!near)
        near = nearest_word(complaint->message + sizeof(unknown) - 1, names, count);
    if (near)
        (void)snprintf(out, size, "; did you mean \"%s\"?", near);
}

/* libcyaml gives the place of the value before a key it does not know: the nodes know the key's. */
static void place_of_unknown_key(struct config_file *file, struct complaint *complaint)
{
    static const char unknown[] = "Unexpected key: ";
    yaml_node_t *node;

    if (strncmp(complaint->message, unknown, sizeof(unknown) - 1) != 0)
        return;
    node = find_node(file, complaint->where);
    if (!node || node->type != YAML_MAPPING_NODE)
        return;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(&file->document, pair->key);

        if (key && key->type == YAML_SCALAR_NODE &&
            strcmp((char *)key->data.scalar.value, complaint->message + sizeof(unknown) - 1) == 0) {
            complaint->line = (unsigned)key->start_mark.line + 1;
            complaint->column = (unsigned)key->start_mark.column + 1;
        }
    }
}

static int load(struct config_file *file, struct text text, struct error *err)
{
    struct complaint complaint = {0};
    cyaml_config_t options = {
        .log_fn = hear,
        .log_ctx = &complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
    };
    char message[160];
    char near[80];
    cyaml_err_t result = cyaml_load_data((const uint8_t *)text.ptr, text.len, &options,
                                         &config_file_schema, (cyaml_data_t **)&file->data, NULL);

    if (result == CYAML_OK)
        return 0;
    file->data = NULL;
    place_of_unknown_key(file, &complaint);
    if (!*complaint.message)
        (void)snprintf(complaint.message, sizeof(complaint.message), "%.120s",
                       cyaml_strerror(result));
    suggest_key(&complaint, near, sizeof(near));
    return error_set(err, E_INVALID, "%s:%u:%u: %s%s%s%s", file->path, complaint.line,
                     complaint.column, complaint.where, *complaint.where ? ": " : "",
                     explain(&complaint, message, sizeof(message)), near);
}

static int check_value(struct config_file *file, const yaml_node_t *node,
                       const cyaml_schema_value_t *schema, const char *name, struct error *err);

static int check_members(struct config_file *file, yaml_node_t *node,
                         const cyaml_schema_field_t *fields, struct error *err)
{
    for (const cyaml_schema_field_t *field = fields; field->key; field++) {
        const yaml_node_t *value = find_member(file, node, text_of(field->key));
        int r = value ? check_value(file, value, &field->value, field->key, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static bool begins_as_number(const char *word)
{
    word += *word == '-' || *word == '+';
    return *word >= '0' && *word <= '9';
}

/* libcyaml reads integers as C does, 010 as 8, and in some versions also 1.5 as 1. So all that
 * begin as a number are looked at before it reads them; of other words it tells what is wrong. What
 * has not the schema's shape is passed over here: libcyaml refuses it. */
static int check_value(struct config_file *file, const yaml_node_t *node,
                       const cyaml_schema_value_t *schema, const char *name, struct error *err)
{
    int64_t number;
    int r = 0;

    if (!node)
        return 0;
    if (schema->type == CYAML_INT && node->type == YAML_SCALAR_NODE &&
        begins_as_number((const char *)node->data.scalar.value) &&
        !yaml_integer(
            (struct text){(const char *)node->data.scalar.value, node->data.scalar.length},
            &number))
        return error_set(
            err, E_INVALID,
            "%s:%zu:%zu: %s: must be a whole number without leading zeros, not %.40s%s", file->path,
            node->start_mark.line + 1, node->start_mark.column + 1, name, node->data.scalar.value,
            text_ends(text_of(name), "_price")
                ? " (micro-dollars for a million tokens: 0.15 dollars are 150000)"
                : "");
    if (schema->type == CYAML_MAPPING && node->type == YAML_MAPPING_NODE)
        return check_members(file, (yaml_node_t *)node, schema->mapping.fields, err);
    if (schema->type == CYAML_SEQUENCE && node->type == YAML_SEQUENCE_NODE)
        for (const yaml_node_item_t *item = node->data.sequence.items.start;
             r == 0 && item < node->data.sequence.items.top; item++)
            r = check_value(file, yaml_document_get_node(&file->document, *item),
                            schema->sequence.entry, name, err);
    return r;
}

static int read_text(const char *path, struct buf *out, struct error *err)
{
    FILE *stream = fopen(path, "re");
    size_t count;
    int r = 0;

    if (!stream && errno == ENOENT)
        return error_set(err, E_NOT_FOUND, "there is no configuration file %s", path);
    if (!stream)
        return error_set_errno(err, errno, "configuration file %s", path);
    do {
        char *room = buf_reserve(out, 4096);

        if (!room)
            break;
        count = fread(room, 1, 4096, stream);
        out->len += count;
        room[count] = '\0';
    } while (count > 0);
    if (ferror(stream))
        r = error_set_errno(err, errno, "configuration file %s", path);
    (void)fclose(stream);
    if (r == 0 && buf_check(out, NULL) < 0)
        r = error_set(err, E_LIMIT, "configuration file %s is larger than %zu bytes", path,
                      CONFIG_FILE_BYTES_MAX);
    if (r == 0 && strlen(buf_string(out)) != out->len)
        r = error_set(err, E_INVALID, "configuration file %s holds a zero byte: it is no YAML",
                      path);
    return r;
}

int config_file_parse(struct config_file *file, struct text text, struct error *err)
{
    int r = yaml_load(file->path, text, &file->document, err);

    if (r < 0)
        return r;
    file->has_document = true;
    r = check_value(file, yaml_document_get_root_node(&file->document), &config_file_schema, "",
                    err);
    return r < 0 ? r : load(file, text, err);
}

int config_file_read(const char *path, char *const *environment, struct config_file *out,
                     struct error *err)
{
    CLEANUP(buf_deinit) struct buf raw = {0};
    CLEANUP(freep) char *text = NULL;
    struct error inner;
    int r;

    *out = (struct config_file){.path = path};
    buf_init(&raw, CONFIG_FILE_BYTES_MAX);
    r = read_text(path, &raw, err);
    if (r < 0)
        return r;
    r = config_substitute(buf_string(&raw), environment, &text, &inner);
    if (r < 0)
        return error_set(err, inner.code, "%s:%s", path, inner.text);
    return config_file_parse(out, text_of(text), err);
}

void config_file_deinit(struct config_file *file)
{
    cyaml_config_t options = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

    if (file->data)
        (void)cyaml_free(&options, &config_file_schema, file->data, 0);
    if (file->has_document)
        yaml_document_delete(&file->document);
    *file = (struct config_file){0};
}

void config_file_where(struct config_file *file, const char *where, char *out, size_t size)
{
    yaml_node_t *node = find_node(file, where);

    if (node)
        (void)snprintf(out, size, "%s:%zu:%zu: %s", file->path, node->start_mark.line + 1,
                       node->start_mark.column + 1, where);
    else
        (void)snprintf(out, size, "%s: %s", file->path, where);
}
