#pragma once
/* What the schema's files share. Nobody else includes it. */

#include "shared/json/json.h"
#include "shared/schema/schema.h"

#define SCHEMA_DEPTH_MAX 64
#define SCHEMA_STEPS_MAX 50000
#define SCHEMA_PATH_MAX  160

/* One walk: where it is in the value (or, when a schema is validated, in the schema). */
struct schema_walk {
    struct json_object *root; /* the whole schema, for $ref */
    unsigned depth;
    unsigned steps;
    struct buf path;
};

void schema_walk_init(struct schema_walk *walk, struct json_object *root);
void schema_walk_deinit(struct schema_walk *walk);

/* Go one level down: a member or an element. Returns what schema_path_leave wants. */
size_t schema_path_key(struct schema_walk *walk, const char *key);
size_t schema_path_index(struct schema_walk *walk, size_t index);
void schema_path_leave(struct schema_walk *walk, size_t mark);

/* -E_INVALID: "PATH: sentence". */
int schema_fail(struct schema_walk *walk, struct error *err, const char *format, ...) PRINTF(3, 4);

/* One step and one level more; each success is to be matched by walk->depth--. Returns 0 or
 * -E_LIMIT. */
MUSTCHECK int schema_enter(struct schema_walk *walk, struct error *err);

/* "a string", "null", … of a value; NULL is null. */
const char *schema_kind(struct json_object *value);

bool schema_is_type(struct json_object *value, const char *type);
bool schema_type_known(const char *type);
const char *schema_type_article(const char *type);

/* A number, however it is held; false for anything else. */
MUSTCHECK bool schema_number(struct json_object *value, double *out);

/* Compares exactly, integers as integers: <0, 0, >0. Both must be numbers. */
int schema_compare(struct json_object *a, struct json_object *b);

/* Equal as JSON values: 1 equals 1.0, the order of members does not matter. Bounded depth. */
bool schema_equal(struct json_object *a, struct json_object *b, unsigned depth);

/* "#", "#/$defs/name" and any other JSON pointer (RFC 6901) into the root. False: no such place. */
MUSTCHECK bool schema_resolve(struct json_object *root, const char *reference,
                              struct json_object **out);

size_t schema_length(struct json_object *string); /* code points */

enum schema_match { SCHEMA_MATCH, SCHEMA_NO_MATCH, SCHEMA_MATCH_LIMIT };

/* The pattern anywhere in the text. A pattern that doesn't compile matches everything. */
enum schema_match schema_pattern_match(const char *pattern, struct text text);

/* Returns 0 or -E_INVALID with what is wrong with the pattern. */
MUSTCHECK int schema_pattern_validate(const char *pattern, struct error *err);
