#pragma once
/* Exact numbers for the calculator: fractions of GMP behind limits, read and written as decimals.
 *
 * Fractions rather than decimals, so that 1 / 3 * 3 is 1 and only what is shown is ever rounded. No
 * operation here costs more than fractions of a millisecond: numerator and denominator have at most
 * DECIMAL_WORK_DIGITS digits, which decimal_check enforces after each step.
 */

#include <gmp.h>

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define DECIMAL_WORK_DIGITS  4000   /* of numerator and denominator, while computing */
#define DECIMAL_DIGITS_MAX   1000   /* of a literal or a result */
#define DECIMAL_EXPONENT_MAX 100000 /* of a power */
#define DECIMAL_EXACT_PLACES 50     /* a fraction that ends within so many places is shown whole */
#define DECIMAL_SIGNIFICANT  34     /* else it is rounded to so many digits, half to even */
#define DECIMAL_ROUND_PLACES 1000

struct decimal {
    mpq_t q; /* canonical */
};

void decimal_init(struct decimal *decimal); /* zero */
void decimal_deinit(struct decimal *decimal);

/* digits[.digits][e[+-]digits], unsigned, whole text. Returns 0; -E_INVALID for anything else; or
 * -E_LIMIT. */
MUSTCHECK int decimal_parse(struct text text, struct decimal *out, struct error *err);

/* Returns 0 or -E_LIMIT when the number has more than DECIMAL_DIGITS_MAX digits. Places beyond 50
 * leading zeros are shown as in 1.5e-60. */
MUSTCHECK int decimal_format(const struct decimal *decimal, struct buf *out, struct error *err);

/* Returns 0 or -E_LIMIT when the number has grown too long to go on with. */
MUSTCHECK int decimal_check(const struct decimal *decimal, struct error *err);

/* The length of numerator and denominator together, in machine words: what an operation costs grows
 * with the square of it. */
size_t decimal_words(const struct decimal *decimal);

/* base to an integer exponent. Exact where the result fits; powers of fractions beyond that are
 * computed to over 100 digits. Returns 0; -E_INVALID (0 to a negative exponent, or an exponent that
 * is no integer); -E_LIMIT. */
MUSTCHECK int decimal_power(const struct decimal *base, const struct decimal *exponent,
                            struct decimal *out, struct error *err);

/* Exact for squares, else to over 50 digits. Returns 0 or -E_INVALID for a negative number. */
MUSTCHECK int decimal_sqrt(const struct decimal *of, struct decimal *out, struct error *err);

/* In place: towards minus and plus infinity; to `places` after the point (before it when negative),
 * halves away from zero. |places| <= DECIMAL_ROUND_PLACES. */
void decimal_floor(struct decimal *decimal);
void decimal_ceil(struct decimal *decimal);
void decimal_round(struct decimal *decimal, long places);

/* a - b * floor(a / b): has the sign of b. Returns 0 or -E_INVALID when b is zero. */
MUSTCHECK int decimal_remainder(const struct decimal *a, const struct decimal *b,
                                struct decimal *out, struct error *err);

bool decimal_is_integer(const struct decimal *decimal);
