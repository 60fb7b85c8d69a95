/* Plain questions of arithmetic: what is asked, and what it comes to. */

#include <criterion/criterion.h>

#include "providers/rehearsal/script/arithmetic.h"
#include "shared/base/compiler.h"

/* The expression of a question, "" when it is no plain one; overwritten by the next call. */
static const char *expression_of(const char *question)
{
    static struct buf expression;

    buf_deinit(&expression);
    buf_init(&expression, 0);
    return arithmetic_read(text_of(question), &expression) ? buf_string(&expression) : "";
}

static const char *value_of(const char *expression)
{
    static struct buf value;

    buf_deinit(&value);
    buf_init(&value, 0);
    arithmetic_value(text_of(expression), &value);
    return buf_string(&value);
}

Test(arithmetic, questions_in_words_and_symbols)
{
    static const char *const cases[][2] = {
        {"What is 6*7?", "6 * 7"},
        {"how much is twelve plus 30", "12 + 30"},
        {"17 minus 5 times 2", "17 - 5 * 2"},
        {"What's 6 \u00D7 7?", "6 * 7"},
        {"Hi, could you tell me what is (1+2)*3 please?", "(1 + 2) * 3"},
        {"2+2=?", "2 + 2"},
        {"12 + 30 is what?", "12 + 30"},
        {"Calculate 10 minus -2", "10 - -2"},
        {"calculate negative five plus 2", "-5 + 2"},
        {"what is 1,234.5 divided by 5", "1234.5 / 5"},
        {"Subtract 3 from one hundred and five.", "105 - 3"},
        {"Add 3 to 4", "4 + 3"},
        {"Add 3, 4 and 5", "3 + 4 + 5"},
        {"multiply six by seven", "6 * 7"},
        {"Divide two million three hundred thousand by 4!", "2300000 / 4"},
        {"what is the product of 4, 5 and 6?", "4 * 5 * 6"},
        {"the sum of two and three times 4", "(2 + 3) * 4"},
        {"What is half of ninety-nine?", "0.5 * 99"},
        {"five squared plus twice 3", "5^2 + 2 * 3"},
        {"2 to the power of 10", "2^10"},
        {"2**10", "2^10"},
        {"17 mod 5", "17 % 5"},
        {"four point two five times a hundred", "4.25 * 100"},
        {"twenty-one plus twenty one", "21 + 21"},
        {"3 thousand over 2", "3000 / 2"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_str_eq(expression_of(cases[i][0]), cases[i][1], "%s: %s", cases[i][0],
                         expression_of(cases[i][0]));
}

Test(arithmetic, what_is_more_or_less_than_that_is_no_question)
{
    static const char *const cases[] = {
        "",
        "What is 6?",
        "What is love?",
        "What is 15% of 240?",
        "6 times",
        "plus 3",
        "(1 + 2",
        "1 + 2)",
        "Tom has 6 times 7 apples",
        "What is 6*7 in binary?",
        "one two",
        "five and six",
        "the difference between 10 and 4, times 2",
        "What time is it in Tokyo?",
        "1 2 + 3",
        "((((((((((((((((((((((((((((((1 + 1))))))))))))))))))))))))))))))",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_str_eq(expression_of(cases[i]), "", "%s: %s", cases[i], expression_of(cases[i]));
}

Test(arithmetic, values)
{
    static const char *const cases[][2] = {
        {"6 * 7", "42"},
        {"17 - 5 * 2", "7"},
        {"(17 - 5) * 2", "24"},
        {"1 / 3", "0.333333333333"},
        {"0.1 + 0.2", "0.3"},
        {"10 - -2", "12"},
        {"2^10", "1024"},
        {"2^3^2", "512"},
        {"-5^2", "-25"},
        {"17 % 5", "2"},
        {"1 / 0", "undefined"},
        {"5 % 0", "undefined"},
        {"0 - 0", "0"},
        {"9^999", "undefined"},
        {"1 +", "undefined"},
        {"(1", "undefined"},
        {"1000000 * 1000000", "1000000000000"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_str_eq(value_of(cases[i][0]), cases[i][1], "%s: %s", cases[i][0],
                         value_of(cases[i][0]));
}
