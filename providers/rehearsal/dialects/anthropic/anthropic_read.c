/* Messages, read as strictly as Anthropic does.
 * https://docs.claude.com/en/api/messages, .../tool-use and .../extended-thinking; MessageParam and
 * the ContentBlockParams of the npm package @anthropic-ai/sdk.
 *
 * Messages of one role in a row are one turn. Calls of a turn are answered by the results at the
 * very beginning of the next one, all of them, each once; the id of a call is there once in the
 * whole conversation. A turn with calls that came with thinking begins with that thinking, as it
 * was, as long as the user has said nothing since.
 */

#include "providers/rehearsal/dialects/anthropic/anthropic.h"
#include "providers/rehearsal/reply/seal.h"

#define MESSAGES_MAX 100000

struct message_reader {
    struct reader base;
    struct json_object *messages;
    size_t spoken;                /* index of the last message in which the user speaks */
    size_t calling;               /* of the last message with calls */
    bool in_results;              /* a user's turn has had results only */
    bool has_calls;               /* there are calls or results somewhere */
    char thought[SEAL_MARK_SIZE]; /* of the thinking in the message at hand; "": none */
};

static int blocked(struct message_reader *reader, size_t i, size_t n, const char *what)
{
    return problem_set(reader->base.problem, "messages", "messages.%zu.content.%zu%s", i, n, what);
}

/* The text of a text block, or of a string; TEXT_NONE: it is none. */
static struct text text_of_block(struct json_object *block)
{
    if (json_object_is_type(block, json_type_string))
        return json_string(block);
    return text_is(json_get_text(block, "type"), "text") ? json_get_text(block, "text") : TEXT_NONE;
}

/* Puts the texts of a string or of a list of blocks into base.text. */
static void gather(struct message_reader *reader, struct json_object *content)
{
    struct buf *text = &reader->base.text;

    buf_reset(text);
    if (json_object_is_type(content, json_type_string))
        buf_add_text(text, json_string(content));
    for (size_t n = 0; n < reader_length(content); n++) {
        struct text part = text_of_block(json_object_array_get_idx(content, n));

        if (part.len && text->len)
            buf_add_char(text, '\n');
        buf_add_text(text, part);
    }
}

static int unanswered(struct message_reader *reader)
{
    CLEANUP(buf_deinit) struct buf ids = {0};

    buf_init(&ids, 0);
    if (!reader_unanswered(&reader->base, &ids))
        return 0;
    return problem_set(reader->base.problem, "messages",
                       "messages.%zu: `tool_use` ids were found without `tool_result` blocks "
                       "immediately after: %.300s. Each `tool_use` block must have a corresponding "
                       "`tool_result` block in the next message.",
                       reader->calling, buf_string(&ids));
}

/* ---- blocks ---- */

static bool id_fits(struct text id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return id.len > 0;
}

static int read_result(struct message_reader *reader, struct json_object *block, size_t i, size_t n)
{
    struct text id = json_get_text(block, "tool_use_id");
    bool known;
    int r;

    if (!id.len)
        return blocked(reader, i, n, ".tool_result.tool_use_id: Field required");
    if (!id_fits(id))
        return blocked(reader, i, n,
                       ".tool_result.tool_use_id: String should match pattern "
                       "'^[a-zA-Z0-9_-]+$'");
    gather(reader, json_get(block, "content"));
    reader->has_calls = true;
    r = reader_result(&reader->base, id, &known);
    if (r != 0)
        return r;
    if (!known || !reader->in_results)
        return problem_set(reader->base.problem, "messages",
                           "messages.%zu.content.%zu: unexpected `tool_use_id` found in "
                           "`tool_result` blocks: %.60s. Each `tool_result` block must have a "
                           "corresponding `tool_use` block in the previous message.",
                           i, n, id.ptr);
    reader->base.out->after_tool = true;
    return 0;
}

static int check_thought(struct message_reader *reader, struct text id, size_t i, size_t n)
{
    struct text mark;

    if (i < reader->spoken || !seal_marked_id(id, &mark))
        return 0;
    if (!reader->thought[0])
        return blocked(reader, i, n,
                       ".type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. "
                       "When `thinking` is enabled, a final `assistant` message must start with a "
                       "thinking block (preceeding the lastmost set of `tool_use` and "
                       "`tool_result` blocks).");
    if (!text_is(mark, reader->thought))
        return blocked(reader, i, n,
                       ": `thinking` or `redacted_thinking` blocks in the latest assistant message "
                       "cannot be modified. These blocks must remain as they were in the original "
                       "response.");
    return 0;
}

