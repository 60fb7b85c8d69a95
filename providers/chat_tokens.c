/* The tokens of a request, added up. Models see a tool as its name, its description and its schema;
 * servers of OpenAI's write the schema shorter than JSON is, so tools are counted rather high. */

#include "providers/chat_tokens.h"

#define MESSAGE_TOKENS      4
#define INSTRUCTIONS_TOKENS 4
#define ANSWER_TOKENS       3 /* "assistant", in front of the answer */
#define TOOL_TOKENS         12
#define CALL_TOKENS         8
#define FORMAT_TOKENS       10
#define IMAGE_LOW_TOKENS    85
#define IMAGE_HIGH_TOKENS   1105 /* 85 and 170 for each of six tiles */
#define IMAGE_TOKENS        765  /* 85 and 170 for each of four tiles */

static int64_t image_tokens(struct text detail)
{
    if (text_is(detail, "low"))
        return IMAGE_LOW_TOKENS;
    return text_is(detail, "high") ? IMAGE_HIGH_TOKENS : IMAGE_TOKENS;
}

static int64_t part_tokens(const struct chat_part *part, enum tokens_vocabulary vocabulary)
{
    switch (part->kind) {
    case CHAT_PART_TEXT:
        return tokens_estimate(part->text, vocabulary);
    case CHAT_PART_IMAGE_URL:
        return image_tokens(part->detail);
    }
    return 0;
}

int64_t chat_message_tokens(const struct chat_message *message, bool with_state,
                            enum tokens_vocabulary vocabulary)
{
    int64_t tokens = MESSAGE_TOKENS + tokens_estimate(message->text, vocabulary);

    for (size_t i = 0; i < message->parts_count; i++)
        tokens += part_tokens(&message->parts[i], vocabulary);
    for (size_t i = 0; i < message->tool_calls_count; i++)
        tokens += CALL_TOKENS + tokens_estimate(message->tool_calls[i].name, vocabulary) +
                  tokens_estimate(message->tool_calls[i].arguments, vocabulary);
    if (with_state)
        tokens += tokens_estimate(message->opaque_state, vocabulary);
    return tokens;
}

static int64_t tool_tokens(const struct chat_tool *tool, enum tokens_vocabulary vocabulary)
{
    return TOOL_TOKENS + tokens_estimate(tool->name, vocabulary) +
           tokens_estimate(tool->description, vocabulary) +
           tokens_estimate(tool->parameters, vocabulary);
}

int64_t chat_frame_tokens(const struct chat_request *request, enum tokens_vocabulary vocabulary)
{
    const struct chat_format *format = &request->response_format;
    int64_t tokens = ANSWER_TOKENS;

    if (request->instructions.len)
        tokens += INSTRUCTIONS_TOKENS + tokens_estimate(request->instructions, vocabulary);
    for (size_t i = 0; i < request->tools_count; i++)
        tokens += tool_tokens(&request->tools[i], vocabulary);
    if (format->kind == CHAT_FORMAT_JSON_SCHEMA)
        tokens += FORMAT_TOKENS + tokens_estimate(format->name, vocabulary) +
                  tokens_estimate(format->description, vocabulary) +
                  tokens_estimate(format->schema, vocabulary);
    return tokens;
}

int64_t chat_tokens(const struct chat_request *request, enum tokens_vocabulary vocabulary)
{
    int64_t tokens = chat_frame_tokens(request, vocabulary);
    bool with_state = true;

    for (size_t i = request->messages_count; i > 0; i--) {
        const struct chat_message *message = &request->messages[i - 1];

        with_state = with_state && message->role != CHAT_USER;
        tokens += chat_message_tokens(message, with_state, vocabulary);
    }
    return tokens;
}
