/* The input of Responses, read as strictly as OpenAI does: ResponseInputItem of the npm package
 * openai. Calls and their outputs are paired by call_id, wherever they stand. A call that came with
 * reasoning needs that reasoning before it, as long as the user has said nothing since: by its id
 * where responses are stored, else with its encrypted content.
 */

#include "providers/rehearsal/dialects/openai/openai_responses.h"
#include "providers/rehearsal/reply/seal.h"
#include "shared/base/error.h"

#define ITEMS_MAX 10000
#define APART_MAX 2000 /* items between a call and its output, at most */

struct item_reader {
    struct reader base;
    struct json_object *input;
    size_t count;
    size_t spoken;                /* index of the last message of the user */
    bool stored;                  /* the request does not say store: false */
    char thought[SEAL_MARK_SIZE]; /* of the last reasoning; "": none since the last output */
};

static struct json_object *item_at(const struct item_reader *reader, size_t i)
{
    return i < reader->count ? json_object_array_get_idx(reader->input, i) : NULL;
}

static bool item_is(struct json_object *item, const char *type)
{
    return text_is(json_get_text(item, "type"), type);
}

static bool is_message(struct json_object *item)
{
    return item_is(item, "message") || (!json_get(item, "type") && json_get(item, "role") != NULL);
}

static int missing(struct item_reader *reader, size_t i, const char *member)
{
    return dialect_responses_refuse(reader->base.problem, "input", "missing_required_parameter",
                                    "Missing required parameter: 'input[%zu].%s'.", i, member);
}

static int check_id(struct item_reader *reader, struct json_object *item, size_t i,
                    const char *prefix)
{
    struct text id = json_get_text(item, "id");

    if (!id.ptr || text_starts(id, prefix))
        return 0;
    return dialect_responses_refuse(
        reader->base.problem, "input", "invalid_value",
        "Invalid 'input[%zu].id': '%.60s'. Expected an ID that begins with "
        "'%s'.",
        i, id.ptr, prefix);
}

/* ---- messages ---- */

static int read_part(struct item_reader *reader, struct json_object *part, bool assistant, size_t i,
                     size_t n)
{
    struct text type = json_get_text(part, "type");
    bool says = text_is(type, assistant ? "output_text" : "input_text");
    bool other = assistant ? text_is(type, "refusal")
                           : text_is(type, "input_image") || text_is(type, "input_file");

    if (!says && !other)
        return dialect_responses_refuse(
            reader->base.problem, "input", "invalid_value",
            "Invalid value: '%.40s' ('input[%zu].content[%zu]'). Supported values are: %s.",
            type.ptr ? type.ptr : "", i, n,
            assistant ? "'output_text' and 'refusal'"
                      : "'input_text', 'input_image', and 'input_file'");
    if (!says)
        return 0;
    if (!json_get_text(part, "text").ptr)
        return dialect_responses_refuse(
            reader->base.problem, "input", "missing_required_parameter",
            "Missing required parameter: 'input[%zu].content[%zu].text'.", i, n);
    if (reader->base.text.len)
        buf_add_char(&reader->base.text, '\n');
    buf_add_text(&reader->base.text, json_get_text(part, "text"));
    return 0;
}

