#pragma once
/* JSON, by json-c: strict parsing with a depth limit, and getters that do not guess.
 *
 * json_decode is for what comes from outside: it refuses what RFC 8259 refuses, and besides invalid
 * UTF-8, raw control characters in strings, \u0000 (Postgres jsonb has no room for it), lone
 * surrogates, trailing bytes, numbers of more than 1000 characters (Postgres has no room for much
 * longer ones), and anything deeper than max_depth. Of duplicate keys the last wins. Documents of a
 * megabyte cost milliseconds: cap them before.
 *
 * Numbers are written again as they came. Integers that neither int64 nor uint64 has room for are
 * json_type_double to json-c: ask json_type_of.
 *
 * Objects are reference counted by json-c: json_free (or CLEANUP(json_freep)) drops ours.
 */

#include <json-c/json.h>

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define JSON_DEPTH_DEFAULT 64

/* Returns 0 and *out (the caller's; may be NULL for the document `null`), or -E_INVALID with what
 * is wrong and the line and column, or -E_LIMIT when too deep, or of more values
 * than JSON_SCAN_VALUES_MAX. */
MUSTCHECK int json_decode(struct text in, int max_depth, struct json_object **out,
                          struct error *err);

void json_free(struct json_object *object);
void json_freep(struct json_object **object);

/* Append compact JSON (slashes unescaped). NULL is null. */
void json_encode(struct buf *buf, struct json_object *object);

/* The compact text; borrowed, valid until the object changes or is freed. */
struct text json_text(struct json_object *object);

/* Members. All accept an object that is NULL or no JSON object (then there is no such member). */
struct json_object *json_get(struct json_object *object,
                             const char *key);                            /* NULL: absent or null */
bool json_has(struct json_object *object, const char *key);               /* present, may be null */
struct text json_get_text(struct json_object *object, const char *key);   /* TEXT_NONE: no string */
const char *json_get_string(struct json_object *object, const char *key); /* NULL: no string */
int64_t json_get_int(struct json_object *object, const char *key,
                     int64_t otherwise); /* what is beyond int64 is its nearest */
double json_get_double(struct json_object *object, const char *key, double otherwise);
bool json_get_bool(struct json_object *object, const char *key, bool otherwise);

/* Walk nested objects: json_path(o, "usage", "prompt_tokens", NULL). NULL: something is absent. */
struct json_object *json_path(struct json_object *object, ...) __attribute__((sentinel));

/* The type, which is json_type_int for every number without point and exponent, however large. */
enum json_type json_type_of(struct json_object *value);

/* Text of a JSON string object; TEXT_NONE for anything else. */
struct text json_string(struct json_object *object);
