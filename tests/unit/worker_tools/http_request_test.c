/* The http_request tool against a local server that is allowed by an exception of the guard. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/http_client/http_client.h"
#include "shared/io/io.h"
#include "shared/json/json.h"
#include "worker/tools/http/http_request.h"

/* Answers each connection once, with `reply`, and keeps the request. */
struct server {
    int listen_fd;
    int port;
    struct fiber *fiber;
    struct text reply;
    int64_t delay_ms;
    size_t requests;
    char request[8192];
};

struct fixture {
    struct server server;
    struct http_client *http;
    struct http_request_options options;
    const char *allow[2];
    char host_port[2][64];
    struct buf out;
    struct json_object *result;
    struct error err;
};

static void answer(struct server *server, int fd)
{
    size_t used = 0;
    size_t len;
    char *end = NULL;
    char *length;
    size_t want = SIZE_MAX;

    while (used < want && used < sizeof(server->request) - 1 &&
           io_read(fd, server->request + used, sizeof(server->request) - 1 - used, DEADLINE_NONE,
                   &len, NULL) == 0) {
        used += len;
        server->request[used] = '\0';
        end = strstr(server->request, "\r\n\r\n");
        if (!end)
            continue;
        length = strcasestr(server->request, "\r\nContent-Length: ");
        want = (size_t)(end + 4 - server->request) +
               (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
    }
    server->requests++;
    if (fiber_sleep(server->delay_ms, NULL) == 0 &&
        io_write(fd, server->reply.ptr, server->reply.len, DEADLINE_NONE, NULL) < 0)
        return;
}

static void answer_each(void *arg)
{
    struct server *server = arg;
    struct address peer;
    int fd;

    while (io_accept(server->listen_fd, DEADLINE_NONE, &fd, &peer, NULL) == 0) {
        answer(server, fd);
        io_close(&fd);
    }
}

static void set_up(struct fixture *f)
{
    struct address address;

    f->server.reply = TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Internal: 1\r\n"
                           "Content-Length: 5\r\n\r\nhello");
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 16, &f->server.listen_fd, NULL), 0);
    f->server.port = io_local_port(f->server.listen_fd);
    f->server.fiber = fiber_start("server", answer_each, &f->server);
    cr_assert_eq(http_client_open(NULL, &f->http, NULL), 0);
    snprintf(f->host_port[0], sizeof(f->host_port[0]), "127.0.0.1:%d", f->server.port);
    snprintf(f->host_port[1], sizeof(f->host_port[1]), "localhost:%d", f->server.port);
    f->allow[0] = f->host_port[0];
    f->allow[1] = f->host_port[1];
    f->options = (struct http_request_options){
        .allow = f->allow, .allow_count = 2, .guard = {f->allow, 2}, .timeout_ms = 5000};
    buf_init(&f->out, 256 << 10);
}

static void tear_down(struct fixture *f)
{
    json_free(f->result);
    buf_deinit(&f->out);
    http_client_close(f->http);
    fiber_cancel(f->server.fiber);
    fiber_join(f->server.fiber);
    io_close(&f->server.listen_fd);
    offload_stop();
}

static void run(void *arg)
{
    void (**body)(struct fixture *) = arg;
    static struct fixture fixture;

    set_up(&fixture);
    (*body)(&fixture);
    tear_down(&fixture);
}

static void with_fixture(void (*body)(struct fixture *))
{
    loop_run(run, &body);
}

/* Runs the tool with arguments in which % stands for "http://127.0.0.1:PORT". */
SUSPENDS static int call(struct fixture *f, const char *arguments)
{
    struct json_object *object = NULL;
    struct buf text;
    int r;

    buf_init(&text, 0);
    for (const char *at = arguments; *at; at++)
        if (*at == '%')
            buf_printf(&text, "http://127.0.0.1:%d", f->server.port);
        else
            buf_add_char(&text, *at);
    cr_assert_eq(json_decode(buf_text(&text), JSON_DEPTH_DEFAULT, &object, &f->err), 0, "%s",
                 f->err.text);
    json_freep(&f->result);
    buf_reset(&f->out);
    f->err = (struct error){0};
    r = http_request_run(f->http, &f->options, object, &f->out, &f->err);
    cr_assert_eq(r, -f->err.code);
    if (r == 0)
        cr_assert_eq(json_decode(buf_text(&f->out), JSON_DEPTH_DEFAULT, &f->result, &f->err), 0,
                     "%s: %s", buf_string(&f->out), f->err.text);
    json_free(object);
    buf_deinit(&text);
    return r;
}

