/* Replies: complete, odd and broken ones. */

#include "http_test.h"

static void normal(struct fixture *f)
{
    cr_assert_eq(do_get(f, "/ok"), 0, "%s", f->err.text);
    cr_assert_eq(f->response.status, 200);
    assert_body(f, "hello");
    cr_assert(text_is(http_response_header(&f->response, "content-TYPE"), "text/plain"));
    cr_assert(text_is(http_response_header(&f->response, "Content-Length"), "5"));
    cr_assert_null(http_response_header(&f->response, "X-Absent").ptr);
    cr_assert_eq(f->response.headers_count, 2);
    cr_assert_leq(f->response.first_byte_ms, f->response.total_ms);
}

Test(http_client, returns_status_headers_and_body)
{
    with_server(normal, NULL);
}

static void kinds(struct fixture *f)
{
    cr_assert_eq(do_get(f, "/chunked"), 0, "%s", f->err.text);
    assert_body(f, "hello world");
    cr_assert_null(http_response_header(&f->response, "X-Trailer").ptr);
    cr_assert_eq(do_get(f, "/empty"), 0);
    cr_assert_eq(f->response.status, 204);
    assert_body(f, "");
    cr_assert_eq(do_get(f, "/interim"), 0);
    cr_assert_eq(f->response.status, 200);
    assert_body(f, "ok");
    cr_assert(text_is(http_response_header(&f->response, "X-Final"), "yes"));
    cr_assert_null(http_response_header(&f->response, "Link").ptr);
    cr_assert_eq(do_get(f, "/gzip-claim"), 0);
    assert_body(f, "raw");
}

Test(http_client, understands_chunked_empty_and_interim_replies_and_decodes_nothing)
{
    with_server(kinds, NULL);
}

static void redirect(struct fixture *f)
{
    cr_assert_eq(do_get(f, "/redirect"), 0);
    cr_assert_eq(f->response.status, 302);
    assert_body(f, "moved");
    cr_assert(text_is(http_response_header(&f->response, "Location"), "/ok"));
    cr_assert_eq(f->server.requests, 1);
}

Test(http_client, does_not_follow_redirects)
{
    with_server(redirect, NULL);
}

static void closes(struct fixture *f)
{
    static const char *const paths[] = {"/close-before", "/close-after-headers", "/close-mid-body",
                                        "/close-mid-headers", "/close-mid-chunk"};

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        cr_assert_eq(do_get(f, paths[i]), -E_CLOSED, "%s: %s", paths[i], f->err.text);
        cr_assert(strstr(f->err.text, "127.0.0.1:"), "%s", f->err.text);
        cr_assert_null(strstr(f->err.text, paths[i]), "%s", f->err.text);
    }
    cr_assert_eq(f->server.requests, ARRAY_LENGTH(paths));
}

Test(http_client, reports_a_reply_that_was_cut_short_as_closed)
{
    with_server(closes, NULL);
}

static void garbage(struct fixture *f)
{
    cr_assert_eq(do_get(f, "/garbage"), -E_PROTOCOL, "%s", f->err.text);
    cr_assert_eq(do_get(f, "/folded"), -E_PROTOCOL, "%s", f->err.text);
    cr_assert_lt(do_get(f, "/bad-chunk"), 0);
}

Test(http_client, refuses_what_is_not_http)
{
    with_server(garbage, NULL);
}

static void body_caps(struct fixture *f)
{
    struct http_call call = {.max_body_bytes = 1000, .total_timeout_ms = 5000};

    cr_assert_eq(do_call(f, call, "/big/1000"), 0, "%s", f->err.text);
    cr_assert_eq(f->response.body.len, 1000);
    cr_assert_eq(do_call(f, call, "/big/1001"), -E_LIMIT);
    cr_assert(strstr(f->err.text, "1000 bytes"), "%s", f->err.text);
    cr_assert_eq(do_call(f, call, "/endless"), -E_LIMIT);
    cr_assert_eq(do_get(f, "/big/3000000"), 0);
    cr_assert_eq(f->response.body.len, 3000000);
}

Test(http_client, caps_the_size_of_the_body)
{
    with_server(body_caps, NULL);
}

static void truncates(struct fixture *f)
{
    struct http_call call = {
        .max_body_bytes = 1000, .truncate_body = true, .total_timeout_ms = 5000};

    cr_assert_eq(do_call(f, call, "/endless"), 0, "%s", f->err.text);
    cr_assert_eq(f->response.status, 200);
    cr_assert(f->response.truncated);
    cr_assert_eq(f->response.body.len, 1000);
    cr_assert_eq(strncmp(f->response.body.ptr, "0123456789abcdef0123", 20), 0);
    wait_open(f, 0);
    cr_assert_eq(do_call(f, call, "/big/1001"), 0);
    cr_assert(f->response.truncated);
    cr_assert_eq(do_call(f, call, "/big/1000"), 0);
    cr_assert(!f->response.truncated);
    cr_assert_eq(f->response.body.len, 1000);
}

