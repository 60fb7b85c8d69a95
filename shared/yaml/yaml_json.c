/* A walk over the nodes. */

#include "shared/yaml/yaml_json.h"

#include <string.h>

#include "shared/base/error.h"

struct walk {
    const char *path;
    yaml_document_t *document;
    unsigned values;
    unsigned depth;
    struct error *err;
};

static int convert(struct walk *walk, const yaml_node_t *node, struct json_object **out);

static int refuse(const struct walk *walk, const yaml_node_t *node, const char *why)
{
    return error_set(walk->err, E_INVALID, "%s:%zu:%zu: %s", walk->path, node->start_mark.line + 1,
                     node->start_mark.column + 1, why);
}

static struct text scalar_of(const yaml_node_t *node)
{
    return (struct text){(const char *)node->data.scalar.value, node->data.scalar.length};
}

/* As JSON writes it: "1", "-0.5", "1e3", true, false; what looks otherwise is a text. */
static struct json_object *plain(struct text text)
{
    struct json_object *value = NULL;

    if (json_decode(text, 1, &value, NULL) == 0 && value &&
        !json_object_is_type(value, json_type_string))
        return value;
    json_free(value);
    return json_object_new_string_len(text.ptr, (int)text.len);
}

static struct json_object *scalar(const yaml_node_t *node)
{
    struct text text = scalar_of(node);

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_object_new_string_len(text.ptr, (int)text.len);
    if (text.len == 0 || text_is(text, "null") || text_is(text, "~"))
        return NULL;
    return plain(text);
}

static int mapping(struct walk *walk, const yaml_node_t *node, struct json_object *out)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(walk->document, pair->value);
        struct json_object *member = NULL;
        int r;

        if (key->type != YAML_SCALAR_NODE)
            return refuse(walk, key, "a key is a text");
        if (json_has(out, (const char *)key->data.scalar.value))
            return refuse(walk, key, "this key is there twice");
        r = convert(walk, value, &member);
        if (r < 0)
            return r;
        json_object_object_add(out, (const char *)key->data.scalar.value, member);
    }
    return 0;
}

static int sequence(struct walk *walk, const yaml_node_t *node, struct json_object *out)
{
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        struct json_object *element = NULL;
        int r = convert(walk, yaml_document_get_node(walk->document, *item), &element);

        if (r < 0)
            return r;
        json_object_array_add(out, element);
    }
    return 0;
}

static int convert(struct walk *walk, const yaml_node_t *node, struct json_object **out)
{
    int r = 0;

    *out = NULL;
    if (++walk->values > YAML_NODES_MAX)
        return refuse(walk, node, "the file has too many values, with anchors followed");
    if (++walk->depth > YAML_DEPTH_MAX)
        return refuse(walk, node, "this is nested too deep, or holds itself");
    switch (node->type) {
    case YAML_SCALAR_NODE:
        *out = scalar(node);
        break;
    case YAML_MAPPING_NODE:
        *out = json_object_new_object();
        r = mapping(walk, node, *out);
        break;
    case YAML_SEQUENCE_NODE:
        *out = json_object_new_array();
        r = sequence(walk, node, *out);
        break;
    case YAML_NO_NODE:
        break;
    }
    walk->depth--;
    if (r < 0) {
        json_free(*out);
        *out = NULL;
    }
    return r;
}

int yaml_json(const char *path, yaml_document_t *document, struct json_object **out,
              struct error *err)
{
    struct walk walk = {.path = path, .document = document, .err = err};
    const yaml_node_t *root = yaml_document_get_root_node(document);

    *out = NULL;
    return root ? convert(&walk, root, out) : 0;
}
