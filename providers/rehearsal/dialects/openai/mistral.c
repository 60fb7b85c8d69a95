/* Mistral: Chat Completions under /mistral/v1, for its own path is OpenAI's. What it refuses in a
 * history is that of its validator, which is public: mistral_common.protocol.instruct.validator,
 * of serving. Its errors have no "error" around them, and it tells the usage unasked, in the last
 * chunk of a stream.
 *
 * Not played: the reasoning of its models, which comes as parts of the content. */

#include <stdio.h>

#include "providers/rehearsal/dialects/openai/openai.h"
#include "providers/rehearsal/dialects/openai/openai_chat.h"

/* Its words for what is wrong. */
#define WRONG_ID    "3280"
#define WRONG_ORDER "3230"
#define LIMITED     "1300"

static bool route(struct text path, struct text query, struct route *out)
{
    const char *prefix = "/mistral";

    (void)query;
    if (!text_starts(path, prefix))
        return false;
    path = (struct text){path.ptr + strlen(prefix), path.len - strlen(prefix)};
    if (dialect_openai_path_is(path, "/models", false))
        out->endpoint = ENDPOINT_MODELS;
    return out->endpoint == ENDPOINT_MODELS ||
           dialect_openai_path_is(path, "/chat/completions", false);
}

/* ---- a history ---- */

static bool id_fits(struct text id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return id.len == DIALECT_SHORT_ID_CHARS;
}

static int check_id(struct text id, struct problem *problem)
{
    if (!id.ptr || id_fits(id)) /* where there is none it is missed elsewhere */
        return 0;
    return problem_set_as(problem, 400, WRONG_ID,
                          "Tool call id was %.60s but must be a-z, A-Z, 0-9, with a length of 9.",
                          id.ptr);
}

static int check_ids(struct json_object *message, struct problem *problem)
{
    struct json_object *calls = json_get(message, "tool_calls");
    int r = check_id(json_get_text(message, "tool_call_id"), problem);

    for (size_t i = 0; r == 0 && i < reader_length(calls); i++)
        r = check_id(json_get_text(json_object_array_get_idx(calls, i), "id"), problem);
    return r;
}

static int wrong_count(struct problem *problem)
{
    return problem_set_as(problem, 400, WRONG_ORDER,
                          "Not the same number of function calls and responses");
}

/* Results stand behind calls, are as many, and are answered before a user speaks. */
static int check_order(struct json_object *messages, struct problem *problem)
{
    struct text before = TEXT_NONE;
    size_t open = 0;

    for (size_t i = 0; i < reader_length(messages); i++) {
        struct json_object *message = json_object_array_get_idx(messages, i);
        struct text role = json_get_text(message, "role");
        bool is_result = text_is(role, "tool");

        if (text_is(role, "user") && text_is(before, "tool"))
            return problem_set_as(problem, 400, WRONG_ORDER,
                                  "Unexpected role 'user' after role 'tool'");
        if (is_result && before.ptr && !text_is(before, "assistant") && !text_is(before, "tool"))
            return problem_set_as(problem, 400, WRONG_ORDER,
                                  "Unexpected role 'tool' after role '%.20s'", before.ptr);
        if (is_result ? open == 0 : text_is(role, "assistant") && open > 0)
            return wrong_count(problem);
        if (is_result)
            open--;
        else if (text_is(role, "assistant"))
            open = reader_length(json_get(message, "tool_calls"));
        before = role;
    }
    return open == 0 ? 0 : wrong_count(problem);
}

static int read_chat(const struct request *request, struct conversation *out,
                     struct problem *problem)
{
    struct json_object *messages = json_get(request->body, "messages");
    int r = check_order(messages, problem);

    for (size_t i = 0; r == 0 && i < reader_length(messages); i++)
        r = check_ids(json_object_array_get_idx(messages, i), problem);
    return r == 0 ? dialect_chat_read(request, out, problem) : r;
}

/* ---- replies ---- */

static const struct chat_flavour flavour = {.usage_is_last = true};

static struct answer without_reasoning(const struct answer *answer)
{
    struct answer said = *answer;

    said.reasoning = TEXT_NONE;
    return said;
}

static void write_reply(const struct answer *answer, struct buf *out)
{
    struct answer said = without_reasoning(answer);

    dialect_chat_write(&said, &flavour, out);
}

static void write_events(const struct answer *answer, struct event_list *out)
{
    struct answer said = without_reasoning(answer);

    dialect_chat_write_events(&said, &flavour, out);
}

static void write_models(struct buf *out)
{
    dialect_openai_chat.write_models(out);
}

/* ---- errors ---- */

static const char *type_of(const char *code)
{
    static const struct {
        const char *code;
        const char *type;
    } known[] = {
        {WRONG_ID, "invalid_function_call"},
        {WRONG_ORDER, "invalid_request_message_order"},
        {LIMITED, "rate_limited"},
    };

    for (size_t i = 0; code && i < ARRAY_LENGTH(known); i++)
        if (strcmp(code, known[i].code) == 0)
            return known[i].type;
    return "invalid_request_error";
}

/* The problem in its words. */
static struct problem in_words(const struct problem *problem)
{
    struct problem said = *problem;

    if (problem->kind == PROBLEM_TOO_LONG)
        (void)problem_set(&said, NULL,
                          "Prompt contains %lld tokens, too large for model with %lld maximum "
                          "context length",
                          (long long)problem->asked, (long long)problem->allowed);
    else if (problem->status == 429 && !said.message[0])
        (void)problem_set_as(&said, 429, LIMITED, "Rate limit exceeded");
    else if (problem->status == 401 && !said.message[0])
        (void)problem_set_as(&said, 401, NULL, "Unauthorized");
    else if (!said.message[0])
        (void)problem_set_as(&said, problem->status, NULL, "%s",
                             problem->status >= 500 ? "Service unavailable."
                                                    : "The rehearsal script asked for this error.");
    return said;
}

static int write_error(const struct problem *problem, struct buf *out)
{
    struct problem said = in_words(problem);
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "error");
    json_write_string(&write, "message", said.message);
    json_write_string(&write, "type", type_of(said.code));
    json_write_null(&write, "param");
    json_write_string(&write, "code", said.code);
    json_write_int(&write, "raw_status_code", said.status);
    json_write_close(&write);
    return said.status;
}

static void write_event_error(const struct problem *problem, struct event_list *out)
{
    event_list_begin(out, NULL);
    (void)write_error(problem, &out->bytes);
    event_list_end(out);
}

const struct dialect dialect_mistral = {
    .name = "mistral",
    .call_prefix = "",
    .short_call_ids = true,
    .route = route,
    .key_headers = dialect_openai_key_headers,
    .read = read_chat,
    .write = write_reply,
    .write_events = write_events,
    .write_models = write_models,
    .write_error = write_error,
    .write_event_error = write_event_error,
};