Test(http_client, truncates_a_body_that_is_too_long_when_asked_to)
{
    with_server(truncates, NULL);
}

static void header_caps(struct fixture *f)
{
    struct http_call call = {.max_header_bytes = 2000, .total_timeout_ms = 5000};

    cr_assert_eq(do_call(f, call, "/header/1900"), 0, "%s", f->err.text);
    cr_assert_eq(http_response_header(&f->response, "x-filler").len, 1900);
    cr_assert_eq(do_call(f, call, "/header/2000"), -E_LIMIT, "%s", f->err.text);
    cr_assert_eq(do_call(f, call, "/headers/80"), -E_LIMIT, "%s", f->err.text);
    cr_assert_eq(do_get(f, "/header/200000"), -E_LIMIT, "%s", f->err.text);
    cr_assert_eq(do_get(f, "/headers/600"), -E_LIMIT, "%s", f->err.text);
    cr_assert_eq(do_get(f, "/headers/400"), 0, "%s", f->err.text);
    cr_assert_eq(f->response.headers_count, 401);
}

Test(http_client, caps_the_size_and_count_of_headers)
{
    with_server(header_caps, NULL);
}

struct taker {
    struct buf got;
    size_t calls;
    size_t stop_at;
    enum http_take then;
};

static enum http_take take(void *arg, struct text bytes)
{
    struct taker *taker = arg;

    buf_add_text(&taker->got, bytes);
    return ++taker->calls == taker->stop_at ? taker->then : HTTP_TAKE_MORE;
}

static void streams(struct fixture *f)
{
    struct taker taker = {.then = HTTP_TAKE_REFUSE};
    struct http_call call = {.on_body = take, .arg = &taker, .total_timeout_ms = 5000};

    buf_init(&taker.got, 0);
    cr_assert_eq(do_call(f, call, "/chunked"), 0);
    cr_assert(text_is(buf_text(&taker.got), "hello world"));
    cr_assert_eq(f->response.body.len, 0);
    cr_assert_str_eq(f->response.body.ptr, "");
    taker.stop_at = taker.calls + 3;
    cr_assert_eq(do_call(f, call, "/endless"), -E_LIMIT);
    cr_assert_eq(taker.calls, taker.stop_at);
    wait_open(f, 1); /* the idle one of the first call */
    taker.stop_at = 0;
    call.max_body_bytes = 500;
    cr_assert_eq(do_call(f, call, "/big/501"), -E_LIMIT);
    buf_deinit(&taker.got);
}

Test(http_client, streams_the_body_to_a_receiver_that_may_refuse_more)
{
    with_server(streams, NULL);
}

/* Whoever has what he wants waits for the end of the body, which keeps the connection, but not for
 * long; nothing that comes then is his, and nothing that goes wrong. */
static void has_enough(struct fixture *f)
{
    static const char *const ends[] = {"/stall", "/endless", "/close-mid-body", "/close-mid-chunk"};
    struct taker taker = {.then = HTTP_TAKE_ENOUGH, .stop_at = 1};
    struct http_call call = {.on_body = take, .arg = &taker, .total_timeout_ms = 20000};
    size_t accepted;

    buf_init(&taker.got, 0);
    cr_assert_eq(do_call(f, call, "/ok"), 0);
    accepted = f->server.accepted;
    taker.calls = 0;
    cr_assert_eq(do_call(f, call, "/ok"), 0);
    cr_assert_eq(f->server.accepted, accepted, "the connection was not kept");
    cr_assert(text_is(buf_text(&taker.got), "hellohello"));
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        taker.calls = 0;
        cr_assert_eq(do_call(f, call, ends[i]), 0, "%s: %s", ends[i], f->err.text);
        cr_assert_eq(f->response.status, 200);
        cr_assert_geq(f->response.headers_count, 1);
        cr_assert_eq(taker.calls, 1, "%s", ends[i]);
        cr_assert_lt(f->response.total_ms, 15000, "%s", ends[i]);
    }
    wait_open(f, 0);
    buf_deinit(&taker.got);
}

Test(http_client, succeeds_with_what_came_once_its_receiver_has_enough)
{
    with_server(has_enough, NULL);
}

/* A head, then silence; a byte each 20 ms is no silence. */
static void is_silent(struct fixture *f)
{
    struct http_call call = {.idle_timeout_ms = 200, .total_timeout_ms = 60000};

    cr_assert_eq(do_call(f, call, "/stall"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no further byte within 200 ms"), "%s", f->err.text);
    cr_assert_eq(do_call(f, call, "/slow/600"), 0);
    call.idle_timeout_ms = 5000;
    call.total_timeout_ms = 700;
    cr_assert_eq(do_call(f, call, "/trickle"), -E_TIMEOUT);
    cr_assert(strstr(f->err.text, "no complete response within 700 ms"), "%s", f->err.text);
}

Test(http_client, gives_up_on_a_reply_that_has_begun_and_is_silent)
{
    with_server(is_silent, NULL);
}
