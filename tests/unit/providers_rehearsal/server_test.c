/* The rehearsal LLM over real sockets: replies, faults, counts, the ledger, many calls at once. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "providers/rehearsal/server.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"
#include "shared/json/json.h"
#include "support.h"

#define MANY 2000

static struct rehearsal *rehearsal;
static struct script *script;
static char ledger[64];

static void open_server(const char *yaml, int64_t delay_ms)
{
    struct rehearsal_options options = {.delay_ms = delay_ms};
    struct error err;
    int fd;

    snprintf(ledger, sizeof(ledger), "/tmp/penstock-ledger-XXXXXX");
    fd = mkstemp(ledger);
    cr_assert_geq(fd, 0);
    close(fd);
    script = play_script(yaml);
    options.script = script;
    options.ledger = ledger;
    cr_assert_eq(rehearsal_open(&options, &rehearsal, &err), 0, "%s", err.text);
}

static void close_server(void)
{
    rehearsal_close(rehearsal, deadline_in(5000));
    script_freep(&script);
    unlink(ledger);
}

static int open_connection(void)
{
    struct address address;
    struct error err;
    int fd = -1;

    cr_assert_eq(address_parse("127.0.0.1", rehearsal_port(rehearsal), &address, &err), 0);
    cr_assert_eq(io_connect(&address, deadline_in(10000), &fd, &err), 0, "%s", err.text);
    return fd;
}

static void send_request(int fd, const char *line, const char *body)
{
    char request[2048];
    int len = snprintf(request, sizeof(request),
                       "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k-1\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       line, strlen(body), body);
    struct error err;

    cr_assert_eq(io_write(fd, request, (size_t)len, deadline_in(10000), &err), 0, "%s", err.text);
}

/* Everything up to the end of the connection, as a text that the next call overwrites. */
static const char *read_all(int fd)
{
    static char reply[65536];
    size_t len = 0;
    size_t got;

    while (len < sizeof(reply) - 1 &&
           io_read(fd, reply + len, sizeof(reply) - 1 - len, deadline_in(15000), &got, NULL) == 0)
        len += got;
    reply[len] = '\0';
    return reply;
}

static const char *request(const char *line, const char *body)
{
    int fd = open_connection();
    const char *reply;

    send_request(fd, line, body);
    reply = read_all(fd);
    io_close(&fd);
    return reply;
}

static const char *ask(const char *user)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", user);
    return request("POST /v1/chat/completions", body);
}

static const char *body_of(const char *reply)
{
    const char *body = strstr(reply, "\r\n\r\n");

    cr_assert_not_null(body, "%s", reply);
    return body + 4;
}

static int64_t stat_of(const char *name)
{
    CLEANUP(json_freep) struct json_object *stats = NULL;

    cr_assert_eq(
        json_decode(text_of(body_of(request("GET /rehearsal/stats", ""))), 8, &stats, NULL), 0);
    return json_get_int(stats, name, -1);
}

