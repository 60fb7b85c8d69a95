/* Vectors of rows. Postgres writes bytes as "\x" and two digits each. */

#include "shared/store/vectors/vector_rows.h"

int row_vector(const struct pg_result *result, int row, int column, struct arena *arena,
               struct text *out, struct error *err)
{
    struct text written = pg_get_text(result, row, column);
    size_t size = written.len > 2 ? (written.len - 2) / 2 : 0;
    char *bytes = size > 0 ? arena_alloc(arena, size) : NULL;

    if (size > 0 && !bytes)
        return error_set(err, E_LIMIT, "there is no room for the vectors");
    *out = TEXT_NONE;
    if (size > 0)
        *out = (struct text){bytes, pg_get_bytes(result, row, column, (uint8_t *)bytes, size)};
    return 0;
}