static int read_call(struct message_reader *reader, struct json_object *block, size_t i, size_t n)
{
    struct text id = json_get_text(block, "id");
    bool unique;
    int r;

    if (!id_fits(id))
        return blocked(reader, i, n,
                       ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
    if (!json_get_text(block, "name").len)
        return blocked(reader, i, n, ".tool_use.name: Field required");
    if (!json_object_is_type(json_get(block, "input"), json_type_object))
        return blocked(reader, i, n, ".tool_use.input: Input should be a valid dictionary");
    r = reader_unique(&reader->base, id, &unique);
    if (r == 0 && !unique)
        r = blocked(reader, i, n, ": `tool_use` ids must be unique");
    if (r == 0)
        r = check_thought(reader, id, i, n);
    if (r == 0)
        r = reader_call(&reader->base, id);
    reader->has_calls = true;
    reader->calling = i;
    return r;
}

static int read_thinking(struct message_reader *reader, struct json_object *block, size_t i,
                         size_t n)
{
    char mark[SEAL_MARK_SIZE];

    if (!json_get_text(block, "thinking").ptr)
        return blocked(reader, i, n, ".thinking.thinking: Field required");
    if (!json_get_text(block, "signature").ptr)
        return blocked(reader, i, n, ".thinking.signature: Field required");
    seal_mark(json_get_text(block, "thinking"), mark);
    if (!seal_open(ANTHROPIC_NAME, reader->base.out->model, json_get_text(block, "signature"),
                   reader->thought) ||
        strcmp(mark, reader->thought) != 0)
        return blocked(reader, i, n, ": Invalid `signature` in `thinking` block");
    return 0;
}

static int read_redacted(struct message_reader *reader, struct json_object *block, size_t i,
                         size_t n)
{
    if (!json_get_text(block, "data").len)
        return blocked(reader, i, n, ".redacted_thinking.data: Field required");
    return 0;
}

static int read_image(struct message_reader *reader, struct json_object *block, size_t i, size_t n)
{
    struct json_object *source = json_get(block, "source");
    struct text type = json_get_text(source, "type");

    if (text_is(type, "base64") &&
        (!json_get_text(source, "data").len || !json_get_text(source, "media_type").len))
        return blocked(reader, i, n, ".image.source.base64.data: Field required");
    if (text_is(type, "url") && !json_get_text(source, "url").len)
        return blocked(reader, i, n, ".image.source.url.url: Field required");
    if (!text_is(type, "base64") && !text_is(type, "url") && !text_is(type, "file"))
        return blocked(reader, i, n,
                       ".image.source: Input tag found using 'type' does not match any of the "
                       "expected tags: 'base64', 'url', 'file'");
    return 0;
}

static int read_text(struct message_reader *reader, struct json_object *block, size_t i, size_t n)
{
    struct text text = json_get_text(block, "text");

    if (!text.ptr)
        return blocked(reader, i, n, ".text.text: Field required");
    if (!text_trim(text).len)
        return problem_set(reader->base.problem, "messages",
                           "messages: text content blocks must %s",
                           text.len ? "contain non-whitespace text" : "be non-empty");
    return 0;
}

static int read_block(struct message_reader *reader, struct json_object *block, bool user, size_t i,
                      size_t n)
{
    static const struct {
        const char *type;
        bool user;
        bool assistant;
        int (*read)(struct message_reader *, struct json_object *, size_t, size_t);
    } kinds[] = {
        {"text", true, true, read_text},
        {"image", true, false, read_image},
        {"document", true, false, NULL},
        {"search_result", true, false, NULL},
        {"tool_result", true, false, read_result},
        {"tool_use", false, true, read_call},
        {"thinking", false, true, read_thinking},
        {"redacted_thinking", false, true, read_redacted},
    };
    struct text type = json_get_text(block, "type");

    for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++) {
        if (!text_is(type, kinds[k].type))
            continue;
        if (user ? !kinds[k].user : !kinds[k].assistant)
            return problem_set(reader->base.problem, "messages",
                               "messages.%zu.content.%zu: `%s` blocks can only be in `%s` messages",
                               i, n, kinds[k].type, user ? "assistant" : "user");
        if (user && !text_is(type, "tool_result")) {
            int r = unanswered(reader);

            if (r != 0)
                return r;
            reader->in_results = false;
        }
        return kinds[k].read ? kinds[k].read(reader, block, i, n) : 0;
    }
    return blocked(reader, i, n,
                   ": Input tag found using 'type' does not match any of the expected tags");
}

/* ---- messages ---- */

static bool speaks(struct json_object *content)
{
    if (!json_object_is_type(content, json_type_array))
        return true;
    for (size_t n = 0; n < reader_length(content); n++)
        if (!text_is(json_get_text(json_object_array_get_idx(content, n), "type"), "tool_result"))
            return true;
    return false;
}

