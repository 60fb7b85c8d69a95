/* Requests: what leaves, and what is refused before it does. */

#include "http_test.h"

#include <stdlib.h>

#include "shared/base/memory.h"

static bool sent(const struct fixture *f, const char *line)
{
    return strstr(f->response.body.ptr, line) != NULL;
}

static void plain_get(struct fixture *f)
{
    cr_assert_eq(do_get(f, "/dump?a=b"), 0);
    cr_assert(sent(f, "GET /dump?a=b HTTP/1.1\r\n"));
    cr_assert(sent(f, "User-Agent: penstock/" PENSTOCK_VERSION "\r\n"));
    cr_assert(!sent(f, "Accept-Encoding"));
    cr_assert(!sent(f, "Expect"));
    cr_assert(!sent(f, "Content-"));
    cr_assert(!sent(f, "Cookie"));
}

Test(http_client, asks_for_no_compression_and_sends_no_expect)
{
    with_server(plain_get, NULL);
}

static void headers(struct fixture *f)
{
    struct http_header list[] = {{TEXT("X-One"), TEXT("1 and more")},
                                 {TEXT("X-Empty"), TEXT("")},
                                 {TEXT("Content-Type"), TEXT("application/json")}};
    struct http_call call = {.method = "POST",
                             .headers = list,
                             .headers_count = ARRAY_LENGTH(list),
                             .body = TEXT("{}"),
                             .total_timeout_ms = 5000};

    cr_assert_eq(do_call(f, call, "/dump"), 0);
    cr_assert(sent(f, "POST /dump HTTP/1.1\r\n"));
    cr_assert(sent(f, "\r\nX-One: 1 and more\r\n"));
    cr_assert(sent(f, "\r\nX-Empty:\r\n") || sent(f, "\r\nX-Empty: \r\n"));
    cr_assert(sent(f, "\r\nContent-Type: application/json\r\n"));
    cr_assert(sent(f, "\r\nContent-Length: 2\r\n"));
    /* The next request on the same handle carries nothing over. */
    cr_assert_eq(do_get(f, "/dump"), 0);
    cr_assert(sent(f, "GET /dump HTTP/1.1\r\n"));
    cr_assert(!sent(f, "X-One"));
    cr_assert(!sent(f, "Content-"));
}

Test(http_client, sends_headers_and_carries_nothing_over_to_the_next_call)
{
    with_server(headers, NULL);
}

static void check_method(struct fixture *f, const char *method, const char *body,
                         const char *length)
{
    struct http_call call = {.method = method, .body = text_of(body), .total_timeout_ms = 5000};
    char line[64];

    cr_assert_eq(do_call(f, call, "/dump"), 0, "%s: %s", method, f->err.text);
    snprintf(line, sizeof(line), "%s /dump HTTP/1.1\r\n", method);
    cr_assert(sent(f, line), "%s", f->response.body.ptr);
    if (!length) {
        cr_assert(!sent(f, "Content-Length"), "%s", method);
        return;
    }
    snprintf(line, sizeof(line), "\r\nContent-Length: %s\r\n", length);
    cr_assert(sent(f, line), "%s", f->response.body.ptr);
    cr_assert(text_is(buf_text(&f->server.last_body), body));
}

static void methods(struct fixture *f)
{
    check_method(f, "GET", "", NULL);
    check_method(f, "POST", "abc", "3");
    check_method(f, "POST", "", "0");
    check_method(f, "PUT", "abcd", "4");
    check_method(f, "PUT", "", "0");
    check_method(f, "PATCH", "ab", "2");
    check_method(f, "DELETE", "", NULL);
    check_method(f, "DELETE", "why", "3");
    check_method(f, "GET", "query", "5");
    check_method(f, "OPTIONS", "", NULL);
    cr_assert_eq(do_call(f, (struct http_call){.method = "HEAD"}, "/ok"), 0);
    cr_assert_eq(f->response.status, 200);
    cr_assert(text_is(http_response_header(&f->response, "Content-Length"), "5"));
    assert_body(f, "");
    check_method(f, "GET", "", NULL);
    cr_assert_eq(f->server.accepted, 1);
}

Test(http_client, speaks_every_method_over_one_connection)
{
    with_server(methods, NULL);
}

static void bodies(struct fixture *f)
{
    static const size_t sizes[] = {1, 1000, 16384, 65535, 65536, 65537, 200000, 1 << 20};
    char *bytes = xmalloc(1 << 20);

    for (size_t i = 0; i < (1 << 20); i++)
        bytes[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct text body = {bytes, sizes[i]};
        struct http_call call = {.method = "POST", .body = body, .total_timeout_ms = 10000};

        cr_assert_eq(do_call(f, call, "/echo"), 0, "%zu: %s", sizes[i], f->err.text);
        cr_assert(text_equal(buf_text(&f->server.last_body), body), "%zu", sizes[i]);
        cr_assert(text_equal(f->response.body, body), "%zu", sizes[i]);
    }
    free(bytes);
}

Test(http_client, sends_bodies_of_every_size_intact)
{
    with_server(bodies, NULL);
}

static void bad_urls(struct fixture *f)
{
    static const char *const urls[] = {"",
                                       "file:///etc/passwd",
                                       "ftp://127.0.0.1/",
                                       "127.0.0.1/ok",
                                       "http:/ok",
                                       "http://",
                                       "http:///ok",
                                       "gopher://127.0.0.1/",
                                       "https://",
                                       "http://a b/",
                                       "http://a/\r\nX: y",
                                       "http://user:pw@127.0.0.1/",
                                       "http://127.0.0.1:99999/",
                                       "http://127.0.0.1:x/",
                                       "http://h\xc3\xa9/",
                                       "http://[::1/",
                                       "dict://127.0.0.1:1/",
                                       "http://\\127.0.0.1/"};

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        cr_assert_eq(do_call(f, (struct http_call){.url = urls[i]}, NULL), -E_INVALID,
                     "'%s': %d %s", urls[i], f->err.code, f->err.text);
        cr_assert_null(strstr(f->err.text, "pw"), "%s", f->err.text);
    }
    cr_assert_eq(f->server.accepted, 0);
}

Test(http_client, refuses_urls_that_are_not_plain_http)
{
    with_server(bad_urls, NULL);
}

static void smuggling(struct fixture *f)
{
    static const struct http_header bad[] = {{{"X", 1}, {"a\r\nY: b", 7}}, {{"X", 1}, {"a\nb", 3}},
                                             {{"X", 1}, {"a\0b", 3}},      {{"X Y", 3}, {"a", 1}},
                                             {{"X:", 2}, {"a", 1}},        {{"", 0}, {"a", 1}},
                                             {{"X\r\nY", 4}, {"a", 1}}};
    struct http_call call = {.headers_count = 1};

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        call.headers = &bad[i];
        cr_assert_eq(do_call(f, call, "/ok"), -E_INVALID, "%zu", i);
    }
    call.headers_count = 0;
    call.method = "GET / HTTP/1.1\r\nX:";
    cr_assert_eq(do_call(f, call, "/ok"), -E_INVALID);
    call.method = "";
    cr_assert_eq(do_call(f, call, "/ok"), -E_INVALID);
    call.method = "HEAD";
    call.body = TEXT("x");
    cr_assert_eq(do_call(f, call, "/ok"), -E_INVALID);
    cr_assert_eq(f->server.accepted, 0);
}

Test(http_client, refuses_headers_and_methods_that_smuggle)
{
    with_server(smuggling, NULL);
}