static bool sent(const struct fixture *f, const char *line)
{
    return strstr(f->server.request, line) != NULL;
}

static void get(struct fixture *f)
{
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/a?b=c\",\"headers\":{\"X-Key\":\"v\"}}"),
                 0, "%s", f->err.text);
    cr_assert_str_eq(buf_string(&f->out), "{\"status\":200,\"headers\":{\"content-type\":"
                                          "\"text/plain\"},\"body\":\"hello\"}");
    cr_assert(sent(f, "GET /a?b=c HTTP/1.1\r\n"));
    cr_assert(sent(f, "\r\nX-Key: v\r\n"));
    cr_assert(!sent(f, "Idempotency-Key"));
}

Test(http_request, shows_status_chosen_headers_and_body)
{
    with_fixture(get);
}

static void post(struct fixture *f)
{
    f->options.idempotency_key = TEXT("run_1/3");
    cr_assert_eq(call(f, "{\"method\":\"POST\",\"url\":\"%/\",\"body\":\"{\\\"a\\\":1}\"}"), 0);
    cr_assert(sent(f, "POST / HTTP/1.1\r\n"));
    cr_assert(sent(f, "\r\nContent-Type: application/json\r\n"));
    cr_assert(sent(f, "\r\nIdempotency-Key: run_1/3\r\n"));
    cr_assert(sent(f, "\r\n\r\n{\"a\":1}"));
    cr_assert_eq(call(f, "{\"method\":\"PUT\",\"url\":\"%/\",\"body\":\"plain\",\"headers\":"
                         "{\"content-type\":\"text/csv\"}}"),
                 0);
    cr_assert(sent(f, "\r\ncontent-type: text/csv\r\n"));
    cr_assert(!sent(f, "text/plain"));
    cr_assert_eq(call(f, "{\"method\":\"DELETE\",\"url\":\"%/x\"}"), 0);
    cr_assert(sent(f, "DELETE /x HTTP/1.1\r\n"));
    cr_assert(sent(f, "\r\nIdempotency-Key: run_1/3\r\n"));
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/x\"}"), 0);
    cr_assert(!sent(f, "Idempotency-Key"));
}

Test(http_request, sends_a_body_and_the_idempotency_key_with_what_changes_something)
{
    with_fixture(post);
}

static void redirect(struct fixture *f)
{
    f->server.reply = TEXT("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n"
                           "Content-Length: 0\r\n\r\n");
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_eq(json_get_int(f->result, "status", 0), 302);
    cr_assert_str_eq(json_get_string(json_get(f->result, "headers"), "location"),
                     "http://169.254.169.254/");
    cr_assert_eq(f->server.requests, 1);
}

Test(http_request, returns_a_redirect_as_it_is)
{
    with_fixture(redirect);
}

static void bodies(struct fixture *f)
{
    f->server.reply = TEXT("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
                           "Content-Length: 4\r\n\r\n\x89PNG");
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_str_eq(json_get_string(f->result, "body"), "");
    cr_assert(strstr(json_get_string(f->result, "note"), "4 bytes"));
    f->server.reply = TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b");
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_str_eq(json_get_string(f->result, "body"), "");
    /* Cut in the midst of a character: the half is dropped. */
    f->options.max_response_body_bytes = 4;
    f->server.reply = TEXT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab\xe2\x82\xac"
                           "cdef");
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_str_eq(json_get_string(f->result, "body"), "ab");
    cr_assert(strstr(json_get_string(f->result, "note"), "cut after 2 bytes"));
    f->options.max_response_body_bytes = 5;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_str_eq(json_get_string(f->result, "body"), "ab\xe2\x82\xac");
    f->options.max_response_body_bytes = 9;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_null(json_get(f->result, "note"));
}

Test(http_request, cuts_long_bodies_and_describes_binary_ones)
{
    with_fixture(bodies);
}

static void default_cap(struct fixture *f)
{
    struct buf reply;

    buf_init(&reply, 0);
    buf_printf(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n%0100000d", 1);
    f->server.reply = buf_text(&reply);
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), 0);
    cr_assert_eq(json_get_text(f->result, "body").len, HTTP_REQUEST_MAX_BODY_BYTES);
    f->out.limit = 1000;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_LIMIT);
    buf_deinit(&reply);
}

