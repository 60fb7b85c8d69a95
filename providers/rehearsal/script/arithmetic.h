#pragma once
/* Plain questions of arithmetic, in words or symbols. Pure.
 *
 *     What is 6*7?                       6 * 7
 *     how much is twelve plus 30         12 + 30
 *     17 minus 5 times 2                 17 - 5 * 2
 *     Subtract 3 from one hundred.       100 - 3
 *     the product of 4, 5 and 6          4 * 5 * 6
 *
 * A question is plain when there is nothing else in it: a story about apples is none.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define ARITHMETIC_BYTES_MAX 300 /* of a question */

/* Appends the expression that a question asks for, as calculators understand it. False, with
 * something appended perhaps: it is no plain question. */
MUSTCHECK bool arithmetic_read(struct text question, struct buf *expression);

/* Appends the value of an expression that arithmetic_read made, in twelve digits at most;
 * "undefined" where there is none. */
void arithmetic_value(struct text expression, struct buf *out);
