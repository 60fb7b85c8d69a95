#pragma once
/* The label values of a metric whose names come from outside: models, tools. There are never more
 * than a number that is fixed, whatever clients ask for: names that find no place are counted
 * together, as SERIES_OTHER. Names stay until the process ends, since a counter must not fall.
 *
 * This is the table of names alone; who counts has an array of the same size beside it. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define SERIES_OTHER      "other"
#define SERIES_VALUE_SIZE 96 /* longer values are cut, between characters */

struct series_key {
    char first[SERIES_VALUE_SIZE];
    char second[SERIES_VALUE_SIZE]; /* may be empty */
};

struct series {
    struct series_key *keys; /* borrowed; the last place is for all others */
    size_t size;
    size_t count; /* places taken, without the last */
};

/* `size` >= 2 places, the last of them for all others. The keys must live as long. */
void series_init(struct series *series, struct series_key *keys, size_t size);

/* The place of a pair of values; the last one if it has none. `add`: it is given one, if there is
 * one. */
size_t series_place(struct series *series, struct text first, struct text second, bool add);
