/* The router, and the fields of a request. */

#include "harness.h"

#include "shared/http_server/router.h"

static void h_threads(struct http_exchange *exchange, void *arg)
{
    (void)exchange;
    (void)arg;
}

static const struct route routes[] = {
    {HTTP_METHOD_GET, "/", h_threads},
    {HTTP_METHOD_GET, "/v1/threads", h_threads},
    {HTTP_METHOD_POST, "/v1/threads", h_threads},
    {HTTP_METHOD_GET, "/v1/threads/{thread}", h_threads},
    {HTTP_METHOD_DELETE, "/v1/threads/{thread}", h_threads},
    {HTTP_METHOD_POST, "/v1/threads/runs", h_threads},
    {HTTP_METHOD_GET, "/v1/threads/{thread}/runs/{run}", h_threads},
    {HTTP_METHOD_GET, "/v1/threads/{thread}/runs/last", h_threads},
    {HTTP_METHOD_GET, "/v1/{kind}/special/runs/{run}", h_threads},
    {HTTP_METHOD_GET, "/a/{b}/c", h_threads},
    {HTTP_METHOD_GET, "/a/b/d", h_threads},
    {HTTP_METHOD_GET, "/{x}/b/e", h_threads},
    {HTTP_METHOD_HEAD, "/head", h_threads},
    {HTTP_METHOD_GET, "/head", h_threads},
};

static struct http_exchange exchange;
static const struct route *found;
static char allow[64];

static int find(enum http_method method, const char *path)
{
    struct router *router = router_new(routes, ARRAY_LENGTH(routes));
    struct error err = {0};
    int r;

    found = NULL;
    allow[0] = '\0';
    arena_deinit(&exchange.arena);
    arena_init(&exchange.arena, 0);
    exchange.method = method;
    exchange.path = text_of(path);
    r = router_find(router, &exchange, &found, allow, &err);
    router_free(router);
    return r;
}

static void finds(enum http_method method, const char *path, const char *pattern)
{
    cr_assert_eq(find(method, path), 0, "%s", path);
    cr_assert_str_eq(found->pattern, pattern);
}

static void param_is(size_t index, const char *value)
{
    cr_assert(text_is(exchange.params[index], value), "%.*s", TEXT_ARGS(exchange.params[index]));
}

Test(routes, a_parameter_matches_one_segment_and_is_decoded_once)
{
    finds(HTTP_METHOD_GET, "/v1/threads/th%20%2561", "/v1/threads/{thread}");
    param_is(0, "th %61");
    finds(HTTP_METHOD_GET, "/v1/threads/a/runs/b", "/v1/threads/{thread}/runs/{run}");
    param_is(0, "a");
    param_is(1, "b");
    finds(HTTP_METHOD_GET, "/v1/threads/a+b", "/v1/threads/{thread}");
    param_is(0, "a+b");
    finds(HTTP_METHOD_GET, "/", "/");
    arena_deinit(&exchange.arena);
}

Test(routes, a_literal_outranks_a_parameter_whatever_the_method)
{
    finds(HTTP_METHOD_POST, "/v1/threads/runs", "/v1/threads/runs");
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/runs"), ROUTE_WRONG_METHOD);
    cr_assert_str_eq(allow, "POST");
    finds(HTTP_METHOD_GET, "/v1/threads/a/runs/last", "/v1/threads/{thread}/runs/last");
    /* At the first segment where they differ. */
    finds(HTTP_METHOD_GET, "/v1/threads/special/runs/x", "/v1/threads/{thread}/runs/{run}");
    finds(HTTP_METHOD_GET, "/v1/others/special/runs/x", "/v1/{kind}/special/runs/{run}");
    arena_deinit(&exchange.arena);
}

Test(routes, the_wrong_method_gives_the_allowed_ones)
{
    cr_assert_eq(find(HTTP_METHOD_PATCH, "/v1/threads"), ROUTE_WRONG_METHOD);
    cr_assert_str_eq(allow, "GET, HEAD, POST");
    cr_assert_eq(find(HTTP_METHOD_OPTIONS, "/v1/threads/x"), ROUTE_WRONG_METHOD);
    cr_assert_str_eq(allow, "GET, HEAD, DELETE");
    arena_deinit(&exchange.arena);
}

Test(routes, head_matches_get_unless_it_has_a_route_of_its_own)
{
    finds(HTTP_METHOD_HEAD, "/v1/threads/x", "/v1/threads/{thread}");
    cr_assert_eq(found->method, HTTP_METHOD_GET);
    finds(HTTP_METHOD_HEAD, "/head", "/head");
    cr_assert_eq(found->method, HTTP_METHOD_HEAD);
    cr_assert_eq(find(HTTP_METHOD_HEAD, "/v1/threads/runs"), ROUTE_WRONG_METHOD);
    arena_deinit(&exchange.arena);
}

