/* Offsets of every zone that Postgres knows, which reads the same database with a reader of its
 * own: each month from 1970 to 2037, and at each change the second before it and its own. */

#include "support.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/fiber/loop.h"
#include "shared/postgres/postgres.h"

#define MONTH_S 2629800
#define END_S   INT64_C(2145916800) /* 2038 */

static const struct pg_statement names_of_zones = {
    "names_of_zones",
    "SELECT name FROM pg_timezone_names WHERE name !~ '^(posix|right)/' ORDER BY name", ""};

/* Not AT TIME ZONE, for which CET is an abbreviation before it is a zone. */
static const struct pg_statement be_in_zone = {
    "be_in_zone", "SELECT set_config('TimeZone', $1::text, true)", "t"};

static const struct pg_statement offsets = {
    "offsets",
    "SELECT string_agg(extract(timezone FROM to_timestamp(t))::int::text, ',' ORDER BY n) "
    "FROM unnest($1::text::int8[]) WITH ORDINALITY AS i (t, n)",
    "t"};

struct asked {
    struct buf instants; /* an array as Postgres reads it */
    struct buf offsets;  /* ours, with commas between */
};

static void ask(struct asked *asked, const struct zone *zone, int64_t unix_s)
{
    if (asked->offsets.len > 0) {
        buf_add_char(&asked->instants, ',');
        buf_add_char(&asked->offsets, ',');
    }
    buf_add_int(&asked->instants, unix_s);
    buf_add_int(&asked->offsets, zone_offset(zone, unix_s));
}

static size_t ask_all(struct asked *asked, const struct zone *zone)
{
    struct zone_span span;
    size_t changes = 0;

    buf_reset(&asked->instants);
    buf_reset(&asked->offsets);
    buf_add_char(&asked->instants, '{');
    for (int64_t at_s = 12345; at_s < END_S; at_s += MONTH_S)
        ask(asked, zone, at_s);
    zone_span_at(zone, 0, &span);
    while (span.end_s < END_S) {
        int64_t change_s = span.end_s;

        ask(asked, zone, change_s - 1);
        ask(asked, zone, change_s);
        zone_span_at(zone, change_s, &span);
        changes++;
    }
    buf_add_char(&asked->instants, '}');
    return changes;
}

static void compare_zone(struct pg *pg, const char *name, const struct asked *asked)
{
    struct pg_value zone[] = {pg_string(name)};
    struct pg_value instants[] = {pg_text(buf_text(&asked->instants))};
    struct pg_result *result = NULL;
    struct pg_tx *tx = NULL;
    struct error err = {0};

    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &be_in_zone, zone, &result, &err), 0, "%s", err.text);
    pg_result_free(result);
    cr_assert_eq(pg_tx_exec(tx, &offsets, instants, &result, &err), 0, "%s", err.text);
    cr_assert(text_equal(pg_get_text(result, 0, 0), buf_text(&asked->offsets)),
              "%s: Postgres has %s, we %s", name, pg_get_string(result, 0, 0),
              buf_string(&asked->offsets));
    pg_result_free(result);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
}

static void compare(struct pg *pg)
{
    struct error err = {0};
    struct pg_result *names = NULL;
    struct asked asked;
    size_t changes = 0;

    buf_init(&asked.instants, 0);
    buf_init(&asked.offsets, 0);
    cr_assert_eq(pg_exec(pg, &names_of_zones, NULL, &names, &err), 0, "%s", err.text);
    cr_assert(pg_rows(names) > 400);
    for (int i = 0; i < pg_rows(names); i++) {
        const char *name = pg_get_string(names, i, 0);

        changes += ask_all(&asked, zone_of(name));
        compare_zone(pg, name, &asked);
    }
    cr_assert(changes > 10000, "%zu", changes);
    pg_result_free(names);
    buf_deinit(&asked.instants);
    buf_deinit(&asked.offsets);
}

static void run(void *arg)
{
    const struct pg_options *options = arg;
    struct error err = {0};
    struct pg *pg = NULL;

    cr_assert_eq(pg_open(options, &pg, &err), 0, "%s", err.text);
    cr_assert_eq(pg_wait_ready(pg, deadline_in(10000), &err), 0, "%s", err.text);
    compare(pg);
    pg_close(pg);
}

Test(zone, offsets_are_those_of_postgres)
{
    struct pg_options options = {.url = getenv("DATABASE_URL"), .application_name = "unit"};

    cr_assert(options.url, "run this under tests/lib/with-servers");
    loop_run(run, &options);
}
