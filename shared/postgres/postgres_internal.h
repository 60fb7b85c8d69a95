#pragma once
/* What postgres.c and tx.c share. */

#include "shared/postgres/mux.h"
#include "shared/postgres/pool.h"

struct pg {
    struct pg_conninfo *info;
    struct pg_mux mux;
    struct pg_pool pool;
    int64_t request_timeout_ms;
    bool abandoned; /* closed while a transaction was open: its end frees the pg */
};

void pg_free(struct pg *pg);
