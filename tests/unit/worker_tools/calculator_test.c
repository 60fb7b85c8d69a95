/* The calculator: what it computes, what it refuses and where it says the trouble is. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/tools/builtin/calculator.h"

struct expected {
    const char *expression;
    const char *result; /* or a part of the error */
};

static void expect_results(const struct expected *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        struct buf out;

        buf_init(&out, 0);
        cr_assert_eq(calculator_evaluate(text_of(cases[i].expression), &out, &err), 0, "%s: %s",
                     cases[i].expression, err.text);
        cr_assert_str_eq(buf_string(&out), cases[i].result, "%s gave %s, expected %s",
                         cases[i].expression, buf_string(&out), cases[i].result);
        buf_deinit(&out);
    }
}

static void expect_errors(int code, const struct expected *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        struct buf out;
        int r;

        buf_init(&out, 0);
        r = calculator_evaluate(text_of(cases[i].expression), &out, &err);
        cr_assert_eq(r, -code, "%s gave %d: %s %s", cases[i].expression, r, err.text,
                     buf_string(&out));
        cr_assert_eq(err.code, code);
        cr_assert(strstr(err.text, cases[i].result), "%s: \"%s\", expected \"%s\"",
                  cases[i].expression, err.text, cases[i].result);
        cr_assert_eq(out.len, 0);
        buf_deinit(&out);
    }
}

