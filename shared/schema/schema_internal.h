#pragma once
/* What the schema's files share. Nobody else includes it. */

#include "shared/json/json.h"
#include "shared/schema/schema.h"
#include "shared/schema/schema_pattern.h"

#define SCHEMA_DEPTH_MAX 64
#define SCHEMA_STEPS_MAX 50000
#define SCHEMA_PATH_MAX  160

/* One walk: where it is in the value (or, when a schema is validated, in the schema). */
struct schema_walk {
    struct json_object *root; /* the whole schema, for $ref */
    unsigned depth;
    size_t steps;
    struct schema_patterns patterns;
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

/* So many steps more: one for each thing that is looked at, and for each SCHEMA_STEP_BYTES of a
 * text. Returns 0, or -E_LIMIT when they are too many. */
MUSTCHECK int schema_spend(struct schema_walk *walk, size_t steps, struct error *err);

#define SCHEMA_STEP_BYTES 256

/* One step and one level more; each success is to be matched by walk->depth--. Returns 0 or
 * -E_LIMIT. */
MUSTCHECK int schema_enter(struct schema_walk *walk, struct error *err);

/* "a string", "null", … of a value; NULL is null. */
const char *schema_kind(struct json_object *value);

/* A short value itself, as JSON, or what schema_kind says. */
#define SCHEMA_SHOWN_MAX 100
const char *schema_shown(struct json_object *value, char out[SCHEMA_SHOWN_MAX + 8]);

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
