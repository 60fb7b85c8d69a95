/* The fixture of the tests of shared/postgres. */

#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

const struct pg_statement insert_item = {"insert_item", "INSERT INTO item VALUES ($1, $2)", "it"};

struct job {
    struct pg_options options;
    void (*body)(struct pg *pg);
    char schema[32];
};

static const char *servers_folder(void)
{
    const char *dir = getenv("PENSTOCK_TEST_SERVERS");

    cr_assert(dir, "run this under tests/lib/with-servers");
    return dir;
}

const char *database_url(void)
{
    const char *url = getenv("DATABASE_URL");

    cr_assert(url, "run this under tests/lib/with-servers");
    return url;
}

static void create_schema(struct pg *pg, const char *schema)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", schema);
    must_script(pg, sql);
}

static void run_job(void *arg)
{
    struct job *job = arg;
    struct error err = {0};
    struct pg *pg = NULL;

    cr_assert_eq(pg_open(&job->options, &pg, &err), 0, "%s", err.text);
    cr_assert_eq(pg_wait_ready(pg, deadline_in(10000), &err), 0, "%s", err.text);
    create_schema(pg, job->schema);
    job->body(pg);
    pg_close(pg);
}

/* Tests run at once on one server: each has a schema of its own, and who stops the server has it
 * for itself. */
static void lock_server(int operation)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/unit.lock", servers_folder());
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    cr_assert(fd >= 0);
    cr_assert_eq(flock(fd, operation), 0); /* until the process ends */
}

static void run_locked(const struct pg_options *options, void (*body)(struct pg *pg), int operation)
{
    struct job job = {.body = body};
    char url[1024];

    if (options)
        job.options = *options;
    snprintf(job.schema, sizeof(job.schema), "unit_%d", (int)getpid());
    snprintf(url, sizeof(url), "%s&options=-c%%20search_path%%3D%s",
             job.options.url ? job.options.url : database_url(), job.schema);
    job.options.url = url;
    job.options.application_name = "unit";
    lock_server(operation);
    loop_run(run_job, &job);
}

void with_pg(const struct pg_options *options, void (*body)(struct pg *pg))
{
    run_locked(options, body, LOCK_SH);
}

void with_own_server(const struct pg_options *options, void (*body)(struct pg *pg))
{
    run_locked(options, body, LOCK_EX);
}

void must_script(struct pg *pg, const char *sql)
{
    struct error err = {0};
    struct pg_tx *tx = NULL;

    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_script(tx, sql, &err), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
}

/* The connection remembers statements, so they must stay; `sql` is a literal of a test. */
static const struct pg_statement *statement_of(const char *sql)
{
    static struct pg_statement known[32];
    static char names[32][16];
    static size_t count;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(known[i].sql, sql) == 0)
            return &known[i];
    }
    cr_assert(count < ARRAY_LENGTH(known));
    snprintf(names[count], sizeof(names[count]), "query_%zu", count);
    known[count] = (struct pg_statement){names[count], sql, ""};
    return &known[count++];
}

int64_t query_int(struct pg *pg, const char *sql)
{
    struct error err = {0};
    struct pg_result *result = NULL;
    int64_t value;

    cr_assert_eq(pg_exec(pg, statement_of(sql), NULL, &result, &err), 0, "%s", err.text);
    value = pg_get_int(result, 0, 0);
    pg_result_free(result);
    return value;
}

void server_control(const char *verb)
{
    char command[1024];
    const char *dir = servers_folder();
    const char *as = geteuid() == 0 ? "setpriv --reuid=nobody --regid=nogroup --clear-groups " : "";

    snprintf(command, sizeof(command),
             "bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1); cd / && "
             "%s\"$bin/pg_ctl\" -D '%s/postgres' -m immediate -w -s -l '%s/postgres.log' %s",
             as, dir, dir, verb);
    cr_assert_eq(system(command), 0, "%s", command);
}

void make_items(struct pg *pg)
{
    must_script(pg, "DROP TABLE IF EXISTS item; CREATE TABLE item (id int8 PRIMARY KEY, body text "
                    "CHECK (body <> 'bad'))");
}

int put_item(struct pg *pg, int64_t id, const char *body, struct error *err)
{
    struct pg_value values[] = {pg_int(id), pg_string(body)};

    return pg_exec(pg, &insert_item, values, NULL, err);
}

int run_statement(struct pg *pg, const struct pg_statement *statement, struct error *err)
{
    return pg_exec(pg, statement, NULL, NULL, err);
}
