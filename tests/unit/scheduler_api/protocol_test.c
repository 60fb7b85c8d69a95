/* What holds for all endpoints: keys, bodies, URLs, idempotency, the database away. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

static void keys(struct fixture *fixture)
{
    const char *path = "/v1/assistants";

    refused(fixture, 401, NULL, NULL, "You didn't provide an API key.",
            (struct call){"GET", path, NULL, NULL, ""});
    refused(fixture, 401, NULL, NULL, "You didn't provide an API key.",
            (struct call){"GET", path, NULL, "Authorization: Basic abc\r\n", ""});
    refused(fixture, 401, NULL, "invalid_api_key", "Incorrect API key provided",
            (struct call){"GET", path, NULL, NULL, "pk_wrong"});
    cr_assert(header(fixture, "www-authenticate") && header(fixture, "x-request-id"));
    expect(fixture, 200, "GET", path, NULL);
    cr_assert_eq(
        http(fixture, (struct call){"GET", path, NULL, "OpenAI-Beta: assistants=v2\r\n", NULL}),
        200);
}

Test(api, asks_for_a_key_that_is_good)
{
    with_api(keys);
}

static void bodies(struct fixture *fixture)
{
    struct buf deep;
    static const struct {
        const char *body;
        const char *message;
    } broken[] = {
        {"{\"name\":}", "line 1 column"},
        {"{\"name\":\"a\\u0000\"}", "\\u0000"},
        {"{\"name\":\"\xFF\"}", "UTF-8"},
        {"{} x", "column 4"},
        {"{\"a\":1", "end"},
        {"{\"a\":NaN}", "column"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        refused(fixture, 400, NULL, NULL, "We could not parse the JSON body of your request",
                (struct call){"POST", "/v1/threads", broken[i].body, NULL, NULL});
        cr_assert(
            strstr(json_get_string(json_get(fixture->body, "error"), "message"), broken[i].message),
            "%s", json_text(fixture->body).ptr);
    }
    refused(fixture, 400, NULL, "invalid_type", "expected an object, but got an array",
            (struct call){"POST", "/v1/threads", "[]", NULL, NULL});
    refused(fixture, 400, NULL, "invalid_type", "got null",
            (struct call){"POST", "/v1/threads", "null", NULL, NULL});
    buf_init(&deep, 0);
    for (int i = 0; i < 70; i++)
        buf_add_string(&deep, "{\"a\":");
    refused(fixture, 400, NULL, NULL, "deeper than 64",
            (struct call){"POST", "/v1/threads", buf_string(&deep), NULL, NULL});
    buf_deinit(&deep);
    refused(fixture, 415, NULL, "unsupported_content_type", "'text/plain'",
            (struct call){"POST", "/v1/threads", NULL,
                          "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", NULL});
    cr_assert_eq(http(fixture, (struct call){"POST", "/v1/threads", NULL,
                                             "Content-Type: application/json; charset=utf-8\r\n"
                                             "Content-Length: 2\r\n\r\n{}",
                                             NULL}),
                 200);
    cr_assert_eq(http(fixture, (struct call){"GET", "/v1/threads", "not json", NULL, NULL}), 200);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 1);
}

Test(api, says_where_a_body_is_broken)
{
    with_api(bodies);
}

static void too_large(struct fixture *fixture)
{
    char *body = xmalloc(1100000);

    memset(body, ' ', 1099999);
    body[1099999] = '\0';
    cr_assert_eq(http(fixture, (struct call){"POST", "/v1/threads", body, NULL, NULL}), 413);
    cr_assert(json_path(fixture->body, "error", "message", NULL));
    free(body);
}

Test(api, refuses_a_body_that_is_too_large_in_its_own_words)
{
    with_api(too_large);
}

static void urls(struct fixture *fixture)
{
    refused(fixture, 404, NULL, "unknown_url", "Unknown request URL: GET /v1/x.",
            (struct call){"GET", "/v1/x", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "GET /v1/images/x. Penstock does not offer images.",
            (struct call){"GET", "/v1/images/x", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "Did you mean /v1/threads/x?",
            (struct call){"GET", "/threads/x", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "Please check the URL for typos",
            (struct call){"GET", "/v1", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "Please check the URL for typos",
            (struct call){"GET", "/", NULL, NULL, NULL});
    refused(fixture, 405, NULL, "method_not_supported", "Not allowed to DELETE on /v1/threads",
            (struct call){"DELETE", "/v1/threads", NULL, NULL, NULL});
    cr_assert(strstr(header(fixture, "allow"), "POST"));
    refused(fixture, 400, "limit", "integer_above_max_value", "<= 100, but got 101",
            (struct call){"GET", "/v1/threads?limit=101", NULL, NULL, NULL});
    refused(fixture, 400, "limit", "integer_below_min_value", ">= 1",
            (struct call){"GET", "/v1/threads?limit=0", NULL, NULL, NULL});
    refused(fixture, 400, "limit", "invalid_type", "an integer",
            (struct call){"GET", "/v1/threads?limit=ten", NULL, NULL, NULL});
    refused(fixture, 400, "order", "invalid_value", "'up'",
            (struct call){"GET", "/v1/threads?order=up", NULL, NULL, NULL});
    refused(fixture, 400, "after", "invalid_value", "begins with 'thread_'",
            (struct call){"GET", "/v1/threads?after=run_1", NULL, NULL, NULL});
    refused(fixture, 400, "after", "invalid_value", "begins with 'thread_'",
            (struct call){"GET", "/v1/threads?after=thread_00000000000000000000000000000000", NULL,
                          NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No run found",
            (struct call){"GET",
                          show("/v1/threads/%s/messages?run_id=run_%032d", new_thread(fixture), 0),
                          NULL, NULL, NULL});
}

Test(api, says_what_is_wrong_with_a_url)
{
    with_api(urls);
}

static void idempotency(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    const char *body = show("{\"assistant_id\":\"%s\"}", assistant);
    struct call call = {"POST", "/v1/threads/runs", body, "Idempotency-Key: k1\r\n", NULL};
    const char *first;

    cr_assert_eq(http(fixture, call), 200);
    cr_assert(!header(fixture, "idempotency-replayed"));
    first = show("%s", string_at(fixture->body, "id"));
    cr_assert_eq(http(fixture, call), 200);
    cr_assert_str_eq(string_at(fixture->body, "id"), first);
    cr_assert_str_eq(header(fixture, "idempotency-replayed"), "true");
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);

    call.body = show("{\"assistant_id\":\"%s\",\"temperature\":1}", assistant);
    refused(fixture, 409, NULL, "idempotency_key_in_use", "another request", call);
    cr_assert_str_eq(header(fixture, "x-should-retry"), "false");
    call.key = fixture->other_key; /* another tenant's key of the same name is another key */
    refused(fixture, 404, NULL, NULL, "No assistant found", call);

    /* What was refused gives the key free. */
    call = (struct call){"POST", "/v1/threads", "{\"x\":1}", "Idempotency-Key: k2\r\n", NULL};
    refused(fixture, 400, "x", "unknown_parameter", "'x'", call);
    call.body = "{}";
    cr_assert_eq(http(fixture, call), 200);
    call = (struct call){"POST", "/v1/threads/runs",
                         "{\"assistant_id\":\"asst_00000000000000000000000000000000\"}",
                         "Idempotency-Key: k3\r\n", NULL};
    refused(fixture, 404, NULL, NULL, "No assistant found", call);
    call.body = body;
    cr_assert_eq(http(fixture, call), 200);
}

