/* The bodies of replies. What a model says is written by the format's own module, which workers
 * read it with, too. */

#include "providers/rehearsal/reply.h"

#include <stdio.h>

#include "providers/formats/openai_chat.h"
#include "shared/base/error.h"

#define BYTES_PER_TOKEN 4

static int64_t tokens(int64_t said, size_t bytes)
{
    return said >= 0 ? said : (int64_t)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

struct reply_usage reply_usage_of(const struct conversation *conversation,
                                  const struct decision *decision)
{
    size_t bytes = decision->text.len;

    for (size_t i = 0; i < decision->calls_count; i++)
        bytes += decision->calls[i].name.len + decision->calls[i].arguments.len;
    return (struct reply_usage){
        .prompt_tokens = tokens(decision->action->prompt_tokens, conversation->text_bytes),
        .completion_tokens = tokens(decision->action->completion_tokens, bytes),
    };
}

/* The decision as what a model says; the calls and their ids are in the arena. */
static int as_reply(const struct conversation *conversation, const struct decision *decision,
                    const char *id, struct arena *arena, struct chat_reply *out)
{
    struct reply_usage usage = reply_usage_of(conversation, decision);

    *out = (struct chat_reply){
        .text = decision->text,
        .tool_calls = arena_calloc(arena, decision->calls_count, sizeof(*out->tool_calls)),
        .tool_calls_count = decision->calls_count,
        .finish = decision->calls_count ? CHAT_FINISH_TOOL : CHAT_FINISH_STOP,
        .usage = {.input_tokens = usage.prompt_tokens, .output_tokens = usage.completion_tokens},
        .model = conversation->model,
    };
    for (size_t i = 0; i < decision->calls_count; i++) {
        char *call_id = arena_printf(arena, "call_%s%02zu", id, i);

        if (!out->tool_calls || !call_id)
            return -E_LIMIT;
        out->tool_calls[i] = (struct chat_tool_call){.id = text_of(call_id),
                                                     .name = decision->calls[i].name,
                                                     .arguments = decision->calls[i].arguments};
    }
    return 0;
}

void reply_completion(struct buf *out, const struct conversation *conversation,
                      const struct decision *decision, uint64_t number, int64_t now_wall_ms)
{
    char id[40];
    char completion_id[64];
    struct openai_chat_stamp stamp = {.id = completion_id,
                                      .created = now_wall_ms / 1000,
                                      .finish = decision->action->finish_reason};
    struct chat_reply reply;
    struct arena arena;

    snprintf(id, sizeof(id), "%.12s%010llx", conversation->messages_sha256,
             (unsigned long long)number);
    snprintf(completion_id, sizeof(completion_id), "chatcmpl-%s", id);
    arena_init(&arena, 0);
    if (as_reply(conversation, decision, id, &arena, &reply) == 0)
        openai_chat_write_reply(&reply, &stamp, out);
    else
        out->failed = true;
    arena_deinit(&arena);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

void reply_error(struct buf *out, int status, const char *message, const char *param,
                 const char *code)
{
    buf_add_string(out, "{\"error\":{\"message\":");
    buf_add_json_string(out, message);
    buf_add_string(out, ",\"type\":");
    buf_add_json_string(out, type_of(status));
    buf_add_string(out, ",\"param\":");
    buf_add_json_string(out, param);
    buf_add_string(out, ",\"code\":");
    buf_add_json_string(out, code);
    buf_add_string(out, "}}");
}

void reply_status(struct buf *out, int status)
{
    static const struct {
        int status;
        const char *code;
        const char *message;
    } known[] = {
        {401, "invalid_api_key", "Incorrect API key provided: sk-rehearsal-0000000000."},
        {404, "model_not_found", "The model does not exist or you do not have access to it."},
        {429, "rate_limit_exceeded", "Rate limit reached for requests."},
        {500, NULL, "The server had an error while processing your request."},
        {503, NULL, "The engine is currently overloaded, please try again later."},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (known[i].status != status)
            continue;
        reply_error(out, status, known[i].message, NULL, known[i].code);
        return;
    }
    reply_error(out, status, "The rehearsal script asked for this error.", NULL, NULL);
}
