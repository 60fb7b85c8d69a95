#pragma once
/* The `calculator` tool: arithmetic that is exact, and says where it did not understand.
 *
 *   + - * / ^ and **      the usual precedence; ^ binds to the right, tighter than a minus
 *   a % b                 remainder, with the sign of b
 *   15%, 15% of 80        percentages
 *   abs sqrt floor ceil min max sum avg, round(x) and round(x, places): halves away from zero
 *
 * Results are exact where they end within 50 places, else rounded to 34 significant digits.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define CALCULATOR_EXPRESSION_MAX 4096 /* bytes */
#define CALCULATOR_NESTING_MAX    64

/* Appends the result. Returns 0; -E_INVALID with what was expected and at which character;
 * -E_LIMIT. Never suspends; takes some 10 ms at most. */
MUSTCHECK int calculator_evaluate(struct text expression, struct buf *out, struct error *err);