Test(calculator, precedence_is_the_usual_one)
{
    static const struct expected cases[] = {
        {"1 + 2 * 3", "7"},   {"(1 + 2) * 3", "9"}, {"10 - 4 - 3", "3"}, {"100 / 10 / 5", "2"},
        {"2 ^ 3 ^ 2", "512"}, {"-2 ^ 2", "-4"},     {"(-2) ^ 2", "4"},   {"2 ^ -3", "0.125"},
        {"2 * -3", "-6"},     {"--3", "3"},         {"-+-3", "3"},       {"1 - -1", "2"},
        {"2 ** 10", "1024"},  {"-2 ** 2", "-4"},    {"2 * 3 ^ 2", "18"}, {"((((7))))", "7"},
        {" \t1\n+\r1 ", "2"}, {"6/2*(1+2)", "9"},   {"2^-1^2", "0.5"},   {"-3 % 5", "2"},
        {"7 - 10 % 4", "5"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, decimals_are_exact)
{
    static const struct expected cases[] = {
        {"0.1 + 0.2", "0.3"},
        {"0.1 * 3 - 0.3", "0"},
        {"1.10", "1.1"},
        {"100.00", "100"},
        {".5 + .25", "0.75"},
        {"1e3", "1000"},
        {"1.5E-3", "0.0015"},
        {"2e+2", "200"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"0 * -5", "0"},
        {"240 * 1.19", "285.6"},
        {"9007199254740993 + 1", "9007199254740994"},
        {"99999999999999999999 * 99999999999999999999", "9999999999999999999800000000000000000001"},
        {"2^200", "1606938044258990275541962092341162602522202993782792835301376"},
        {"1/8", "0.125"},
        {"1 / 2^50", "0.00000000000000088817841970012523233890533447265625"},
        {"1.000000000000000000000000000000000000000000000001 - 1",
         "0.000000000000000000000000000000000000000000000001"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, what_does_not_end_is_rounded_to_34_digits_half_to_even)
{
    static const struct expected cases[] = {
        {"1/3", "0.3333333333333333333333333333333333"},
        {"2/3", "0.6666666666666666666666666666666667"},
        {"-2/3", "-0.6666666666666666666666666666666667"},
        {"1/3*3", "1"},
        {"1/3 + 2/3", "1"},
        {"1/7", "0.1428571428571428571428571428571429"},
        {"10^40/3", "3333333333333333333333333333333333333333"},
        {"100/3", "33.33333333333333333333333333333333"},
        {"1 / 3e30", "0.0000000000000000000000000000003333333333333333333333333333333333"},
        {"1/2^51", "0.0000000000000004440892098500626161694526672363281"},
        {"1 - 1/3e40", "1"},
        {"sqrt(2)", "1.414213562373095048801688724209698"},
        {"sqrt(2)^2", "2"},
        {"sqrt(2e-60)", "0.000000000000000000000000000001414213562373095048801688724209698"},
        {"1e-60", "1e-60"},
        {"1.5e-200 * 3", "4.5e-200"},
        {"-1e-60/3", "-3.333333333333333333333333333333333e-61"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, powers_of_fractions_stay_right_where_they_grow_too_long)
{
    static const struct expected cases[] = {
        {"round((1 + 0.05/12)^360, 10)", "4.467744314"},
        {"round(1000 * (1 + 0.05/365)^3650, 6)", "1648.664814"},
        {"round(1.0000001^100000, 12)", "1.010050166579"},
        {"round((1 + 0.05/365)^-3650, 10)", "0.6065514298"},
        {"1^100000", "1"},
        {"(-1)^99999", "-1"},
        {"0^0", "1"},
        {"0^5", "0"},
        {"2^10000 % 7", "2"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, functions_do_what_their_names_say)
{
    static const struct expected cases[] = {
        {"abs(-3.5)", "3.5"},
        {"sqrt(144)", "12"},
        {"sqrt(0)", "0"},
        {"sqrt(2.25)", "1.5"},
        {"sqrt(4/9)", "0.6666666666666666666666666666666667"},
        {"round(2.5)", "3"},
        {"round(-2.5)", "-3"},
        {"round(2.4)", "2"},
        {"round(2.345, 2)", "2.35"},
        {"round(-2.345, 2)", "-2.35"},
        {"round(1250, -2)", "1300"},
        {"round(1/3, 4)", "0.3333"},
        {"round(-0.4)", "0"},
        {"floor(-1.5)", "-2"},
        {"floor(1.5)", "1"},
        {"ceil(-1.5)", "-1"},
        {"ceil(1.2)", "2"},
        {"min(3, 1, 2)", "1"},
        {"max(3, -1, 2)", "3"},
        {"min(5)", "5"},
        {"sum(1, 2, 3.5)", "6.5"},
        {"avg(1, 2)", "1.5"},
        {"AVG(1, 2, 3)", "2"},
        {"max(1, min(2, 3)) * 2", "4"},
        {"sum(1,2,3)", "6"},
        {"max(100, 200)", "200"},
        {"max(1000,2000)", "2000"},
        {"round(2.5,0)", "3"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, percentages_and_remainders_are_told_apart)
{
    static const struct expected cases[] = {
        {"15% of 80", "12"},
        {"15%of 80", "12"},
        {"50%", "0.5"},
        {"50% * 4", "2"},
        {"(10%) - 3", "-2.9"},
        {"7 % 3", "1"},
        {"-7 % 3", "2"},
        {"7 % (-3)", "-2"},
        {"7.5 % 2", "1.5"},
        {"10 %3", "1"},
        {"10% of 50% of 200", "10"},
        {"200 * (1 + 10%)", "220"},
        {"200 + 10% of 200", "220"},
        {"(10%) + (5%)", "0.15"},
        {"max(10%, 5%)", "0.1"},
        {"10 % sqrt(9)", "1"},
        {"200 + (10%)", "200.1"},
        {"5 % .3", "0.2"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, typographic_signs_are_taken_for_what_they_look_like)
{
    static const struct expected cases[] = {
        {"3 \xc3\x97 4", "12"},
        {"8 \xc3\xb7 2", "4"},
        {"5 \xe2\x88\x92 2", "3"},
        {"\xe2\x88\x92"
         "5",
         "-5"},
        {"2\xc2\xb7"
         "3",
         "6"},
    };

    expect_results(cases, ARRAY_LENGTH(cases));
}

Test(calculator, errors_say_what_was_expected_and_where)
{
    static const struct expected cases[] = {
        {"", "expected a number at character 1, found the end"},
        {"   ", "expected a number at character 4, found the end"},
        {"2 * (3+)", "expected a number at character 8, found ')'"},
        {"1 +", "expected a number at character 4, found the end"},
        {"(1", "expected ')' at character 3, found the end"},
        {"1)", "expected an operator or the end at character 2, found ')'"},
        {"1 2", "expected an operator or the end at character 3, found '2'"},
        {"3 \xc3\x97 \xe2\x82\xac", "expected a number at character 5, found '\xe2\x82\xac'"},
        {"2x", "found 'x'"},
        {"x", "unknown name 'x' at character 1"},
        {"system(1)", "unknown name 'system'"},
        {"sqrt 4", "expected '(' after the name of a function at character 6"},
        {"sqrt(4, 5)", "too many arguments for sqrt at character 7"},
        {"max()", "expected a number at character 5, found ')'"},
        {"max(1,)", "expected a number at character 7, found ')'"},
        {"max(1 2)", "expected ',' or ')' at character 7"},
        {"1.", "expected a digit after '.' at character 3"},
        {"1.2.3", "found '.'"},
        {".", "expected a number at character 1"},
        {"1e", "found 'e'"},
        {"1/0", "a division by zero (at character 2"},
        {"1 / (2 - 2)", "division by zero"},
        {"5 % 0", "remainder of a division by zero"},
        {"0^-1", "division by zero"},
        {"2^0.5", "an exponent must be an integer; for roots there is sqrt (at character 3)"},
        {"sqrt(-1)", "a negative number has no square root (at character 1)"},
        {"round(1, 0.5)", "round(x, places) wants an integer"},
        {"round(1, 1001)", "round(x, places) wants an integer"},
        {"4 of 5", "expected an operator ('of' goes with percentages"},
        {"5 // 2", "expected a number at character 4, found '/'"},
        {"1; 2", "found ';'"},
        {"0x10", "found 'x'"},
        {"\xff", "not valid UTF-8"},
        {"1 == 1", "found '='"},
    };

    expect_errors(E_INVALID, cases, ARRAY_LENGTH(cases));
}

Test(calculator, what_may_be_read_in_two_ways_is_refused)
{
    static const struct expected cases[] = {
        {"1,000 + 1", "without thousands separators"},
        {"12,345,678", "a ',' within a number at character 3"},
        {"max(1,200)", "a blank after the ','"},
        {"1,000.50", "thousands separators"},
        {"1_000", "thousands separators"},
        {"3,14", "thousands separators"},
        {"(1, 2)", "thousands separators"},
        {"200 + 10%", "adding a percentage at character 5"},
        {"200 - 10%", "may be read in two ways"},
        {"5 % -3", "a '%' before '-' at character 3"},
        {"5 % + 3", "may be read in two ways"},
        {"10% \xe2\x88\x92 3", "may be read in two ways"},
    };

    expect_errors(E_INVALID, cases, ARRAY_LENGTH(cases));
}

Test(calculator, limits_are_kept_and_named)
{
    static const struct expected cases[] = {
        {"10^1000", "the result has over 1000 digits"},
        {"2^100000", "a power has over 4000 digits"},
        {"2^100001", "an exponent is beyond 100000"},
        {"9^9^9", "an exponent is beyond"},
        {"1.5^100000", "a power has over"},
        {"1e1001", "an exponent is beyond 1000"},
        {"1e99999999999999999999", "expected a number"},
        {"1e-1000/10", "smaller than 1e-1000"},
        {"0.001^100000", "a power has over"},
        {"((2^9999)*(2^9999))", "grew to over 4000 digits"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        expect_errors(i == 6 ? E_INVALID : E_LIMIT, &cases[i], 1);
    expect_results((const struct expected[]){{"10^999 % 10", "0"}, {"1e1000/1e1000", "1"}}, 2);
}

static int evaluate(struct buf *expression, struct buf *out, struct error *err)
{
    buf_reset(out);
    return calculator_evaluate(buf_text(expression), out, err);
}

Test(calculator, nesting_and_length_are_bounded)
{
    struct buf in, out;
    struct error err = {0};

    buf_init(&in, 0);
    buf_init(&out, 0);
    for (int i = 0; i < 64; i++)
        buf_add_char(&in, '(');
    buf_add_char(&in, '1');
    for (int i = 0; i < 64; i++)
        buf_add_char(&in, ')');
    cr_assert_eq(evaluate(&in, &out, &err), 0, "%s", err.text);
    buf_reset(&in);
    for (int i = 0; i < 65; i++)
        buf_add_char(&in, '(');
    cr_assert_eq(evaluate(&in, &out, &err), -E_LIMIT);
    cr_assert(strstr(err.text, "deeper than 64 at character 65"), "%s", err.text);
    buf_reset(&in);
    for (int i = 0; i < 66; i++)
        buf_add_string(&in, "1^");
    buf_add_char(&in, '1');
    cr_assert_eq(evaluate(&in, &out, &err), -E_LIMIT);
    buf_reset(&in);
    for (int i = 0; i < 4095; i++)
        buf_add_char(&in, '-');
    buf_add_char(&in, '1');
    cr_assert_eq(evaluate(&in, &out, &err), 0, "%s", err.text);
    cr_assert_str_eq(buf_string(&out), "-1");
    buf_add_char(&in, '1');
    cr_assert_eq(evaluate(&in, &out, &err), -E_LIMIT);
    buf_reset(&in);
    for (int i = 0; i < 1001; i++)
        buf_add_char(&in, '9');
    cr_assert_eq(evaluate(&in, &out, &err), -E_LIMIT, "%s", err.text);
    buf_deinit(&in);
    buf_deinit(&out);
}

Test(calculator, many_arguments_in_sequence_do_not_count_as_nesting)
{
    struct buf in, out;
    struct error err = {0};

    buf_init(&in, 0);
    buf_init(&out, 0);
    buf_add_string(&in, "sum(1");
    for (int i = 0; i < 200; i++)
        buf_add_string(&in, ", (2^1)");
    buf_add_string(&in, ")");
    cr_assert_eq(evaluate(&in, &out, &err), 0, "%s", err.text);
    cr_assert_str_eq(buf_string(&out), "401");
    buf_deinit(&in);
    buf_deinit(&out);
}

/* `first`, and then `more` as often as it may be. */
static int evaluate_long(const char *first, const char *more, struct buf *out, struct error *err)
{
    struct buf in;
    int r;

    buf_init(&in, 0);
    buf_add_string(&in, first);
    while (in.len + strlen(more) <= CALCULATOR_EXPRESSION_MAX)
        buf_add_string(&in, more);
    buf_reset(out);
    r = evaluate(&in, out, err);
    buf_deinit(&in);
    return r;
}

Test(calculator, many_operations_on_long_numbers_are_refused_and_on_ordinary_ones_are_not)
{
    struct buf out;
    struct error err = {0};

    buf_init(&out, 0);
    cr_assert_eq(evaluate_long("7^4700", "%3^8000", &out, &err), -E_LIMIT);
    cr_assert(text_starts(text_of(err.text), "too much work: use fewer operations"), "%s",
              err.text);
    cr_assert_eq(evaluate_long("1", "+9^3990/7^4000-9^3990/7^4000", &out, &err), -E_LIMIT);
    cr_assert_eq(evaluate_long("1/7", "+1/7", &out, &err), 0);
    cr_assert_eq(evaluate_long("10^100/7", "*3/3", &out, &err), 0);
    cr_assert_eq(evaluate_long("0", "+sqrt(2)-sqrt(2)", &out, &err), 0);
    cr_assert_str_eq(buf_string(&out), "0");
    buf_deinit(&out);
}

Test(calculator, the_most_expensive_expressions_take_no_longer_than_a_moment)
{
    struct buf in, out;
    struct error err = {0};
    int64_t start_ms = clock_ms();

    buf_init(&in, 0);
    buf_init(&out, 0);
    buf_add_string(&in, "1/3^2500");
    while (in.len < 4080)
        buf_add_string(&in, "+1/7^1400");
    (void)!evaluate(&in, &out, &err);
    buf_reset(&in);
    buf_add_string(&in, "1.37^99999");
    while (in.len < 4080)
        buf_add_string(&in, "+1.0037^99999");
    (void)!evaluate(&in, &out, &err);
    buf_reset(&in);
    buf_add_string(&in, "0");
    while (in.len < 4070)
        buf_add_string(&in, "+2^9999/3^8000");
    (void)!evaluate(&in, &out, &err);
    cr_assert_lt(clock_ms() - start_ms, 2000);
    buf_deinit(&in);
    buf_deinit(&out);
}