static int read_content(struct item_reader *reader, struct json_object *content, bool assistant,
                        size_t i)
{
    buf_reset(&reader->base.text);
    if (json_object_is_type(content, json_type_string)) {
        buf_add_text(&reader->base.text, json_string(content));
        return 0;
    }
    if (!json_object_is_type(content, json_type_array))
        return missing(reader, i, "content");
    for (size_t n = 0; n < reader_length(content); n++) {
        int r = read_part(reader, json_object_array_get_idx(content, n), assistant, i, n);

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_message(struct item_reader *reader, struct json_object *item, size_t i)
{
    struct text role = json_get_text(item, "role");
    bool assistant = text_is(role, "assistant");
    int r;

    if (!assistant && !text_is(role, "user") && !text_is(role, "system") &&
        !text_is(role, "developer"))
        return dialect_responses_refuse(
            reader->base.problem, "input", "invalid_value",
            "Invalid value: '%.40s' ('input[%zu].role'). Supported values are: "
            "'assistant', 'system', 'developer', and 'user'.",
            role.ptr ? role.ptr : "", i);
    r = read_content(reader, json_get(item, "content"), assistant, i);
    if (r == 0 && assistant)
        r = check_id(reader, item, i, "msg");
    if (r != 0)
        return r;
    reader->base.out->after_tool = false;
    if (text_is(role, "user"))
        return reader_user(&reader->base);
    return assistant ? reader_other(&reader->base) : reader_system(&reader->base);
}

/* ---- reasoning ---- */

static int check_sealed(struct item_reader *reader, struct json_object *item, struct text id)
{
    struct text sealed = json_get_text(item, "encrypted_content");
    struct text mark;

    if (sealed.ptr) {
        if (seal_open(RESPONSES_NAME, reader->base.out->model, sealed, reader->thought))
            return 0;
        return dialect_responses_refuse(
            reader->base.problem, "input", "invalid_encrypted_content",
            "The encrypted content for item %.60s could not be verified.", id.ptr ? id.ptr : "");
    }
    if (reader->stored && seal_marked_id(id, &mark)) {
        memcpy(reader->thought, mark.ptr, mark.len);
        reader->thought[mark.len] = '\0';
        return 0;
    }
    (void)problem_set_as(reader->base.problem, 404, NULL, "Item with id '%.60s' not found.%s",
                         id.ptr ? id.ptr : "",
                         reader->stored ? ""
                                        : " Items are not persisted when `store` is set to false. "
                                          "Try again with `store` set to true, or remove this item "
                                          "from your input.");
    reader->base.problem->param = "input";
    return CONVERSATION_REFUSED;
}

static int read_reasoning(struct item_reader *reader, struct json_object *item, size_t i)
{
    struct json_object *next = item_at(reader, i + 1);
    struct text id = json_get_text(item, "id");
    bool followed = item_is(next, "function_call") || item_is(next, "reasoning") ||
                    (is_message(next) && text_is(json_get_text(next, "role"), "assistant"));
    int r;

    if (!json_object_is_type(json_get(item, "summary"), json_type_array))
        return missing(reader, i, "summary");
    r = check_id(reader, item, i, "rs");
    if (r == 0)
        r = check_sealed(reader, item, id);
    if (r == 0 && !followed)
        r = dialect_responses_refuse(
            reader->base.problem, "input", NULL,
            "Item '%.60s' of type 'reasoning' was provided without its required "
            "following item.",
            id.ptr ? id.ptr : "");
    return r;
}

void dialect_responses_reasoning_id(struct text call_id, struct buf *out)
{
    struct text mark;

    if (!seal_marked_id(call_id, &mark))
        return;
    buf_printf(out, "rs_%.*s00r%.*s", ANSWER_ID_SIZE - 2,
               call_id.ptr + call_id.len - mark.len - 1 - ANSWER_ID_SIZE, TEXT_ARGS(mark));
}

static int check_thought(struct item_reader *reader, struct json_object *item, size_t i)
{
    CLEANUP(buf_deinit) struct buf wanted = {0};
    struct text call_id = json_get_text(item, "call_id");
    struct text id = json_get_text(item, "id");
    struct text mark;

    if (i < reader->spoken || !seal_marked_id(call_id, &mark) || text_is(mark, reader->thought))
        return 0;
    buf_init(&wanted, 0);
    dialect_responses_reasoning_id(call_id, &wanted);
    return dialect_responses_refuse(reader->base.problem, "input", NULL,
                                    "Item '%.60s' of type 'function_call' was provided without its "
                                    "required 'reasoning' item: '%s'.",
                                    id.ptr ? id.ptr : call_id.ptr, buf_string(&wanted));
}

/* ---- calls ---- */

/* Index of the nearest item of a type with that call_id, in a direction from i; `count` when there
 * is none. */
static size_t find_pair(const struct item_reader *reader, size_t i, bool forward, const char *type,
                        struct text call_id)
{
    for (size_t n = 0; n < APART_MAX; n++) {
        struct json_object *item;

        if (forward ? i + 1 >= reader->count : i == 0)
            break;
        i += forward ? 1 : (size_t)-1;
        item = item_at(reader, i);
        if (item_is(item, type) && text_equal(json_get_text(item, "call_id"), call_id))
            return i;
    }
    return reader->count;
}

static int read_call(struct item_reader *reader, struct json_object *item, size_t i)
{
    struct text call_id = json_get_text(item, "call_id");
    int r = check_id(reader, item, i, "fc");

    if (!call_id.len)
        return missing(reader, i, "call_id");
    if (!json_get_text(item, "name").len)
        return missing(reader, i, "name");
    if (!json_get_text(item, "arguments").ptr)
        return missing(reader, i, "arguments");
    if (r == 0 && find_pair(reader, i, true, "function_call_output", call_id) == reader->count)
        r = dialect_responses_refuse(reader->base.problem, "input", NULL,
                                     "No tool output found for function call %.60s.", call_id.ptr);
    if (r == 0 && find_pair(reader, i, true, "function_call", call_id) != reader->count)
        r = dialect_responses_refuse(reader->base.problem, "input", NULL,
                                     "Duplicate function call with call_id %.60s.", call_id.ptr);
    if (r == 0)
        r = check_thought(reader, item, i);
    if (r == 0 && (i == 0 || !item_is(item_at(reader, i - 1), "function_call")))
        reader_round(&reader->base);
    return r == 0 ? reader_call(&reader->base, call_id) : r;
}

static int gather_output(struct item_reader *reader, struct json_object *output, size_t i)
{
    buf_reset(&reader->base.text);
    if (!json_object_is_type(output, json_type_string) &&
        !json_object_is_type(output, json_type_array))
        return missing(reader, i, "output");
    buf_add_text(&reader->base.text, json_string(output));
    for (size_t n = 0; n < reader_length(output); n++) {
        struct json_object *part = json_object_array_get_idx(output, n);

        if (reader->base.text.len && item_is(part, "input_text"))
            buf_add_char(&reader->base.text, '\n');
        if (item_is(part, "input_text"))
            buf_add_text(&reader->base.text, json_get_text(part, "text"));
    }
    return 0;
}

static int read_output(struct item_reader *reader, struct json_object *item, size_t i)
{
    struct text call_id = json_get_text(item, "call_id");
    bool known;
    int r;

    if (!call_id.len)
        return missing(reader, i, "call_id");
    r = gather_output(reader, json_get(item, "output"), i);
    if (r != 0)
        return r;
    if (find_pair(reader, i, false, "function_call", call_id) == reader->count)
        return dialect_responses_refuse(
            reader->base.problem, "input", NULL,
            "No tool call found for function call output with call_id %.60s.", call_id.ptr);
    if (find_pair(reader, i, false, "function_call_output", call_id) != reader->count)
        return dialect_responses_refuse(reader->base.problem, "input", NULL,
                                        "Duplicate function call output with call_id %.60s.",
                                        call_id.ptr);
    reader->thought[0] = '\0';
    reader->base.out->after_tool = true;
    return reader_result(&reader->base, call_id, &known);
}

/* ---- items ---- */

static int read_item(struct item_reader *reader, size_t i)
{
    struct json_object *item = item_at(reader, i);
    struct text type = json_get_text(item, "type");

    if (is_message(item))
        return read_message(reader, item, i);
    if (text_is(type, "function_call"))
        return read_call(reader, item, i);
    if (text_is(type, "function_call_output"))
        return read_output(reader, item, i);
    if (text_is(type, "reasoning"))
        return read_reasoning(reader, item, i);
    if (text_is(type, "item_reference"))
        return problem_set_as(reader->base.problem, 404, NULL, "Item with id '%.60s' not found.",
                              json_get_text(item, "id").len ? json_get_string(item, "id") : "");
    return dialect_responses_refuse(
        reader->base.problem, "input", "invalid_value",
        "Invalid value: '%.40s' ('input[%zu].type'). The rehearsal LLM "
        "understands 'message', 'function_call', 'function_call_output', and "
        "'reasoning'.",
        type.ptr ? type.ptr : "", i);
}

static int read_items(struct item_reader *reader)
{
    struct reader *base = &reader->base;

    if (json_object_is_type(reader->input, json_type_string)) {
        buf_add_text(&base->text, json_string(reader->input));
        return reader_user(base);
    }
    if (!reader->count || reader->count > ITEMS_MAX)
        return dialect_responses_refuse(
            base->problem, "input", "missing_required_parameter",
            "Missing required parameter: 'input', a text or a list of 1 to %d "
            "items.",
            ITEMS_MAX);
    for (size_t i = 0; i < reader->count; i++)
        if (is_message(item_at(reader, i)) &&
            text_is(json_get_text(item_at(reader, i), "role"), "user"))
            reader->spoken = i;
    for (size_t i = 0; i < reader->count; i++) {
        int r = read_item(reader, i);

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_instructions(struct item_reader *reader)
{
    struct json_object *instructions = json_get(reader->base.request->body, "instructions");

    if (!instructions)
        return 0;
    if (!json_object_is_type(instructions, json_type_string))
        return dialect_responses_refuse(reader->base.problem, "instructions", "invalid_type",
                                        "Invalid type for 'instructions': expected a string.");
    buf_add_text(&reader->base.text, json_string(instructions));
    return reader_system(&reader->base);
}

/* ---- what was stored ---- */

static void add_item(struct json_object *item, struct buf *out)
{
    json_encode(out, item);
    buf_add_char(out, ',');
}

/* The items of the input; a text is a message of the user. */
static void add_input(struct json_object *input, struct buf *out)
{
    if (json_object_is_type(input, json_type_string)) {
        buf_add_string(out, "{\"role\":\"user\",\"content\":");
        json_encode(out, input);
        buf_add_string(out, "},");
    }
    for (size_t i = 0; i < reader_length(input); i++)
        add_item(json_object_array_get_idx(input, i), out);
}

/* The input behind what the request goes on behind. *out_joined is the caller's; NULL: it goes on
 * behind nothing. */
static int join_items(struct item_reader *reader, struct json_object **out_joined)
{
    CLEANUP(buf_deinit) struct buf items = {0};
    CLEANUP(buf_deinit) struct buf list = {0};
    const struct request *request = reader->base.request;
    struct text previous = dialect_responses_previous(request);
    struct error err;

    buf_init(&items, 0);
    buf_init(&list, 0);
    if (previous.ptr) {
        buf_add_text(&items, previous);
        buf_add_char(&items, ',');
    }
    add_input(reader->input, &items);
    if (reader->stored && !reader_keep(&reader->base, buf_text(&items), &reader->base.out->items))
        return problem_set(reader->base.problem, NULL, "The request is too large.");
    if (!previous.ptr)
        return 0;
    buf_printf(&list, "[%.*s]", (int)items.len - (items.len > 0), items.ptr);
    if (json_decode(buf_text(&list), JSON_DEPTH_DEFAULT, out_joined, &err) < 0)
        return problem_set(reader->base.problem, "input", "%s", err.text);
    reader->input = *out_joined;
    reader->count = reader_length(reader->input);
    return 0;
}

int dialect_responses_read(const struct request *request, struct conversation *out,
                           struct problem *problem)
{
    struct item_reader reader = {.input = json_get(request->body, "input"),
                                 .stored = json_get_bool(request->body, "store", true)};
    CLEANUP(json_freep) struct json_object *joined = NULL;
    struct text model = json_get_text(request->body, "model");
    int r;

    if (!json_object_is_type(request->body, json_type_object))
        return problem_set(problem, NULL, "The body must be a JSON object.");
    if (!model.len)
        return dialect_responses_refuse(problem, "model", "missing_required_parameter",
                                        "Missing required parameter: 'model'.");
    reader.count = reader_length(reader.input);
    reader_init(&reader.base, request, out, problem);
    r = join_items(&reader, &joined);
    if (r == 0)
        r = reader_begin(&reader.base, model, reader.input);
    if (r == 0)
        r = dialect_responses_read_settings(&reader.base);
    if (r == 0)
        r = read_instructions(&reader);
    if (r == 0) {
        buf_reset(&reader.base.text);
        r = read_items(&reader);
    }
    if (r == 0)
        r = reader_end(&reader.base);
    reader_deinit(&reader.base);
    return r;
}
