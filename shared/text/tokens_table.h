#pragma once
/* What the tables of a vocabulary look like: strings of printable characters, one a number. Made by
 * tests/bench/tokens.mjs --fit; the files that hold them are not edited by hand. */

#include "shared/base/compiler.h"

#define TOKENS_UNIT        1600 /* parts of a token that sums are counted in */
#define TOKENS_PAIR_STEP   50   /* a number of `pairs` is worth so many of them */
#define TOKENS_PAIR_ZERO   58   /* the character that stands for 0 */
#define TOKENS_TRIPLE_STEP 32
#define TOKENS_TRIPLE_ZERO 68
#define TOKENS_CLASS_BITS  7 /* of a byte's class */
#define TOKENS_CODE_BITS   5 /* of a byte's code, a coarser class */

struct tokens_table {
    const char *pairs;    /* by the classes of two bytes */
    const char *triples;  /* by the codes of three */
    const char *han;      /* from U+4E00 on, three characters in one: of each, in two bits, how many
                          * tokens it is when it stands alone */
    int32_t han_costs[4]; /* by that number, beside what its bytes add */
};

extern const struct tokens_table tokens_o200k;
extern const struct tokens_table tokens_cl100k;

extern const char tokens_han_o200k[];
extern const char tokens_han_cl100k[];
