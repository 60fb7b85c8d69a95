/* A script's YAML to rules. The format is described in script.h. */

#include <stdlib.h>

#include "providers/rehearsal/script/script_yaml.h"
#include "shared/base/memory.h"
#include "shared/yaml/yaml_load.h"

static int read_header(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"name", script_read_string, offsetof(struct script_rule, header_name)},
        {"matches", script_read_regex, offsetof(struct script_rule, header)},
    };
    struct script_rule *rule = to;
    int r = script_read_mapping(reader, node, "header", fields, ARRAY_LENGTH(fields), rule);

    if (r == 0 && !rule->header_name)
        return script_fail(reader, node, "header needs a name");
    return r;
}

/* true or false, into an int that is -1 where neither is said. */
static int read_either(struct script_reader *reader, yaml_node_t *node, void *to)
{
    bool value = false;
    int r = script_read_bool(reader, node, &value);

    if (r == 0)
        *(int *)to = value;
    return r;
}

static int read_every(struct script_reader *reader, yaml_node_t *node, void *to)
{
    int64_t every = 0;
    int r = script_read_count(reader, node, &every);

    if (r == 0 && every == 0)
        return script_fail(reader, node, "every is a number from 1 on");
    if (r == 0)
        *(int64_t *)to = every;
    return r;
}

static int read_probability(struct script_reader *reader, yaml_node_t *node, void *to)
{
    const char *value = node->type == YAML_SCALAR_NODE ? (char *)node->data.scalar.value : "";
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end || !(number >= 0 && number <= 1))
        return script_fail(reader, node, "a probability is a number from 0 to 1");
    *(double *)to = number;
    return 0;
}

static int read_when(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"model", script_read_string, offsetof(struct script_rule, model)},
        {"user", script_read_regex, offsetof(struct script_rule, user)},
        {"system", script_read_regex, offsetof(struct script_rule, system)},
        {"any", script_read_regex, offsetof(struct script_rule, any)},
        {"arithmetic", read_either, offsetof(struct script_rule, arithmetic)},
        {"embeddings", script_read_bool, offsetof(struct script_rule, embeddings)},
        {"tool", script_read_regex, offsetof(struct script_rule, tool)},
        {"after_tool", read_either, offsetof(struct script_rule, after_tool)},
        {"tool_results", script_read_count, offsetof(struct script_rule, tool_results)},
        {"header", read_header, 0},
        {"times", script_read_count, offsetof(struct script_rule, times)},
        {"skip", script_read_count, offsetof(struct script_rule, skip)},
        {"every", read_every, offsetof(struct script_rule, every)},
        {"probability", read_probability, offsetof(struct script_rule, probability)},
    };

    return script_read_mapping(reader, node, "when", fields, ARRAY_LENGTH(fields), to);
}

static int read_then(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_rule *rule = to;

    rule->steps = script_alloc(reader, 1, sizeof(*rule->steps));
    if (!rule->steps)
        return script_too_large(reader, node);
    rule->steps_count = 1;
    return script_read_action(reader, node, &rule->steps[0]);
}

static int read_steps(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_rule *rule = to;
    int count = script_sequence_length(reader, node, "steps");

    if (count == 0)
        return script_fail(reader, node, "steps must not be empty");
    if (count < 0)
        return count;
    rule->steps = script_alloc(reader, (size_t)count, sizeof(*rule->steps));
    if (!rule->steps)
        return script_too_large(reader, node);
    rule->steps_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        int r = script_read_action(reader, script_item(reader, node, i), &rule->steps[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static int read_rule(struct script_reader *reader, yaml_node_t *node, struct script_rule *rule)
{
    static const struct script_field fields[] = {
        {"name", script_read_string, offsetof(struct script_rule, name)},
        {"when", read_when, 0},
        {"then", read_then, 0},
        {"steps", read_steps, 0},
    };
    int r;

    *rule = (struct script_rule){
        .after_tool = -1, .arithmetic = -1, .tool_results = -1, .times = -1, .probability = -1};
    reader->bare = NULL;
    r = script_read_mapping(reader, node, "a rule", fields, ARRAY_LENGTH(fields), rule);
    if (r < 0)
        return r;
    if (!rule->steps_count)
        return script_fail(reader, node, "a rule needs then or steps");
    if (reader->bare && !rule->embeddings)
        return script_fail(reader, reader->bare,
                           "an action needs text, reasoning, calls, a status, a body or a fault");
    reader->script->looks_at_all |= rule->any != NULL;
    if (!rule->name) {
        rule->name = arena_printf(&reader->script->arena, "line %zu", node->start_mark.line + 1);
    }
    return rule->name ? 0 : script_too_large(reader, node);
}

static int read_rules(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script *script = to;
    int count = script_sequence_length(reader, node, "rules");

    if (count < 0)
        return count;
    script->rules = script_alloc(reader, (size_t)count, sizeof(*script->rules));
    if (!script->rules)
        return script_too_large(reader, node);
    for (int i = 0; i < count; i++) {
        int r = read_rule(reader, script_item(reader, node, i), &script->rules[i]);

        if (r < 0)
            return r;
        script->rules_count++;
    }
    return 0;
}

static int read_seed(struct script_reader *reader, yaml_node_t *node, void *to)
{
    int64_t seed = 0;
    int r = script_read_count(reader, node, &seed);

    if (r == 0)
        *(uint64_t *)to = ((uint64_t)seed + 1) * 0x9E3779B97F4A7C15ULL;
    return r;
}

static int read_root(struct script_reader *reader)
{
    static const struct script_field fields[] = {
        {"seed", read_seed, offsetof(struct script, random)},
        {"offered_tools_only", script_read_bool, offsetof(struct script, offered_tools_only)},
        {"context_tokens", script_read_contexts, 0},
        {"limits", script_read_limits, 0},
        {"stream", script_read_stream, 0},
        {"tables", script_read_tables, 0},
        {"rules", read_rules, 0},
    };
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    int r;

    if (!root)
        return error_set(reader->err, E_INVALID, "%s:1:1: the script is empty", reader->file);
    r = script_read_mapping(reader, root, "a script", fields, ARRAY_LENGTH(fields), reader->script);
    if (r == 0 && !reader->script->rules)
        return script_fail(reader, root, "a script needs rules");
    return r;
}

int script_parse(const char *name, struct text yaml, struct script **out, struct error *err)
{
    CLEANUP(script_freep) struct script *script = xcalloc(1, sizeof(*script));
    struct script_reader reader = {.file = name, .script = script, .err = err};
    int r;

    arena_init(&script->arena, 0);
    script->random = 0x9E3779B97F4A7C15ULL;
    r = yaml_load(name, yaml, &reader.document, err);
    if (r == 0) {
        r = read_root(&reader);
        yaml_document_delete(&reader.document);
    }
    if (r < 0)
        (void)error_clean(err);
    if (r == 0) {
        *out = script;
        script = NULL;
    }
    return r;
}
