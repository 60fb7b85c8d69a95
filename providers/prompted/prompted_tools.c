/* Tools in words.
 *
 * The words are few, concrete, and show the notation once, since what reads them is often a small
 * model. Names stand apart from arguments so that a broken JSON text still says which tool was
 * meant. */

#include "providers/prompted/prompted_tools.h"

#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define NO_SCHEMA  "{\"type\":\"object\",\"properties\":{}}"
#define RESULT_END "</tool_result"

/* clang-format off */
static const char about_tools[] =
    "# Tools\n"
    "\n"
    "You can call tools. Each line between the tags describes one: its name, what it does, and a\n"
    "JSON Schema of its arguments.\n"
    "\n"
    "<tools>\n";

static const char about_calls[] =
    "</tools>\n"
    "\n"
    "To call a tool, write:\n"
    "\n"
    "<tool_call>\n"
    "<name>NAME_OF_THE_TOOL</name>\n"
    "<arguments>{\"NAME_OF_AN_ARGUMENT\": \"VALUE\"}</arguments>\n"
    "</tool_call>\n"
    "\n"
    "- The arguments are one JSON object that fits the tool's schema, {} if there are none.\n"
    "- Do not put a call into a code block. Write nothing behind your calls.\n"
    "- The results come with the next message, as <tool_result>. Never write a result yourself.\n";
/* clang-format on */

static const char about_no_tools[] =
    "No tools can be called now, although some were called before in this conversation. Answer in "
    "text, without <tool_call>.\n";

static bool may_call(const struct chat_request *in)
{
    return in->tools_count > 0 && in->tool_choice.kind != CHAT_TOOL_CHOICE_NONE;
}

static bool has_calls(const struct chat_request *in)
{
    for (size_t i = 0; i < in->messages_count; i++)
        if (in->messages[i].tool_calls_count > 0 || in->messages[i].role == CHAT_TOOL)
            return true;
    return false;
}

/* ---- instructions ---- */

/* On one line: a schema's line breaks stand between its values, or are within none. */
static void add_schema(struct json_write *write, struct text schema)
{
    struct text value;

    if (schema.len == 0 || json_raw_check(schema, JSON_RAW_DEPTH_MAX, &value, NULL) < 0)
        value = TEXT(NO_SCHEMA);
    json_write_name(write, "parameters");
    for (size_t i = 0; i < value.len; i++)
        buf_add_char(write->out, value.ptr[i] == '\n' || value.ptr[i] == '\r' ? ' ' : value.ptr[i]);
}

static void add_tool(struct buf *out, const struct chat_tool *tool)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_text(&write, "name", tool->name);
    if (tool->description.len)
        json_write_text(&write, "description", tool->description);
    add_schema(&write, tool->parameters);
    json_write_close(&write);
    buf_add_char(out, '\n');
}

static void add_choice(struct buf *out, const struct chat_request *in)
{
    buf_add_string(out, in->parallel_tool_calls == CHAT_SWITCH_OFF
                            ? "- Call one tool at a time, and wait for its result.\n"
                            : "- You may write several calls, one behind the other.\n");
    switch (in->tool_choice.kind) {
    case CHAT_TOOL_CHOICE_UNSET:
    case CHAT_TOOL_CHOICE_AUTO:
    case CHAT_TOOL_CHOICE_NONE:
        buf_add_string(out, "- If no tool helps, answer in text, without <tool_call>.\n");
        break;
    case CHAT_TOOL_CHOICE_REQUIRED:
        buf_add_string(out, "- Your answer must be a call of at least one tool.\n");
        break;
    case CHAT_TOOL_CHOICE_FUNCTION:
        buf_add_string(out, "- Your answer must be a call of the tool ");
        buf_add_text(out, in->tool_choice.name);
        buf_add_string(out, ".\n");
        break;
    }
}

static void add_instructions(struct buf *out, const struct chat_request *in)
{
    buf_add_text(out, in->instructions);
    if (in->instructions.len && (may_call(in) || has_calls(in)))
        buf_add_string(out, "\n\n");
    if (may_call(in)) {
        buf_add_string(out, about_tools);
        for (size_t i = 0; i < in->tools_count; i++)
            add_tool(out, &in->tools[i]);
        buf_add_string(out, about_calls);
        add_choice(out, in);
    } else if (has_calls(in)) {
        buf_add_string(out, about_no_tools);
    }
}

