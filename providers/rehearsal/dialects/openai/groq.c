/* Groq: Chat Completions under /openai/v1, with members of its own (ChatCompletion and
 * ChatCompletionChunk of the npm package groq-sdk). Its headers count requests by the day and
 * tokens by the minute: https://console.groq.com/docs/rate-limits. */

#include "providers/rehearsal/dialects/openai/openai.h"
#include "providers/rehearsal/dialects/openai/openai_chat.h"

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    if (dialect_openai_path_is(path, "/models", true))
        out->endpoint = ENDPOINT_MODELS;
    return out->endpoint == ENDPOINT_MODELS ||
           dialect_openai_path_is(path, "/chat/completions", true);
}

static const struct chat_flavour flavour = {.reasoning_member = "reasoning", .groq = true};

static void write_reply(const struct answer *answer, struct buf *out)
{
    dialect_chat_write(answer, &flavour, out);
}

static void write_events(const struct answer *answer, struct event_list *out)
{
    dialect_chat_write_events(answer, &flavour, out);
}

static void write_models(struct buf *out)
{
    dialect_openai_chat.write_models(out);
}

static void write_headers(const struct limit_state *limits, const struct problem *problem,
                          dialect_header_fn add, void *arg)
{
    if (limits)
        dialect_openai_write_limits(limits[LIMIT_REQUESTS_DAY].allowed ? &limits[LIMIT_REQUESTS_DAY]
                                                                       : &limits[LIMIT_REQUESTS],
                                    &limits[LIMIT_TOKENS], problem, add, arg);
}

const struct dialect dialect_groq = {
    .name = "groq",
    .call_prefix = "call_",
    .route = route,
    .key_headers = dialect_openai_key_headers,
    .read = dialect_chat_read,
    .write = write_reply,
    .write_events = write_events,
    .write_models = write_models,
    .write_error = dialect_openai_write_error,
    .write_event_error = dialect_openai_write_event_error,
    .write_headers = write_headers,
};
