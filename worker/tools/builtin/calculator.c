/* The calculator: a recursive-descent parser that computes as it reads.
 *
 *   sum     = product { ("+" | "-") product }
 *   product = unary { ("*" | "/" | "%" | "of") unary }
 *   unary   = { "+" | "-" } power
 *   power   = postfix [ ("^" | "**") unary ]
 *   postfix = primary [ "%" ]
 *   primary = number | "(" sum ")" | name "(" sum { "," sum } ")"
 *
 * What two readers would understand differently is refused with both ways to write it: 1,000 (a
 * thousand, or two arguments?), 200 + 10% (200.1 or 220?), 5 % -3 (a remainder, or 5% minus 3?).
 *
 * Depth grows with "(", with a call and with "^" only, each counted against CALCULATOR_NESTING_MAX.
 * Time is bounded by the length of the expression, by the length of numbers (decimal_check), and by
 * what both come to together (spend): hundreds of operations on numbers of thousands of digits
 * would hold the process for a twentieth of a second.
 */

#include "worker/tools/builtin/calculator.h"

#include <ctype.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "worker/tools/builtin/calculator_function.h"
#include "worker/tools/builtin/decimal.h"

/* An operation takes about WORK_LEAST units whatever its numbers are, and a unit about 2 ns: all of
 * an expression some 10 ms. Numbers of 100 digits get nowhere near. */
#define WORK_MAX   ((size_t)5 << 20)
#define WORK_EXTRA 16 /* words */

struct value {
    struct decimal number;
    bool percent; /* written as a percentage, nothing done to it since */
};

struct parser {
    struct text in;
    size_t at; /* always at a token, or the end */
    unsigned depth;
    size_t work; /* so far */
};

static void value_init(struct value *value)
{
    decimal_init(&value->number);
    value->percent = false;
}

static void value_deinit(struct value *value)
{
    decimal_deinit(&value->number);
}

static char peek(const struct parser *parser)
{
    return parser->at < parser->in.len ? parser->in.ptr[parser->at] : '\0';
}

static char peek_after(const struct parser *parser, size_t ahead)
{
    return parser->at + ahead < parser->in.len ? parser->in.ptr[parser->at + ahead] : '\0';
}

static void skip_blanks(struct parser *parser)
{
    while (strchr(" \t\r\n", peek(parser)) && peek(parser) != '\0')
        parser->at++;
}

static void advance(struct parser *parser, size_t len)
{
    parser->at += len;
    skip_blanks(parser);
}

