/* The HTTP side of the rehearsal LLM.
 *
 * What a call will get is decided and written before its delay, and the parsed request is freed by
 * then, so that thousands of waiting calls hold a few KiB each. A client that goes away during a
 * delay is noticed within half a second, or at the end of a shorter delay.
 */

#include "providers/rehearsal/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "providers/rehearsal/decide.h"
#include "providers/rehearsal/reply.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_server/http_server.h"
#include "shared/json/json.h"

#define BODY_MAX_BYTES  ((size_t)32 << 20)
#define CALL_MAX_MS     ((int64_t)3600 * 1000)
#define LOOK_MS         500 /* how often a waiting call looks whether its client is there */
#define JSON            "application/json"
#define CONNECTIONS_MAX 20000

struct rehearsal {
    struct script *script;
    struct http_server *server;
    int ledger_fd;
    int64_t delay_ms;
    uint64_t calls;
    uint64_t in_flight;
    uint64_t peak_in_flight;
    uint64_t closed_by_client;
    uint64_t refused;
};

/* One call of a model, from its request to its line in the ledger. */
struct call {
    struct rehearsal *rehearsal;
    struct http_exchange *exchange;
    struct conversation conversation;
    struct decision decision;
    struct buf body;
    int64_t started_ms;
    struct reply_usage usage; /* of a completion */
    bool completion;          /* the body is one, and no script's own */
    bool answered;            /* all of it was sent */
    int status;               /* 0: no reply was begun */
    bool closed;              /* by the client, before the reply */
};

/* What a whole answer said was used: a client that has read it owes as much. */
static void write_usage(struct buf *line, const struct call *call)
{
    if (!call->answered)
        buf_add_string(line, "null");
    else
        buf_printf(line, "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld}",
                   (long long)call->usage.prompt_tokens, (long long)call->usage.completion_tokens);
}

static void write_ledger(const struct call *call)
{
    CLEANUP(buf_deinit) struct buf line = {0};
    const struct script_rule *rule = call->decision.rule;
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    char stamp[32];
    ssize_t written;

    if (call->rehearsal->ledger_fd < 0)
        return;
    buf_init(&line, 64 << 10);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    buf_printf(&line, "{\"time\":\"%s\",\"model\":", stamp);
    buf_add_json(&line, call->conversation.model);
    buf_printf(&line,
               ",\"messages\":\"%s\",\"idempotency_key\":", call->conversation.messages_sha256);
    buf_add_json(&line, http_header_get(call->exchange, "idempotency-key"));
    buf_add_string(&line, ",\"rule\":");
    buf_add_json_string(&line, rule ? rule->name : NULL);
    buf_printf(&line, ",\"status\":%d,\"closed\":%s,\"usage\":", call->status,
               call->closed ? "true" : "false");
    write_usage(&line, call);
    buf_printf(&line, ",\"ms\":%lld}\n", (long long)(clock_ms() - call->started_ms));
    if (line.failed)
        return;
    do
        written = write(call->rehearsal->ledger_fd, line.ptr, line.len);
    while (written < 0 && errno == EINTR);
}

static void refuse(struct call *call, const struct conversation_problem *problem)
{
    call->rehearsal->refused++;
    call->status = 400;
    reply_error(&call->body, 400, problem->message, problem->param, NULL);
    (void)http_reply(call->exchange, 400, JSON, buf_text(&call->body));
}

static struct text request_header(void *arg, const char *name)
{
    return http_header_get(arg, name);
}

/* Reads the request and decides. False: the call has been refused. */
SUSPENDS static bool prepare(struct call *call)
{
    struct decide_input input = {.conversation = &call->conversation,
                                 .header = request_header,
                                 .header_arg = call->exchange};
    CLEANUP(json_freep) struct json_object *request = NULL;
    struct conversation_problem problem = {0};
    struct arena *arena = &call->exchange->arena;
    struct error err;

    if (json_decode(call->exchange->body, JSON_DEPTH_DEFAULT, &request, &err) < 0)
        snprintf(problem.message, sizeof(problem.message),
                 "We could not parse the JSON body of your request: %s.", err.text);
    else if (conversation_read(request, arena, &call->conversation, &problem) == 0 &&
             decide(call->rehearsal->script, &input, arena, &call->decision, &err) < 0)
        snprintf(problem.message, sizeof(problem.message), "%s", err.text);
    if (!problem.message[0])
        return true;
    refuse(call, &problem);
    return false;
}