Test(api, answers_a_repeated_request_once)
{
    with_api(idempotency);
}

static void taken_over(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    struct call call = {"POST", "/v1/threads/runs", show("{\"assistant_id\":\"%s\"}", assistant),
                        "Idempotency-Key: k1\r\n", NULL};
    const char *first;

    /* The process died after the commit and before the reply was kept. */
    cr_assert_eq(http(fixture, call), 200);
    first = show("%s", string_at(fixture->body, "id"));
    sql_do(fixture, "UPDATE idempotency_keys SET status_code = NULL, response = NULL");
    refused(fixture, 409, NULL, "idempotency_key_in_use", "still being worked on", call);
    cr_assert_str_eq(header(fixture, "x-should-retry"), "true");
    sql_do(fixture, "UPDATE idempotency_keys SET created_at = now() - interval '2 minutes'");
    cr_assert_eq(http(fixture, call), 200);
    cr_assert_str_eq(string_at(fixture->body, "id"), first);
    cr_assert_str_eq(header(fixture, "idempotency-replayed"), "true");
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);
}

Test(api, finds_what_a_request_that_died_had_done)
{
    with_api(taken_over);
}

#define FIRST_TRY "x-stainless-retry-count: 0\r\n"
#define NEXT_TRY  "x-stainless-retry-count: 1\r\n"