/* Characters, not bytes, from 1. */
static size_t position(const struct parser *parser, size_t at)
{
    size_t count = 1;

    for (size_t i = 0; i < at && i < parser->in.len; i++)
        count += ((unsigned char)parser->in.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* "expected WHAT at character N, found 'x'" */
static int unexpected(const struct parser *parser, const char *what, struct error *err)
{
    size_t len = 1;

    if (parser->at >= parser->in.len)
        return error_set(err, E_INVALID, "expected %s at character %zu, found the end", what,
                         position(parser, parser->at));
    while (parser->at + len < parser->in.len &&
           ((unsigned char)parser->in.ptr[parser->at + len] & 0xc0) == 0x80)
        len++;
    return error_set(err, E_INVALID, "expected %s at character %zu, found '%.*s'", what,
                     position(parser, parser->at), (int)len, parser->in.ptr + parser->at);
}

/* The error of an operation, with its place. */
static int at_character(const struct parser *parser, size_t at, struct error *err)
{
    char text[160];

    if (err) {
        snprintf(text, sizeof(text), "%.150s", err->text);
        return error_set(err, err->code, "%s (at character %zu)", text, position(parser, at));
    }
    return -E_INVALID;
}

static int enter(struct parser *parser, struct error *err)
{
    if (++parser->depth > CALCULATOR_NESTING_MAX)
        return error_set(err, E_LIMIT, "nested deeper than %d at character %zu",
                         CALCULATOR_NESTING_MAX, position(parser, parser->at));
    return 0;
}

/* Before an operation on these two. */
static int spend(struct parser *parser, const struct value *left, const struct value *right,
                 struct error *err)
{
    parser->work +=
        (decimal_words(&left->number) + WORK_EXTRA) * (decimal_words(&right->number) + WORK_EXTRA);
    if (parser->work > WORK_MAX)
        return error_set(err, E_LIMIT,
                         "too much work: use fewer operations, or numbers of fewer digits");
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_from(const struct parser *parser, size_t at)
{
    size_t count = 0;

    while (at + count < parser->in.len && is_digit(parser->in.ptr[at + count]))
        count++;
    return count;
}

static int parse_sum(struct parser *parser, struct value *out, struct error *err);

/* 1,000 and the like: one to three digits, a comma, exactly three digits, nothing between. */
static int refuse_thousands(const struct parser *parser, size_t start, size_t digits,
                            struct error *err)
{
    size_t comma = start + digits;

    if (digits < 1 || digits > 3 || comma >= parser->in.len || parser->in.ptr[comma] != ',' ||
        digits_from(parser, comma + 1) != 3)
        return 0;
    return error_set(err, E_INVALID,
                     "a ',' within a number at character %zu: write numbers without thousands "
                     "separators, and a blank after the ',' between arguments",
                     position(parser, comma));
}

static size_t exponent_length(const struct parser *parser, size_t at)
{
    size_t len = 1;
    char c = at < parser->in.len ? parser->in.ptr[at] : '\0';

    if (c != 'e' && c != 'E')
        return 0;
    if (at + len < parser->in.len && strchr("+-", parser->in.ptr[at + len]))
        len++;
    return digits_from(parser, at + len) > 0 ? len + digits_from(parser, at + len) : 0;
}

static int parse_number(struct parser *parser, struct value *out, struct error *err)
{
    char with_zero[DECIMAL_DIGITS_MAX + 2];
    size_t start = parser->at;
    size_t digits = digits_from(parser, start);
    size_t len = digits;
    struct text text;
    int r = refuse_thousands(parser, start, digits, err);

    if (r < 0)
        return r;
    if (start + len < parser->in.len && parser->in.ptr[start + len] == '.') {
        len += 1 + digits_from(parser, start + len + 1);
        if (len == digits + 1) {
            parser->at = start + len;
            return unexpected(parser, "a digit after '.'", err);
        }
    }
    len += exponent_length(parser, start + len);
    text = (struct text){parser->in.ptr + start, len};
    if (digits == 0 && len < sizeof(with_zero)) { /* .5 */
        with_zero[0] = '0';
        memcpy(with_zero + 1, text.ptr, len);
        text = (struct text){with_zero, len + 1};
    }
    r = decimal_parse(text, &out->number, err);
    if (r < 0)
        return at_character(parser, start, err);
    advance(parser, len);
    if (peek(parser) == '_')
        return error_set(err, E_INVALID,
                         "a '_' within a number at character %zu: write numbers without thousands "
                         "separators",
                         position(parser, parser->at));
    return 0;
}

/* From after "(" to after ")"; `start` is where the name stands. */
static int parse_arguments(struct parser *parser, const struct calculator_function *function,
                           size_t start, struct value *out, struct error *err)
{
    size_t count = 1;
    int r = parse_sum(parser, out, err);

    while (r == 0 && peek(parser) == ',') {
        CLEANUP(value_deinit) struct value next;
        size_t next_start;

        value_init(&next);
        if (count++ == function->arguments_max)
            return error_set(err, E_INVALID,
                             "too many arguments for %s at character %zu: %zu at most",
                             function->name, position(parser, parser->at), function->arguments_max);
        advance(parser, 1);
        next_start = parser->at;
        r = parse_sum(parser, &next, err);
        if (r < 0)
            return r;
        r = spend(parser, out, &next, err);
        if (r == 0)
            r = calculator_fold(function, &out->number, &next.number, err);
        if (r < 0)
            return at_character(parser, next_start, err);
    }
    if (r < 0)
        return r;
    if (peek(parser) != ')')
        return unexpected(parser, "',' or ')'", err);
    advance(parser, 1);
    out->percent = false;
    r = spend(parser, out, out, err);
    if (r == 0)
        r = calculator_finish(function, &out->number, count, err);
    return r < 0 ? at_character(parser, start, err) : 0;
}

static int parse_call(struct parser *parser, struct value *out, struct error *err)
{
    const struct calculator_function *function;
    size_t start = parser->at, len = 0;
    struct text name;
    int r;

    while (isalnum((unsigned char)peek_after(parser, len)) || peek_after(parser, len) == '_')
        len++;
    name = (struct text){parser->in.ptr + start, len};
    function = calculator_function_find(name);
    if (!function)
        return error_set(err, E_INVALID,
                         "unknown name '%.*s' at character %zu: there are abs, sqrt, round, floor, "
                         "ceil, min, max, sum and avg",
                         (int)(len > 40 ? 40 : len), name.ptr, position(parser, start));
    advance(parser, len);
    if (peek(parser) != '(')
        return unexpected(parser, "'(' after the name of a function", err);
    r = enter(parser, err);
    if (r < 0)
        return r;
    advance(parser, 1);
    r = parse_arguments(parser, function, start, out, err);
    parser->depth--;
    return r;
}

static int parse_primary(struct parser *parser, struct value *out, struct error *err)
{
    char c = peek(parser);
    int r;

    if (is_digit(c) || (c == '.' && is_digit(peek_after(parser, 1))))
        return parse_number(parser, out, err);
    if (isalpha((unsigned char)c))
        return parse_call(parser, out, err);
    if (c != '(')
        return unexpected(parser, "a number", err);
    r = enter(parser, err);
    if (r < 0)
        return r;
    advance(parser, 1);
    r = parse_sum(parser, out, err);
    if (r < 0)
        return r;
    if (peek(parser) != ')')
        return unexpected(parser, peek(parser) == ',' ? "')' (no thousands separators)" : "')'",
                          err);
    advance(parser, 1);
    parser->depth--;
    out->percent = false;
    return 0;
}

static bool word_of_follows(const struct parser *parser)
{
    return (peek(parser) | 0x20) == 'o' && (peek_after(parser, 1) | 0x20) == 'f' &&
           !isalnum((unsigned char)peek_after(parser, 2));
}

/* The length of the operator at the parser, and the ASCII character that stands for it ('^' for
 * "**"); '\0' for none. Typographic signs are taken for what they look like. */
static char operator_at(const struct parser *parser, size_t *len)
{
    static const struct {
        const char *sign;
        char stands_for;
    } signs[] = {
        {"**", '^'},      {"+", '+'}, {"-", '-'},        {"*", '*'},        {"/", '/'},
        {"%", '%'},       {"^", '^'}, {"\xc3\x97", '*'}, {"\xc3\xb7", '/'}, {"\xe2\x88\x92", '-'},
        {"\xc2\xb7", '*'}};
    struct text rest = {parser->in.ptr + parser->at, parser->in.len - parser->at};

    for (size_t i = 0; i < ARRAY_LENGTH(signs); i++) {
        if (text_starts(rest, signs[i].sign)) {
            *len = strlen(signs[i].sign);
            return signs[i].stands_for;
        }
    }
    *len = 2;
    return word_of_follows(parser) ? 'o' : '\0';
}

/* At a '%': whether it makes a percentage (nothing follows that could be a divisor). */
static int percent_or_remainder(const struct parser *parser, bool *out_percent, struct error *err)
{
    struct parser after = *parser;
    size_t len;
    char next;

    advance(&after, 1);
    next = operator_at(&after, &len);
    if (next == '-' || next == '+')
        return error_set(
            err, E_INVALID,
            "a '%%' before '%c' at character %zu may be read in two ways: write (10%%) "
            "%c 3 for a percentage, or 10 %% (%c3) for a remainder",
            next, position(parser, parser->at), next, next);
    next = peek(&after);
    *out_percent = word_of_follows(&after) ||
                   !(is_digit(next) || next == '.' || next == '(' || isalpha((unsigned char)next));
    return 0;
}

static int parse_postfix(struct parser *parser, struct value *out, struct error *err)
{
    struct decimal hundred;
    bool percent = false;
    int r = parse_primary(parser, out, err);

    if (r == 0 && peek(parser) == '%')
        r = percent_or_remainder(parser, &percent, err);
    if (r < 0 || !percent)
        return r;
    advance(parser, 1);
    decimal_init(&hundred);
    mpq_set_ui(hundred.q, 100, 1);
    mpq_div(out->number.q, out->number.q, hundred.q);
    decimal_deinit(&hundred);
    out->percent = true;
    return decimal_check(&out->number, err);
}

static int parse_unary(struct parser *parser, struct value *out, struct error *err);

static int parse_power(struct parser *parser, struct value *out, struct error *err)
{
    CLEANUP(value_deinit) struct value exponent;
    size_t len, start = parser->at;
    size_t exponent_at;
    int r;

    value_init(&exponent);
    r = parse_postfix(parser, out, err);
    if (r < 0 || operator_at(parser, &len) != '^')
        return r;
    r = enter(parser, err);
    if (r < 0)
        return r;
    advance(parser, len);
    exponent_at = parser->at;
    r = parse_unary(parser, &exponent, err);
    if (r < 0)
        return r;
    parser->depth--;
    if (!decimal_is_integer(&exponent.number))
        start = exponent_at;
    out->percent = false;
    r = decimal_power(&out->number, &exponent.number, &out->number, err);
    if (r == 0)
        r = spend(parser, out, &exponent, err);
    if (r == 0)
        r = decimal_check(&out->number, err);
    return r < 0 ? at_character(parser, start, err) : 0;
}

static int parse_unary(struct parser *parser, struct value *out, struct error *err)
{
    bool negative = false;
    size_t len;
    char sign;
    int r;

    while ((sign = operator_at(parser, &len)) == '-' || sign == '+') {
        negative ^= sign == '-';
        advance(parser, len);
    }
    r = parse_power(parser, out, err);
    if (r == 0 && negative)
        mpq_neg(out->number.q, out->number.q);
    return r;
}

static int multiply(char op, struct value *left, const struct value *right, struct error *err)
{
    struct decimal *l = &left->number;
    const struct decimal *r = &right->number;

    left->percent = op == 'o' && right->percent; /* 10% of 50% of 200 */
    if (op == '%')
        return decimal_remainder(l, r, l, err);
    if (op == '/' && mpq_sgn(r->q) == 0)
        return error_set(err, E_INVALID, "a division by zero");
    if (op == '/')
        mpq_div(l->q, l->q, r->q);
    else
        mpq_mul(l->q, l->q, r->q);
    return 0;
}

static int parse_product(struct parser *parser, struct value *out, struct error *err)
{
    int r = parse_unary(parser, out, err);

    while (r == 0) {
        CLEANUP(value_deinit) struct value right;
        size_t len, start = parser->at;
        char op = operator_at(parser, &len);

        value_init(&right);
        if (!op || !strchr("*/%o", op))
            return 0;
        if (op == 'o' && !out->percent)
            return unexpected(parser, "an operator ('of' goes with percentages, as in 15% of 80)",
                              err);
        advance(parser, len);
        r = parse_unary(parser, &right, err);
        if (r < 0)
            return r;
        r = spend(parser, out, &right, err);
        if (r == 0)
            r = multiply(op, out, &right, err);
        if (r == 0)
            r = decimal_check(&out->number, err);
        if (r < 0)
            return at_character(parser, start, err);
    }
    return r;
}

static void add(char op, struct value *left, const struct value *right)
{
    if (op == '-')
        mpq_sub(left->number.q, left->number.q, right->number.q);
    else
        mpq_add(left->number.q, left->number.q, right->number.q);
}

static int parse_sum(struct parser *parser, struct value *out, struct error *err)
{
    int r = parse_product(parser, out, err);

    while (r == 0) {
        CLEANUP(value_deinit) struct value right;
        size_t len, start = parser->at;
        char op = operator_at(parser, &len);

        value_init(&right);
        if (op != '+' && op != '-')
            return 0;
        advance(parser, len);
        r = parse_product(parser, &right, err);
        if (r < 0)
            return r;
        /* With 1 before it, both readings agree. */
        if (right.percent && mpq_cmp_ui(out->number.q, 1, 1) != 0)
            return error_set(err, E_INVALID,
                             "adding a percentage at character %zu may be read in two ways: write "
                             "200 * (1 + 10%%) or 200 + (10%%)",
                             position(parser, start));
        r = spend(parser, out, &right, err);
        if (r == 0) {
            add(op, out, &right);
            r = decimal_check(&out->number, err);
        }
        if (r < 0)
            return at_character(parser, start, err);
    }
    return r;
}

int calculator_evaluate(struct text expression, struct buf *out, struct error *err)
{
    CLEANUP(value_deinit) struct value value;
    struct parser parser = {.in = expression};
    struct error own = {0}; /* so that there is always one to add the place to */
    int r;

    value_init(&value);
    if (expression.len > CALCULATOR_EXPRESSION_MAX)
        return error_set(err, E_LIMIT, "the expression is longer than %d bytes",
                         CALCULATOR_EXPRESSION_MAX);
    skip_blanks(&parser);
    if (!text_is_utf8(expression))
        r = error_set(&own, E_INVALID, "the expression is not valid UTF-8");
    else
        r = parse_sum(&parser, &value, &own);
    if (r == 0 && parser.at < expression.len)
        r = unexpected(&parser,
                       peek(&parser) == ',' ? "an operator or the end (no thousands separators)"
                                            : "an operator or the end",
                       &own);
    if (r == 0)
        r = decimal_format(&value.number, out, &own);
    if (r < 0 && err)
        *err = own;
    return r;
}
