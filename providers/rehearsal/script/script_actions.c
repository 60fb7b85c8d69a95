/* What a script says to do: the right-hand side of a rule.
 *
 * Arguments of a tool call are written as YAML and kept as a template of JSON text, so that values
 * are escaped when they are filled in; written as a plain string they go out as they are, which is
 * how a script plays a model that writes broken arguments.
 */

#include <stdlib.h>

#include "providers/rehearsal/script/script_yaml.h"
#include "providers/rehearsal/script/template.h"

#define ARGUMENTS_DEPTH 16
#define ARGUMENTS_BYTES ((size_t)1 << 20)

static bool is_json_word(const yaml_node_t *node)
{
    const char *value = (const char *)node->data.scalar.value;
    char *end;

    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0 || strcmp(value, "null") == 0)
        return true;
    if (value[0] != '-' && (value[0] < '0' || value[0] > '9'))
        return false;
    if (value[0] == '0' && value[1] >= '0' && value[1] <= '9')
        return false; /* 007 is a text */
    (void)strtod(value, &end);
    return *end == '\0' && !strpbrk(value, "xXnNiI") && end[-1] != '.';
}

static int add_json(struct script_reader *reader, yaml_node_t *node, int depth, struct buf *out);

static int add_json_mapping(struct script_reader *reader, yaml_node_t *node, int depth,
                            struct buf *out)
{
    buf_add_char(out, '{');
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = script_node(reader, pair->key);
        int r;

        if (key->type != YAML_SCALAR_NODE)
            return script_fail(reader, key, "a key of arguments must be a text");
        if (pair != node->data.mapping.pairs.start)
            buf_add_char(out, ',');
        buf_add_json(out, text_of((const char *)key->data.scalar.value));
        buf_add_char(out, ':');
        r = add_json(reader, script_node(reader, pair->value), depth - 1, out);
        if (r < 0)
            return r;
    }
    buf_add_char(out, '}');
    return 0;
}

static int add_json_sequence(struct script_reader *reader, yaml_node_t *node, int depth,
                             struct buf *out)
{
    int count = script_sequence_length(reader, node, "a list");

    buf_add_char(out, '[');
    for (int i = 0; i < count; i++) {
        int r;

        if (i)
            buf_add_char(out, ',');
        r = add_json(reader, script_item(reader, node, i), depth - 1, out);
        if (r < 0)
            return r;
    }
    buf_add_char(out, ']');
    return 0;
}

/* Recursion is capped by `depth`. */
static int add_json(struct script_reader *reader, yaml_node_t *node, int depth, struct buf *out)
{
    if (depth == 0)
        return script_fail(reader, node, "arguments are nested too deeply");
    if (out->failed)
        return script_too_large(reader, node);
    switch (node->type) {
    case YAML_MAPPING_NODE:
        return add_json_mapping(reader, node, depth, out);
    case YAML_SEQUENCE_NODE:
        return add_json_sequence(reader, node, depth, out);
    case YAML_SCALAR_NODE:
    case YAML_NO_NODE:
        break;
    }
    if (is_json_word(node))
        buf_add_string(out, (const char *)node->data.scalar.value);
    else
        buf_add_json(out, text_of((const char *)node->data.scalar.value));
    return 0;
}

static int read_arguments(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_call *call = to;
    CLEANUP(buf_deinit) struct buf json = {0};
    struct error wrong;
    int r;

    call->raw = node->type == YAML_SCALAR_NODE;
    if (call->raw)
        return script_read_template(reader, node, &call->arguments);
    buf_init(&json, ARGUMENTS_BYTES);
    r = add_json(reader, node, ARGUMENTS_DEPTH, &json);
    if (r == 0 && json.failed)
        r = script_too_large(reader, node);
    if (r < 0)
        return r;
    if (template_check(reader->script, buf_string(&json), &wrong) < 0)
        return script_fail(reader, node, "%s", wrong.text);
    call->arguments = arena_string(&reader->script->arena, buf_string(&json));
    return call->arguments ? 0 : script_too_large(reader, node);
}

static int read_calls(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"name", script_read_string, offsetof(struct script_call, name)},
        {"arguments", read_arguments, 0},
    };
    struct script_action *action = to;
    int count = script_sequence_length(reader, node, "calls");

    if (count < 0)
        return count;
    action->calls = script_alloc(reader, (size_t)count, sizeof(*action->calls));
    if (!action->calls)
        return script_too_large(reader, node);
    action->calls_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        yaml_node_t *item = script_item(reader, node, i);
        struct script_call *call = &action->calls[i];
        int r = script_read_mapping(reader, item, "a call", fields, ARRAY_LENGTH(fields), call);

        if (r < 0)
            return r;
        if (!call->name)
            return script_fail(reader, item, "a call needs a name");
        if (!call->arguments)
            call->arguments = "{}";
    }
    return 0;
}

static int read_status(struct script_reader *reader, yaml_node_t *node, void *to)
{
    int64_t status;
    int r = script_read_count(reader, node, &status);

    if (r < 0)
        return r;
    if (status < 200 || status > 599)
        return script_fail(reader, node, "a status is a number from 200 to 599");
    *(int *)to = (int)status;
    return 0;
}

int script_read_range(struct script_reader *reader, yaml_node_t *node, const char *what,
                      int64_t *out_from, int64_t *out_to)
{
    int r;

    if (node->type != YAML_SEQUENCE_NODE) {
        r = script_read_count(reader, node, out_from);
        *out_to = *out_from;
        return r;
    }
    if (script_sequence_length(reader, node, what) != 2)
        return script_fail(reader, node, "%s is a number or [from, to]", what);
    r = script_read_count(reader, script_item(reader, node, 0), out_from);
    if (r == 0)
        r = script_read_count(reader, script_item(reader, node, 1), out_to);
    if (r == 0 && *out_to < *out_from)
        return script_fail(reader, node, "%s must not end before it begins", what);
    return r;
}

