/* Patterns of schemas, by PCRE2 in UTF mode: a superset of what ECMA-262 patterns in schemas use.
 * Matching has limits, so that (a+)+$ costs milliseconds and not forever, and no JIT, so that no
 * stack of its own is wanted. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>

#include "shared/base/error.h"
#include "shared/schema/schema_internal.h"

#define PATTERN_MAX_BYTES 1024
#define MATCH_LIMIT       100000
#define DEPTH_LIMIT       1000
#define HEAP_LIMIT_KIB    1024

static pcre2_code *compile(const char *pattern, int *out_code, size_t *out_offset)
{
    return pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
                         PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_DOLLAR_ENDONLY,
                         out_code, out_offset, NULL);
}

int schema_pattern_validate(const char *pattern, struct error *err)
{
    PCRE2_UCHAR text[100] = "";
    pcre2_code *code;
    int reason;
    size_t offset;

    if (strlen(pattern) > PATTERN_MAX_BYTES)
        return error_set(err, E_INVALID, "a pattern of over %d bytes", PATTERN_MAX_BYTES);
    code = compile(pattern, &reason, &offset);
    if (!code) {
        pcre2_get_error_message(reason, text, sizeof(text));
        return error_set(err, E_INVALID, "not a pattern: %s, at byte %zu", (const char *)text,
                         offset + 1);
    }
    pcre2_code_free(code);
    return 0;
}

enum schema_match schema_pattern_match(const char *pattern, struct text text)
{
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_code *code;
    size_t offset;
    int r;

    code = strlen(pattern) > PATTERN_MAX_BYTES ? NULL : compile(pattern, &r, &offset);
    if (!code)
        return SCHEMA_MATCH;
    context = pcre2_match_context_create(NULL);
    data = pcre2_match_data_create(1, NULL);
    ASSERT(context);
    ASSERT(data);
    pcre2_set_match_limit(context, MATCH_LIMIT);
    pcre2_set_depth_limit(context, DEPTH_LIMIT);
    pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
    r = pcre2_match(code, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, 0, 0, data, context);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_code_free(code);
    if (r >= 0)
        return SCHEMA_MATCH;
    return r == PCRE2_ERROR_NOMATCH ? SCHEMA_NO_MATCH : SCHEMA_MATCH_LIMIT;
}
