#pragma once
/* "name=value,name=value", as OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES have it
 * (W3C Baggage without properties): blanks around, %XX within values. Pure. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define PAIRS_MAX 32

struct pair {
    struct text name;
    struct text value;
};

/* Returns NULL with what the text holds in the arena, or what it must be, in words that follow the
 * setting's name. */
const char *pairs_read(struct text text, struct arena *arena, struct pair out[PAIRS_MAX],
                       size_t *count);
const char *pairs_check(const char *value);
