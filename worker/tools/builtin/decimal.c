/* Exact numbers on GMP's fractions.
 *
 * GMP aborts when it runs out of memory, so sizes are bounded before anything is computed that
 * could grow: literals by their digits, powers by an estimate of their length, everything else by
 * decimal_check on its operands (one operation at most doubles the length).
 *
 * Writing: a fraction whose denominator has no prime factors but 2 and 5 ends after as many places
 * as the larger of their exponents. If that is within DECIMAL_EXACT_PLACES it is shown whole, else
 * the number is scaled to an integer of the wanted length and rounded half to even.
 */

#include "worker/tools/builtin/decimal.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

/* log2(10), rounded up and down, in thousandths */
#define BITS_PER_DIGIT_X1000 3322
#define APPROXIMATE_BITS     512

void decimal_init(struct decimal *decimal)
{
    mpq_init(decimal->q);
}

void decimal_deinit(struct decimal *decimal)
{
    mpq_clear(decimal->q);
}

bool decimal_is_integer(const struct decimal *decimal)
{
    return mpz_cmp_ui(mpq_denref(decimal->q), 1) == 0;
}

static size_t work_bits(void)
{
    return (size_t)DECIMAL_WORK_DIGITS * BITS_PER_DIGIT_X1000 / 1000;
}

int decimal_check(const struct decimal *decimal, struct error *err)
{
    if (mpz_sizeinbase(mpq_numref(decimal->q), 2) > work_bits() ||
        mpz_sizeinbase(mpq_denref(decimal->q), 2) > work_bits())
        return error_set(err, E_LIMIT, "a number grew to over %d digits", DECIMAL_WORK_DIGITS);
    return 0;
}

size_t decimal_words(const struct decimal *decimal)
{
    return mpz_size(mpq_numref(decimal->q)) + mpz_size(mpq_denref(decimal->q));
}

static void power_of_ten(mpz_t out, unsigned long exponent)
{
    mpz_ui_pow_ui(out, 10, exponent);
}

