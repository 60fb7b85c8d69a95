#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"

/* A server that answers each connection with the next of its replies and remembers the requests. */
struct fake {
    const char *const *replies; /* NULL-ended */
    char requests[8][512];
    size_t count;
    int fd;
};

static struct fake fake;
static struct error err;

static void answer(int fd)
{
    const char *reply = fake.replies[fake.count];
    size_t len = 0;

    if (io_read(fd, fake.requests[fake.count], 511, deadline_in(2000), &len, &err) == 0)
        fake.requests[fake.count][len] = '\0';
    fake.count++;
    cr_assert_eq(io_write(fd, reply, strlen(reply), deadline_in(2000), &err), 0);
}

static void serve(void *arg)
{
    (void)arg;
    while (fake.replies[fake.count]) {
        struct address peer;
        int fd;

        if (io_accept(fake.fd, deadline_in(3000), &fd, &peer, &err) < 0)
            return;
        answer(fd);
        io_close(&fd);
    }
}

struct scene {
    const char *const *replies;
    void (*play)(struct client *client);
};

static int play(void *arg)
{
    const struct scene *scene = arg;
    struct address address;
    struct client client;
    struct fiber *server;
    char url[64];

    fake = (struct fake){.replies = scene->replies};
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, &err), 0);
    cr_assert_eq(io_listen(&address, 8, &fake.fd, &err), 0, "%s", err.text);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", io_local_port(fake.fd));
    setenv("PENSTOCK_URL", url, 1);
    setenv("PENSTOCK_API_KEY", "pk_test", 1);
    cr_assert_eq(client_open(&client, &err), 0, "%s", err.text);
    server = fiber_start("fake", serve, NULL);
    scene->play(&client);
    fiber_cancel(server);
    fiber_join(server);
    client_close(&client);
    io_close(&fake.fd);
    return 0;
}

static void run(const char *const *replies, void (*fn)(struct client *client))
{
    struct scene scene = {replies, fn};

    cr_assert_eq(command_on_loop(play, &scene), 0);
}

#define REPLY(status, headers, body)                                                               \
    "HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body

static const char ok[] =
    REPLY("200 OK", "openai-poll-after-ms: 150\r\nContent-Length: 10\r\n", "{\"id\":\"x\"}");
static const char busy[] = REPLY("503 Busy", "Retry-After-Ms: 1\r\nContent-Length: 0\r\n", "");
static const char broken[] = REPLY("500 Broken", "Content-Length: 0\r\n", "");
static const char in_use[] =
    REPLY("409 Conflict", "x-should-retry: true\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n", "");
static const char conflict[] =
    REPLY("409 Conflict", "x-should-retry: false\r\nContent-Length: 0\r\n", "");

static void get_works(struct client *client)
{
    struct client_reply reply;

    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), 0, "%s", err.text);
    cr_assert_str_eq(json_get_string(reply.json, "id"), "x");
    cr_assert_eq(reply.poll_after_ms, 150);
    client_reply_deinit(&reply);
}

Test(client, asks_again_while_the_server_is_busy)
{
    run((const char *const[]){busy, broken, ok, NULL}, get_works);
    cr_assert_eq(fake.count, 3);
    cr_assert(strncmp(fake.requests[0], "GET /v1/x HTTP/1.1\r\n", 20) == 0);
    cr_assert(strstr(fake.requests[2], "Authorization: Bearer pk_test\r\n"));
}

static void post_fails(struct client *client)
{
    struct client_call call = {.method = "POST", .path = "/v1/x", .body = TEXT("{}")};
    struct client_reply reply;

    cr_assert_lt(client_send(client, &call, &reply, &err), 0);
}

Test(client, does_not_post_twice_when_the_first_may_have_worked)
{
    run((const char *const[]){broken, ok, NULL}, post_fails);
    cr_assert_eq(fake.count, 1);
    run((const char *const[]){busy, ok, NULL}, post_fails);
    cr_assert_eq(fake.count, 1);
}

static void post_of_one_effect_works(struct client *client)
{
    struct client_reply reply;

    cr_assert_eq(client_post(client, "/v1/x", NULL, &reply, &err), 0, "%s", err.text);
    client_reply_deinit(&reply);
}

Test(client, posts_again_what_has_one_effect_however_often)
{
    run((const char *const[]){busy, broken, ok, NULL}, post_of_one_effect_works);
    cr_assert_eq(fake.count, 3);
    cr_assert_not(strstr(fake.requests[0], "Idempotency-Key"));
}

static void post_once_works(struct client *client)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply;

    cr_assert_eq(client_post_once(client, "/v1/x", body, &reply, &err), 0, "%s", err.text);
    client_reply_deinit(&reply);
}

/* The value of the key of a request to the fake server, as a copy. */
static char *key_of(size_t request)
{
    const char *key = strstr(fake.requests[request], "Idempotency-Key: ");

    cr_assert(key, "%s", fake.requests[request]);
    key += strlen("Idempotency-Key: ");
    return strndup(key, strcspn(key, "\r"));
}

Test(client, posts_once_with_a_key_of_its_own_that_stays_the_same)
{
    CLEANUP(freep) char *first = NULL;
    CLEANUP(freep) char *again = NULL;
    CLEANUP(freep) char *other = NULL;

    run((const char *const[]){busy, ok, NULL}, post_once_works);
    cr_assert_eq(fake.count, 2);
    first = key_of(0);
    again = key_of(1);
    cr_assert_eq(strlen(first), 36, "%s", first);
    cr_assert_str_eq(first, again);
    run((const char *const[]){ok, NULL}, post_once_works);
    other = key_of(0);
    cr_assert_str_neq(first, other);
}