static int read_blocks(struct message_reader *reader, struct json_object *content, bool user,
                       size_t i)
{
    if (json_object_is_type(content, json_type_string)) {
        int r = user ? unanswered(reader) : 0;

        if (user)
            reader->in_results = false;
        if (r == 0 && !json_string(content).len)
            r = problem_set(reader->base.problem, "messages",
                            "messages.%zu: all messages must have non-empty content except for the "
                            "optional final assistant message",
                            i);
        return r;
    }
    if (!reader_length(content))
        return problem_set(reader->base.problem, "messages",
                           "messages.%zu: all messages must have non-empty content except for the "
                           "optional final assistant message",
                           i);
    for (size_t n = 0; n < reader_length(content); n++) {
        int r = read_block(reader, json_object_array_get_idx(content, n), user, i, n);

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_user(struct message_reader *reader, struct json_object *content, bool turn_begins,
                     size_t i)
{
    int r;

    if (turn_begins)
        reader->in_results = true;
    r = read_blocks(reader, content, true, i);
    if (r != 0 || !speaks(content))
        return r;
    reader->base.out->after_tool = false;
    gather(reader, content);
    return reader_user(&reader->base);
}

static bool calls(struct json_object *content)
{
    for (size_t n = 0; n < reader_length(content); n++)
        if (text_is(json_get_text(json_object_array_get_idx(content, n), "type"), "tool_use"))
            return true;
    return false;
}

static int read_assistant(struct message_reader *reader, struct json_object *content,
                          bool turn_begins, size_t i)
{
    int r = turn_begins ? unanswered(reader) : 0;

    reader->thought[0] = '\0';
    reader->base.out->after_tool = false;
    if (calls(content))
        reader_round(&reader->base);
    if (r == 0)
        r = read_blocks(reader, content, false, i);
    if (r != 0)
        return r;
    gather(reader, content);
    return reader_other(&reader->base);
}

static int read_message(struct message_reader *reader, size_t i)
{
    struct json_object *message = json_object_array_get_idx(reader->messages, i);
    struct json_object *before = i ? json_object_array_get_idx(reader->messages, i - 1) : NULL;
    struct json_object *content = json_get(message, "content");
    struct text role = json_get_text(message, "role");
    bool turn_begins = !text_equal(role, json_get_text(before, "role"));

    if (!content)
        return problem_set(reader->base.problem, "messages", "messages.%zu.content: Field required",
                           i);
    if (text_is(role, "user"))
        return read_user(reader, content, turn_begins, i);
    if (i == 0 && text_is(role, "assistant"))
        return problem_set(reader->base.problem, "messages",
                           "messages: first message must use the \"user\" role");
    if (text_is(role, "assistant"))
        return read_assistant(reader, content, turn_begins, i);
    if (!text_is(role, "system"))
        return problem_set(reader->base.problem, "messages",
                           "messages.%zu.role: Input should be 'user' or 'assistant'", i);
    gather(reader, content);
    return reader_system(&reader->base);
}

static int check_last(struct message_reader *reader, size_t count)
{
    struct json_object *last = json_object_array_get_idx(reader->messages, count - 1);
    struct text text = buf_text(&reader->base.text);

    if (reader->has_calls && !reader_length(json_get(reader->base.request->body, "tools")))
        return problem_set(reader->base.problem, "tools",
                           "Requests which include `tool_use` or `tool_result` blocks must define "
                           "tools.");
    if (text_is(json_get_text(last, "role"), "assistant") && text.len && text_trim(text).len &&
        strchr(" \t\r\n", text.ptr[text.len - 1]))
        return problem_set(reader->base.problem, "messages",
                           "messages: final assistant content cannot end with trailing whitespace");
    return unanswered(reader);
}

static int read_messages(struct message_reader *reader)
{
    size_t count = reader_length(reader->messages);

    if (!json_object_is_type(reader->messages, json_type_array))
        return problem_set(reader->base.problem, "messages", "messages: Field required");
    if (!count || count > MESSAGES_MAX)
        return problem_set(reader->base.problem, "messages",
                           "messages: from 1 to %d messages are required", MESSAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct json_object *message = json_object_array_get_idx(reader->messages, i);

        if (text_is(json_get_text(message, "role"), "user") && speaks(json_get(message, "content")))
            reader->spoken = i;
    }
    for (size_t i = 0; i < count; i++) {
        int r = read_message(reader, i);

        if (r != 0)
            return r;
    }
    return check_last(reader, count);
}

static int read_system(struct message_reader *reader)
{
    struct json_object *system = json_get(reader->base.request->body, "system");

    if (!system)
        return 0;
    for (size_t n = 0; n < reader_length(system); n++)
        if (!text_trim(text_of_block(json_object_array_get_idx(system, n))).len)
            return problem_set(reader->base.problem, "system",
                               "system: text content blocks must be non-empty");
    gather(reader, system);
    return reader_system(&reader->base);
}

int dialect_anthropic_read(const struct request *request, struct conversation *out,
                           struct problem *problem)
{
    struct message_reader reader = {.messages = json_get(request->body, "messages")};
    struct text model = json_get_text(request->body, "model");
    int r;

    if (!json_object_is_type(request->body, json_type_object))
        return problem_set(problem, NULL, "The request body is not valid JSON: expected an object");
    reader_init(&reader.base, request, out, problem);
    r = dialect_anthropic_read_settings(&reader.base);
    if (r == 0 && !model.len)
        r = problem_set(problem, "model", "model: Field required");
    if (r == 0)
        r = reader_begin(&reader.base, model, reader.messages);
    if (r == 0)
        r = read_system(&reader);
    if (r == 0)
        r = read_messages(&reader);
    if (r == 0)
        r = reader_end(&reader.base);
    reader_deinit(&reader.base);
    return r;
}