/* ---- history ---- */

static void add_call(struct buf *out, const struct chat_tool_call *call)
{
    if (out->len > 0)
        buf_add_char(out, '\n');
    buf_add_string(out, "<tool_call>\n<name>");
    buf_add_text(out, call->name);
    buf_add_string(out, "</name>\n<arguments>");
    buf_add_text(out, call->arguments.len ? call->arguments : TEXT("{}"));
    buf_add_string(out, "</arguments>\n</tool_call>");
}

static void add_result(struct buf *out, struct text name, struct text result)
{
    const char *end;

    if (out->len > 0)
        buf_add_char(out, '\n');
    buf_add_string(out, "<tool_result>\n<name>");
    buf_add_text(out, name);
    buf_add_string(out, "</name>\n<result>");
    while (result.len > 0 &&
           (end = memmem(result.ptr, result.len, RESULT_END, strlen(RESULT_END)))) {
        size_t before = (size_t)(end - result.ptr);

        buf_add(out, result.ptr, before);
        buf_add_string(out, "<\\/tool_result");
        result.ptr += before + strlen(RESULT_END);
        result.len -= before + strlen(RESULT_END);
    }
    buf_add_text(out, result);
    buf_add_string(out, "</result>\n</tool_result>");
}

static struct text name_of_call(const struct chat_message *calls, struct text id)
{
    for (size_t i = 0; calls && i < calls->tool_calls_count; i++)
        if (text_equal(calls->tool_calls[i].id, id))
            return calls->tool_calls[i].name;
    return TEXT("unknown");
}

static void add_calls(struct buf *out, const struct chat_message *message)
{
    buf_add_text(out, message->text);
    for (size_t i = 0; i < message->tool_calls_count; i++)
        add_call(out, &message->tool_calls[i]);
}

/* What the messages from *at on become, as one text; moves *at behind them. */
static struct chat_message take_messages(const struct chat_request *in, size_t *at,
                                         const struct chat_message **calls, struct buf *out)
{
    const struct chat_message *message = &in->messages[*at];

    if (message->role == CHAT_ASSISTANT) {
        *calls = message;
        add_calls(out, message);
        (*at)++;
        return (struct chat_message){.role = CHAT_ASSISTANT};
    }
    while (*at < in->messages_count && in->messages[*at].role == CHAT_TOOL) {
        message = &in->messages[(*at)++];
        add_result(out, name_of_call(*calls, message->tool_call_id), message->text);
    }
    return (struct chat_message){.role = CHAT_USER};
}

static bool keep(struct arena *arena, const struct buf *buf, struct text *out)
{
    char *copy = buf->failed ? NULL : arena_copy(arena, buf_text(buf));

    *out = (struct text){copy, buf->len};
    return copy != NULL;
}

static bool encode_messages(const struct chat_request *in, struct arena *arena,
                            struct chat_request *out)
{
    CLEANUP(buf_deinit) struct buf text;
    struct chat_message *messages = arena_calloc(arena, in->messages_count + 1, sizeof(*messages));
    const struct chat_message *calls = NULL;
    size_t count = 0;

    buf_init(&text, 0);
    if (!messages)
        return false;
    for (size_t at = 0; at < in->messages_count;) {
        const struct chat_message *message = &in->messages[at];

        if (message->role == CHAT_USER ||
            (message->role == CHAT_ASSISTANT && message->tool_calls_count == 0)) {
            messages[count++] = *message;
            at++;
            continue;
        }
        buf_reset(&text);
        messages[count] = take_messages(in, &at, &calls, &text);
        if (!keep(arena, &text, &messages[count++].text))
            return false;
    }
    out->messages = messages;
    out->messages_count = count;
    return true;
}

int prompted_tools_encode(const struct chat_request *in, struct arena *arena,
                          struct chat_request *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf instructions;
    struct chat_request made = *in;

    buf_init(&instructions, 0);
    add_instructions(&instructions, in);
    made.tools = NULL;
    made.tools_count = 0;
    made.tool_choice = (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
    made.parallel_tool_calls = CHAT_SWITCH_UNSET;
    if (!keep(arena, &instructions, &made.instructions) ||
        (has_calls(in) && !encode_messages(in, arena, &made)))
        return error_set(err, E_LIMIT, "the request is too large for the run's memory");
    *out = made;
    return 0;
}
