/* Chat completions: https://platform.openai.com/docs/api-reference/chat/create
 *
 * The reply of a stream begins with the first piece that the model says, or after 15 s: until then
 * a failure is a status, as without a stream, and afterwards a chunk. While nothing comes, comments
 * keep the connection.
 */

#include <stdio.h>
#include <stdlib.h>

#include "providers/openai_api/call_failure.h"
#include "providers/openai_api/chat_reply.h"
#include "providers/openai_api/chat_request.h"
#include "scheduler/api/openai/chat_bodies.h"
#include "scheduler/api/openai/model_answer.h"
#include "scheduler/api/openai/resources.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

#define KEEP_ALIVE_MS 15000

struct completion {
    struct request *request;
    struct chat_ask ask;
    struct model_call call;
    struct chat_naming naming;
    char id[64];
    struct chat_chunks chunks;
    struct chat_sink sink;
    int64_t sent_ms; /* when something was sent last */
    bool begun;      /* to reply */
};

/* ---- a stream ---- */

static void on_event(void *arg, const struct chat_event *event)
{
    struct completion *completion = arg;
    struct chat_naming *naming = &completion->chunks.naming;

    if (naming->model.len == 0)
        naming->model = model_answer_name(completion->request, &completion->call);
    chat_chunks_event(&completion->chunks, event);
}

/* Proxies buffer and compress what they are not told to leave alone. */
static int begin(struct completion *completion, struct error *err)
{
    struct http_exchange *exchange = completion->request->exchange;

    completion->begun = true;
    http_add_header(exchange, "Cache-Control", TEXT("no-cache, no-transform"));
    http_add_header(exchange, "X-Accel-Buffering", TEXT("no"));
    return http_stream_begin(exchange, 200, "text/event-stream; charset=utf-8", err);
}

/* Sends what there is. More may come meanwhile, so the bytes are taken out of the buf first. */
static int send_chunks(struct completion *completion)
{
    struct http_exchange *exchange = completion->request->exchange;
    struct buf *out = &completion->chunks.out;
    struct text bytes;
    struct error err;
    char *taken;
    int r;

    chat_chunks_flush(&completion->chunks);
    if (out->len == 0)
        return 0;
    r = buf_check(out, &err);
    exchange->deadline_ms = deadline_in(ANSWER_WRITE_MS);
    if (r == 0 && !completion->begun)
        r = begin(completion, &err);
    bytes.len = out->len;
    taken = buf_take(out);
    bytes.ptr = taken;
    if (r == 0)
        r = http_stream_write(exchange, bytes, &err);
    free(taken);
    completion->sent_ms = clock_ms();
    return r;
}

/* Until the call is over. Returns 0, or a failure of the connection. */
static int send_all(struct completion *completion)
{
    struct chat_chunks *chunks = &completion->chunks;
    int r = 0;

    while (r == 0 && !completion->call.over) {
        r = model_answer_wait(completion->request, &completion->call,
                              completion->sent_ms + KEEP_ALIVE_MS);
        if (r == -E_TIMEOUT) {
            buf_add_string(&chunks->out, ": waiting\n\n");
            r = 0;
        }
        while (r == 0 && (chunks->out.len > 0 || chunks->held.len > 0))
            r = send_chunks(completion);
    }
    return r;
}

static int finish(struct completion *completion)
{
    struct request *request = completion->request;
    struct model_call *call = &completion->call;
    struct failure failure;
    struct error err;

    if (!call->answered && !completion->begun)
        return call_failure(&call->failure, &request->failure);
    if (completion->chunks.naming.model.len == 0)
        completion->chunks.naming.model = model_answer_name(request, call);
    if (call->answered) {
        chat_chunks_end(&completion->chunks, &call->reply);
    } else {
        call_failure(&call->failure, &failure);
        chat_chunks_error(&completion->chunks, &failure);
    }
    if (send_chunks(completion) < 0)
        return model_answer_gone(request);
    (void)http_stream_end(request->exchange, &err);
    return 0;
}

static int stream(struct completion *completion)
{
    struct request *request = completion->request;
    int64_t from_us = clock_us();
    int r;

    completion->sent_ms = clock_ms();
    r = send_all(completion);
    request->start_us += clock_us() - from_us; /* no time of ours */
    return r < 0 ? model_answer_gone(request) : finish(completion);
}

/* ---- the call ---- */

static int answer_whole(struct completion *completion)
{
    struct request *request = completion->request;
    int r = model_answer_await(request, &completion->call);

    if (r < 0)
        return r;
    completion->naming.model = model_answer_name(request, &completion->call);
    chat_completion_write(&request->reply, &completion->naming, &completion->call.reply);
    return 0;
}

static void name(struct completion *completion)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_REQUEST, uuid_new(), id);
    (void)snprintf(completion->id, sizeof(completion->id), "chatcmpl-%s",
                   id + strlen(id_prefix(ID_REQUEST)));
    completion->naming = (struct chat_naming){completion->id, clock_wall_ms() / 1000, TEXT_NONE};
}

/* From the body to the call. */
static int read_ask(struct completion *completion)
{
    struct request *request = completion->request;
    struct chat_ask *ask = &completion->ask;
    struct model_call *call = &completion->call;
    struct error err;
    int r = chat_request_read(request->body, &request->exchange->arena, ask, &err);

    if (r < 0)
        return failure_param(&request->failure, 400, "messages", "invalid_value",
                             "Invalid 'messages': %s.", err.text);
    r = model_answer_check(request, ask->models, ask->models_count);
    if (r < 0)
        return r;
    memcpy(call->models, ask->models, sizeof(call->models));
    call->models_count = ask->models_count;
    call->request = &ask->request;
    call->user = ask->user;
    call->turn = ask->turn;
    if (ask->stream) {
        completion->sink = (struct chat_sink){on_event, completion};
        call->sink = &completion->sink;
    }
    return 0;
}

static int chat_completion(struct request *request)
{
    struct completion *completion = arena_calloc(&request->exchange->arena, 1, sizeof(*completion));
    struct error err;
    int r;

    if (!completion)
        return request_failed(request, (error_set(&err, E_LIMIT, "no room"), &err));
    completion->request = request;
    name(completion);
    r = read_ask(completion);
    if (r < 0)
        return r;
    chat_chunks_init(&completion->chunks, &completion->naming, completion->ask.include_usage);
    r = model_answer_start(request, &completion->call);
    if (r == 0) {
        r = completion->ask.stream ? stream(completion) : answer_whole(completion);
        model_call_end(&completion->call);
    }
    chat_chunks_deinit(&completion->chunks);
    return r;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/chat/completions",
     .handle = chat_completion,
     .takes = TAKES_JSON,
     .body = &body_chat_completion},
};
/* clang-format on */

const struct endpoint_table chat_completion_endpoints = ENDPOINT_TABLE(table);