Test(http_request, shows_at_most_64_kib)
{
    with_fixture(default_cap);
}

static void refusals(struct fixture *f)
{
    static const char *const arguments[] = {
        "{}",
        "{\"url\":\"%/\"}",
        "{\"method\":\"GET\"}",
        "{\"method\":\"get\",\"url\":\"%/\"}",
        "{\"method\":\"CONNECT\",\"url\":\"%/\"}",
        "{\"method\":7,\"url\":\"%/\"}",
        "{\"method\":\"GET\",\"url\":7}",
        "{\"method\":\"GET\",\"url\":\"\"}",
        "{\"method\":\"GET\",\"url\":\"ftp://127.0.0.1/\"}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"body\":\"x\"}",
        "{\"method\":\"HEAD\",\"url\":\"%/\",\"body\":\"x\"}",
        "{\"method\":\"POST\",\"url\":\"%/\",\"body\":{\"a\":1}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":[]}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"X\":1}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"X\":null}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"\":\"1\"}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"X Y\":\"1\"}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"X\":\"a\\r\\nHost: b\"}}",
        "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"X\\r\\nY\":\"a\"}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++) {
        cr_assert_eq(call(f, arguments[i]), -E_INVALID, "%s: %d %s", arguments[i], f->err.code,
                     f->err.text);
        cr_assert_eq(f->out.len, 0);
    }
    cr_assert_eq(http_request_run(f->http, &f->options, NULL, &f->out, NULL), -E_INVALID);
    cr_assert_eq(f->server.requests, 0);
}

Test(http_request, refuses_malformed_arguments_before_anything_is_sent)
{
    with_fixture(refusals);
}

static void reserved(struct fixture *f)
{
    static const char *const names[] = {"Host",
                                        "content-length",
                                        "Transfer-Encoding",
                                        "Connection",
                                        "Upgrade",
                                        "TE",
                                        "Trailer",
                                        "Keep-Alive",
                                        "Cookie",
                                        "Expect",
                                        "Proxy-Connection",
                                        "Proxy-Authorization",
                                        "Accept-Encoding",
                                        "Idempotency-Key"};
    char arguments[200];

    f->options.idempotency_key = TEXT("ours");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(arguments, sizeof(arguments),
                 "{\"method\":\"POST\",\"url\":\"%%/\",\"headers\":{\"%s\":\"x\"}}", names[i]);
        cr_assert_eq(call(f, arguments), -E_INVALID, "%s", names[i]);
        cr_assert(strstr(f->err.text, names[i]), "%s", f->err.text);
    }
    cr_assert_eq(f->server.requests, 0);
}

Test(http_request, refuses_headers_that_frame_the_message_or_are_ours)
{
    with_fixture(reserved);
}

static void limits(struct fixture *f)
{
    struct buf many;

    buf_init(&many, 0);
    buf_add_string(&many, "{\"method\":\"GET\",\"url\":\"%/\",\"headers\":{\"A\":\"1\"");
    for (int i = 0; i < 32; i++)
        buf_printf(&many, ",\"X-%d\":\"1\"", i);
    buf_add_string(&many, "}}");
    cr_assert_eq(call(f, buf_string(&many)), -E_INVALID);
    buf_reset(&many);
    buf_printf(&many, "{\"method\":\"GET\",\"url\":\"%%/\",\"headers\":{\"A\":\"%09000d\"}}", 1);
    cr_assert_eq(call(f, buf_string(&many)), -E_INVALID);
    buf_reset(&many);
    buf_printf(&many, "{\"method\":\"POST\",\"url\":\"%%/\",\"body\":\"%01048577d\"}", 1);
    cr_assert_eq(call(f, buf_string(&many)), -E_INVALID);
    buf_reset(&many);
    buf_printf(&many, "{\"method\":\"GET\",\"url\":\"%%/%09000d\"}", 1);
    cr_assert_eq(call(f, buf_string(&many)), -E_INVALID);
    buf_deinit(&many);
    cr_assert_eq(f->server.requests, 0);
}

Test(http_request, caps_headers_body_and_url)
{
    with_fixture(limits);
}

static void allow_list(struct fixture *f)
{
    f->options.allow_count = 0;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_DENIED);
    cr_assert(strstr(f->err.text, "http_allow"), "%s", f->err.text);
    f->allow[0] = "api.example.com";
    f->options.allow_count = 1;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_DENIED);
    cr_assert_eq(f->server.requests, 0);
}