static void write_body(struct call *call)
{
    const struct decision *decision = &call->decision;
    struct buf *body = &call->body;

    if (decision->body.ptr) {
        buf_add_text(body, decision->body);
    } else if (decision->action->status == 200) {
        reply_completion(body, &call->conversation, decision, call->rehearsal->calls,
                         clock_wall_ms());
        call->usage = reply_usage_of(&call->conversation, decision);
        call->completion = true;
    } else {
        reply_status(body, decision->action->status);
    }
    if (decision->action->fault == SCRIPT_FAULT_MALFORMED)
        body->len -= body->len / 3;
}

/* Returns false when the client has gone, or the wait was cancelled. */
SUSPENDS static bool wait_for(struct call *call, int64_t wait_ms)
{
    int64_t until_ms = deadline_in(wait_ms);
    bool stall = call->decision.action->fault == SCRIPT_FAULT_STALL;

    for (;;) {
        int64_t left_ms = until_ms - clock_ms();

        if (left_ms <= 0)
            break;
        if (left_ms > LOOK_MS * 3)
            left_ms = LOOK_MS;
        if (fiber_sleep(left_ms, NULL) < 0)
            return false;
        if (http_peer_gone(call->exchange)) {
            call->closed = true;
            return false;
        }
        if (stall && http_server_draining(call->rehearsal->server))
            return false;
    }
    return !stall;
}

SUSPENDS static void send_part(struct call *call)
{
    struct text part = buf_text(&call->body);
    struct error err;

    if (part.len > (size_t)call->decision.action->fault_bytes)
        part.len = (size_t)call->decision.action->fault_bytes;
    call->status = call->decision.action->status;
    if (http_stream_begin(call->exchange, call->status, JSON, &err) == 0 && part.len)
        (void)(http_stream_write(call->exchange, part, &err) < 0);
    http_abort(call->exchange);
}

SUSPENDS static void send_reply(struct call *call)
{
    const struct script_action *action = call->decision.action;

    for (size_t i = 0; i < action->headers.count; i++)
        http_add_header(call->exchange, action->headers.items[i].key,
                        text_of(action->headers.items[i].value));
    switch (action->fault) {
    case SCRIPT_FAULT_STALL:
    case SCRIPT_FAULT_CLOSE_BEFORE:
        http_abort(call->exchange);
        break;
    case SCRIPT_FAULT_CLOSE_WITHIN:
        send_part(call);
        break;
    case SCRIPT_FAULT_NONE:
    case SCRIPT_FAULT_MALFORMED:
        call->status = action->status;
        if (http_reply(call->exchange, action->status, JSON, buf_text(&call->body)) < 0)
            call->closed = true;
        else
            call->answered = call->completion && action->fault == SCRIPT_FAULT_NONE;
        break;
    }
}

SUSPENDS static void play(struct call *call)
{
    int64_t wait_ms = call->decision.delay_ms;

    if (wait_ms < 0)
        wait_ms = call->rehearsal->delay_ms;
    if (call->decision.action->fault == SCRIPT_FAULT_STALL)
        wait_ms = CALL_MAX_MS;
    write_body(call);
    if (wait_for(call, wait_ms))
        send_reply(call);
    else
        http_abort(call->exchange);
}

SUSPENDS static void complete(struct rehearsal *rehearsal, struct http_exchange *exchange)
{
    struct call call = {.rehearsal = rehearsal, .exchange = exchange, .started_ms = clock_ms()};

    rehearsal->calls++;
    if (++rehearsal->in_flight > rehearsal->peak_in_flight)
        rehearsal->peak_in_flight = rehearsal->in_flight;
    buf_init(&call.body, 0);
    if (prepare(&call))
        play(&call);
    rehearsal->in_flight--;
    rehearsal->closed_by_client += call.closed;
    write_ledger(&call);
    buf_deinit(&call.body);
}

