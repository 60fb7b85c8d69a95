/* The kernel with tables of a test's own: what endpoints may take and give, and how many there may
 * be. */

#include <stdio.h>

#include "fixture.h"
#include "scheduler/api/endpoints.h"
#include "scheduler/api/metrics.h"
#include "scheduler/api/request.h"

static int echo_raw(struct request *request)
{
    (void)http_reply(request->exchange, 200, "application/octet-stream", request->exchange->body);
    return 0;
}

static int refuse_raw(struct request *request)
{
    return failure_param(&request->failure, 404, NULL, "gone", "There is nothing.");
}

static int give_events(struct request *request)
{
    struct error err;

    if (http_stream_begin(request->exchange, 200, "text/event-stream", &err) < 0 ||
        http_stream_write(request->exchange, TEXT("data: {}\n\n"), &err) < 0)
        return 0;
    (void)http_stream_end(request->exchange, &err);
    return 0;
}

static const struct endpoint some[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/raw",
     .handle = echo_raw,
     .takes = TAKES_RAW,
     .gives = GIVES_BYTES,
     .body_bytes_max = 10},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/raw", .handle = refuse_raw, .gives = GIVES_BYTES},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/events",
     .handle = give_events,
     .gives = GIVES_EVENTS},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/nothing", .handle = refuse_raw},
};

static const struct endpoint_table some_table = ENDPOINT_TABLE(some);

static void kinds(struct fixture *fixture)
{
    struct buf large;
    struct buf metrics;
    struct call raw = {"POST", "/v1/raw", "[1,2]", NULL, NULL};

    cr_assert_eq(http(fixture, raw), 200);
    cr_assert_str_eq(header(fixture, "content-type"), "application/octet-stream");
    cr_assert_str_eq(json_text(fixture->body).ptr, "[1,2]");
    raw.body = "[1,2,3,4,5]";
    refused(fixture, 413, NULL, NULL, "larger than 10 bytes", raw);
    refused(fixture, 404, NULL, "gone", "nothing",
            (struct call){"GET", "/v1/raw", NULL, NULL, NULL});

    buf_init(&large, 0);
    for (size_t i = 0; i <= ENDPOINT_IGNORED_MAX; i++)
        buf_add_char(&large, ' ');
    refused(fixture, 413, NULL, NULL, "larger than 65536 bytes",
            (struct call){"POST", "/v1/nothing", buf_string(&large), NULL, NULL});
    buf_deinit(&large);

    cr_assert_eq(http_events(fixture, "/v1/events"), 200);
    cr_assert_str_eq(header(fixture, "content-type"), "text/event-stream");

    buf_init(&metrics, 0);
    api_metrics_render(fixture->api, &metrics);
    cr_assert(
        strstr(buf_string(&metrics), "{method=\"GET\",route=\"/v1/events\",status=\"2xx\"} 1"),
        "%s", buf_string(&metrics));
    buf_deinit(&metrics);
}

Test(kernel, serves_endpoints_that_take_and_give_bytes_and_events)
{
    static const struct endpoint_table *const tables[] = {&some_table};

    with_tables(tables, 1, kinds);
}

Test(kernel, has_as_many_endpoints_as_the_tables_say)
{
    enum { MANY = 1000 };
    static struct endpoint many[MANY];
    static char patterns[MANY][32];
    const struct endpoint_table table = {many, MANY};
    const struct endpoint_table *const tables[] = {&some_table, &table};
    struct http_exchange exchange = {.method = HTTP_METHOD_GET, .path = TEXT("/v1/many/999")};
    struct endpoints endpoints;
    struct api_metrics metrics;
    struct error err;
    struct buf page;
    char allow[64];
    size_t place;

    for (size_t i = 0; i < MANY; i++) {
        snprintf(patterns[i], sizeof(patterns[i]), "/v1/many/%zu", i);
        many[i] = (struct endpoint){.pattern = patterns[i], .handle = refuse_raw};
    }
    endpoints_init(&endpoints, tables, 2);
    api_metrics_init(&metrics, &endpoints);
    cr_assert_eq(endpoints_find(&endpoints, &exchange, &place, allow, &err), 0);
    cr_assert_eq(endpoints.items[place], &many[999]);
    api_metrics_count(&metrics, place, 200, 1);
    api_metrics_count(&metrics, endpoints.count, 404, 1);
    buf_init(&page, 0);
    api_metrics_write(&metrics, &page);
    cr_assert(strstr(buf_string(&page), "route=\"/v1/many/999\",status=\"2xx\"} 1"));
    cr_assert(strstr(buf_string(&page), "route=\"other\",status=\"4xx\"} 1"));
    buf_deinit(&page);
    api_metrics_deinit(&metrics);
    endpoints_deinit(&endpoints);
}