Test(http_request, reaches_only_hosts_that_the_agent_lists)
{
    with_fixture(allow_list);
}

/* Listed by the agent's owner, and yet private: every spelling is refused by where it leads to. */
static void private_hosts(struct fixture *f)
{
    static const char *const hosts[] = {
        "localhost", "127.0.0.1",       "2130706433",         "0x7f.1",          "0177.0.0.1",
        "127.1",     "[::1]",           "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0",
        "[::]",      "169.254.169.254", "[64:ff9b::7f00:1]"};
    const char *allow[] = {"localhost",          "127.0.0.1",       "0.0.0.0",
                           "169.254.169.254",    "[::1]",           "[::]",
                           "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"};
    char arguments[200];

    f->options.guard.exceptions_count = 0;
    f->options.allow = allow;
    f->options.allow_count = ARRAY_LENGTH(allow);
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        snprintf(arguments, sizeof(arguments), "{\"method\":\"GET\",\"url\":\"http://%s/\"}",
                 hosts[i]);
        cr_assert_eq(call(f, arguments), -E_DENIED, "%s: %d %s", hosts[i], f->err.code,
                     f->err.text);
        cr_assert(strstr(f->err.text, "public"), "%s: %s", hosts[i], f->err.text);
    }
}

Test(http_request, refuses_private_addresses_in_every_spelling_though_listed)
{
    with_fixture(private_hosts);
}

static void by_name(struct fixture *f)
{
    char arguments[200];

    snprintf(arguments, sizeof(arguments), "{\"method\":\"GET\",\"url\":\"http://localhost:%d/\"}",
             f->server.port);
    cr_assert_eq(call(f, arguments), 0, "%s", f->err.text);
    cr_assert(sent(f, "\r\nHost: localhost:"));
    f->options.guard.exceptions_count = 0;
    cr_assert_eq(call(f, arguments), -E_DENIED);
    cr_assert_null(strstr(f->err.text, "127.0.0.1"), "%s", f->err.text);
    cr_assert_eq(f->server.requests, 1);
}

Test(http_request, judges_a_name_by_its_addresses_and_does_not_tell_them)
{
    with_fixture(by_name);
}

static void unknown_host(struct fixture *f)
{
    const char *allow[] = {"nothing.invalid"};
    int r;

    f->options.allow = allow;
    f->options.allow_count = 1;
    r = call(f, "{\"method\":\"GET\",\"url\":\"http://nothing.invalid/\"}");
    cr_assert(r == -E_INVALID || r == -E_UNAVAILABLE, "%d", r);
    cr_assert(strstr(f->err.text, "nothing.invalid"), "%s", f->err.text);
}

Test(http_request, says_when_there_is_no_such_host)
{
    with_fixture(unknown_host);
}

static void too_slow(struct fixture *f)
{
    int64_t start_ms = clock_ms();

    f->server.delay_ms = 400;
    f->options.timeout_ms = 100;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_TIMEOUT);
    f->options.timeout_ms = 0;
    f->options.deadline_ms = clock_ms() + 100;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_TIMEOUT);
    f->options.deadline_ms = clock_ms() - 1;
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_TIMEOUT);
    cr_assert_lt(clock_ms() - start_ms, 2000);
}

Test(http_request, keeps_its_timeout_and_the_callers_deadline)
{
    with_fixture(too_slow);
}

static void cancelled(struct fixture *f)
{
    fiber_cancel(fiber_self());
    cr_assert_eq(call(f, "{\"method\":\"GET\",\"url\":\"%/\"}"), -E_CANCELED);
    fiber_shield_enter(); /* for the tear-down */
    cr_assert_eq(f->server.requests, 0);
    fiber_shield_leave();
}

Test(http_request, ends_with_a_cancel)
{
    with_fixture(cancelled);
}

Test(http_request, describes_its_arguments_in_a_valid_schema)
{
    struct json_object *schema = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(text_of(http_request_parameters), JSON_DEPTH_DEFAULT, &schema, &err),
                 0, "%s", err.text);
    cr_assert_str_eq(json_get_string(schema, "type"), "object");
    cr_assert_not_null(json_path(schema, "properties", "headers", NULL));
    json_free(schema);
    cr_assert_gt(strlen(http_request_description), 50);
}
