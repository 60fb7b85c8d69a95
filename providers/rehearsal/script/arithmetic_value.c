/* The value of an expression: + - * / % ^, brackets, numbers. What arithmetic_read makes is well
 * formed; anything else is undefined. */

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "providers/rehearsal/script/arithmetic.h"

#define NESTING_MAX 100
#define EXACT_MAX   1e15L /* integers are shown in full up to here */

struct calculation {
    const char *at;
    int depth;
    bool undefined;
};

static long double sum(struct calculation *c);

static void skip_blanks(struct calculation *c)
{
    while (*c->at == ' ')
        c->at++;
}

static bool take(struct calculation *c, char sign)
{
    skip_blanks(c);
    if (*c->at != sign)
        return false;
    c->at++;
    return true;
}

static long double undefined(struct calculation *c)
{
    c->undefined = true;
    return 0;
}

static long double primary(struct calculation *c)
{
    long double value;
    char *end;

    if (take(c, '(')) {
        value = sum(c);
        return take(c, ')') ? value : undefined(c);
    }
    if (!isdigit((unsigned char)*c->at))
        return undefined(c);
    value = strtold(c->at, &end);
    c->at = end;
    return value;
}

/* Recursion is capped: each way round comes by here. */
static long double unary(struct calculation *c)
{
    long double value;

    if (++c->depth > NESTING_MAX)
        return undefined(c);
    if (take(c, '-')) {
        value = -unary(c);
    } else {
        value = primary(c);
        if (!c->undefined && take(c, '^'))
            value = powl(value, unary(c));
    }
    c->depth--;
    return value;
}

static long double product(struct calculation *c)
{
    long double value = unary(c);

    while (!c->undefined) {
        char sign = take(c, '*') ? '*' : take(c, '/') ? '/' : take(c, '%') ? '%' : '\0';
        long double right;

        if (!sign)
            break;
        right = unary(c);
        if (sign == '*')
            value *= right;
        else if (right == 0)
            return undefined(c);
        else
            value = sign == '/' ? value / right : fmodl(value, right);
    }
    return value;
}

static long double sum(struct calculation *c)
{
    long double value = product(c);

    while (!c->undefined) {
        if (take(c, '+'))
            value += product(c);
        else if (take(c, '-'))
            value -= product(c);
        else
            break;
    }
    return value;
}

void arithmetic_value(struct text expression, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf copy = {0};
    struct calculation c = {0};
    long double value;

    buf_init(&copy, 0);
    buf_add_text(&copy, expression);
    c.at = buf_string(&copy);
    value = sum(&c);
    skip_blanks(&c);
    if (c.undefined || *c.at || !isfinite((double)value))
        buf_add_string(out, "undefined");
    else if (fabsl(value) < EXACT_MAX && value == floorl(value))
        buf_printf(out, "%.0Lf", value == 0 ? 0.0L : value);
    else
        buf_printf(out, "%.12Lg", value);
}
