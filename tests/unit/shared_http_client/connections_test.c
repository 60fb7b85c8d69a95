/* Connections: reuse, refusal, pins, deadlines, cancels, many at once. */

#include "http_test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "shared/fiber/offload.h"

static void reuse(struct fixture *f)
{
    struct http_client_stats stats;

    for (int i = 0; i < 20; i++)
        cr_assert_eq(do_get(f, "/ok"), 0);
    cr_assert_eq(f->server.accepted, 1);
    http_client_stats_get(f->client, &stats);
    cr_assert_eq(stats.connections_opened, 1);
    cr_assert_eq(stats.calls, 20);
    cr_assert_eq(stats.failures, 0);
    cr_assert_eq(stats.active, 0);
}

Test(http_client, keeps_a_connection_for_the_next_call)
{
    with_server(reuse, NULL);
}

/* The server reads the second request on a connection and closes without a reply. */
static void died_on_reuse(struct fixture *f)
{
    struct http_call post = {.method = "POST", .body = TEXT("x"), .total_timeout_ms = 5000};

    cr_assert_eq(do_call(f, post, "/die-on-reuse"), 0);
    cr_assert_eq(do_call(f, post, "/die-on-reuse"), 0, "%s", f->err.text);
    cr_assert_eq(f->server.requests, 3);
    cr_assert_eq(f->server.accepted, 2);
    /* once: never sent again, since it never goes out on a used connection. */
    post.once = true;
    cr_assert_eq(do_call(f, post, "/die-on-reuse"), 0);
    cr_assert_eq(do_call(f, post, "/die-on-reuse"), 0);
    cr_assert_eq(f->server.requests, 5);
    cr_assert_eq(f->server.accepted, 4);
    cr_assert_eq(do_call(f, post, "/close-before"), -E_CLOSED);
    cr_assert_eq(f->server.requests, 6);
}

Test(http_client, repeats_a_request_that_a_reused_connection_swallowed_unless_told_once)
{
    with_server(died_on_reuse, NULL);
}

static void connection_refused(struct fixture *f)
{
    char url[64];
    struct address address;
    int fd;

    /* A port that was free a moment ago. */
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 1, &fd, NULL), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/secret?key=hidden", io_local_port(fd));
    io_close(&fd);
    cr_assert_eq(do_call(f, (struct http_call){.url = url}, NULL), -E_UNAVAILABLE);
    cr_assert(strstr(f->err.text, "127.0.0.1"), "%s", f->err.text);
    cr_assert_null(strstr(f->err.text, "hidden"), "%s", f->err.text);
    cr_assert_null(strstr(f->err.text, "secret"), "%s", f->err.text);
    cr_assert_eq(do_call(f,
                         (struct http_call){.url = "http://nothing.invalid/?key=hidden",
                                            .connect_timeout_ms = 9000},
                         NULL),
                 -E_UNAVAILABLE);
    cr_assert(strstr(f->err.text, "nothing.invalid:80"), "%s", f->err.text);
    cr_assert_null(strstr(f->err.text, "hidden"), "%s", f->err.text);
    offload_stop();
}

Test(http_client, says_unavailable_when_refused_or_unresolvable)
{
    with_server(connection_refused, NULL);
}

/* A listener whose backlog is full drops further connection attempts. */
static void connect_deadline(struct fixture *f)
{
    struct http_call call = {.connect_timeout_ms = 150, .total_timeout_ms = 20000};
    struct address address;
    char url[64];
    int listen_fd;
    int fds[4] = {-1, -1, -1, -1};
    int64_t start_ms;

    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 0, &listen_fd, NULL), 0);
    cr_assert_eq(address_parse("127.0.0.1", io_local_port(listen_fd), &address, NULL), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        if (io_connect(&address, deadline_in(50), &fds[i], NULL) < 0)
            break;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", io_local_port(listen_fd));
    call.url = url;
    start_ms = clock_ms();
    cr_assert_eq(do_call(f, call, NULL), -E_UNAVAILABLE, "%d %s", f->err.code, f->err.text);
    cr_assert(strstr(f->err.text, "within 150 ms"), "%s", f->err.text);
    cr_assert_lt(clock_ms() - start_ms, 1500);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        io_close(&fds[i]);
    io_close(&listen_fd);
}

