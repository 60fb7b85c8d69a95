#pragma once
/* Asking the server about a session that keeps silent. Internal to shared/postgres. */

#include "shared/base/compiler.h"

struct pg_conninfo;

enum pg_standing {
    PG_STANDING_UNKNOWN, /* the server can't be asked in time, or it does not tell */
    PG_STANDING_WORKS,
    PG_STANDING_LOST, /* and ended, where the server still had it */
};

struct pg_suspect {
    const struct pg_conninfo *info; /* how it was connected */
    int backend;                    /* its PQbackendPID */
    const int64_t *sign_ms; /* changes with each sign of life: then it is not lost; may be NULL */
};

/* Over a connection of its own, which takes up to 2.5 s, or until the deadline. */
SUSPENDS enum pg_standing pg_probe(const struct pg_suspect *suspect, int64_t deadline_ms);
