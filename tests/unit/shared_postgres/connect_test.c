/* Opening and closing: urls, servers that can't be reached, and requests that wait meanwhile. */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/fiber/offload.h"
#include "shared/io/io.h"
#include "shared/postgres/conninfo.h"

#define PASSWORD "s3cret-pass"

static void expect_invalid(const char *url)
{
    struct pg_options options = {.url = url, .application_name = "unit"};
    struct pg_conninfo *info = NULL;
    struct error err = {0};

    cr_assert_eq(pg_conninfo_new(&options, &info, &err), -E_INVALID, "%s", url);
    cr_assert(!info);
    cr_assert(strstr(err.text, "postgresql://") || strstr(err.text, "database url"), "%s",
              err.text);
    cr_assert(!strstr(err.text, PASSWORD), "%s", err.text);
}

Test(connect, a_url_that_is_wrong_is_refused_without_quoting_it)
{
    expect_invalid(NULL);
    expect_invalid("");
    expect_invalid("postgresql://u:" PASSWORD "@[::1/db");
    expect_invalid("mysql://u:" PASSWORD "@host/db");
    expect_invalid("postgresql://u@host/db?" PASSWORD);
    expect_invalid("postgresql://host/db?nonsense=" PASSWORD);
    expect_invalid("host=a,b,c port=1,2 password=" PASSWORD);
    expect_invalid("service=mine");
}

static struct pg_conninfo *parse(const char *url)
{
    struct pg_options options = {.url = url, .application_name = "unit"};
    struct pg_conninfo *info = NULL;
    struct error err = {0};

    cr_assert_eq(pg_conninfo_new(&options, &info, &err), 0, "%s", err.text);
    return info;
}

Test(connect, a_url_may_name_several_hosts)
{
    struct pg_conninfo *info = parse("postgresql://u@db1.example:6001,[::1]:6002,10.0.0.3/d");

    cr_assert_eq(info->target_count, 3);
    cr_assert_str_eq(info->targets[0].host, "db1.example");
    cr_assert_str_eq(info->targets[0].port, "6001");
    cr_assert(pg_target_is_name(&info->targets[0]));
    cr_assert_str_eq(info->targets[1].host, "::1");
    cr_assert_str_eq(info->targets[1].port, "6002");
    cr_assert(!pg_target_is_name(&info->targets[1]));
    cr_assert_str_eq(info->targets[2].host, "10.0.0.3");
    cr_assert_str_eq(info->targets[2].port, "");
    cr_assert(!pg_target_is_name(&info->targets[2]));
    pg_conninfo_free(info);
    info = parse("host=a.example,b.example hostaddr=10.0.0.1,10.0.0.2 port=1");
    cr_assert_eq(info->target_count, 2);
    cr_assert_str_eq(info->targets[1].host, "b.example");
    cr_assert_str_eq(info->targets[1].hostaddr, "10.0.0.2");
    cr_assert_str_eq(info->targets[1].port, "1");
    cr_assert(!pg_target_is_name(&info->targets[1]));
    pg_conninfo_free(info);
}

Test(connect, what_the_url_leaves_open_comes_from_the_environment)
{
    struct pg_conninfo *info;

    cr_assert_eq(setenv("PGHOST", "env.example", 1), 0);
    cr_assert_eq(setenv("PGPORT", "6000", 1), 0);
    info = parse("postgresql:///d?connect_timeout=3");
    cr_assert_eq(info->target_count, 1);
    cr_assert_str_eq(info->targets[0].host, "env.example");
    cr_assert_str_eq(info->targets[0].port, "6000");
    cr_assert(pg_target_is_name(&info->targets[0]));
    cr_assert_eq(info->connect_timeout_ms, 3000);
    pg_conninfo_free(info);
}

struct attempt {
    const char *url;
    const char *expected; /* in the error's text */
};

