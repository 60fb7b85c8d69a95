#pragma once
/* The functions of the calculator, folded over their arguments as these are read. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct decimal;
struct error;

enum calculator_kind {
    CALCULATOR_ABS,
    CALCULATOR_SQRT,
    CALCULATOR_ROUND,
    CALCULATOR_FLOOR,
    CALCULATOR_CEIL,
    CALCULATOR_MIN,
    CALCULATOR_MAX,
    CALCULATOR_SUM,
    CALCULATOR_AVG,
};

struct calculator_function {
    const char *name;
    enum calculator_kind kind;
    size_t arguments_max;
};

/* By name, in either case; NULL: there is none. */
const struct calculator_function *calculator_function_find(struct text name);

/* Takes the second or a later argument into *all, which began as the first. Returns 0, -E_INVALID,
 * -E_LIMIT. */
MUSTCHECK int calculator_fold(const struct calculator_function *function, struct decimal *all,
                              const struct decimal *next, struct error *err);

/* After the last of `count` arguments: *all becomes the result. Returns as calculator_fold does. */
MUSTCHECK int calculator_finish(const struct calculator_function *function, struct decimal *all,
                                size_t count, struct error *err);
