/* Contents, read as strictly as Gemini does. https://ai.google.dev/api/caching#Content,
 * .../gemini-api/docs/function-calling and .../thought-signatures; Content and Part of the npm
 * package @google/genai.
 *
 * A turn with calls stands behind the user's or behind results, and is followed at once by as many
 * results. Models that sign their calls want the first signature of each turn with calls back, as
 * long as the user has said nothing since.
 */

#include "providers/rehearsal/dialects/gemini/gemini.h"
#include "providers/rehearsal/reply/seal.h"

#define CONTENTS_MAX 10000

enum turn { TURN_NONE, TURN_USER, TURN_MODEL, TURN_CALLS, TURN_RESULTS };

struct content_reader {
    struct reader base;
    struct json_object *contents;
    size_t count;
    size_t spoken;    /* index of the last content in which the user speaks */
    enum turn before; /* the content before the present one */
    size_t open;      /* calls of the last turn that are not answered */
};

static int wrong_part(struct content_reader *reader, size_t i, size_t n, const char *what)
{
    return problem_set(reader->base.problem, "contents",
                       "* GenerateContentRequest.contents[%zu].parts[%zu]%s", i, n, what);
}

static struct json_object *content_at(const struct content_reader *reader, size_t i)
{
    return json_object_array_get_idx(reader->contents, i);
}

static bool has_part(struct json_object *content, const char *name)
{
    struct json_object *parts = json_get(content, "parts");

    for (size_t n = 0; n < reader_length(parts); n++)
        if (dialect_gemini_get(json_object_array_get_idx(parts, n), name))
            return true;
    return false;
}

static bool is_model(struct json_object *content)
{
    return text_is(json_get_text(content, "role"), "model");
}

/* Whether it is the user who speaks: anything but results alone. */
static bool speaks(struct json_object *content)
{
    return !is_model(content) &&
           (!has_part(content, "functionResponse") || has_part(content, "text"));
}

/* ---- parts ---- */

/* Two texts that Google documents for calls that its models did not make. */
static bool is_waiver(struct text signature)
{
    return text_is(signature, "skip_thought_signature_validator") ||
           text_is(signature, "context_engineering_is_the_way_to_go");
}

static int check_signature(struct content_reader *reader, struct json_object *part,
                           struct text said)
{
    struct text signature = json_string(dialect_gemini_get(part, "thoughtSignature"));
    char wanted[SEAL_MARK_SIZE];
    char mark[SEAL_MARK_SIZE];

    if (!signature.ptr || is_waiver(signature))
        return 0;
    if (!seal_open(GEMINI_NAME, reader->base.out->model, signature, mark))
        return problem_set(reader->base.problem, "contents", "Corrupted thought signature.");
    seal_mark(said, wanted);
    if (said.ptr && strcmp(mark, wanted) != 0)
        return problem_set(reader->base.problem, "contents",
                           "Thought signature is not valid: it is not the one that came with this "
                           "function call.");
    return 0;
}

static int read_call(struct content_reader *reader, struct json_object *part, size_t i, size_t n)
{
    struct json_object *call = dialect_gemini_get(part, "functionCall");
    struct json_object *args = json_get(call, "args");
    struct text name = json_get_text(call, "name");
    struct text id = json_get_text(call, "id");
    int r;

    if (!name.len)
        return wrong_part(reader, i, n, ".function_call.name: Name cannot be empty.");
    if (args && !json_object_is_type(args, json_type_object))
        return problem_set(reader->base.problem, "contents",
                           "Invalid value at 'contents[%zu].parts[%zu].function_call.args' "
                           "(type.googleapis.com/google.protobuf.Struct)",
                           i, n);
    if (reader->open == 0 && i > reader->spoken &&
        dialect_gemini_model_signs(reader->base.out->model) &&
        !dialect_gemini_get(part, "thoughtSignature"))
        return problem_set(
            reader->base.problem, "contents",
            "Function call is missing a thought_signature in functionCall parts. This is required "
            "for tools to work correctly, and missing thought_signature may lead to degraded model "
            "performance. Additional data, function call `default_api:%.64s` , position %zu. "
            "Please "
            "refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
            name.ptr, i + 1);
    reader->open++;
    r = check_signature(reader, part, name);
    return r == 0 ? reader_call(&reader->base, id.len ? id : name) : r;
}

