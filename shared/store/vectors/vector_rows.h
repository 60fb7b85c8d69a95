#pragma once
/* Inside the store: vectors of rows. */

#include "shared/store/store.h"

/* A column of bytes, in the arena; none of them: TEXT_NONE. Returns 0, or -E_LIMIT. */
MUSTCHECK int row_vector(const struct pg_result *result, int row, int column, struct arena *arena,
                         struct text *out, struct error *err);
