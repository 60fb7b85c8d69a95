/* `penstock webhooks listen`: a receiver at this machine, which prints what it is sent and says
 * whether the signature is right. It stores nothing, and answers 200 to what is well signed, or to
 * all where it knows no secret. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/hooks/hook_sign.h"
#include "shared/http_server/http_server.h"
#include "shared/json/json.h"

#define PORT_DEFAULT 8099
#define DRAIN_MS     1000

struct listener {
    const struct arguments *args;
    bool checks;
    struct hook_secret secret;
};

/* Why it is not what the webhook sent; NULL: it is. */
static const char *judge(const struct listener *listener, const struct http_exchange *exchange)
{
    struct text id = http_header_get(exchange, "webhook-id");
    struct text signature = http_header_get(exchange, "webhook-signature");
    struct hook_signed what = {.body = exchange->body};
    char name[128];

    if (!text_to_int(http_header_get(exchange, "webhook-timestamp"), &what.timestamp) || !id.ptr ||
        id.len >= sizeof(name) || !signature.ptr)
        return "it has no headers of a webhook";
    text_excerpt(id, name, sizeof(name));
    what.id = name;
    if (llabs(what.timestamp - clock_wall_ms() / 1000) > HOOK_TOLERANCE_S)
        return "its timestamp is more than five minutes off";
    if (!hook_verify(&listener->secret, &what, signature))
        return "its signature is not that of this secret";
    return NULL;
}

static void print_event(const struct listener *listener, const struct http_exchange *exchange,
                        const char *wrong)
{
    struct json_object *event = NULL;
    struct error err;

    if (arguments_has(listener->args, "json")) {
        printf("%.*s\n", TEXT_ARGS(exchange->body));
        return;
    }
    if (json_decode(exchange->body, JSON_DEPTH_DEFAULT, &event, &err) < 0)
        event = NULL;
    terminal_print_line(stdout, json_get_text(event, "type"), 80);
    printf("  ");
    terminal_print_line(stdout, http_header_get(exchange, "webhook-id"), 80);
    printf("  %s%s\n",
           !listener->checks ? "not verified"
           : wrong           ? "REFUSED: "
                             : "verified",
           listener->checks && wrong ? wrong : "");
    if (json_get(event, "data"))
        printf("    %.*s\n", TEXT_ARGS(json_text(json_get(event, "data"))));
    json_free(event);
}

static void receive(struct http_exchange *exchange, void *arg)
{
    const struct listener *listener = arg;
    const char *wrong = listener->checks ? judge(listener, exchange) : NULL;

    if (exchange->method != HTTP_METHOD_POST) {
        (void)http_reply(exchange, 405, "text/plain", TEXT("Webhooks are POSTed.\n"));
        return;
    }
    print_event(listener, exchange, wrong);
    (void)fflush(stdout);
    (void)http_reply(exchange, wrong ? 400 : 200, "text/plain",
                     wrong ? text_of(wrong) : TEXT("ok\n"));
}

static void print_hello(const struct listener *listener, int port)
{
    printf("listening at http://127.0.0.1:%d/\n", port);
    if (!listener->checks)
        printf("register it, and give this command the secret that is shown:\n"
               "  penstock webhooks create http://127.0.0.1:%d/ --event '*'\n"
               "  penstock webhooks listen --port %d --secret whsec_…\n"
               "(schedulers must be allowed to: "
               "PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES=127.0.0.1:%d)\n",
               port, port, port);
    (void)fflush(stdout);
}

static int serve(void *arg)
{
    struct listener *listener = arg;
    const struct http_server_options options = {
        .host = "127.0.0.1",
        .port = (int)arguments_number(listener->args, "port", PORT_DEFAULT),
        .handler = receive,
        .arg = listener,
    };
    struct http_server *server;
    struct interrupt interrupt;
    struct error err;

    if (http_server_open(&options, &server, &err) < 0)
        return command_fail(&err);
    print_hello(listener, http_server_port(server));
    interrupt_start(&interrupt);
    while (fiber_wait("a signal", DEADLINE_NONE) != WAIT_CANCELED)
        continue;
    fiber_shield_enter();
    interrupt_stop(&interrupt);
    http_server_close(server, deadline_in(DRAIN_MS));
    fiber_shield_leave();
    return COMMAND_OK;
}

static int run_listen(const struct arguments *args)
{
    const char *said = arguments_get(args, "secret");
    struct listener listener = {.args = args, .checks = false};

    if (!said)
        said = getenv("PENSTOCK_WEBHOOK_SECRET");
    listener.checks = said && *said;
    if (listener.checks && !hook_secret_parse(text_of(said), &listener.secret)) {
        terminal_complain("webhooks listen: the secret is none: it begins with whsec_ and is "
                          "shown when a webhook is created or rotated");
        return COMMAND_USAGE;
    }
    return command_on_loop(serve, &listener);
}

static const struct option_spec options[] = {
    {"port", 'p', "N", "of 127.0.0.1 (default 8099)", 1, 65535},
    {"secret", 0, "SECRET",
     "whose signatures are right (PENSTOCK_WEBHOOK_SECRET); else none is checked", 0, 0},
    {"json", 0, NULL, "one event a line, as it came", 0, 0},
};

const struct command command_webhooks_listen = {
    .name = "webhooks listen",
    .arguments = "",
    .summary = "Receive webhooks here, print them, and verify their signatures",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run_listen,
};
