/* HTTP/2 against node's server. */

#include "http_test.h"

#include <stdio.h>

#include "tls_support.h"

#define CALLS 250

static struct tls_server tls;

static void set_up(void)
{
    tls_server_start(&tls, TLS_NODE_HTTP2);
}

static void tear_down(void)
{
    tls_server_stop(&tls);
}

struct call_fiber {
    struct fixture *f;
    struct fiber *fiber;
    const char *path;
    bool once;
    int result;
    bool body_right;
};

static void call_in_fiber(void *arg)
{
    struct call_fiber *own = arg;
    struct http_response response = {0};
    char url[64];
    struct http_call call = {.method = "POST",
                             .url = url,
                             .body = TEXT("0123456789"),
                             .once = own->once,
                             .total_timeout_ms = 20000};

    snprintf(url, sizeof(url), "https://127.0.0.1:%d%s", tls.port, own->path);
    own->result = http_call(own->f->client, &call, &response, NULL);
    own->body_right = own->result == 0 && response.status == 200 && text_is(response.body, "10");
    http_response_deinit(&response);
}

static void begin(struct fixture *f, struct call_fiber *calls, const char *path)
{
    for (size_t i = 0; i < CALLS; i++) {
        calls[i] = (struct call_fiber){.f = f, .path = path};
        calls[i].fiber = fiber_start("call", call_in_fiber, &calls[i]);
    }
}

static uint64_t opened(const struct fixture *f)
{
    struct http_client_stats stats;

    http_client_stats_get(f->client, &stats);
    return stats.connections_opened;
}

static void multiplexes(struct fixture *f)
{
    static struct call_fiber calls[CALLS];

    begin(f, calls, "/slow");
    for (size_t i = 0; i < CALLS; i++) {
        fiber_join(calls[i].fiber);
        cr_assert(calls[i].body_right, "%zu: %d", i, calls[i].result);
    }
    cr_assert_leq(opened(f), 3);
}

Test(http_client, carries_many_calls_over_few_http2_connections, .init = set_up, .fini = tear_down)
{
    struct http_client_options options = {.ca_file = tls.cert, .max_host_connections = 3};

    with_server(multiplexes, &options);
}

static void cancels(struct fixture *f)
{
    static struct call_fiber calls[CALLS];
    struct call_fiber arrived = {.f = f, .path = "/arrived"};
    struct call_fiber release = {.f = f, .path = "/release"};

    arrived.fiber = fiber_start("call", call_in_fiber, &arrived);
    begin(f, calls, "/hold");
    fiber_join(arrived.fiber);
    cr_assert(arrived.body_right, "%d", arrived.result);
    for (size_t i = 0; i < CALLS; i += 2)
        fiber_cancel(calls[i].fiber);
    call_in_fiber(&release);
    cr_assert(release.body_right, "%d", release.result);
    for (size_t i = 0; i < CALLS; i++) {
        fiber_join(calls[i].fiber);
        if (i % 2 == 0)
            cr_assert_eq(calls[i].result, -E_CANCELED);
        else
            cr_assert(calls[i].body_right, "%zu: %d", i, calls[i].result);
    }
    cr_assert_leq(opened(f), 3);
}

Test(http_client, cancels_one_call_without_harm_to_others_on_its_connection, .init = set_up,
     .fini = tear_down)
{
    struct http_client_options options = {.ca_file = tls.cert, .max_host_connections = 3};

    with_server(cancels, &options);
}

static void resets(struct fixture *f)
{
    struct call_fiber reset = {.f = f, .path = "/reset"};
    struct call_fiber next = {.f = f, .path = "/"};
    struct call_fiber once = {.f = f, .path = "/", .once = true};

    call_in_fiber(&reset);
    cr_assert_eq(reset.result, -E_CLOSED, "%d", reset.result);
    call_in_fiber(&next);
    cr_assert(next.body_right);
    call_in_fiber(&once);
    cr_assert(once.body_right);
}

Test(http_client, reports_a_stream_that_was_reset_as_closed, .init = set_up, .fini = tear_down)
{
    struct http_client_options options = {.ca_file = tls.cert, .max_host_connections = 3};

    with_server(resets, &options);
}
