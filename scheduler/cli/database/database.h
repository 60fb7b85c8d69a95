#pragma once
/* Commands that speak to Postgres themselves: migrate, tenants, keys. They need DATABASE_URL and no
 * server, for they are what is done before there is one.
 */

#include "scheduler/cli/command.h"
#include "shared/store/store.h"

/* The work of a command on a store. Returns its exit code, or a failure in *err. */
typedef int (*database_fn)(struct store *store, const struct arguments *args, struct error *err);

/* Reads the configuration, connects, calls fn on the loop where the schema is up to date. Returns
 * the exit code. */
int database_run(const struct arguments *args, database_fn fn);

/* The same whatever the schema is. */
int database_run_unmigrated(const struct arguments *args, database_fn fn);