static const char *read_ledger(void)
{
    static char text[4096];
    FILE *file = fopen(ledger, "r");
    size_t len;

    cr_assert_not_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

#define SERVER_TEST(name)                                                                          \
    static void name##_body(void *arg);                                                            \
    Test(server, name)                                                                             \
    {                                                                                              \
        loop_run(name##_body, NULL);                                                               \
    }                                                                                              \
    static void name##_body(void *arg __attribute__((unused)))

SERVER_TEST(replies_with_a_completion)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    struct json_object *choice;

    open_server("rules: [{then: {text: 'Hi from {{model}}', usage: {completion_tokens: 9}}}]", 0);
    cr_assert_eq(json_decode(text_of(body_of(ask("hello"))), 16, &reply, NULL), 0);
    choice = json_object_array_get_idx(json_get(reply, "choices"), 0);
    cr_assert_str_eq(json_get_string(json_get(choice, "message"), "content"), "Hi from gpt-4o");
    cr_assert_str_eq(json_get_string(choice, "finish_reason"), "stop");
    cr_assert_eq(json_get_int(json_get(reply, "usage"), "prompt_tokens", -1), 2);
    cr_assert_eq(json_get_int(json_get(reply, "usage"), "completion_tokens", -1), 9);
    cr_assert(strstr(read_ledger(),
                     "\"idempotency_key\":\"k-1\",\"rule\":\"line 1\",\"status\":200,"
                     "\"closed\":false,\"usage\":{\"prompt_tokens\":2,"
                     "\"completion_tokens\":9}"),
              "%s", read_ledger());
    close_server();
}

SERVER_TEST(the_ledger_has_usage_only_for_whole_answers)
{
    static const char *const prompts[] = {"cut", "odd", "status", "none", "some"};

    open_server("rules:\n"
                "  - {when: {user: cut}, then: {text: abc, malformed: true}}\n"
                "  - {when: {user: odd}, then: {body: 'not JSON'}}\n"
                "  - {when: {user: status}, then: {status: 529}}\n"
                "  - {when: {user: none}, then: {close: before}}\n"
                "  - {when: {user: some}, then: {text: abc, close: 12}}\n",
                0);
    for (size_t i = 0; i < ARRAY_LENGTH(prompts); i++) {
        ask(prompts[i]);
        cr_assert_null(strstr(read_ledger(), "prompt_tokens"), "%s", read_ledger());
    }
    cr_assert(strstr(read_ledger(), "\"usage\":null"), "%s", read_ledger());
    close_server();
}

SERVER_TEST(other_paths_and_malformed_bodies_get_openais_errors)
{
    open_server("rules: [{then: {text: a}}]", 0);
    cr_assert(strstr(request("GET /nothing", ""), " 404 "));
    cr_assert(strstr(request("DELETE /v1/chat/completions", ""), " 404 "));
    cr_assert(strstr(request("GET /healthz", ""), "\"ok\""));
    cr_assert(strstr(request("GET /models", ""), "\"object\":\"list\""));
    cr_assert(strstr(request("POST /chat/completions", "{"), "\"type\":\"invalid_request_error\""));
    cr_assert(strstr(request("POST /chat/completions", "{"), " 400 "));
    cr_assert_eq(stat_of("refused"), 2);
    close_server();
}

SERVER_TEST(statuses_headers_and_bodies_follow_the_script)
{
    const char *reply;

    open_server(
        "rules:\n"
        "  - when: {user: slow}\n"
        "    then: {status: 429, headers: {retry-after: 3, x-ratelimit-reset-tokens: 6m0s}}\n"
        "  - {when: {user: odd}, then: {status: 200, body: 'not {{0}} JSON'}}\n"
        "  - {when: {user: cut}, then: {text: a long enough text, malformed: true}}\n",
        0);
    reply = ask("slow");
    cr_assert(strstr(reply, " 429 ") && strstr(reply, "retry-after: 3\r\n") &&
                  strstr(reply, "x-ratelimit-reset-tokens: 6m0s\r\n") &&
                  strstr(reply, "rate_limit_exceeded"),
              "%s", reply);
    cr_assert_str_eq(body_of(ask("odd")), "not odd JSON");
    reply = body_of(ask("cut"));
    cr_assert(reply[0] == '{' && reply[strlen(reply) - 1] != '}', "%s", reply);
    close_server();
}

SERVER_TEST(connections_close_where_the_script_says)
{
    const char *reply;

    open_server("rules:\n"
                "  - {when: {user: none}, then: {close: before}}\n"
                "  - {when: {user: some}, then: {text: abc, close: 12}}\n",
                0);
    cr_assert_str_eq(ask("none"), "");
    reply = ask("some");
    cr_assert(strstr(reply, " 200 "), "%s", reply);
    cr_assert(strstr(reply, "{\"id\":\"chatc"), "%s", reply);
    cr_assert_null(strstr(reply, "chatcmpl"), "%s", reply);
    close_server();
}

SERVER_TEST(a_client_that_gives_up_on_a_stalled_call_is_counted)
{
    int fd;

    open_server("rules: [{then: {stall: true}}]", 0);
    fd = open_connection();
    send_request(fd, "POST /v1/chat/completions",
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    while (stat_of("in_flight") != 1)
        cr_assert_eq(fiber_sleep(10, NULL), 0);
    io_close(&fd);
    for (int i = 0; i < 300 && stat_of("in_flight") != 0; i++)
        cr_assert_eq(fiber_sleep(10, NULL), 0);
    cr_assert_eq(stat_of("in_flight"), 0);
    cr_assert_eq(stat_of("closed_by_client"), 1);
    cr_assert(strstr(read_ledger(), "\"status\":0,\"closed\":true"), "%s", read_ledger());
    close_server();
}

SERVER_TEST(a_drain_ends_stalled_calls_and_finishes_delayed_ones)
{
    int stalled;
    int delayed;
    int64_t began_ms;

    open_server("rules:\n"
                "  - {when: {user: stall}, then: {stall: true}}\n"
                "  - {then: {text: done, delay_ms: 400}}\n",
                0);
    stalled = open_connection();
    delayed = open_connection();
    send_request(stalled, "POST /v1/chat/completions",
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"stall\"}]}");
    send_request(delayed, "POST /v1/chat/completions",
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    while (stat_of("in_flight") != 2)
        cr_assert_eq(fiber_sleep(10, NULL), 0);
    began_ms = clock_ms();
    close_server();
    cr_assert_lt(clock_ms() - began_ms, 3000);
    cr_assert(strstr(read_all(delayed), "\"done\""));
    cr_assert_str_eq(read_all(stalled), "");
    io_close(&stalled);
    io_close(&delayed);
}

/* ---- streams ---- */

static const char *stream(const char *user)
{
    char body[512];

    snprintf(body, sizeof(body),
             "{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
             "\"%s\"}]}",
             user);
    return request("POST /v1/chat/completions", body);
}

/* How often a text stands in another. */
static int times_in(const char *text, const char *what)
{
    int times = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        times++;
    return times;
}

#define EIGHT "eight by" /* an event each, where chunk_tokens is 2 */

SERVER_TEST(streams_end_where_the_script_says)
{
    const char *reply;

    open_server("stream: {chunk_tokens: 2}\n"
                "rules:\n"
                "  - {when: {user: cut}, then: {text: '" EIGHT EIGHT EIGHT "', cut_after: 2}}\n"
                "  - {when: {user: err}, then: {text: '" EIGHT EIGHT EIGHT "', error_after: 2}}\n"
                "  - {when: {user: odd}, then: {text: '" EIGHT EIGHT EIGHT
                "', malformed_after: 1}}\n"
                "  - {when: {user: some}, then: {text: a, close: 9}}\n"
                "  - {then: {text: '" EIGHT EIGHT EIGHT "'}}\n",
                0);
    reply = stream("fine");
    cr_assert(strstr(reply, "text/event-stream") && strstr(reply, "data: [DONE]\n\n\r\n0\r\n\r\n"));
    cr_assert_eq(times_in(reply, "\"content\":\"" EIGHT "\""), 3, "%s", reply);
    reply = stream("cut");
    cr_assert_eq(times_in(reply, "data: "), 2, "%s", reply);
    cr_assert_null(strstr(reply, "\r\n0\r\n"), "%s", reply);
    reply = stream("err");
    cr_assert_eq(times_in(reply, "data: "), 3, "%s", reply);
    cr_assert(strstr(reply, "data: {\"error\":{\"message\":\"The server had an error"), "%s",
              reply);
    cr_assert(strstr(reply, "\r\n0\r\n\r\n"));
    reply = stream("odd");
    cr_assert_eq(times_in(reply, "\"content\":\"" EIGHT "\""), 2, "%s", reply);
    cr_assert(strstr(reply, "data: [DONE]"));
    reply = stream("some");
    cr_assert(strstr(reply, "data: {\"i\r\n"), "%s", reply);
    cr_assert_eq(times_in(read_ledger(), "\"stream\":true"), 5, "%s", read_ledger());
    cr_assert_eq(times_in(read_ledger(), "\"usage\":null"), 4, "%s", read_ledger());
    close_server();
}

SERVER_TEST(events_come_one_by_one_at_their_pace)
{
    int64_t began_ms;
    const char *reply;

    open_server("stream: {chunk_tokens: 2, chunk_ms: 30}\n"
                "rules: [{then: {text: '" EIGHT EIGHT EIGHT "'}}]\n",
                0);
    began_ms = clock_ms();
    reply = stream("a");
    cr_assert_eq(times_in(reply, "\r\ndata: "), 6, "a chunk each: %s", reply);
    cr_assert_geq(clock_ms() - began_ms, 150);
    close_server();
}

SERVER_TEST(a_client_that_gives_up_on_a_stalled_stream_is_counted)
{
    int fd;

    open_server("rules: [{then: {text: a long enough text, stall_after: 2}}]", 0);
    fd = open_connection();
    send_request(fd, "POST /v1/chat/completions",
                 "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"a\"}]}");
    while (stat_of("in_flight") != 1)
        cr_assert_eq(fiber_sleep(10, NULL), 0);
    io_close(&fd);
    for (int i = 0; i < 300 && stat_of("in_flight") != 0; i++)
        cr_assert_eq(fiber_sleep(10, NULL), 0);
    cr_assert_eq(stat_of("closed_by_client"), 1);
    cr_assert(strstr(read_ledger(), "\"status\":200,\"closed\":true,\"usage\":null"), "%s",
              read_ledger());
    close_server();
}

/* ---- limits ---- */

SERVER_TEST(limits_are_kept_and_counted_by_key_and_model)
{
    const char *reply;

    open_server("limits: [{model: 'gpt-*', requests_per_minute: 1}]\n"
                "context_tokens: {small: 2}\n"
                "rules: [{then: {text: abcd}}]\n",
                0);
    reply = ask("a");
    cr_assert(strstr(reply, " 200 ") && strstr(reply, "x-ratelimit-remaining-requests: 0\r\n"),
              "%s", reply);
    reply = ask("a");
    cr_assert(strstr(reply, " 429 ") && strstr(reply, "retry-after: 60\r\n") &&
                  strstr(reply, "rate_limit_exceeded"),
              "%s", reply);
    reply = request("POST /v1/chat/completions",
                    "{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":"
                    "\"more than eight\"}]}");
    cr_assert(strstr(reply, " 400 ") && strstr(reply, "context_length_exceeded"), "%s", reply);
    reply = body_of(request("GET /rehearsal/stats", ""));
    cr_assert(strstr(reply, "{\"key\":null,\"model\":\"gpt-4o\",\"requests\":1,\"tokens\":2,"
                            "\"limited\":1,\"in_flight\":0,\"peak_in_flight\":1}"),
              "%s", reply);
    cr_assert_eq(stat_of("refused"), 1);
    cr_assert_eq(times_in(read_ledger(), "\"status\":429"), 1);
    close_server();
}

SERVER_TEST(other_vendors_answer_in_their_own_shape)
{
    open_server("rules: [{then: {text: Hi}}]", 0);
    cr_assert(strstr(request("POST /api/chat", "{\"model\":\"m\",\"messages\":[]}"),
                     "application/x-ndjson"));
    cr_assert(strstr(request("POST /api/chat", "{"), "{\"error\":\"We could not parse"));
    cr_assert(strstr(request("POST /v1/messages", "{}"), "\"type\":\"authentication_error\""));
    cr_assert(strstr(request("POST /v1beta/models/m:generateContent", "{}"),
                     "\"status\":\"PERMISSION_DENIED\""));
    cr_assert(strstr(request("POST /v1/responses", "{\"model\":\"m\",\"input\":\"hi\"}"),
                     "\"object\":\"response\""));
    cr_assert(strstr(request("POST /v1/embeddings", "{\"model\":\"m\",\"input\":\"hi\"}"),
                     "\"object\":\"embedding\""));
    cr_assert(strstr(request("GET /api/tags", ""), "\"models\""));
    cr_assert(strstr(request("GET /v1/messages", ""), " 404 "));
    cr_assert(strstr(read_ledger(), "\"dialect\":\"ollama\""));
    close_server();
}

static int answered;

static void ask_once(void *arg __attribute__((unused)))
{
    int fd = open_connection();
    char reply[2048];
    size_t len = 0;
    size_t got;

    send_request(fd, "POST /v1/chat/completions",
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
    while (len < sizeof(reply) - 1 &&
           io_read(fd, reply + len, sizeof(reply) - 1 - len, deadline_in(20000), &got, NULL) == 0)
        len += got;
    reply[len] = '\0';
    answered += strstr(reply, " 200 ") && strstr(reply, "\"finish_reason\":\"stop\"");
    io_close(&fd);
}

SERVER_TEST(thousands_of_calls_wait_at_once)
{
    struct fiber *fibers[MANY];
    int64_t began_ms;

    cr_assert_geq(io_raise_descriptor_limit(), 2 * MANY + 100);
    open_server("rules: [{then: {text: a}}]", 1000);
    began_ms = clock_ms();
    for (int i = 0; i < MANY; i++)
        fibers[i] = fiber_start("client", ask_once, NULL);
    for (int i = 0; i < MANY; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(answered, MANY);
    cr_assert_lt(clock_ms() - began_ms, 15000, "%d calls of a second take about a second", MANY);
    cr_assert_gt(stat_of("peak_in_flight"), MANY / 2);
    cr_assert_eq(stat_of("calls"), MANY);
    close_server();
}

/* The id of a response in a reply. */
static const char *response_id(const char *reply)
{
    static char ids[4][64];
    static size_t next;
    char *id = ids[next++ % 4];
    const char *at = strstr(reply, "\"id\":\"resp_");

    cr_assert_not_null(at, "%s", reply);
    cr_assert_eq(sscanf(at, "\"id\":\"%60[^\"]", id), 1);
    return id;
}

static const char *respond(const char *previous, const char *input, const char *more)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"model\":\"gpt-5\",\"input\":%s%s%s%s%s}", input,
             previous ? ",\"previous_response_id\":\"" : "", previous ? previous : "",
             previous ? "\"" : "", more);
    return request("POST /v1/responses", body);
}

SERVER_TEST(stored_responses_can_be_gone_on_behind_until_they_are_deleted)
{
    char path[128];
    const char *first;
    const char *second;
    const char *reply;

    open_server("rules:\n"
                "  - when: {user: sum}\n"
                "    steps: [{calls: [{name: f, arguments: {}}]}, {text: 'It is {{tool}}.'}]\n"
                "  - {then: {text: 'abcd efgh'}}\n",
                0);
    first = response_id(
        respond(NULL, "\"sum\"", ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]"));
    reply = respond(first, "[]", "");
    cr_assert(strstr(reply, " 400 ") && strstr(reply, "No tool output found"), "%s", reply);
    cr_assert_eq(stat_of("kept"), 1);
    close_server();
    open_server("rules: [{then: {text: 'abcd efgh'}}]\n", 0);
    first = response_id(respond(NULL, "\"one two three\"", ""));
    reply = respond(first, "[{\"role\":\"user\",\"content\":\"four\"}]", "");
    second = response_id(reply);
    cr_assert(strstr(reply, "\"input_tokens\":7"), "what was kept counts: %s", reply);
    cr_assert(strstr(reply, "\"previous_response_id\":\"resp_"), "%s", reply);
    reply = respond(second, "\"five\"", ",\"store\":false");
    cr_assert(strstr(reply, "\"input_tokens\":10"), "%s", reply);
    reply = respond(response_id(reply), "\"six\"", "");
    cr_assert(strstr(reply, " 400 ") && strstr(reply, "previous_response_not_found"), "%s", reply);
    cr_assert_eq(stat_of("kept"), 2, "the third was not to be stored");
    snprintf(path, sizeof(path), "DELETE /v1/responses/%s", first);
    cr_assert(strstr(request(path, ""), "\"deleted\":true"));
    cr_assert(strstr(request(path, ""), " 404 "));
    cr_assert(strstr(respond(first, "\"x\"", ""), "previous_response_not_found"));
    cr_assert(strstr(respond(second, "\"x\"", ""), " 200 "), "it has all that it stands behind");
    close_server();
}