/* What a result says: the one text in it, or its JSON. */
static void gather_result(struct json_object *response, struct buf *out)
{
    buf_reset(out);
    if (json_object_object_length(response) == 1) {
        json_object_object_foreach(response, name, value)
        {
            (void)name;
            if (json_object_is_type(value, json_type_string)) {
                buf_add_text(out, json_string(value));
                return;
            }
        }
    }
    buf_add_text(out, json_text(response));
}

static int wrong_count(struct content_reader *reader)
{
    return problem_set(reader->base.problem, "contents",
                       "Please ensure that the number of function response parts is equal to the "
                       "number of function call parts of the function call turn.");
}

static int read_result(struct content_reader *reader, struct json_object *part, size_t i, size_t n)
{
    struct json_object *result = dialect_gemini_get(part, "functionResponse");
    struct json_object *response = json_get(result, "response");
    struct text name = json_get_text(result, "name");
    struct text id = json_get_text(result, "id");
    bool known;
    int r;

    if (!name.len)
        return wrong_part(reader, i, n, ".function_response.name: Name cannot be empty.");
    if (!json_object_is_type(response, json_type_object))
        return problem_set(reader->base.problem, "contents",
                           "Invalid value at 'contents[%zu].parts[%zu].function_response.response' "
                           "(type.googleapis.com/google.protobuf.Struct)",
                           i, n);
    if (!reader->open)
        return wrong_count(reader);
    gather_result(response, &reader->base.text);
    r = reader_result(&reader->base, id.len ? id : name, &known);
    if (r == 0 && !known)
        return problem_set(reader->base.problem, "contents",
                           "contents[%zu].parts[%zu].function_response: there is no function call "
                           "of the id or name '%.64s' before it.",
                           i, n, id.len ? id.ptr : name.ptr);
    reader->open--;
    return r;
}

static int check_data(struct content_reader *reader, struct json_object *part, size_t i, size_t n)
{
    static const char *const kinds[] = {
        "text",           "inlineData",         "fileData", "functionCall", "functionResponse",
        "executableCode", "codeExecutionResult"};
    size_t count = 0;

    for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++) {
        struct json_object *value = dialect_gemini_get(part, kinds[k]);
        bool empty = json_object_is_type(value, json_type_string) && !json_string(value).len &&
                     !dialect_gemini_get(part, "thoughtSignature");

        count += value && !empty;
    }
    if (count == 0)
        return wrong_part(reader, i, n,
                          ".data: required oneof field 'data' must have one initialized field");
    if (count > 1)
        return problem_set(reader->base.problem, "contents",
                           "Invalid value at 'contents[%zu].parts[%zu]' (oneof), oneof field "
                           "'data' is already set.",
                           i, n);
    return 0;
}

static int read_part(struct content_reader *reader, struct json_object *part, size_t i, size_t n)
{
    static const char *const known[] = {"text",
                                        "inlineData",
                                        "fileData",
                                        "functionCall",
                                        "functionResponse",
                                        "executableCode",
                                        "codeExecutionResult",
                                        "thought",
                                        "thoughtSignature",
                                        "videoMetadata",
                                        "mediaResolution",
                                        "partMetadata",
                                        NULL};
    struct json_object *text = json_get(part, "text");
    int r = dialect_gemini_check_members(reader->base.problem, part, known, "contents.parts");

    if (r == 0)
        r = check_data(reader, part, i, n);
    if (r != 0)
        return r;
    if (text && !json_object_is_type(text, json_type_string))
        return problem_set(reader->base.problem, "contents",
                           "Invalid value at 'contents[%zu].parts[%zu].text' (TYPE_STRING)", i, n);
    if (dialect_gemini_get(part, "functionCall"))
        return read_call(reader, part, i, n);
    if (dialect_gemini_get(part, "functionResponse"))
        return read_result(reader, part, i, n);
    return check_signature(reader, part, TEXT_NONE);
}

/* ---- contents ---- */

