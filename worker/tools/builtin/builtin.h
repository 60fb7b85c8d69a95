#pragma once
/* The names of the built-in tools, for lists and tests. */

#include "shared/base/compiler.h"

/* NULL: there are no more. */
const char *builtin_name(size_t at);
