#pragma once
/* What is known of a user: its names, and its section of the system prompt. Pure.
 *
 *     # User Memory
 *     - diet: vegetarian
 *     - pets: ["cat","dog"]
 *     (3 entries that were updated longer ago are left out.)
 *
 * What is stored is data. Whatever a key or a value holds stays within its line: all that ends a
 * line is written as an escape, so that no value closes the section or begins another, and each
 * line of an entry begins with "- ", so that none is taken for the last one. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/check/fields.h"

#define USER_ID_MAX        256             /* characters */
#define MEMORY_KEY_MAX     128             /* characters */
#define MEMORY_VALUE_MAX   16384           /* bytes of compact JSON */
#define MEMORY_SECTION_MAX ((size_t)32768) /* bytes, heading and last line included */

#define MEMORY_TIMEZONE                                                                            \
    "timezone" /* the key of the user's time zone: that of a template's {{now}} */

/* 1 to max characters of UTF-8 without control characters, and neither "." nor "..": clients take
 * these out of a URL, however they are written there. */
bool memory_name_fits(struct text name, size_t max);

/* Returns 0 where it does, else -E_INVALID with *failure: 400. */
int memory_name_check(struct text name, size_t max, const struct path *path,
                      struct failure *failure);

/* A value: any JSON within MEMORY_VALUE_MAX, NULL being null. A field_check_fn. */
int check_memory_value(struct json_object *value, const struct path *path, struct failure *failure);

/* An object of keys and values. A field_check_fn. */
int check_memory(struct json_object *value, const struct path *path, struct failure *failure);

struct memory_entry {
    struct text key;
    struct text value; /* JSON */
};

/* Appends the section, without a line break at its end; nothing, when nothing is known. `entries`
 * are ordered by their last update, the latest first: so many of them as fit are written, by their
 * keys. One that would be too long alone is passed over. `left_out` are further ones. */
void memory_section_write(const struct memory_entry *entries, size_t count, size_t left_out,
                          struct buf *out);