static enum turn turn_of(struct json_object *content)
{
    if (is_model(content))
        return has_part(content, "functionCall") ? TURN_CALLS : TURN_MODEL;
    return has_part(content, "functionResponse") ? TURN_RESULTS : TURN_USER;
}

/* Whether a turn may stand behind the one before it. */
static int check_turn(struct content_reader *reader, enum turn turn)
{
    if (turn == TURN_CALLS && reader->before != TURN_USER && reader->before != TURN_RESULTS)
        return problem_set(reader->base.problem, "contents",
                           "Please ensure that function call turn comes immediately after a user "
                           "turn or after a function response turn.");
    if (turn == TURN_RESULTS && reader->before != TURN_CALLS)
        return problem_set(reader->base.problem, "contents",
                           "Please ensure that function response turn comes immediately after a "
                           "function call turn.");
    return 0;
}

static int check_open(struct content_reader *reader)
{
    return reader->open ? wrong_count(reader) : 0;
}

static int read_parts(struct content_reader *reader, struct json_object *content, size_t i)
{
    struct json_object *parts = json_get(content, "parts");

    if (!reader_length(parts))
        return problem_set(reader->base.problem, "contents",
                           "* GenerateContentRequest.contents[%zu].parts: contents.parts must not "
                           "be empty.",
                           i);
    for (size_t n = 0; n < reader_length(parts); n++) {
        int r = read_part(reader, json_object_array_get_idx(parts, n), i, n);

        if (r != 0)
            return r;
    }
    return 0;
}

static int read_content(struct content_reader *reader, size_t i)
{
    static const char *const known[] = {"parts", "role", NULL};
    struct json_object *content = content_at(reader, i);
    struct text role = json_get_text(content, "role");
    enum turn turn = turn_of(content);
    int r = dialect_gemini_check_members(reader->base.problem, content, known, "contents");

    if (r == 0 && role.len && !text_is(role, "user") && !text_is(role, "model") &&
        !text_is(role, "function"))
        r = problem_set(reader->base.problem, "contents", "Please use a valid role: user, model.");
    if (r == 0)
        r = check_turn(reader, turn);
    if (r == 0 && turn != TURN_RESULTS)
        r = check_open(reader);
    if (r == 0 && turn == TURN_CALLS)
        reader_round(&reader->base);
    if (r == 0)
        r = read_parts(reader, content, i);
    if (r == 0 && turn == TURN_RESULTS)
        r = check_open(reader);
    if (r != 0)
        return r;
    reader->before = turn;
    reader->base.out->after_tool = turn == TURN_RESULTS && !speaks(content);
    buf_reset(&reader->base.text);
    dialect_gemini_gather(content, &reader->base.text);
    return speaks(content) ? reader_user(&reader->base) : reader_other(&reader->base);
}

static int read_contents(struct content_reader *reader)
{
    if (!reader->count || reader->count > CONTENTS_MAX)
        return problem_set(reader->base.problem, "contents",
                           "* GenerateContentRequest.contents: contents is not specified");
    for (size_t i = 0; i < reader->count; i++)
        if (speaks(content_at(reader, i)))
            reader->spoken = i;
    for (size_t i = 0; i < reader->count; i++) {
        int r = read_content(reader, i);

        if (r != 0)
            return r;
    }
    return check_open(reader);
}

int dialect_gemini_read(const struct request *request, struct conversation *out,
                        struct problem *problem)
{
    struct content_reader reader = {.contents = json_get(request->body, "contents")};
    int r;

    if (!json_object_is_type(request->body, json_type_object))
        return problem_set(problem, NULL,
                           "Invalid JSON payload received. Root element must be a "
                           "message.");
    reader.count = reader_length(reader.contents);
    reader_init(&reader.base, request, out, problem);
    out->stream = request->path_stream;
    r = reader_begin(&reader.base, request->path_model, reader.contents);
    if (r == 0)
        r = dialect_gemini_read_settings(&reader.base);
    if (r == 0)
        r = read_contents(&reader);
    if (r == 0)
        r = reader_end(&reader.base);
    reader_deinit(&reader.base);
    return r;
}