static void write_stats(const struct rehearsal *rehearsal, struct buf *out)
{
    const struct script *script = rehearsal->script;

    buf_printf(
        out,
        "{\"calls\":%llu,\"in_flight\":%llu,\"peak_in_flight\":%llu,\"closed_by_client\":%llu,"
        "\"refused\":%llu,\"rules\":{",
        (unsigned long long)rehearsal->calls, (unsigned long long)rehearsal->in_flight,
        (unsigned long long)rehearsal->peak_in_flight,
        (unsigned long long)rehearsal->closed_by_client, (unsigned long long)rehearsal->refused);
    for (size_t i = 0; i < script->rules_count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json_string(out, script->rules[i].name);
        buf_printf(out, ":%lld", (long long)script->rules[i].used);
    }
    buf_add_string(out, "}}");
}

static void write_models(struct buf *out)
{
    static const char *const models[] = {"rehearsal", "gpt-4o-mini", "gpt-4o", "deepseek-chat",
                                         "llama-3.3-70b-versatile"};

    buf_add_string(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < ARRAY_LENGTH(models); i++)
        buf_printf(out,
                   "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1735689600,\"owned_by\":"
                   "\"rehearsal\"}",
                   i ? "," : "", models[i]);
    buf_add_string(out, "]}");
}

SUSPENDS static void serve_get(struct rehearsal *rehearsal, struct http_exchange *exchange,
                               struct text path)
{
    CLEANUP(buf_deinit) struct buf body = {0};
    int status = 200;

    buf_init(&body, 0);
    if (text_is(path, "/healthz"))
        buf_add_string(&body, "{\"status\":\"ok\"}");
    else if (text_is(path, "/models"))
        write_models(&body);
    else if (text_is(path, "/rehearsal/stats"))
        write_stats(rehearsal, &body);
    else
        status = 404;
    if (status == 404)
        reply_error(&body, 404,
                    "Invalid URL; here are POST /v1/chat/completions, GET /v1/models, /healthz and "
                    "/rehearsal/stats.",
                    NULL, NULL);
    (void)http_reply(exchange, status, JSON, buf_text(&body));
}

SUSPENDS static void handle(struct http_exchange *exchange, void *arg)
{
    struct rehearsal *rehearsal = arg;
    struct text path = exchange->path;
    CLEANUP(buf_deinit) struct buf body = {0};

    if (text_starts(path, "/v1/")) {
        path.ptr += 3;
        path.len -= 3;
    }
    if (text_is(path, "/chat/completions") && exchange->method == HTTP_METHOD_POST) {
        complete(rehearsal, exchange);
        return;
    }
    if (exchange->method == HTTP_METHOD_GET || exchange->method == HTTP_METHOD_HEAD) {
        serve_get(rehearsal, exchange, path);
        return;
    }
    buf_init(&body, 0);
    reply_error(&body, 404, "Invalid URL or method; models answer at POST /v1/chat/completions.",
                NULL, NULL);
    (void)http_reply(exchange, 404, JSON, buf_text(&body));
}

static const char *error_body(int status, const char *message, struct buf *body)
{
    reply_error(body, status, message, NULL, NULL);
    return JSON;
}

int rehearsal_open(const struct rehearsal_options *options, struct rehearsal **out,
                   struct error *err)
{
    struct rehearsal *rehearsal = xcalloc(1, sizeof(*rehearsal));
    struct http_server_options server = {
        .host = options->host ? options->host : "127.0.0.1",
        .port = options->port,
        .handler = handle,
        .arg = rehearsal,
        .error_body = error_body,
        .max_connections = CONNECTIONS_MAX,
        .max_body_bytes = BODY_MAX_BYTES,
        .reply_timeout_ms = CALL_MAX_MS,
    };
    int r = 0;

    rehearsal->script = options->script;
    rehearsal->delay_ms = options->delay_ms;
    rehearsal->ledger_fd = -1;
    if (options->ledger) {
        rehearsal->ledger_fd =
            open(options->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (rehearsal->ledger_fd < 0)
            r = error_set_errno(err, errno, "cannot open the ledger %s", options->ledger);
    }
    if (r == 0)
        r = http_server_open(&server, &rehearsal->server, err);
    if (r < 0) {
        io_close(&rehearsal->ledger_fd);
        free(rehearsal);
        return r;
    }
    *out = rehearsal;
    return 0;
}

int rehearsal_port(const struct rehearsal *rehearsal)
{
    return http_server_port(rehearsal->server);
}

void rehearsal_close(struct rehearsal *rehearsal, int64_t deadline_ms)
{
    if (!rehearsal)
        return;
    http_server_close(rehearsal->server, deadline_ms);
    io_close(&rehearsal->ledger_fd);
    free(rehearsal);
}
