/* What a script says before its rules: tables of templates, limits of keys and models, how long
 * their contexts are, and how streams are cut. */

#include "providers/rehearsal/script/script_yaml.h"

static int read_table(struct script_reader *reader, yaml_node_pair_t *pair,
                      struct script_table *table)
{
    int r = script_read_string(reader, script_node(reader, pair->key), &table->name);

    return r < 0 ? r : script_read_pairs(reader, script_node(reader, pair->value), &table->pairs);
}

int script_read_tables(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script *script = to;
    size_t count;

    if (node->type != YAML_MAPPING_NODE)
        return script_fail(reader, node, "tables must be a mapping of names to tables");
    count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    script->tables = script_alloc(reader, count, sizeof(*script->tables));
    if (!script->tables)
        return script_too_large(reader, node);
    for (size_t i = 0; i < count; i++) {
        int r = read_table(reader, &node->data.mapping.pairs.start[i], &script->tables[i]);

        if (r < 0)
            return r;
        script->tables_count++;
    }
    return 0;
}

static int read_positive(struct script_reader *reader, yaml_node_t *node, void *to)
{
    int64_t number = 0;
    int r = script_read_count(reader, node, &number);

    if (r == 0 && number == 0)
        return script_fail(reader, node, "a limit is a number from 1 on");
    if (r == 0)
        *(int64_t *)to = number;
    return r;
}

int script_read_contexts(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script *script = to;
    size_t count;

    if (node->type != YAML_MAPPING_NODE)
        return script_fail(reader, node, "context_tokens must be a mapping of models to numbers");
    count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    script->contexts = script_alloc(reader, count, sizeof(*script->contexts));
    if (!script->contexts)
        return script_too_large(reader, node);
    for (size_t i = 0; i < count; i++) {
        yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
        struct script_context *context = &script->contexts[i];
        int r = script_read_string(reader, script_node(reader, pair->key), &context->model);

        if (r == 0)
            r = read_positive(reader, script_node(reader, pair->value), &context->tokens);
        if (r < 0)
            return r;
    }
    script->contexts_count = count;
    return 0;
}

#define ALLOWED(kind) (offsetof(struct script_limit, allowed) + (kind) * sizeof(int64_t))

static int read_limit(struct script_reader *reader, yaml_node_t *node, struct script_limit *limit)
{
    static const struct script_field fields[] = {
        {"key", script_read_string, offsetof(struct script_limit, key)},
        {"model", script_read_string, offsetof(struct script_limit, model)},
        {"requests_per_minute", read_positive, ALLOWED(LIMIT_REQUESTS)},
        {"tokens_per_minute", read_positive, ALLOWED(LIMIT_TOKENS)},
        {"input_tokens_per_minute", read_positive, ALLOWED(LIMIT_INPUT_TOKENS)},
        {"output_tokens_per_minute", read_positive, ALLOWED(LIMIT_OUTPUT_TOKENS)},
        {"requests_per_day", read_positive, ALLOWED(LIMIT_REQUESTS_DAY)},
        {"concurrent", read_positive, ALLOWED(LIMIT_CONCURRENT)},
    };

    return script_read_mapping(reader, node, "a limit", fields, ARRAY_LENGTH(fields), limit);
}

int script_read_limits(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script *script = to;
    int count = script_sequence_length(reader, node, "limits");

    if (count < 0)
        return count;
    script->limits = script_alloc(reader, (size_t)count, sizeof(*script->limits));
    if (!script->limits)
        return script_too_large(reader, node);
    for (int i = 0; i < count; i++) {
        int r = read_limit(reader, script_item(reader, node, i), &script->limits[i]);

        if (r < 0)
            return r;
    }
    script->limits_count = (size_t)count;
    return 0;
}

int script_read_stream(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"chunk_ms", script_read_count, offsetof(struct script, chunk_ms)},
        {"chunk_tokens", script_read_count, offsetof(struct script, chunk_tokens)},
    };

    return script_read_mapping(reader, node, "stream", fields, ARRAY_LENGTH(fields), to);
}
