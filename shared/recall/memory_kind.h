#pragma once
/* What memories are: what is so, what somebody likes, and what has happened. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum memory_kind { MEMORY_FACT, MEMORY_PREFERENCE, MEMORY_EPISODE, MEMORY_KIND_COUNT };

/* "fact"; ended by NULL. */
extern const char *const memory_kind_names[];

/* The kind of that name. False, output untouched: there is none. */
MUSTCHECK bool memory_kind_of(struct text name, enum memory_kind *out);
