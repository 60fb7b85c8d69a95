/* The bodies of replies, written straight as text. Shapes:
 * https://platform.openai.com/docs/api-reference/chat/object */

#include "providers/rehearsal/reply.h"

#include <stdio.h>

#define BYTES_PER_TOKEN 4

static void add_calls(struct buf *out, const struct decision *decision, const char *id)
{
    buf_add_string(out, ",\"tool_calls\":[");
    for (size_t i = 0; i < decision->calls_count; i++) {
        buf_printf(out, "%s{\"id\":\"call_%s%02zu\",\"type\":\"function\",\"function\":{\"name\":",
                   i ? "," : "", id, i);
        buf_add_json(out, decision->calls[i].name);
        buf_add_string(out, ",\"arguments\":");
        buf_add_json(out, decision->calls[i].arguments);
        buf_add_string(out, "}}");
    }
    buf_add_char(out, ']');
}

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

static void add_usage(struct buf *out, const struct conversation *conversation,
                      const struct decision *decision)
{
    struct reply_usage usage = reply_usage_of(conversation, decision);

    buf_printf(
        out,
        ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
        (long long)usage.prompt_tokens, (long long)usage.completion_tokens,
        (long long)(usage.prompt_tokens + usage.completion_tokens));
}

void reply_completion(struct buf *out, const struct conversation *conversation,
                      const struct decision *decision, uint64_t number, int64_t now_wall_ms)
{
    const char *finish = decision->action->finish_reason;
    char id[40];

    if (!finish)
        finish = decision->calls_count ? "tool_calls" : "stop";
    snprintf(id, sizeof(id), "%.12s%010llx", conversation->messages_sha256,
             (unsigned long long)number);
    buf_printf(out,
               "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":",
               id, (long long)(now_wall_ms / 1000));
    buf_add_json(out, conversation->model);
    buf_add_string(out,
                   ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (decision->text.ptr || !decision->calls_count)
        buf_add_json(out, decision->text);
    else
        buf_add_string(out, "null");
    buf_add_string(out, ",\"refusal\":null");
    if (decision->calls_count)
        add_calls(out, decision, id);
    buf_add_string(out, "},\"logprobs\":null,\"finish_reason\":");
    buf_add_json_string(out, finish);
    buf_add_string(out, "}]");
    add_usage(out, conversation, decision);
    buf_add_string(out, ",\"system_fingerprint\":\"fp_rehearsal\"}");
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
