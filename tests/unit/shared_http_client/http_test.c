#include "http_test.h"

#include <stdio.h>

struct root {
    void (*body)(struct fixture *fixture);
    const struct http_client_options *options;
};

static void run(void *arg)
{
    struct root *root = arg;
    struct fixture fixture = {0};

    misbehaving_server_start(&fixture.server);
    cr_assert_eq(http_client_open(root->options, &fixture.client, &fixture.err), 0);
    root->body(&fixture);
    http_response_deinit(&fixture.response);
    http_client_close(fixture.client);
    misbehaving_server_stop(&fixture.server);
}

void with_server(void (*body)(struct fixture *fixture), const struct http_client_options *options)
{
    struct root root = {body, options};

    loop_run(run, &root);
}

const char *url_of(const struct fixture *fixture, const char *path)
{
    static char urls[8][256];
    static unsigned turn;
    char *url = urls[turn++ % 8];

    snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%d%s", fixture->server.port, path);
    return url;
}

int do_call(struct fixture *fixture, struct http_call call, const char *path)
{
    int r;

    if (!call.url)
        call.url = url_of(fixture, path);
    if (!call.method)
        call.method = "GET";
    http_response_deinit(&fixture->response);
    fixture->err = (struct error){0};
    r = http_call(fixture->client, &call, &fixture->response, &fixture->err);
    cr_assert_eq(r, -fixture->err.code, "%d %s", r, fixture->err.text);
    return r;
}

int do_get(struct fixture *fixture, const char *path)
{
    return do_call(fixture, (struct http_call){.total_timeout_ms = 5000}, path);
}

void assert_body(const struct fixture *fixture, const char *expected)
{
    cr_assert_eq(fixture->response.body.len, strlen(expected), "%s", fixture->response.body.ptr);
    cr_assert_str_eq(fixture->response.body.ptr, expected);
}

void wait_open(struct fixture *fixture, size_t count)
{
    while (fixture->server.open > count)
        cr_assert_eq(cond_wait(&fixture->server.closed, deadline_in(2000), NULL), 0,
                     "%zu connections are still open", fixture->server.open);
}
