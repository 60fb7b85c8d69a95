#pragma once
/* What the tests of shared/postgres share: an open pg on the private server, and statements whose
 * effect a test can look at. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/postgres/postgres.h"

/* Runs body(pg) on a loop, with a pg that is ready, and closes it. `options` may be NULL; its url
 * and name are filled in. Tables are made in a schema of the test's own. */
void with_pg(const struct pg_options *options, void (*body)(struct pg *pg));

/* As with_pg, while no other test uses the server, which the body may stop. */
void with_own_server(const struct pg_options *options, void (*body)(struct pg *pg));

const char *database_url(void); /* fails the test when the server is missing */

/* Statements without parameters, outside of any batch. */
void must_script(struct pg *pg, const char *sql);

/* The first column of the first row of a statement without parameters, run alone. */
int64_t query_int(struct pg *pg, const char *sql);

/* Makes the server do "restart" or "stop" at once, or "start". */
void server_control(const char *verb);

/* INSERT INTO item VALUES ($1 int8, $2 text); the table is made by make_items. */
extern const struct pg_statement insert_item;
void make_items(struct pg *pg);
int put_item(struct pg *pg, int64_t id, const char *body, struct error *err);

/* A statement with no parameters and no result worth keeping. */
int run_statement(struct pg *pg, const struct pg_statement *statement, struct error *err);
