#pragma once
/* Inside the store: the columns of a usage, said once. */

#include "shared/store/rows.h"
#include "shared/store/usage/usage.h"

/* clang-format off */
#define USAGE_COLUMNS(t) \
    t ".prompt_tokens, " t ".completion_tokens, " t ".cached_tokens, " t ".cache_write_tokens," \
    " " t ".reasoning_tokens, " t ".cost_micros"

/* For an UPDATE of `to`: what `from` holds is added, or, with "-", taken away. */
#define SQL_USAGE_CHANGES(to, sign, from) \
    "prompt_tokens = " to ".prompt_tokens " sign " " from ".prompt_tokens," \
    " completion_tokens = " to ".completion_tokens " sign " " from ".completion_tokens," \
    " cached_tokens = " to ".cached_tokens " sign " " from ".cached_tokens," \
    " cache_write_tokens = " to ".cache_write_tokens " sign " " from ".cache_write_tokens," \
    " reasoning_tokens = " to ".reasoning_tokens " sign " " from ".reasoning_tokens," \
    " cost_micros = " to ".cost_micros " sign " " from ".cost_micros"
/* clang-format on */

/* Reads USAGE_COLUMNS. */
struct usage usage_read(struct row *row);
