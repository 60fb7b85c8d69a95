#pragma once
/* JSON text read where it lies: no tree is built. It does two things that a tree of json-c can't:
 *
 *   - it keeps a part of a document as it was written: the order of members, numbers of any length
 *   - it reads what other programs write badly, where the meaning is certain: a byte order mark in
 *     front, strings with invalid UTF-8, raw control characters, \u0000, halves of surrogate pairs
 *     and unknown escapes, and the words NaN and Infinity
 *
 * json_raw_check looks at a document once. All other functions take a value that it gave, or that
 * they gave themselves: they never read beyond it, and TEXT_NONE (there is no such value) goes
 * through all of them. Values are borrowed pieces of the document. Nothing suspends.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

enum json_raw_type {
    JSON_RAW_NONE, /* there is no value */
    JSON_RAW_NULL, /* NaN and Infinity, too */
    JSON_RAW_BOOL,
    JSON_RAW_NUMBER,
    JSON_RAW_STRING,
    JSON_RAW_ARRAY,
    JSON_RAW_OBJECT,
};

#define JSON_RAW_DEPTH_MAX 128

/* Checks that the text is one JSON value with blanks around it, nested at most max_depth (1 to
 * JSON_RAW_DEPTH_MAX) levels. Returns 0 with *out, the value without what stands around it, or
 * -E_INVALID with what is wrong and at which byte, or -E_LIMIT when it is nested too deep. */
MUSTCHECK int json_raw_check(struct text in, int max_depth, struct text *out, struct error *err);

enum json_raw_type json_raw_type(struct text value);

/* The member of that name; of several the last. TEXT_NONE: `object` is no object, or the member is
 * absent or null. */
struct text json_raw_get(struct text object, const char *name);

/* Walks through an array or object; through anything else not at all.
 *
 *     json_raw_begin(array, &walk);
 *     while (json_raw_next(&walk, &value))
 */
struct json_raw_walk {
    struct text rest;
    struct text name; /* of an object's member, as a string value; TEXT_NONE in an array */
    bool named;
};
void json_raw_begin(struct text container, struct json_raw_walk *walk);
MUSTCHECK bool json_raw_next(struct json_raw_walk *walk, struct text *out);

/* Whether there is nothing to walk through: it has no members, or is no array or object. */
bool json_raw_is_empty(struct text container);

/* Appends what a string says: escapes resolved, valid UTF-8, no NUL. What can't be kept becomes
 * U+FFFD. Of anything but a string: nothing, and false. */
bool json_raw_add_string(struct text value, struct buf *out);

/* Whether a string says exactly this. */
bool json_raw_is(struct text value, const char *string);

/* Whether it is the word true. */
bool json_raw_is_true(struct text value);

/* Appends a value as strict JSON: byte for byte as it was written where that is strict already. In
 * strings \u0000, lone surrogates and invalid UTF-8 become U+FFFD, control characters and unknown
 * escapes are escaped; NaN and Infinity become null. TEXT_NONE is null. */
void json_raw_write(struct text value, struct buf *out);

/* The number that a value means: a number, or a string that holds one ("12", "1e3"). Fractions are
 * cut off; what is beyond int64_t becomes its nearest end. False, output untouched: it means none.
 */
MUSTCHECK bool json_raw_int(struct text value, int64_t *out);