static int read_delay(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_action *action = to;

    return script_read_range(reader, node, "delay_ms", &action->delay_from_ms,
                             &action->delay_to_ms);
}

static int read_chunk(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_action *action = to;

    return script_read_range(reader, node, "chunk_ms", &action->chunk_from_ms,
                             &action->chunk_to_ms);
}

static int read_close(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_action *action = to;
    int r;

    if (node->type == YAML_SCALAR_NODE && strcmp((char *)node->data.scalar.value, "before") == 0) {
        action->fault = SCRIPT_FAULT_CLOSE_BEFORE;
        return 0;
    }
    r = script_read_count(reader, node, &action->fault_bytes);
    if (r < 0)
        return script_fail(reader, node, "close is 'before' or a number of bytes of the body");
    action->fault = SCRIPT_FAULT_CLOSE_WITHIN;
    return 0;
}

static int read_malformed(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_action *action = to;
    bool on = false;
    int r = script_read_bool(reader, node, &on);

    if (r == 0 && on)
        action->fault = SCRIPT_FAULT_MALFORMED;
    return r;
}

static int read_stall(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_action *action = to;
    bool on = false;
    int r = script_read_bool(reader, node, &on);

    if (r == 0 && on)
        action->fault = SCRIPT_FAULT_STALL;
    return r;
}

static int read_events(struct script_reader *reader, yaml_node_t *node,
                       struct script_action *action, enum script_fault fault)
{
    int r = script_read_count(reader, node, &action->fault_events);

    if (r == 0)
        action->fault = fault;
    return r;
}

static int read_cut_after(struct script_reader *reader, yaml_node_t *node, void *to)
{
    return read_events(reader, node, to, SCRIPT_FAULT_CUT_AFTER);
}

static int read_stall_after(struct script_reader *reader, yaml_node_t *node, void *to)
{
    return read_events(reader, node, to, SCRIPT_FAULT_STALL_AFTER);
}

static int read_malformed_after(struct script_reader *reader, yaml_node_t *node, void *to)
{
    return read_events(reader, node, to, SCRIPT_FAULT_MALFORMED_AFTER);
}

static int read_error_after(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"events", script_read_count, offsetof(struct script_action, fault_events)},
        {"status", read_status, offsetof(struct script_action, error_status)},
    };
    struct script_action *action = to;

    if (node->type != YAML_MAPPING_NODE)
        return read_events(reader, node, to, SCRIPT_FAULT_ERROR_AFTER);
    action->fault = SCRIPT_FAULT_ERROR_AFTER;
    return script_read_mapping(reader, node, "error_after", fields, ARRAY_LENGTH(fields), to);
}

static int read_usage(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"prompt_tokens", script_read_count, offsetof(struct script_action, prompt_tokens)},
        {"completion_tokens", script_read_count, offsetof(struct script_action, completion_tokens)},
        {"cached_tokens", script_read_count, offsetof(struct script_action, cached_tokens)},
        {"cache_write_tokens", script_read_count,
         offsetof(struct script_action, cache_write_tokens)},
        {"reasoning_tokens", script_read_count, offsetof(struct script_action, reasoning_tokens)},
    };

    return script_read_mapping(reader, node, "usage", fields, ARRAY_LENGTH(fields), to);
}

static int read_headers(struct script_reader *reader, yaml_node_t *node, void *to)
{
    struct script_pairs *pairs = to;
    int r = script_read_pairs(reader, node, pairs);

    for (size_t i = 0; r == 0 && i < pairs->count; i++)
        if (!pairs->items[i].key[0] || strpbrk(pairs->items[i].key, " :\r\n\t") ||
            strpbrk(pairs->items[i].value, "\r\n"))
            return script_fail(reader, node, "a header has no name, or a line break");
    return r;
}

static bool says_something(const struct script_action *action)
{
    return action->status != 200 || action->text || action->reasoning || action->calls_count ||
           action->body || action->fault != SCRIPT_FAULT_NONE;
}

int script_read_action(struct script_reader *reader, yaml_node_t *node, void *to)
{
    static const struct script_field fields[] = {
        {"text", script_read_template, offsetof(struct script_action, text)},
        {"reasoning", script_read_template, offsetof(struct script_action, reasoning)},
        {"calls", read_calls, 0},
        {"status", read_status, offsetof(struct script_action, status)},
        {"body", script_read_template, offsetof(struct script_action, body)},
        {"headers", read_headers, offsetof(struct script_action, headers)},
        {"delay_ms", read_delay, 0},
        {"finish_reason", script_read_string, offsetof(struct script_action, finish_reason)},
        {"usage", read_usage, 0},
        {"chunk_ms", read_chunk, 0},
        {"chunk_tokens", script_read_count, offsetof(struct script_action, chunk_tokens)},
        {"close", read_close, 0},
        {"malformed", read_malformed, 0},
        {"stall", read_stall, 0},
        {"cut_after", read_cut_after, 0},
        {"stall_after", read_stall_after, 0},
        {"error_after", read_error_after, 0},
        {"malformed_after", read_malformed_after, 0},
    };
    struct script_action *action = to;
    int r;

    *action = (struct script_action){.status = 200,
                                     .error_status = 500,
                                     .delay_from_ms = -1,
                                     .chunk_from_ms = -1,
                                     .prompt_tokens = -1,
                                     .completion_tokens = -1,
                                     .reasoning_tokens = -1};
    r = script_read_mapping(reader, node, "an action", fields, ARRAY_LENGTH(fields), action);
    if (r == 0 && !says_something(action) && !reader->bare)
        reader->bare = node;
    return r;
}
