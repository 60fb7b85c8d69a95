#pragma once
/* A real server and raw-socket clients in one loop, for the tests of shared/http_server. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/fiber/fiber.h"
#include "shared/http_server/http_server.h"

#define WAIT_MS 5000 /* no test waits longer for a peer in this process */

extern struct http_server *server; /* of the test that runs; NULL once it closed it itself */
extern struct http_exchange *last_exchange; /* that a handler of the harness holds at present */

/* Opens a server with these options (host, port and, unless given, the handler are filled in), runs
 * the test as a fiber, closes the server, and ends when every fiber has. */
void serve(const struct http_server_options *options, void (*test)(void));

/* The handler that the harness gives:
 *   /what    replies "METHOD|target|Host's value|body"
 *   /hold    waits until `released`, then replies "held"
 *   /drop    drops its body, which `drops` counts, waits as /hold, then replies how much is left
 *   /silent  returns without a reply
 *   /stream  streams "one", "two", "three"
 *   /whole   opens a stream and ends it with "onetwothree"; /whole?lost: aborts it
 *   /cut     begins a stream and does not end it
 *   /flood   streams until an error, counting into `flooded_bytes`
 *   /abort   aborts
 *   /gone    waits until the peer is gone, then sets `saw_peer_gone`
 *   /await   waits until `sleeper` is woken or the peer is gone; `awaits` counts
 *   /204     replies 204
 *   /headers adds headers, replies "x" */
void standard_handler(struct http_exchange *exchange, void *arg);
extern bool released;
extern bool saw_peer_gone;
extern struct fiber *sleeper; /* that waits in /await now */
extern int await_result;      /* of the last one there */
extern int awaits;
extern size_t drops;
extern size_t flooded_bytes;
extern int flood_error;

int client_open(void);
void client_send(int fd, const char *bytes);
void client_send_bytes(int fd, const void *bytes, size_t len);
void client_close(int *fd);

/* One reply, framed as its headers say (until the end where they do not). */
struct reply {
    int status;
    bool cut; /* the connection ended before the reply did */
    struct buf head;
    struct buf body; /* chunks put together */
};
void reply_deinit(struct reply *reply);
struct reply client_read(int fd);
struct reply client_read_bodyless(int fd); /* the reply to HEAD */

/* The header's value in this reply, "" when absent. Static memory, until the next call. */
const char *reply_header(const struct reply *reply, const char *name);

/* Whether the server closes without another byte within the time. */
bool client_sees_end(int fd, int64_t wait_ms);

/* Send, read the one reply, check its status; the connection is closed. */
struct reply ask(const char *request);
void refused(int status, const char *request);
void accepted(const char *body, const char *request);

void nap(int64_t wait_ms);
