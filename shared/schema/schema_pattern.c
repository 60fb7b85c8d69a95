/* Patterns of schemas, by PCRE2 in UTF mode: a superset of what ECMA-262 patterns in schemas use.
 *
 * Both what compiles and what is matched comes from outside, so both are bounded. To compile 1 KiB
 * takes up to 0.2 ms, but for classes beyond ASCII that ignore case, which take 0.5 s: PCRE2 goes
 * through all their characters, so these are refused. Matching has PCRE2's limits, which hold for
 * each place where a match may begin; that all places together have an end, too, a callout sees to,
 * which PCRE2 makes before each item of the pattern: it spends the walk's allowance. No JIT, so no
 * stack of its own is wanted.
 */

#include "shared/schema/schema_pattern.h"

#include <ctype.h>

#include "shared/base/error.h"
#include "shared/schema/schema_internal.h"

#define PATTERN_MAX_BYTES 1024
#define MATCH_LIMIT       100000
#define DEPTH_LIMIT       1000
#define HEAP_LIMIT_KIB    1024
#define ALLOWANCE         2000000 /* some 20 ns each */
#define BYTES_AT_ONCE     64      /* an item may look at all that is left, that many for one */

void schema_patterns_deinit(struct schema_patterns *patterns)
{
    pcre2_code_free(patterns->code);
    pcre2_match_data_free(patterns->data);
    pcre2_match_context_free(patterns->context);
    *patterns = (struct schema_patterns){0};
}

/* "(?i)", "(?xi:", "(?^i)". */
static bool ignores_case(const char *pattern)
{
    for (const char *at = pattern; (at = strstr(at, "(?")) != NULL;) {
        bool ignores = false;

        for (at += 2; isalpha((unsigned char)*at) || *at == '^' || *at == '-'; at++)
            ignores = ignores || *at == 'i';
        if (ignores && (*at == ')' || *at == ':'))
            return true;
    }
    return false;
}

/* A class may hold characters beyond ASCII: as they are, or as an escape says them. */
static bool has_wide_class(const char *pattern)
{
    for (const char *at = strchr(pattern, '['); at && *at; at++)
        if ((unsigned char)*at >= 0x80 || (*at == '\\' && strchr("uxopPN01234567", at[1])))
            return true;
    return false;
}

static pcre2_code *compile(const char *pattern, struct error *err)
{
    PCRE2_UCHAR text[100] = "";
    pcre2_code *code;
    int reason;
    size_t offset;

    if (strlen(pattern) > PATTERN_MAX_BYTES) {
        (void)error_set(err, E_INVALID, "a pattern of over %d bytes", PATTERN_MAX_BYTES);
        return NULL;
    }
    if (ignores_case(pattern) && has_wide_class(pattern)) {
        (void)error_set(err, E_INVALID,
                        "not a pattern: where case is ignored, [...] may hold ASCII characters "
                        "alone");
        return NULL;
    }
    code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
                         PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP |
                             PCRE2_DOLLAR_ENDONLY | PCRE2_AUTO_CALLOUT,
                         &reason, &offset, NULL);
    if (!code) {
        pcre2_get_error_message(reason, text, sizeof(text));
        (void)error_set(err, E_INVALID, "not a pattern: %s, at byte %zu", (const char *)text,
                        offset + 1);
    }
    return code;
}

int schema_pattern_validate(const char *pattern, struct error *err)
{
    pcre2_code *code = compile(pattern, err);

    pcre2_code_free(code);
    return code ? 0 : -E_INVALID;
}

static bool spend(struct schema_patterns *patterns, size_t cost)
{
    patterns->spent += cost;
    return patterns->spent <= ALLOWANCE;
}

static int on_item(pcre2_callout_block *block, void *arg)
{
    size_t left = block->subject_length - block->current_position;

    return spend(arg, 1 + left / BYTES_AT_ONCE) ? 0 : PCRE2_ERROR_CALLOUT;
}

/* Makes what is kept for the next match, too. */
static void prepare(struct schema_patterns *patterns, const char *pattern)
{
    if (!patterns->context) {
        patterns->context = pcre2_match_context_create(NULL);
        patterns->data = pcre2_match_data_create(1, NULL);
        ASSERT(patterns->context);
        ASSERT(patterns->data);
        pcre2_set_match_limit(patterns->context, MATCH_LIMIT);
        pcre2_set_depth_limit(patterns->context, DEPTH_LIMIT);
        pcre2_set_heap_limit(patterns->context, HEAP_LIMIT_KIB);
        pcre2_set_callout(patterns->context, on_item, patterns);
    }
    if (patterns->pattern == pattern)
        return;
    (void)spend(patterns, 100 + strlen(pattern) * 10); /* as long as compiling takes */
    pcre2_code_free(patterns->code);
    patterns->code = compile(pattern, NULL);
    patterns->pattern = pattern;
}

enum schema_match schema_pattern_match(struct schema_patterns *patterns, const char *pattern,
                                       struct text text)
{
    int r;

    if (patterns->spent > ALLOWANCE)
        return SCHEMA_MATCH_LIMIT;
    prepare(patterns, pattern);
    if (!patterns->code)
        return SCHEMA_MATCH;
    r = pcre2_match(patterns->code, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, 0, 0,
                    patterns->data, patterns->context);
    if (r >= 0)
        return SCHEMA_MATCH;
    return r == PCRE2_ERROR_NOMATCH ? SCHEMA_NO_MATCH : SCHEMA_MATCH_LIMIT;
}
