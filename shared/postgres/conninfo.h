#pragma once
/* Where and how to connect: the parsed url. Internal to shared/postgres. */

#include <libpq-fe.h>

#include "shared/base/compiler.h"

#define PG_TARGETS_MAX       16
#define PG_TARGET_PORT_FIRST 5432

struct error;
struct pg_options;

/* One server of the url; each string may be "" (libpq's default). */
struct pg_target {
    char *host;
    char *hostaddr;
    char *port;
};

struct pg_conninfo {
    PQconninfoOption *options;
    struct pg_target targets[PG_TARGETS_MAX];
    size_t target_count;
    char *settings; /* the startup parameter "options" */
    char *application_name;
    int64_t connect_timeout_ms;
    int64_t silence_ms; /* until the server is asked whether it works for us */
};

/* Returns 0 with *out, freed with pg_conninfo_free; -E_INVALID, with a text that quotes nothing of
 * the url, since it may hold a password. */
MUSTCHECK int pg_conninfo_new(const struct pg_options *options, struct pg_conninfo **out,
                              struct error *err);
void pg_conninfo_free(struct pg_conninfo *info); /* accepts NULL */

/* Begins to connect to one address of a target: `hostaddr` is numeric, or NULL for a socket folder.
 * NULL when memory ran out; a failure shows in PQstatus. */
PGconn *pg_conninfo_start(const struct pg_conninfo *info, const struct pg_target *target,
                          const char *hostaddr);

/* Whether the target is a name that must be resolved first. */
bool pg_target_is_name(const struct pg_target *target);