/* The answer of the first try was lost: the second gets it, of whatever is made. */
static void tried_again(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    const char *thread = new_thread(fixture);
    const struct call calls[] = {
        {"POST", "/v1/assistants", "{\"model\":\"gpt-4o-mini\"}", FIRST_TRY, NULL},
        {"POST", "/v1/threads", "{}", FIRST_TRY, NULL},
        {"POST", show("/v1/threads/%s/messages", thread), "{\"role\":\"user\",\"content\":\"x\"}",
         FIRST_TRY, NULL},
        {"POST", "/v1/threads/runs", show("{\"assistant_id\":\"%s\"}", assistant), FIRST_TRY, NULL},
        {"POST", show("/v1/threads/%s/runs", thread), show("{\"assistant_id\":\"%s\"}", assistant),
         FIRST_TRY, NULL},
        {"POST", show("/v1/threads/%s/runs", thread),
         show("{\"assistant_id\":\"%s\",\"multitask_strategy\":\"enqueue\"}", assistant), FIRST_TRY,
         NULL},
    };
    int told;

    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        struct call call = calls[i];
        const char *first;

        cr_assert_eq(http(fixture, call), 200, "%zu", i);
        cr_assert(!header(fixture, "idempotency-replayed"));
        first = show("%s", string_at(fixture->body, "id"));
        told = fixture->runs_told;
        call.headers = NEXT_TRY;
        for (int again = 0; again < 2; again++) {
            cr_assert_eq(http(fixture, call), 200, "%zu", i);
            cr_assert_str_eq(string_at(fixture->body, "id"), first);
            cr_assert_str_eq(header(fixture, "idempotency-replayed"), "true");
        }
        cr_assert_eq(fixture->runs_told, told);
    }
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 3);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), 2);
}

Test(api, recognises_the_next_try_of_an_sdk)
{
    with_api(tried_again);
}

static void tries_apart(struct fixture *fixture)
{
    struct call call = {"POST", "/v1/threads", "{}", FIRST_TRY, NULL};
    const char *first;

    /* Two first tries are two submissions; a next try alone is made. */
    cr_assert_eq(http(fixture, call), 200);
    first = show("%s", string_at(fixture->body, "id"));
    cr_assert_eq(http(fixture, call), 200);
    cr_assert_str_neq(string_at(fixture->body, "id"), first);
    call.body = "{\"metadata\":{\"a\":\"b\"}}";
    call.headers = NEXT_TRY;
    cr_assert_eq(http(fixture, call), 200);
    cr_assert(!header(fixture, "idempotency-replayed"));
    first = show("%s", string_at(fixture->body, "id"));
    cr_assert_eq(http(fixture, call), 200);
    cr_assert_str_eq(string_at(fixture->body, "id"), first);
    call.key = fixture->other_key;
    cr_assert_eq(http(fixture, call), 200);
    cr_assert_str_neq(string_at(fixture->body, "id"), first);

    /* A key counts more, and nonsense counts nothing. */
    call.key = NULL;
    call.headers = NEXT_TRY "Idempotency-Key: k\r\n";
    cr_assert_eq(http(fixture, call), 200);
    cr_assert(!header(fixture, "idempotency-replayed"));
    call.headers = "x-stainless-retry-count: many\r\n";
    cr_assert_eq(http(fixture, call), 200);
    cr_assert(!header(fixture, "idempotency-replayed"));
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 6);
}

Test(api, takes_two_first_tries_for_two_submissions)
{
    with_api(tries_apart);
}

static void given_back(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    struct call call = {"POST", "/v1/threads/runs", show("{\"assistant_id\":\"%s\"}", assistant),
                        "Idempotency-Key: k1\r\n", NULL};
    int64_t deadline_ms;
    int status;

    /* Every try to make a run loses its connection, so that nobody knows what became of it. */
    sql_do(fixture, "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                    " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'");
    sql_do(fixture, "CREATE TRIGGER die BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION die()");
    refused(fixture, 503, NULL, "service_unavailable", "can't be reached", call);
    sql_do(fixture, "DROP TRIGGER die ON runs");
    deadline_ms = deadline_in(5000);
    while ((status = http(fixture, call)) != 200 && clock_ms() < deadline_ms)
        cr_assert(status == 409 || status == 503, "%d", status);
    cr_assert_eq(status, 200);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);
}

