/* Chat Completions and the models' list, OpenAI's row. */

#include "providers/rehearsal/dialects/openai/openai_chat.h"

#include "providers/rehearsal/dialects/openai/openai.h"

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    if (dialect_openai_path_is(path, "/models", false))
        out->endpoint = ENDPOINT_MODELS;
    return out->endpoint == ENDPOINT_MODELS ||
           dialect_openai_path_is(path, "/chat/completions", false);
}

/* Servers of reasoning models that speak this format show it so; OpenAI's own does not. */
static const struct chat_flavour flavour = {.reasoning_member = "reasoning_content"};

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

const struct dialect dialect_openai_chat = {
    .name = "openai_chat",
    .call_prefix = "call_",
    .route = route,
    .key_headers = dialect_openai_key_headers,
    .read = dialect_chat_read_own,
    .write = write_reply,
    .write_events = write_events,
    .write_models = write_models,
    .write_error = dialect_openai_write_error,
    .write_event_error = dialect_openai_write_event_error,
    .write_headers = dialect_openai_write_headers,
};
