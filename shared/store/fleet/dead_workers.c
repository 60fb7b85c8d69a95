/* What is told of workers that were declared dead. */

#include "shared/store/fleet/dead_workers.h"

#include "shared/store/rows.h"

void dead_workers_read(const struct pg_result *result, int column, struct dead_workers *out)
{
    out->count = pg_get_int(result, 0, column);
    text_excerpt(pg_get_text(result, 0, column + 1), out->names, sizeof(out->names));
}