Test(api, gives_a_key_back_soon_after_a_lost_connection)
{
    with_api(given_back);
}

static void database_away(struct fixture *fixture)
{
    const char *name = show("api_%d", (int)getpid());
    struct call call = {"POST", "/v1/threads", "{}", NULL, NULL};

    cr_assert_eq(http(fixture, call), 200);
    sql_admin(show("ALTER DATABASE %s ALLOW_CONNECTIONS false", name));
    sql_admin(show("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                   "'%s'",
                   name));
    refused(fixture, 503, NULL, "service_unavailable", "can't be reached", call);
    cr_assert_str_eq(header(fixture, "retry-after"), "1");
    cr_assert_str_eq(header(fixture, "x-should-retry"), "true");
    sql_admin(show("ALTER DATABASE %s ALLOW_CONNECTIONS true", name));
    for (int i = 0; i < 20 && http(fixture, call) != 200; i++)
        continue;
    cr_assert_eq(http(fixture, call), 200);
}

Test(api, says_try_again_while_the_database_is_away)
{
    with_api(database_away);
}

static void foreign_bytes(struct fixture *fixture)
{
    struct buf body;

    buf_init(&body, 0);
    for (int skip = 0; skip < 2; skip++) {
        buf_reset(&body);
        buf_printf(&body, "{\"model\":\"%s", skip ? "x" : "");
        for (int i = 0; i < 200; i++)
            buf_add_string(&body, "é");
        buf_add_string(&body, "\"}");
        refused(fixture, 400, "model", "model_not_found", "model",
                (struct call){"POST", "/v1/assistants", buf_string(&body), NULL, NULL});
    }
    refused(fixture, 404, NULL, NULL, "No thread found with id '",
            (struct call){"GET", "/v1/threads/%FF%C3%28", NULL, NULL, NULL});
    refused(fixture, 400, NULL, "invalid_value", "not UTF-8",
            (struct call){"GET", "/v1/threads?order=%FF", NULL, NULL, NULL});
    buf_deinit(&body);
}

Test(api, answers_in_utf_8_whatever_bytes_came_in)
{
    with_api(foreign_bytes);
}

static void unknown_query(struct fixture *fixture)
{
    const char *thread = new_thread(fixture);

    refused(fixture, 400, "user", "unknown_parameter", "'user'",
            (struct call){"GET", "/v1/threads?user=asst_1", NULL, NULL, NULL});
    refused(fixture, 400, "metadata[a", "unknown_parameter", "'metadata[a'",
            (struct call){"GET", "/v1/threads?metadata%5Ba=1", NULL, NULL, NULL});
    refused(fixture, 400, "limt", "unknown_parameter", "Did you mean 'limit'?",
            (struct call){"GET", "/v1/threads?limt=5", NULL, NULL, NULL});
    refused(fixture, 400, "assistant", "unknown_parameter", "Did you mean 'assistant_id'?",
            (struct call){"GET", "/v1/runs?assistant=x", NULL, NULL, NULL});
    refused(fixture, 400, "x y", "unknown_parameter", "takes none",
            (struct call){"GET", show("/v1/threads/%s?x%%20y=1", thread), NULL, NULL, NULL});
    refused(fixture, 400, "limit", "unknown_parameter", "takes none",
            (struct call){"POST", "/v1/threads?limit=1", "{}", NULL, NULL});
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 1);
    expect(fixture, 200, "GET", show("/v1/threads/%s?api-version=2024-05-01-preview", thread),
           NULL);
    expect(fixture, 200, "GET", "/v1/runs?status=queued&status=failed&&limit=1", NULL);
    expect(fixture, 200, "GET",
           show("/v1/threads/%s/runs?include%%5B%%5D=x&include=y&limit=2", thread), NULL);
    refused(fixture, 400, "metadata[]", "invalid_value", "metadata[KEY]=VALUE",
            (struct call){"GET", "/v1/threads?metadata%5B%5D=1", NULL, NULL, NULL});
}