/* Multiply by 10^exponent, of either sign. */
static void scale_by_ten(mpq_ptr q, long exponent)
{
    mpz_t ten;

    mpz_init(ten);
    power_of_ten(ten, (unsigned long)labs(exponent));
    if (exponent >= 0)
        mpz_mul(mpq_numref(q), mpq_numref(q), ten);
    else
        mpz_mul(mpq_denref(q), mpq_denref(q), ten);
    mpq_canonicalize(q);
    mpz_clear(ten);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Copies the digits at *at to `digits`; false when there is none, or too many in all. */
static bool take_digits(struct text text, size_t *at, char *digits, size_t *count)
{
    size_t start = *at;

    while (*at < text.len && is_digit(text.ptr[*at])) {
        if (*count >= DECIMAL_DIGITS_MAX)
            return false;
        digits[(*count)++] = text.ptr[(*at)++];
    }
    return *at > start;
}

/* The exponent after 'e'; false when it is malformed. */
static bool take_exponent(struct text text, size_t at, int64_t *out)
{
    struct text number = {text.ptr + at, text.len - at};

    if (number.len > 0 && number.ptr[0] == '+')
        number = (struct text){number.ptr + 1, number.len - 1};
    return number.len > 0 && (is_digit(number.ptr[0]) || number.ptr[0] == '-') &&
           text_to_int(number, out);
}

int decimal_parse(struct text text, struct decimal *out, struct error *err)
{
    char digits[DECIMAL_DIGITS_MAX + 1];
    size_t count = 0, at = 0, integer_digits;
    int64_t exponent = 0;
    bool ok;

    if (text.len > 0 && text.len - 1 > 2 * DECIMAL_DIGITS_MAX)
        return error_set(err, E_LIMIT, "a number has over %d digits", DECIMAL_DIGITS_MAX);
    ok = take_digits(text, &at, digits, &count);
    integer_digits = count;
    if (ok && at < text.len && text.ptr[at] == '.') {
        at++;
        ok = take_digits(text, &at, digits, &count);
    }
    if (count >= DECIMAL_DIGITS_MAX && at < text.len)
        return error_set(err, E_LIMIT, "a number has over %d digits", DECIMAL_DIGITS_MAX);
    if (ok && at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        ok = take_exponent(text, at + 1, &exponent);
        at = text.len;
    }
    if (!ok || at != text.len)
        return error_set(err, E_INVALID, "expected a number such as 12, 0.5 or 1e6");
    if (exponent > DECIMAL_DIGITS_MAX || exponent < -DECIMAL_DIGITS_MAX)
        return error_set(err, E_LIMIT, "an exponent is beyond %d", DECIMAL_DIGITS_MAX);
    digits[count] = '\0';
    if (mpz_set_str(mpq_numref(out->q), digits, 10) != 0)
        return error_set(err, E_INTERNAL, "GMP refused %zu digits", count);
    mpz_set_ui(mpq_denref(out->q), 1);
    scale_by_ten(out->q, (long)exponent - (long)(count - integer_digits));
    return 0;
}

/* out = n / d rounded half to even (d > 0) */
static void divide_half_even(mpz_t out, const mpz_t n, const mpz_t d)
{
    mpz_t rest;
    int half;

    mpz_init(rest);
    mpz_fdiv_qr(out, rest, n, d);
    mpz_mul_2exp(rest, rest, 1);
    half = mpz_cmp(rest, d);
    if (half > 0 || (half == 0 && mpz_odd_p(out)))
        mpz_add_ui(out, out, 1);
    mpz_clear(rest);
}

/* Places after which the fraction ends; -1: it doesn't. */
static long places_of(const mpq_t q)
{
    mpz_t rest, two, five;
    unsigned long twos, fives;
    bool ends;

    mpz_inits(rest, two, five, NULL);
    mpz_set_ui(two, 2);
    mpz_set_ui(five, 5);
    twos = mpz_remove(rest, mpq_denref(q), two);
    fives = mpz_remove(rest, rest, five);
    ends = mpz_cmp_ui(rest, 1) == 0;
    mpz_clears(rest, two, five, NULL);
    if (!ends)
        return -1;
    return (long)(twos > fives ? twos : fives);
}

/* floor(log10(|q|)) for q != 0, exactly. */
static long magnitude_of(const mpq_t q)
{
    long guess = (long)mpz_sizeinbase(mpq_numref(q), 10) - (long)mpz_sizeinbase(mpq_denref(q), 10);
    mpq_t scaled;

    /* The guess is off by two at most. Scale to guess + 2 and count down until it is at least 1. */
    mpq_init(scaled);
    mpq_abs(scaled, q);
    guess += 2;
    scale_by_ten(scaled, -guess);
    while (mpz_cmp(mpq_numref(scaled), mpq_denref(scaled)) < 0) {
        scale_by_ten(scaled, 1);
        guess--;
    }
    mpq_clear(scaled);
    return guess;
}

/* |q| * 10^places as an integer, rounded half to even. */
static void scaled_integer(mpz_t out, const mpq_t q, long places)
{
    mpq_t scaled;

    mpq_init(scaled);
    mpq_abs(scaled, q);
    scale_by_ten(scaled, places);
    divide_half_even(out, mpq_numref(scaled), mpq_denref(scaled));
    mpq_clear(scaled);
}

/* digits * 10^-places, with superfluous zeros dropped. */
static void write_digits(struct buf *out, const char *digits, long places)
{
    long count = (long)strlen(digits);

    while (places > 0 && count > 1 && digits[count - 1] == '0') {
        count--;
        places--;
    }
    if (places <= 0) {
        buf_add(out, digits, (size_t)count);
        for (; places < 0; places++)
            buf_add_char(out, '0');
    } else if (places - count > DECIMAL_EXACT_PLACES) {
        buf_add(out, digits, 1);
        if (count > 1) {
            buf_add_char(out, '.');
            buf_add(out, digits + 1, (size_t)count - 1);
        }
        buf_printf(out, "e-%ld", places - count + 1);
    } else if (places >= count) {
        buf_add_string(out, "0.");
        for (long i = count; i < places; i++)
            buf_add_char(out, '0');
        buf_add(out, digits, (size_t)count);
    } else {
        buf_add(out, digits, (size_t)(count - places));
        buf_add_char(out, '.');
        buf_add(out, digits + count - places, (size_t)places);
    }
}

int decimal_format(const struct decimal *decimal, struct buf *out, struct error *err)
{
    CLEANUP(freep) char *digits = NULL;
    long places, magnitude;
    mpz_t integer;

    if (mpq_sgn(decimal->q) == 0) {
        buf_add_char(out, '0');
        return buf_check(out, err);
    }
    magnitude = magnitude_of(decimal->q);
    if (magnitude >= DECIMAL_DIGITS_MAX)
        return error_set(err, E_LIMIT, "the result has over %d digits", DECIMAL_DIGITS_MAX);
    if (magnitude < -DECIMAL_DIGITS_MAX)
        return error_set(err, E_LIMIT, "the result is smaller than 1e-%d", DECIMAL_DIGITS_MAX);
    places = places_of(decimal->q);
    if (places < 0 || places > DECIMAL_EXACT_PLACES) {
        places = DECIMAL_SIGNIFICANT - 1 - magnitude;
        places = places < 0 ? 0 : places;
    }
    mpz_init(integer);
    scaled_integer(integer, decimal->q, places);
    digits = xmalloc(mpz_sizeinbase(integer, 10) + 2);
    mpz_get_str(digits, 10, integer);
    mpz_clear(integer);
    if (mpq_sgn(decimal->q) < 0 && strcmp(digits, "0") != 0)
        buf_add_char(out, '-');
    write_digits(out, digits, places);
    return buf_check(out, err);
}

/* base^exponent by GMP's floats, when the exact fraction would be too long. */
static int power_approximately(const struct decimal *base, unsigned long exponent, bool inverse,
                               struct decimal *out, struct error *err)
{
    mpf_t power;
    long exponent_2;
    int r = 0;

    mpf_init2(power, APPROXIMATE_BITS);
    mpf_set_q(power, base->q);
    mpf_pow_ui(power, power, exponent);
    if (inverse)
        mpf_ui_div(power, 1, power);
    mpf_get_d_2exp(&exponent_2, power);
    if (labs(exponent_2) > (long)work_bits() - 2 * APPROXIMATE_BITS)
        r = error_set(err, E_LIMIT, "a power has over %d digits", DECIMAL_DIGITS_MAX);
    if (r == 0)
        mpq_set_f(out->q, power);
    mpf_clear(power);
    return r;
}

static void power_exactly(const struct decimal *base, unsigned long exponent, bool inverse,
                          struct decimal *out)
{
    mpz_pow_ui(mpq_numref(out->q), mpq_numref(base->q), exponent);
    mpz_pow_ui(mpq_denref(out->q), mpq_denref(base->q), exponent);
    if (inverse)
        mpq_inv(out->q, out->q);
}

static double binary_log(const mpz_t of)
{
    long exponent;
    double fraction = mpz_get_d_2exp(&exponent, of);

    return fraction == 0 ? 0 : (double)exponent + log2(fabs(fraction));
}

int decimal_power(const struct decimal *base, const struct decimal *exponent, struct decimal *out,
                  struct error *err)
{
    unsigned long count;
    bool inverse = mpq_sgn(exponent->q) < 0;
    double bits; /* of the longer half of the result */

    if (!decimal_is_integer(exponent))
        return error_set(err, E_INVALID, "an exponent must be an integer; for roots there is sqrt");
    if (inverse && mpq_sgn(base->q) == 0)
        return error_set(err, E_INVALID, "0 has no negative power: that is a division by zero");
    if (mpz_cmpabs_ui(mpq_numref(exponent->q), DECIMAL_EXPONENT_MAX) > 0)
        return error_set(err, E_LIMIT, "an exponent is beyond %d", DECIMAL_EXPONENT_MAX);
    count = mpz_get_ui(mpq_numref(exponent->q));
    bits = fmax(binary_log(mpq_numref(base->q)), binary_log(mpq_denref(base->q))) * (double)count;
    if (bits <= (double)work_bits()) {
        power_exactly(base, count, inverse, out);
        return 0;
    }
    if (decimal_is_integer(base) && !inverse)
        return error_set(err, E_LIMIT, "a power has over %d digits", DECIMAL_WORK_DIGITS);
    return power_approximately(base, count, inverse, out, err);
}

int decimal_sqrt(const struct decimal *of, struct decimal *out, struct error *err)
{
    mpz_t scaled;
    long shift;

    if (mpq_sgn(of->q) < 0)
        return error_set(err, E_INVALID, "a negative number has no square root");
    if (mpq_sgn(of->q) == 0 ||
        (mpz_perfect_square_p(mpq_numref(of->q)) && mpz_perfect_square_p(mpq_denref(of->q)))) {
        mpz_sqrt(mpq_numref(out->q), mpq_numref(of->q));
        mpz_sqrt(mpq_denref(out->q), mpq_denref(of->q));
        return 0;
    }
    /* sqrt(n / d) = sqrt(n * 10^2k / d) / 10^k, with over 50 digits whatever the magnitude */
    shift = 2 * DECIMAL_SIGNIFICANT - magnitude_of(of->q) / 2;
    shift = shift < DECIMAL_SIGNIFICANT ? DECIMAL_SIGNIFICANT : shift;
    mpz_init(scaled);
    power_of_ten(scaled, 2 * (unsigned long)shift);
    mpz_mul(scaled, scaled, mpq_numref(of->q));
    mpz_tdiv_q(scaled, scaled, mpq_denref(of->q));
    mpz_sqrt(mpq_numref(out->q), scaled);
    mpz_set_ui(mpq_denref(out->q), 1);
    scale_by_ten(out->q, -shift);
    mpz_clear(scaled);
    return 0;
}

void decimal_floor(struct decimal *decimal)
{
    mpz_fdiv_q(mpq_numref(decimal->q), mpq_numref(decimal->q), mpq_denref(decimal->q));
    mpz_set_ui(mpq_denref(decimal->q), 1);
}

void decimal_ceil(struct decimal *decimal)
{
    mpz_cdiv_q(mpq_numref(decimal->q), mpq_numref(decimal->q), mpq_denref(decimal->q));
    mpz_set_ui(mpq_denref(decimal->q), 1);
}

void decimal_round(struct decimal *decimal, long places)
{
    bool negative = mpq_sgn(decimal->q) < 0;
    struct decimal half;

    ASSERT(labs(places) <= DECIMAL_ROUND_PLACES);
    decimal_init(&half);
    mpq_set_ui(half.q, 1, 2);
    mpq_abs(decimal->q, decimal->q);
    scale_by_ten(decimal->q, places);
    mpq_add(decimal->q, decimal->q, half.q);
    decimal_floor(decimal);
    scale_by_ten(decimal->q, -places);
    if (negative)
        mpq_neg(decimal->q, decimal->q);
    decimal_deinit(&half);
}

int decimal_remainder(const struct decimal *a, const struct decimal *b, struct decimal *out,
                      struct error *err)
{
    struct decimal whole;

    if (mpq_sgn(b->q) == 0)
        return error_set(err, E_INVALID, "a remainder of a division by zero");
    decimal_init(&whole);
    mpq_div(whole.q, a->q, b->q);
    decimal_floor(&whole);
    mpq_mul(whole.q, whole.q, b->q);
    mpq_sub(out->q, a->q, whole.q);
    decimal_deinit(&whole);
    return 0;
}
