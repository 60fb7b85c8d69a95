#pragma once
/* A fixture: a misbehaving server and a client on one loop. */

#include <criterion/criterion.h>

#include "misbehaving_server.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/http_client/http_client.h"
#include "shared/io/io.h"

struct fixture {
    struct misbehaving_server server;
    struct http_client *client;
    struct http_response response;
    struct error err;
};

/* Runs body(fixture) in a fiber with both. */
void with_server(void (*body)(struct fixture *fixture), const struct http_client_options *options);

/* "http://127.0.0.1:PORT/path" in a static buffer, one of eight in turn. */
const char *url_of(const struct fixture *fixture, const char *path);

/* http_call with what the fixture holds; `call` without a url gets one for `path`. */
SUSPENDS int do_call(struct fixture *fixture, struct http_call call, const char *path);
SUSPENDS int do_get(struct fixture *fixture, const char *path);

/* The response of the last successful call is dropped by the next one and at the end. */
void assert_body(const struct fixture *fixture, const char *expected);

/* Waits until `server.open` has fallen to `count`. */
SUSPENDS void wait_open(struct fixture *fixture, size_t count);