Test(api, refuses_members_of_the_query_that_it_does_not_know)
{
    with_api(unknown_query);
}

static void empty_agents(struct fixture *fixture)
{
    static const char *const lists[] = {"/v1/threads", "/v1/runs", "/v1/users/ann/memory"};
    const char *thread = show("/v1/threads/%s", new_thread(fixture));
    const char *said = "{\"assistant_id\":\"\"}";

    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
        refused(fixture, 400, "assistant_id", "invalid_value", "it is empty",
                (struct call){"GET", show("%s?assistant_id=", lists[i]), NULL, NULL, NULL});
    refused(fixture, 400, "assistant_id", "invalid_value", "it is empty",
            (struct call){"DELETE", "/v1/users/ann/memory?assistant_id=", NULL, NULL, NULL});
    refused(fixture, 400, "pending_for", "invalid_value", "it is empty",
            (struct call){"GET", show("%s/messages?pending_for", thread), NULL, NULL, NULL});
    refused(fixture, 400, "assistant_id", "invalid_value", "it is empty",
            (struct call){"POST", "/v1/threads", said, NULL, NULL});
    refused(fixture, 400, "assistant_id", "invalid_value", "it is empty",
            (struct call){"POST", thread, said, NULL, NULL});
    expect(fixture, 200, "POST", thread, "{\"assistant_id\":null}");
}

Test(api, refuses_an_empty_name_of_an_agent_wherever_one_may_be_left_out)
{
    with_api(empty_agents);
}

static void azure(struct fixture *fixture)
{
    static const char *const paths[] = {"/openai/v1/threads?api-version=v1",
                                        "/openai/threads?api-version=2024-05-01-preview"};
    const char *key = show("api-key: %s\r\n", fixture->key);
    const char *id;

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        cr_assert_eq(http(fixture, (struct call){"POST", paths[i], "{}", key, ""}), 200);
        id = show("%s", string_at(fixture->body, "id"));
        cr_assert_eq(
            http(fixture, (struct call){"GET", show("/openai/threads/%s", id), NULL, key, ""}),
            200);
    }
    refused(fixture, 401, NULL, "invalid_api_key", "Incorrect API key",
            (struct call){"GET", paths[0], NULL, "api-key: pk_wrong\r\n", ""});
    refused(fixture, 404, NULL, "unknown_url", "GET /v1/x",
            (struct call){"GET", "/openai/x", NULL, key, ""});
    refused(fixture, 404, NULL, "unknown_url", "/openaix",
            (struct call){"GET", "/openaix/threads", NULL, key, ""});
}

Test(api, takes_the_paths_and_the_key_of_azures_clients)
{
    with_api(azure);
}

static int post_typed(struct fixture *fixture, const char *headers, const char *body)
{
    return http(fixture,
                (struct call){"POST", "/v1/threads", NULL,
                              show("%sContent-Length: %zu\r\n\r\n%s", headers, strlen(body), body),
                              NULL});
}

static void media(struct fixture *fixture)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Content-Type: application/json; charset=utf-8\r\n", 200},
        {"Content-Type: application/json;charset=\"UTF-8\"\r\n", 200},
        {"Content-Type: application/json; profile=x; charset=utf-16\r\n", 415},
        {"Content-Type: application/json; charset=latin1\r\n", 415},
        {"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415},
        {"Content-Type: application/json\r\nContent-Encoding: identity\r\n", 200},
        {"Content-Type: text/plain\r\n", 415},
        {"", 200},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(post_typed(fixture, cases[i].headers, "{}"), cases[i].status, "%s",
                     cases[i].headers);
    cr_assert_eq(post_typed(fixture, "", "\xEF\xBB\xBF{\"metadata\":{\"a\":\"b\"}}"), 200);
    cr_assert_str_eq(string_at(json_get(fixture->body, "metadata"), "a"), "b");
    cr_assert_eq(post_typed(fixture, "", "{\xEF\xBB\xBF}"), 400);
}

Test(api, takes_bodies_in_plain_utf_8_only)
{
    with_api(media);
}

