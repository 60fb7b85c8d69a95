#pragma once
/* Inside shared/schema: patterns. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

/* The patterns of one walk: what their matches have cost so far, and the last one, compiled. Zero
 * to begin with. */
struct schema_patterns {
    size_t spent;
    const char *pattern; /* borrowed */
    pcre2_code *code;    /* NULL: it does not compile */
    pcre2_match_data *data;
    pcre2_match_context *context;
};

void schema_patterns_deinit(struct schema_patterns *patterns);

enum schema_match { SCHEMA_MATCH, SCHEMA_NO_MATCH, SCHEMA_MATCH_LIMIT };

/* The pattern anywhere in the text. A pattern that doesn't compile matches everything.
 * SCHEMA_MATCH_LIMIT: this match takes too long, or all of the walk together. The pattern's text
 * must live as long as the walk. */
enum schema_match schema_pattern_match(struct schema_patterns *patterns, const char *pattern,
                                       struct text text);

/* Returns 0 or -E_INVALID with what is wrong with the pattern. */
MUSTCHECK int schema_pattern_validate(const char *pattern, struct error *err);