static void expect_unreachable(void *arg)
{
    static const struct pg_statement one = {"one", "SELECT 1", ""};
    const struct attempt *attempt = arg;
    struct pg_options options = {
        .url = attempt->url, .application_name = "unit", .request_timeout_ms = 200};
    struct error err = {0};
    struct pg_tx *tx = NULL;
    struct pg *pg = NULL;

    cr_assert_eq(pg_open(&options, &pg, &err), 0, "%s", err.text);
    for (int i = 0; i < 30 && !strstr(err.text, attempt->expected); i++)
        cr_assert_eq(pg_wait_ready(pg, deadline_in(500), &err), -E_TIMEOUT);
    cr_assert(strstr(err.text, attempt->expected), "%s", err.text);
    cr_assert(!strstr(err.text, PASSWORD), "%s", err.text);
    cr_assert(!pg_is_ready(pg));
    cr_assert_eq(run_statement(pg, &one, &err), -E_UNAVAILABLE);
    cr_assert(strstr(err.text, attempt->expected), "%s", err.text);
    /* A connection that is still being tried when the time is over has no reason yet. */
    err = (struct error){0};
    for (int i = 0; i < 100 && !strstr(err.text, attempt->expected); i++) {
        cr_assert_eq(pg_begin(pg, &tx, &err), -E_UNAVAILABLE);
        cr_assert_eq(err.code, E_UNAVAILABLE);
        cr_assert(!strstr(err.text, PASSWORD), "%s", err.text);
    }
    cr_assert(strstr(err.text, attempt->expected), "%s", err.text);
    pg_close(pg);
    offload_stop();
}

Test(connect, a_server_that_refuses_is_reported_as_such)
{
    struct attempt attempt = {"postgresql://u:" PASSWORD "@127.0.0.1:1/db", "Connection refused"};

    loop_run(expect_unreachable, &attempt);
}

Test(connect, a_socket_that_is_not_there_is_reported_as_such)
{
    struct attempt attempt = {"postgresql://u:" PASSWORD "@/db?host=/nonexistent",
                              "No such file or directory"};

    loop_run(expect_unreachable, &attempt);
}

Test(connect, a_name_is_resolved_before_connecting)
{
    struct attempt attempt = {"postgresql://u:" PASSWORD "@localhost:1/db", "Connection refused"};

    loop_run(expect_unreachable, &attempt);
}

Test(connect, a_name_without_an_address_is_reported_as_such)
{
    struct attempt attempt = {"postgresql://u:" PASSWORD "@no-such-host.invalid/db",
                              "no-such-host.invalid"};

    loop_run(expect_unreachable, &attempt);
}

Test(connect, a_role_that_does_not_exist_is_reported_as_such)
{
    char url[1024];
    struct attempt attempt = {url, "role \"stranger\" does not exist"};

    snprintf(url, sizeof(url), "%s&user=stranger", database_url());
    loop_run(expect_unreachable, &attempt);
}

/* A server that asks for a password and refuses it. */
static void refuse_password(int fd)
{
    static const char ask[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3};
    static const char refuse[] = "E\0\0\0\x41"
                                 "SFATAL\0VFATAL\0C28P01\0"
                                 "Mpassword authentication failed, sorry\0";
    char request[1024];
    size_t len = 0;

    _Static_assert(sizeof(refuse) == 0x41 + 1, "the length that the message says");
    if (io_read(fd, request, sizeof(request), deadline_in(1000), &len, NULL) == 0 &&
        io_write(fd, ask, sizeof(ask), deadline_in(1000), NULL) == 0 &&
        io_read(fd, request, sizeof(request), deadline_in(1000), &len, NULL) == 0) {
        cr_assert_eq(request[0], 'p');
        cr_assert_eq(io_write(fd, refuse, sizeof(refuse), deadline_in(1000), NULL), 0);
    }
    io_close(&fd);
}

static void fake_server(void *arg)
{
    int listen_fd = *(int *)arg;
    struct address peer;
    int fd;

    while (io_accept(listen_fd, DEADLINE_NONE, &fd, &peer, NULL) == 0)
        refuse_password(fd);
}

static void check_wrong_password(void *arg)
{
    char folder[] = "/tmp/penstock-unit.XXXXXX";
    char path[64];
    char url[256];
    struct attempt attempt = {url, "password authentication failed, sorry"};
    struct address address;
    struct fiber *server;
    int fd = -1;

    (void)arg;
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", folder);
    snprintf(url, sizeof(url), "postgresql://u:" PASSWORD "@/db?host=%s", folder);
    cr_assert_eq(address_parse(path, 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 8, &fd, NULL), 0);
    server = fiber_start("server", fake_server, &fd);
    expect_unreachable(&attempt);
    fiber_cancel(server);
    fiber_join(server);
    io_close(&fd);
    unlink(path);
    rmdir(folder);
}

Test(connect, a_wrong_password_is_reported_without_the_password)
{
    loop_run(check_wrong_password, NULL);
}

static void check_second_host(struct pg *pg)
{
    cr_assert_eq(query_int(pg, "SELECT 5"), 5);
}

Test(connect, the_next_host_is_tried_when_the_first_can_not_be_reached)
{
    char url[1024];
    struct pg_options options = {.url = url};

    snprintf(url, sizeof(url), "%s&host=/nonexistent,%s", database_url(),
             getenv("PENSTOCK_TEST_SERVERS"));
    with_pg(&options, check_second_host);
}