/* The body never comes: what the head says is answered. */
static void heads(struct fixture *fixture)
{
    static const struct {
        const char *path;
        const char *headers;
        const char *key; /* "": none */
        int status;
    } cases[] = {
        {"/v1/threads", "Content-Length: 1000000\r\nExpect: 100-continue\r\n", "", 401},
        {"/v1/threads", "Content-Length: 1000000\r\n", "pk_wrong", 401},
        {"/v1/threads", "Transfer-Encoding: chunked\r\n", "", 401},
        {"/v1/x", "Content-Length: 1000000\r\n", NULL, 404},
        {"/v1/threads", "Content-Length: 1000000\r\nContent-Encoding: br\r\n", NULL, 415},
        {"/v1/threads", "Content-Length: 1000000\r\nContent-Type: text/csv\r\n", NULL, 415},
        {"/v1/threads?x=1", "Content-Length: 1000000\r\n", NULL, 400},
        {"/v1/runs/run_00000000000000000000000000000000/cancel", "Content-Length: 1000000\r\n",
         NULL, 413},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(http(fixture, (struct call){"POST", cases[i].path, NULL, cases[i].headers,
                                                 cases[i].key}),
                     cases[i].status, "%s", cases[i].headers);
}

Test(api, answers_by_the_head_before_a_body_is_sent)
{
    with_api(heads);
}

/* 12 messages of 1 MB: a page holds those that fit, and paging reaches them all. */
static void large_pages(struct fixture *fixture)
{
    const char *thread = new_thread(fixture);
    const char *path = show("/v1/threads/%s/messages?limit=100", thread);
    const char *after = "";
    size_t seen = 0;
    int pages = 0;
    bool more;

    sql_do(fixture, "INSERT INTO messages (id, tenant_id, thread_id, role, content)"
                    " SELECT gen_random_uuid(), t.tenant_id, t.id, 'user', jsonb_build_array("
                    "   jsonb_build_object('type', 'text', 'text', jsonb_build_object('value',"
                    "     repeat(md5(i::text), 32768), 'annotations', '[]'::jsonb)))"
                    " FROM threads t, generate_series(1, 12) i");
    do {
        struct json_object *page = expect(fixture, 200, "GET", show("%s%s", path, after), NULL);

        more = json_get_bool(page, "has_more", false);
        cr_assert_leq(json_text(page).len, (size_t)5 << 20);
        seen += json_object_array_length(json_get(page, "data"));
        after = show("&after=%s", string_at(page, "last_id"));
        pages++;
    } while (more && pages < 20);
    cr_assert_eq(seen, 13);
    cr_assert_geq(pages, 4);
}

Test(api, gives_pages_that_end_where_they_would_become_too_large)
{
    with_api(large_pages);
}

/* {"role": …, "content": "xxx…"} with `bytes` of content and something behind it. */
static char *large_message(const char *role, size_t bytes, const char *end)
{
    CLEANUP(buf_deinit) struct buf body;
    char *text;

    buf_init(&body, 0);
    buf_printf(&body, "{\"role\":%s,\"content\":\"", role);
    for (size_t i = 0; i < bytes; i++)
        buf_add_char(&body, 'x');
    buf_printf(&body, "\"%s", end);
    text = xstrdup(buf_string(&body));
    return text;
}

/* What is read on a thread is judged as what is read at once. */
static void large_bodies(struct fixture *fixture)
{
    const char *path = show("/v1/threads/%s/messages", new_thread(fixture));
    int64_t before = sql_int(fixture, "SELECT count(*) FROM messages");

    for (size_t bytes = 10; bytes <= 200000; bytes *= 20000) {
        CLEANUP(freep) char *good = large_message("\"user\"", bytes, "}");
        CLEANUP(freep) char *cut = large_message("\"user\"", bytes, "");
        CLEANUP(freep) char *wrong = large_message("\"boss\"", bytes, "}");
        CLEANUP(freep) char *other = large_message("\"user\"", bytes, ",\"contents\":1}");

        expect(fixture, 200, "POST", path, good);
        refused(fixture, 400, NULL, NULL, "We could not parse the JSON body",
                (struct call){"POST", path, cut, NULL, NULL});
        refused(fixture, 400, "role", "invalid_value", "'user'",
                (struct call){"POST", path, wrong, NULL, NULL});
        refused(fixture, 400, "contents", "unknown_parameter", "contents",
                (struct call){"POST", path, other, NULL, NULL});
    }
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), before + 2);
}

Test(api, judges_large_bodies_as_small_ones)
{
    with_api(large_bodies);
}