/* /v1/threads is a literal that leads nowhere here: the parameter beside it is tried. */
Test(routes, a_literal_that_leads_nowhere_gives_way_to_the_parameter)
{
    finds(HTTP_METHOD_GET, "/v1/threads/special/runs/x", "/v1/threads/{thread}/runs/{run}");
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/special/x"), ROUTE_NOT_FOUND);
    finds(HTTP_METHOD_GET, "/a/b/c", "/a/{b}/c");
    finds(HTTP_METHOD_GET, "/a/b/d", "/a/b/d");
    finds(HTTP_METHOD_GET, "/x/b/e", "/{x}/b/e");
    finds(HTTP_METHOD_GET, "/a/b/e", "/{x}/b/e");
    param_is(0, "a");
    arena_deinit(&exchange.arena);
}

Test(routes, an_encoded_slash_stays_in_its_parameter)
{
    finds(HTTP_METHOD_GET, "/v1/threads/a%2Fb", "/v1/threads/{thread}");
    param_is(0, "a/b");
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1%2Fthreads"), ROUTE_NOT_FOUND);
    arena_deinit(&exchange.arena);
}

Test(routes, a_trailing_slash_is_another_path_and_an_empty_segment_matches_nothing)
{
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1//threads"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "//v1/threads"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads//runs/x"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/a/runs/"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/Threads"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_OPTIONS, "*"), ROUTE_NOT_FOUND);
    cr_assert_eq(find(HTTP_METHOD_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"),
                 ROUTE_NOT_FOUND);
    arena_deinit(&exchange.arena);
}

Test(routes, a_malformed_escape_in_the_path_is_invalid)
{
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/%zz"), -E_INVALID);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/%00"), -E_INVALID);
    cr_assert_eq(find(HTTP_METHOD_GET, "/v1/threads/%4"), -E_INVALID);
    arena_deinit(&exchange.arena);
}

static void query_is(const char *name, size_t index, const char *value)
{
    struct text got = http_query_get(&exchange, name, index);

    cr_assert(got.ptr && text_is(got, value), "%s[%zu] is %.*s", name, index, TEXT_ARGS(got));
}

Test(fields, a_query_parameter_is_found_by_its_decoded_name_and_decoded_once)
{
    arena_init(&exchange.arena, 0);
    exchange.query = TEXT("limit=20&after=a%20b+c%252F&empty=&bare&ids%5B%5D=1&ids[]=2&=x&&a=b=c");
    query_is("limit", 0, "20");
    query_is("after", 0, "a b c%2F");
    query_is("empty", 0, "");
    query_is("bare", 0, "");
    query_is("ids[]", 0, "1");
    query_is("ids[]", 1, "2");
    query_is("a", 0, "b=c");
    cr_assert_null(http_query_get(&exchange, "ids[]", 2).ptr);
    cr_assert_null(http_query_get(&exchange, "lim", 0).ptr);
    cr_assert_null(http_query_get(&exchange, "limits", 0).ptr);
    exchange.query = TEXT_NONE;
    cr_assert_null(http_query_get(&exchange, "limit", 0).ptr);
    arena_deinit(&exchange.arena);
}

Test(fields, malformed_escapes_do_not_decode)
{
    static const char *const malformed[] = {"%", "%4", "a%zz", "%00", "%0", "%-1", "a%%41"};
    struct text out = TEXT("untouched");

    arena_init(&exchange.arena, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(malformed); i++)
        cr_assert_not(http_decode(&exchange.arena, text_of(malformed[i]), false, &out), "%s",
                      malformed[i]);
    cr_assert(text_is(out, "untouched"));
    cr_assert(http_decode(&exchange.arena, TEXT("%41%7e%2B+"), false, &out));
    cr_assert(text_is(out, "A~++"));
    cr_assert(http_decode(&exchange.arena, TEXT("+%2B"), true, &out));
    cr_assert(text_is(out, " +"));
    cr_assert(http_decode(&exchange.arena, TEXT_NONE, true, &out));
    cr_assert(text_is(out, ""));
    arena_deinit(&exchange.arena);
}

Test(fields, a_header_is_found_in_any_case_and_the_first_one_counts)
{
    static const struct http_field headers[] = {{TEXT("Accept"), TEXT("a")},
                                                {TEXT("accept"), TEXT("b")}};

    exchange.headers = headers;
    exchange.headers_count = 2;
    cr_assert(text_is(http_header_get(&exchange, "ACCEPT"), "a"));
    cr_assert_null(http_header_get(&exchange, "accep").ptr);
}
