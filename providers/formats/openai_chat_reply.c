/* Chat Completions, the server's side: a reply as it goes over the wire. Shapes:
 * https://platform.openai.com/docs/api-reference/chat/object */

#include "providers/formats/openai_chat.h"
#include "shared/json/json_write.h"

static const char *finish_word(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_LENGTH:
        return "length";
    case CHAT_FINISH_TOOL:
        return "tool_calls";
    case CHAT_FINISH_FILTER:
        return "content_filter";
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_REFUSAL:
        break;
    }
    return "stop";
}

static void write_calls(struct json_write *write, const struct chat_reply *reply)
{
    if (reply->tool_calls_count == 0)
        return;
    json_write_open_array(write, "tool_calls");
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        json_write_open_object(write, NULL);
        json_write_text(write, "id", reply->tool_calls[i].id);
        json_write_string(write, "type", "function");
        json_write_open_object(write, "function");
        json_write_text(write, "name", reply->tool_calls[i].name);
        json_write_text(write, "arguments", reply->tool_calls[i].arguments);
        json_write_close(write);
        json_write_close(write);
    }
    json_write_close(write);
}

static void write_choice(struct json_write *write, const struct chat_reply *reply,
                         const char *finish)
{
    bool refused = reply->finish == CHAT_FINISH_REFUSAL;
    bool has_text = !refused && (reply->text.ptr || reply->tool_calls_count == 0);

    json_write_open_object(write, NULL);
    json_write_int(write, "index", 0);
    json_write_open_object(write, "message");
    json_write_string(write, "role", "assistant");
    json_write_text(write, "content",
                    !has_text         ? TEXT_NONE
                    : reply->text.ptr ? reply->text
                                      : TEXT(""));
    json_write_text(write, "refusal", refused ? reply->text : TEXT_NONE);
    write_calls(write, reply);
    json_write_close(write);
    json_write_null(write, "logprobs");
    json_write_string(write, "finish_reason", finish ? finish : finish_word(reply->finish));
    json_write_close(write);
}

static void write_usage(struct json_write *write, const struct chat_usage *usage)
{
    json_write_open_object(write, "usage");
    json_write_int(write, "prompt_tokens", usage->input_tokens);
    json_write_int(write, "completion_tokens", usage->output_tokens);
    json_write_int(write, "total_tokens", usage->input_tokens + usage->output_tokens);
    json_write_open_object(write, "prompt_tokens_details");
    json_write_int(write, "cached_tokens", usage->cached_input_tokens);
    json_write_close(write);
    json_write_open_object(write, "completion_tokens_details");
    json_write_int(write, "reasoning_tokens", usage->reasoning_tokens);
    json_write_close(write);
    json_write_close(write);
}

void openai_chat_write_reply(const struct chat_reply *reply, const struct openai_chat_stamp *stamp,
                             struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", stamp->id);
    json_write_string(&write, "object", "chat.completion");
    json_write_int(&write, "created", stamp->created);
    json_write_text(&write, "model", reply->model);
    json_write_open_array(&write, "choices");
    write_choice(&write, reply, stamp->finish);
    json_write_close(&write);
    write_usage(&write, &reply->usage);
    json_write_string(&write, "system_fingerprint", "fp_rehearsal");
    json_write_close(&write);
}