Test(client, waits_for_the_first_request_with_its_key)
{
    run((const char *const[]){in_use, ok, NULL}, post_once_works);
    cr_assert_eq(fake.count, 2);
}

static void key_is_of_another_request(struct client *client)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply;

    cr_assert_eq(client_post_once(client, "/v1/x", body, &reply, &err), -E_CONFLICT);
}

Test(client, does_not_repeat_a_conflict_that_stays)
{
    run((const char *const[]){conflict, ok, NULL}, key_is_of_another_request);
    cr_assert_eq(fake.count, 1);
}

static void post_works(struct client *client)
{
    struct client_call call = {
        .method = "POST", .path = "/v1/x", .body = TEXT("{}"), .idempotency_key = "key-1"};
    struct client_reply reply;

    cr_assert_eq(client_send(client, &call, &reply, &err), 0, "%s", err.text);
    client_reply_deinit(&reply);
}

Test(client, posts_again_with_the_same_idempotency_key)
{
    run((const char *const[]){broken, ok, NULL}, post_works);
    cr_assert_eq(fake.count, 2);
    cr_assert(strstr(fake.requests[0], "Idempotency-Key: key-1\r\n"));
    cr_assert(strstr(fake.requests[1], "Idempotency-Key: key-1\r\n"));
}

static void key_is_refused(struct client *client)
{
    struct client_reply reply;

    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), -E_DENIED);
    cr_assert(strstr(err.text, "refused the API key (from PENSTOCK_API_KEY): no"), "%s", err.text);
    cr_assert_eq(command_fail(&err), COMMAND_UNREACHABLE);
}

Test(client, tells_a_refused_key_at_once)
{
    run((const char *const[]){REPLY("401 No", "Content-Length: 26\r\n",
                                    "{\"error\":{\"message\":\"no\"}}"),
                              ok, NULL},
        key_is_refused);
    cr_assert_eq(fake.count, 1);
}

static void member_is_named(struct client *client)
{
    struct client_reply reply;

    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), -E_REJECTED);
    cr_assert_str_eq(err.text, "catch_up: Invalid value: 'last'.");
    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), -E_REJECTED);
    cr_assert_str_eq(err.text, "Invalid 'cron': no.");
    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), -E_REJECTED);
    cr_assert_str_eq(err.text, "No.");
}

Test(client, says_which_member_is_refused_where_the_sentence_does_not)
{
    run(
        (const char *const[]){
            REPLY("400 No", "Content-Length: 65\r\n",
                  "{\"error\":{\"message\":\"Invalid value: 'last'.\",\"param\":\"catch_up\"}}"),
            REPLY("400 No", "Content-Length: 58\r\n",
                  "{\"error\":{\"message\":\"Invalid 'cron': no.\",\"param\":\"cron\"}}"),
            REPLY("400 No", "Content-Length: 40\r\n",
                  "{\"error\":{\"message\":\"No.\",\"param\":null}}"),
            ok, NULL},
        member_is_named);
    cr_assert_eq(fake.count, 3);
}

static void is_no_penstock(struct client *client)
{
    struct client_reply reply;

    cr_assert_eq(client_get(client, "/v1/x", &reply, &err), -E_PROTOCOL);
}

Test(client, refuses_a_reply_that_is_no_json)
{
    run((const char *const[]){REPLY("200 OK", "Content-Length: 6\r\n", "<html>"), NULL},
        is_no_penstock);
}

static int add_id(void *arg, struct json_object *item, struct error *unused)
{
    (void)unused;
    strcat(arg, json_get_string(item, "id"));
    return 0;
}

static void walks(struct client *client)
{
    char ids[16] = "";
    const struct client_walk walk = {"/v1/x?order=asc", 250, add_id, ids};

    cr_assert_eq(client_walk(client, &walk, &err), 0, "%s", err.text);
    cr_assert_str_eq(ids, "abc");
}

Test(client, walks_all_pages_of_a_list)
{
    run((const char *const[]){REPLY("200 OK", "Content-Length: 48\r\n",
                                    "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"has_more\":true}"),
                              REPLY("200 OK", "Content-Length: 38\r\n",
                                    "{\"data\":[{\"id\":\"c\"}],\"has_more\":false}"),
                              NULL},
        walks);
    cr_assert_eq(fake.count, 2);
    cr_assert(strstr(fake.requests[0], "GET /v1/x?order=asc&limit=100 "), "%s", fake.requests[0]);
    cr_assert(strstr(fake.requests[1], "&limit=100&after=b "), "%s", fake.requests[1]);
}

Test(client, needs_a_key_and_a_sane_address)
{
    struct client_settings settings;

    cr_assert_eq(chdir("/"), 0);
    unsetenv("PENSTOCK_API_KEY");
    unsetenv("PENSTOCK_URL");
    cr_assert_eq(client_settings_read(&settings, &err), -E_DENIED);
    cr_assert_str_eq(settings.url, "http://127.0.0.1:8080");
    client_settings_deinit(&settings);
    setenv("PENSTOCK_URL", "ftp://x", 1);
    cr_assert_eq(client_settings_read(&settings, &err), -E_INVALID);
    client_settings_deinit(&settings);
}