static void check_settings(struct pg *pg)
{
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM pg_settings WHERE (name, setting) IN "
                               "(('statement_timeout', '1234'), ('TimeZone', 'UTC'), "
                               "('application_name', 'unit'), ('client_encoding', 'UTF8'), "
                               "('idle_in_transaction_session_timeout', '60000'))"),
                 5);
}

Test(connect, each_session_has_its_limits_and_utc)
{
    struct pg_options options = {.statement_timeout_ms = 1234};

    with_pg(&options, check_settings);
}

struct waiting {
    struct pg *pg;
    const struct pg_statement *statement;
    int result;
};

static void wait_in_exec(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = run_statement(waiting->pg, waiting->statement, NULL);
}

static void wait_ready(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = pg_wait_ready(waiting->pg, DEADLINE_NONE, NULL);
}

static void wait_in_begin(void *arg)
{
    struct waiting *waiting = arg;
    struct pg_tx *tx = NULL;

    waiting->result = pg_begin(waiting->pg, &tx, NULL);
}

static void close_unconnected(void *arg)
{
    static const struct pg_statement one = {"one", "SELECT 1", ""};
    struct pg_options options = {.url = "postgresql:///db?host=/nonexistent",
                                 .application_name = "unit"};
    struct waiting waiting[3];
    struct fiber *fibers[3];
    fiber_fn mains[] = {wait_in_exec, wait_ready, wait_in_begin};
    struct error err = {0};
    struct pg *pg = NULL;
    int64_t start_ms = clock_ms();

    (void)arg;
    cr_assert_eq(pg_open(&options, &pg, &err), 0, "%s", err.text);
    for (int i = 0; i < 3; i++) {
        waiting[i] = (struct waiting){pg, &one, 1};
        fibers[i] = fiber_start("waiting", mains[i], &waiting[i]);
    }
    fiber_yield();
    pg_close(pg);
    for (int i = 0; i < 3; i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(waiting[i].result, -E_UNAVAILABLE, "%d", i);
    }
    cr_assert_lt(clock_ms() - start_ms, 4000);
    pg_close(NULL);
}

Test(connect, closing_fails_what_waits_for_a_connection_at_once)
{
    loop_run(close_unconnected, NULL);
}

static void close_running(void *arg)
{
    static const struct pg_statement nap = {"nap", "SELECT pg_sleep(0.2)", ""};
    static const struct pg_statement long_nap = {"long_nap", "SELECT pg_sleep(30)", ""};
    struct pg_options options = {.url = database_url(), .application_name = "unit"};
    struct waiting running;
    struct waiting queued;
    struct fiber *fibers[2];
    struct error err = {0};
    struct pg *pg = NULL;
    bool graceful = *(bool *)arg;

    cr_assert_eq(pg_open(&options, &pg, &err), 0, "%s", err.text);
    cr_assert_eq(pg_wait_ready(pg, deadline_in(5000), &err), 0, "%s", err.text);
    running = (struct waiting){pg, graceful ? &nap : &long_nap, 1};
    queued = (struct waiting){pg, &nap, 1};
    fibers[0] = fiber_start("running", wait_in_exec, &running);
    cr_assert_eq(fiber_sleep(50, &err), 0);
    fibers[1] = fiber_start("queued", wait_in_exec, &queued);
    fiber_yield();
    pg_close(pg);
    fiber_join(fibers[0]);
    fiber_join(fibers[1]);
    cr_assert_eq(running.result, graceful ? 0 : -E_AMBIGUOUS);
    cr_assert_eq(queued.result, graceful ? 0 : -E_UNAVAILABLE);
}

Test(connect, closing_waits_for_what_runs)
{
    bool graceful = true;

    loop_run(close_running, &graceful);
}

Test(connect, closing_does_not_wait_for_ever)
{
    bool graceful = false;

    loop_run(close_running, &graceful);
}

static void end_later(void *arg)
{
    cr_assert_eq(fiber_sleep(6000, NULL), 0);
    pg_rollback(arg);
}

static void close_with_transaction(void *arg)
{
    struct pg_options options = {.url = database_url(), .application_name = "unit"};
    struct pg_tx *tx = NULL;
    struct error err = {0};
    struct pg *pg = NULL;

    (void)arg;
    cr_assert_eq(pg_open(&options, &pg, &err), 0, "%s", err.text);
    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    fiber_spawn("later", end_later, tx);
    pg_close(pg);
}

Test(connect, a_transaction_may_end_after_the_closing)
{
    loop_run(close_with_transaction, NULL);
}
