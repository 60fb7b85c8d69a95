#pragma once
/* Reading YAML nodes of a script, with errors that name file, line and column. Internal to
 * script_parse.c, script_head.c and script_actions.c. */

#include <yaml.h>

#include "providers/rehearsal/script/script.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"

struct script_reader {
    const char *file;
    yaml_document_t document;
    struct script *script;
    struct error *err;
    yaml_node_t *bare; /* the first action of the present rule that says nothing; NULL: none */
};

typedef int (*script_read_fn)(struct script_reader *reader, yaml_node_t *value, void *to);

/* One key of a mapping, and what reads its value. */
struct script_field {
    const char *key;
    script_read_fn read;
    size_t offset; /* of the member in `to` that `read` gets */
};

/* Sets the error at the node's place; returns -E_INVALID. */
#define script_fail(reader, node, ...) script_fail_at(reader, node, __VA_ARGS__)
PRINTF(3, 4)
int script_fail_at(struct script_reader *reader, const yaml_node_t *node, const char *format, ...);

/* Reads a mapping by its fields. An unknown key is an error, whose text lists the known ones. So is
 * a key that is there twice. */
MUSTCHECK int script_read_mapping(struct script_reader *reader, yaml_node_t *node, const char *what,
                                  const struct script_field *fields, size_t count, void *to);

/* Items of a sequence; -1 with the error set when it is none. */
MUSTCHECK int script_sequence_length(struct script_reader *reader, yaml_node_t *node,
                                     const char *what);
yaml_node_t *script_item(struct script_reader *reader, yaml_node_t *node, int index);
yaml_node_t *script_node(struct script_reader *reader, int id);

/* Fields: a string (const char *), a template, a regex (regex_t *), a whole number (int64_t), a
 * boolean (bool), pairs of strings. Each returns 0 or a negative error. */
MUSTCHECK int script_read_string(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_template(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_regex(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_count(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_bool(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_pairs(struct script_reader *reader, yaml_node_t *node, void *to);

/* -E_LIMIT at the node's place: a short script says much with aliases of aliases. */
int script_too_large(struct script_reader *reader, const yaml_node_t *node);

/* Whether a regular expression stays small when it is compiled. */
bool script_pattern_fits(const char *pattern);

/* Cleared memory of the script. NULL: that is script_too_large. */
void *script_alloc(struct script_reader *reader, size_t count, size_t size);

/* A number, or [from, to]. `what` is the member's name. */
MUSTCHECK int script_read_range(struct script_reader *reader, yaml_node_t *node, const char *what,
                                int64_t *out_from, int64_t *out_to);

/* An action: a mapping of what to do. `to` is a struct script_action. One that says nothing, which
 * is right for embeddings alone, is left in reader->bare. */
MUSTCHECK int script_read_action(struct script_reader *reader, yaml_node_t *node, void *to);

/* Members of the script beside its rules. `to` is the struct script. */
MUSTCHECK int script_read_tables(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_contexts(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_limits(struct script_reader *reader, yaml_node_t *node, void *to);
MUSTCHECK int script_read_stream(struct script_reader *reader, yaml_node_t *node, void *to);
