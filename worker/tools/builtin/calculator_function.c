/* The functions of the calculator: see the header. A new one is a row in the table and a case in
 * calculator_fold (if it takes several arguments) and calculator_finish. */

#include "worker/tools/builtin/calculator_function.h"

#include "shared/base/error.h"
#include "worker/tools/builtin/decimal.h"

#define ARGUMENTS_MAX 1000

static const struct calculator_function functions[] = {
    {"abs", CALCULATOR_ABS, 1},
    {"sqrt", CALCULATOR_SQRT, 1},
    {"round", CALCULATOR_ROUND, 2},
    {"floor", CALCULATOR_FLOOR, 1},
    {"ceil", CALCULATOR_CEIL, 1},
    {"min", CALCULATOR_MIN, ARGUMENTS_MAX},
    {"max", CALCULATOR_MAX, ARGUMENTS_MAX},
    {"sum", CALCULATOR_SUM, ARGUMENTS_MAX},
    {"avg", CALCULATOR_AVG, ARGUMENTS_MAX},
};

const struct calculator_function *calculator_function_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++)
        if (text_is_nocase(name, functions[i].name))
            return &functions[i];
    return NULL;
}

static int round_to(struct decimal *number, const struct decimal *places, struct error *err)
{
    if (!decimal_is_integer(places) ||
        mpz_cmpabs_ui(mpq_numref(places->q), DECIMAL_ROUND_PLACES) > 0)
        return error_set(err, E_INVALID,
                         "round(x, places) wants an integer of -%d to %d as its places",
                         DECIMAL_ROUND_PLACES, DECIMAL_ROUND_PLACES);
    decimal_round(number, mpz_get_si(mpq_numref(places->q)));
    return decimal_check(number, err);
}

int calculator_fold(const struct calculator_function *function, struct decimal *all,
                    const struct decimal *next, struct error *err)
{
    switch (function->kind) {
    case CALCULATOR_MIN:
        if (mpq_cmp(next->q, all->q) < 0)
            mpq_set(all->q, next->q);
        break;
    case CALCULATOR_MAX:
        if (mpq_cmp(next->q, all->q) > 0)
            mpq_set(all->q, next->q);
        break;
    case CALCULATOR_SUM:
    case CALCULATOR_AVG:
        mpq_add(all->q, all->q, next->q);
        break;
    case CALCULATOR_ROUND:
        return round_to(all, next, err);
    case CALCULATOR_ABS:
    case CALCULATOR_SQRT:
    case CALCULATOR_FLOOR:
    case CALCULATOR_CEIL:
        break; /* one argument only */
    }
    return decimal_check(all, err);
}

int calculator_finish(const struct calculator_function *function, struct decimal *all, size_t count,
                      struct error *err)
{
    struct decimal divisor;
    int r = 0;

    switch (function->kind) {
    case CALCULATOR_ABS:
        mpq_abs(all->q, all->q);
        break;
    case CALCULATOR_FLOOR:
        decimal_floor(all);
        break;
    case CALCULATOR_CEIL:
        decimal_ceil(all);
        break;
    case CALCULATOR_SQRT:
        r = decimal_sqrt(all, all, err);
        break;
    case CALCULATOR_ROUND:
        if (count == 1)
            decimal_round(all, 0);
        break;
    case CALCULATOR_AVG:
        decimal_init(&divisor);
        mpq_set_ui(divisor.q, count, 1);
        mpq_div(all->q, all->q, divisor.q);
        decimal_deinit(&divisor);
        break;
    case CALCULATOR_MIN:
    case CALCULATOR_MAX:
    case CALCULATOR_SUM:
        break;
    }
    return r < 0 ? r : decimal_check(all, err);
}