Test(http_client, gives_up_connecting_at_its_deadline)
{
    with_server(connect_deadline, NULL);
}

static void deadlines(struct fixture *f)
{
    struct http_call call = {.first_byte_timeout_ms = 100, .total_timeout_ms = 5000};
    int64_t start_ms = clock_ms();

    cr_assert_eq(do_call(f, call, "/slow/3000"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no response byte within 100 ms from 127.0.0.1:"), "%s",
              f->err.text);
    cr_assert_lt(clock_ms() - start_ms, 1000);
    /* The first byte came: only the total counts from then on. */
    cr_assert_eq(do_call(f, call, "/slow/20"), 0, "%s", f->err.text);
    cr_assert_geq(f->response.first_byte_ms, 15);
    call.total_timeout_ms = 300;
    cr_assert_eq(do_call(f, call, "/stall"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no complete response within 300 ms"), "%s", f->err.text);
    cr_assert(strstr(f->err.text, "4 body bytes"), "%s", f->err.text);
    cr_assert_eq(do_call(f, call, "/trickle"), -E_TIMEOUT);
    call.first_byte_timeout_ms = 0;
    call.total_timeout_ms = 50;
    cr_assert_eq(do_call(f, call, "/slow/3000"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no response byte within 50 ms"), "%s", f->err.text);
}

Test(http_client, keeps_the_deadlines_for_first_byte_and_total)
{
    with_server(deadlines, NULL);
}

struct call_fiber {
    struct fixture *f;
    const char *url;
    int result;
    int status;
};

static void call_in_fiber(void *arg)
{
    struct call_fiber *own = arg;
    struct http_call call = {.method = "GET", .url = own->url, .total_timeout_ms = 20000};
    struct http_response response = {0};

    own->result = http_call(own->f->client, &call, &response, NULL);
    own->status = response.status;
    http_response_deinit(&response);
}

static void cancel(struct fixture *f)
{
    static const char *const paths[] = {"/slow/9000", "/stall", "/trickle"};

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct call_fiber own = {.f = f, .url = url_of(f, paths[i])};
        struct fiber *fiber = fiber_start("call", call_in_fiber, &own);
        int64_t start_ms;

        cr_assert_eq(fiber_sleep(60, NULL), 0);
        cr_assert_eq(f->server.open, 1);
        start_ms = clock_ms();
        fiber_cancel(fiber);
        fiber_join(fiber);
        cr_assert_eq(own.result, -E_CANCELED);
        if (i > 0) { /* a server that sleeps does not look */
            wait_open(f, 0);
            cr_assert_lt(f->server.last_closed_ms - start_ms, 100);
        } else {
            misbehaving_server_stop(&f->server);
            misbehaving_server_start(&f->server);
        }
    }
}

Test(http_client, closes_the_connection_at_once_when_cancelled)
{
    with_server(cancel, NULL);
}

static void canceled_before(struct fixture *f)
{
    struct call_fiber own = {.f = f, .url = url_of(f, "/ok")};
    struct fiber *fiber = fiber_start("call", call_in_fiber, &own);

    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(own.result, -E_CANCELED);
    cr_assert_eq(f->server.requests, 0);
}

Test(http_client, sends_nothing_when_cancelled_before)
{
    with_server(canceled_before, NULL);
}

#define MANY 400

static void run_many(struct fixture *f, const char *path, struct call_fiber *calls)
{
    struct fiber *fibers[MANY];

    for (size_t i = 0; i < MANY; i++) {
        calls[i] = (struct call_fiber){.f = f, .url = path};
        fibers[i] = fiber_start("call", call_in_fiber, &calls[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        fiber_join(fibers[i]);
}

static void many(struct fixture *f)
{
    static struct call_fiber calls[MANY];
    int64_t start_ms = clock_ms();

    for (int round = 0; round < 2; round++) {
        run_many(f, url_of(f, "/slow/200"), calls);
        for (size_t i = 0; i < MANY; i++) {
            cr_assert_eq(calls[i].result, 0);
            cr_assert_eq(calls[i].status, 200);
        }
    }
    cr_assert_eq(f->server.requests, 2 * MANY);
    cr_assert_leq(f->server.accepted, MANY);
    cr_assert_lt(clock_ms() - start_ms, 5000);
}

Test(http_client, runs_many_calls_at_once_over_several_shards)
{
    struct http_client_options options = {.transfers_per_shard = 100, .max_transfers = MANY};

    with_server(many, &options);
}

static void admission(struct fixture *f)
{
    static struct call_fiber calls[MANY];
    struct http_client_stats stats;

    run_many(f, url_of(f, "/slow/5"), calls);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(calls[i].result, 0);
    cr_assert_leq(f->server.accepted, 10);
    http_client_stats_get(f->client, &stats);
    cr_assert_eq(stats.waiting, 0);
    cr_assert_eq(stats.active, 0);
}

Test(http_client, lets_calls_wait_when_too_many_are_under_way)
{
    struct http_client_options options = {.transfers_per_shard = 4, .max_transfers = 10};

    with_server(admission, &options);
}

static void waits_in_vain(struct fixture *f)
{
    struct call_fiber first = {.f = f, .url = url_of(f, "/stall")};
    struct call_fiber second = {.f = f, .url = url_of(f, "/ok")};
    struct fiber *fiber = fiber_start("call", call_in_fiber, &first);
    struct fiber *waiter;

    fiber_yield();
    cr_assert_eq(do_call(f, (struct http_call){.total_timeout_ms = 50}, "/ok"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no free HTTP transfer"), "%s", f->err.text);
    waiter = fiber_start("call", call_in_fiber, &second);
    fiber_yield();
    fiber_cancel(waiter);
    fiber_join(waiter);
    cr_assert_eq(second.result, -E_CANCELED);
    cr_assert_eq(f->server.requests, 1);
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(do_get(f, "/ok"), 0);
}

Test(http_client, ends_the_wait_for_a_free_transfer_at_the_deadline_or_a_cancel)
{
    struct http_client_options options = {.max_transfers = 1};

    with_server(waits_in_vain, &options);
}

/* Another server holds the pinned address; the url names the fixture's one, or nobody. */
static void pins(struct fixture *f)
{
    struct misbehaving_server other;
    struct address pin;
    struct http_call call = {.pin = &pin, .total_timeout_ms = 5000};
    char url[64];

    misbehaving_server_start(&other);
    cr_assert_eq(address_parse("127.0.0.1", other.port, &pin, NULL), 0);
    cr_assert_eq(do_get(f, "/ok"), 0); /* leaves an idle connection to the url's own address */
    cr_assert_eq(do_call(f, call, "/dump"), 0, "%s", f->err.text);
    snprintf(url, sizeof(url), "\r\nHost: 127.0.0.1:%d\r\n", f->server.port);
    cr_assert(strstr(f->response.body.ptr, url), "%s", f->response.body.ptr);
    cr_assert_eq(other.requests, 1);
    cr_assert_eq(f->server.requests, 1);
    cr_assert_eq(do_call(f, call, "/ok"), 0);
    cr_assert_eq(other.accepted, 2);   /* no pinned connection is kept */
    cr_assert_eq(do_get(f, "/ok"), 0); /* nor taken by an unpinned call */
    cr_assert_eq(f->server.requests, 2);
    cr_assert_eq(f->server.accepted, 1);
    call.url = "http://nothing.invalid/ok"; /* never resolved */
    cr_assert_eq(do_call(f, call, NULL), 0, "%s", f->err.text);
    cr_assert_eq(other.requests, 3);
    cr_assert_eq(address_parse("/run/x.sock", 0, &pin, NULL), 0);
    cr_assert_eq(do_call(f, call, NULL), -E_INVALID);
    misbehaving_server_stop(&other);
}

Test(http_client, connects_to_the_pinned_address_and_shares_no_connection)
{
    with_server(pins, NULL);
}

/* A port of 127.0.0.1 that nobody listens on. */
static int closed_port(void)
{
    struct address address;
    int port;
    int fd;

    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 1, &fd, NULL), 0);
    port = io_local_port(fd);
    io_close(&fd);
    return port;
}

static void several_pins(struct fixture *f)
{
    struct http_call call = {.method = "GET", .url = url_of(f, "/ok"), .once = true};
    struct http_call refused = {.method = "GET", .url = url_of(f, "/close-before"), .once = true};
    struct address pins[3];
    int closed = closed_port();

    cr_assert_eq(address_parse("::1", closed, &pins[0], NULL), 0);
    cr_assert_eq(address_parse("127.0.0.1", closed, &pins[1], NULL), 0);
    cr_assert_eq(address_parse("127.0.0.1", f->server.port, &pins[2], NULL), 0);
    cr_assert_eq(http_call_pinned(f->client, &call, pins, 3, &f->response, &f->err), 0, "%s",
                 f->err.text);
    cr_assert_eq(f->response.status, 200);
    cr_assert_eq(f->err.code, 0, "the first pins are nobody's business");
    cr_assert_eq(f->server.accepted, 1);
    cr_assert_eq(http_call_pinned(f->client, &call, pins, 2, &f->response, &f->err),
                 -E_UNAVAILABLE);
    pins[0] = pins[2];
    cr_assert_eq(http_call_pinned(f->client, &refused, pins, 3, &f->response, &f->err), -E_CLOSED);
    cr_assert_eq(f->server.accepted, 2, "what may have been sent goes to no other address");
}

Test(http_client, goes_on_to_the_next_pin_when_one_takes_no_connection)
{
    with_server(several_pins, NULL);
}

static void pin_six(struct fixture *f)
{
    struct address pin;
    struct http_call call = {.pin = &pin, .url = "http://nothing.invalid/", .once = true};

    cr_assert_eq(address_parse("::1", 1, &pin, NULL), 0);
    cr_assert_eq(do_call(f, call, NULL), -E_UNAVAILABLE, "%s", f->err.text);
    cr_assert_null(strstr(f->err.text, "resolve"), "%s", f->err.text);
}

Test(http_client, takes_an_ipv6_pin)
{
    with_server(pin_six, NULL);
}

static atomic_size_t lookups;

/* Stands before the C library's, for libcurl's threads too: counts, takes its time, and knows
 * one name more. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&lookups, 1);
    usleep(20000);
    return real(strcasecmp(host, "one.test") == 0 ? "127.0.0.1" : host, service, hints, out);
}

static void names(struct fixture *f)
{
    static struct call_fiber calls[MANY];
    char url[64];

    snprintf(url, sizeof(url), "http://One.test:%d/slow/50", f->server.port);
    for (int round = 0; round < 2; round++) {
        run_many(f, url, calls);
        for (size_t i = 0; i < MANY; i++) {
            cr_assert_eq(calls[i].result, 0);
            cr_assert_eq(calls[i].status, 200);
        }
    }
    cr_assert_eq(lookups, 1, "%zu", (size_t)lookups);
    offload_stop();
}

Test(http_client, resolves_a_name_once_for_all_who_ask)
{
    struct http_client_options options = {.transfers_per_shard = 100};

    with_server(names, &options);
}

static void canceled_lookup(struct fixture *f)
{
    struct call_fiber calls[3];
    struct fiber *fibers[3];
    char url[64];

    snprintf(url, sizeof(url), "http://one.test:%d/ok", f->server.port);
    for (size_t i = 0; i < 3; i++) {
        calls[i] = (struct call_fiber){.f = f, .url = url};
        fibers[i] = fiber_start("call", call_in_fiber, &calls[i]);
    }
    fiber_yield();
    fiber_cancel(fibers[0]); /* the one that resolves for all */
    for (size_t i = 0; i < 3; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(calls[0].result, -E_CANCELED);
    cr_assert_eq(calls[1].result, 0);
    cr_assert_eq(calls[2].result, 0);
    cr_assert_eq(lookups, 2);
    offload_stop();
}

Test(http_client, lets_another_call_resolve_when_the_first_is_cancelled)
{
    with_server(canceled_lookup, NULL);
}
