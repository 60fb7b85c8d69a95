#pragma once
/* JSON as RFC 8259 has it, character by character: whether a text is one document, and where not.
 * Pure. json.c builds the values of what passed.
 *
 * Refused besides: raw control characters in strings (as the RFC has it), \u0000 (Postgres jsonb
 * has no room for it), lone surrogates, numbers of more than 1000 characters, what is deeper than
 * max_depth, and more than JSON_SCAN_VALUES_MAX values. UTF-8 is the caller's to check.
 *
 *   VALUE ──► COMMA_OR_END ──► VALUE | KEY         in a list, in an object
 *     │  [         │ ] }
 *     ├──► VALUE_OR_END        └──► COMMA_OR_END | NOTHING   where the depth is 0
 *     │  {
 *     └──► KEY_OR_END ──► COLON ──► VALUE
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define JSON_SCAN_DEPTH_MAX 256

/* Lists, objects and what is in them. An empty object takes three bytes as text and 800 in memory:
 * without a limit a body of 4 MiB would be a gigabyte, and hold the loop for a second. A
 * conversation of 4,000 messages has 24,000. */
#define JSON_SCAN_VALUES_MAX 50000

enum json_next {
    JSON_NEXT_VALUE,
    JSON_NEXT_VALUE_OR_END, /* after [ */
    JSON_NEXT_KEY,
    JSON_NEXT_KEY_OR_END, /* after { */
    JSON_NEXT_COLON,
    JSON_NEXT_COMMA_OR_END,
    JSON_NEXT_NOTHING, /* the document is complete */
};

struct json_scan {
    struct text in;
    size_t at;  /* up to here it is right */
    bool large; /* what ends at `at` is an integer that neither int64 nor uint64 has room for */
    size_t values;
    int depth;
    int max_depth;
    enum json_next next;
    bool objects[JSON_SCAN_DEPTH_MAX]; /* the open containers: objects, else arrays */
};

/* Borrows `in`; max_depth is 1 to JSON_SCAN_DEPTH_MAX. */
void json_scan_init(struct json_scan *scan, struct text in, int max_depth);

/* Goes on to the end, or until behind the next large integer. Returns 0, or -E_INVALID with what is
 * wrong and the line and column, or -E_LIMIT when too deep or of too many values. */
MUSTCHECK int json_scan_on(struct json_scan *scan, struct error *err);
