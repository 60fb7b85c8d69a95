#pragma once
/* Declarative checks of JSON bodies: a table says which members an object may have, of which kind
 * and within which limits; fields_check compares and answers in OpenAI's words. Pure. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct failure;
struct path;

enum field_kind {
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOLEAN,
    FIELD_OBJECT,
    FIELD_ARRAY,
    FIELD_METADATA, /* pairs of strings, within the limits below */
    FIELD_ANY,      /* the field's own check sees to it all, also to null */
};

enum { METADATA_PAIRS_MAX = 16, METADATA_KEY_MAX = 64, METADATA_VALUE_MAX = 512 }; /* characters */

/* FIELD_NOT_OFFERED: its check refuses what asks for anything; for documents.
 * FIELD_ELSEWHERE: no member of this body, but of another that it is taken for; its check says what
 * it is called here. Bits from FIELD_GROUP
 * on are for the users of tables: see `only`. */
enum {
    FIELD_REQUIRED = 1,
    FIELD_NULLABLE = 2,
    FIELD_NOT_OFFERED = 4,
    FIELD_ELSEWHERE = 8,
    FIELD_GROUP = 1 << 8
};

/* Looks further into a value of the right kind, not null. Returns 0 or -E_INVALID with *failure. */
typedef int (*field_check_fn)(struct json_object *value, const struct path *path,
                              struct failure *failure);

struct field {
    const char *name;
    enum field_kind kind;
    unsigned flags;
    int64_t min;              /* of a number; the characters of a string; the items of an array */
    int64_t max;              /* 0: no limits */
    const char *const *words; /* the strings allowed, ended by NULL; NULL: any */
    field_check_fn check;     /* NULL: nothing further */
};

/* A table. Its rows may be larger than a field, which they begin with then. */
struct fields {
    const struct field *list;
    size_t count;
    size_t stride;             /* bytes of a row */
    const struct fields *base; /* further members, of which those here come first; NULL: none */
    unsigned only;             /* of the base: the rows that have one of these flags */
};

#define FIELDS(array) ((struct fields){array, ARRAY_LENGTH(array), sizeof((array)[0]), NULL, 0})

/* The field of that name; NULL: there is none. */
const struct field *fields_find(const struct fields *fields, const char *name);

/* Calls fn with each field that an object may have, those of the base last. */
void fields_walk(const struct fields *fields, void (*fn)(void *arg, const struct field *field),
                 void *arg);

/* Returns 0, or -E_INVALID with *failure when a member is unknown, of a wrong kind, out of limits
 * or missing. `object` must be a JSON object (see fields_expect); `path` is where it is, NULL for
 * the body itself. */
MUSTCHECK int fields_check(struct fields fields, struct json_object *object,
                           const struct path *path, struct failure *failure);

/* Checks one value against one field, null included. */
MUSTCHECK int fields_check_one(const struct field *field, struct json_object *value,
                               const struct path *path, struct failure *failure);

/* A number from elsewhere than a body, such as the query. */
MUSTCHECK int fields_check_integer(const struct field *field, int64_t number,
                                   struct failure *failure);

/* Returns 0 when the value is of this kind, else -E_INVALID with "Invalid type for …". */
MUSTCHECK int fields_expect(enum field_kind kind, struct json_object *value,
                            const struct path *path, struct failure *failure);

/* Checks each item of an array. */
MUSTCHECK int fields_each(struct json_object *array, const struct path *path, field_check_fn check,
                          struct failure *failure);

/* Free JSON, such as a schema: its numbers must be of a sane length and size. Postgres keeps them
 * exactly, so that 1e131071, eight bytes long, comes back as 128 KiB of digits. */
MUSTCHECK int fields_check_numbers(struct json_object *value, const struct path *path,
                                   struct failure *failure);

/* "Invalid value: 'x'. Supported values are: 'a', 'b', and 'c'." */
MUSTCHECK int fields_word(struct text value, const char *const *words, const struct path *path,
                          struct failure *failure);

/* Writes "'a', 'b', and 'c'"; where `size` (>= 8) is too small for all of them, "'a', …". */
void words_format(const char *const *words, char *out, size_t size);
