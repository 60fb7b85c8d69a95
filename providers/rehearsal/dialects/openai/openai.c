/* OpenAI's errors and rate-limit headers.
 * https://platform.openai.com/docs/guides/rate-limits and .../error-codes; ErrorObject of the npm
 * package openai. Reset times are durations as Go prints them: 12ms, 1.5s, 6m0s. */

#include "providers/rehearsal/dialects/openai/openai.h"

#include <stdio.h>

const char *const dialect_openai_key_headers[] = {"authorization", "api-key", NULL};

static bool take(struct text *path, const char *prefix)
{
    if (!text_starts(*path, prefix))
        return false;
    path->ptr += strlen(prefix);
    path->len -= strlen(prefix);
    return true;
}

bool dialect_openai_path_is(struct text path, const char *rest, bool groq)
{
    if (groq)
        return take(&path, "/openai/v1") && text_is(path, rest);
    (void)take(&path, "/v1");
    return text_is(path, rest);
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

static void usual(struct problem *problem)
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
        if (known[i].status != problem->status)
            continue;
        problem->code = known[i].code;
        snprintf(problem->message, sizeof(problem->message), "%s", known[i].message);
        return;
    }
    snprintf(problem->message, sizeof(problem->message), "%s",
             "The rehearsal script asked for this error.");
}

static void add_duration(int64_t ms, struct buf *out)
{
    if (ms < 1000) {
        buf_printf(out, "%lldms", (long long)ms);
        return;
    }
    if (ms >= 3600000)
        buf_printf(out, "%lldh", (long long)(ms / 3600000));
    if (ms >= 60000)
        buf_printf(out, "%lldm", (long long)(ms / 60000 % 60));
    if (ms % 1000)
        buf_printf(out, "%g", (double)(ms % 60000) / 1000);
    else
        buf_printf(out, "%lld", (long long)(ms / 1000 % 60));
    buf_add_char(out, 's');
}

static const struct {
    const char *type;
    const char *unit;
} limit_words[LIMIT_KINDS] = {
    [LIMIT_CONCURRENT] = {"requests", "concurrent requests"},
    [LIMIT_REQUESTS_DAY] = {"requests", "requests per day (RPD)"},
    [LIMIT_REQUESTS] = {"requests", "requests per min (RPM)"},
    [LIMIT_TOKENS] = {"tokens", "tokens per min (TPM)"},
    [LIMIT_INPUT_TOKENS] = {"tokens", "input tokens per min (TPM)"},
    [LIMIT_OUTPUT_TOKENS] = {"tokens", "output tokens per min (TPM)"},
};

static void add_limit_message(const struct problem *problem, struct buf *out)
{
    const char *unit = limit_words[problem->limit].unit;

    if (problem->never) {
        buf_printf(out,
                   "Request too large for %.*s on %s: Limit %lld, Requested %lld. The input or "
                   "output tokens must be reduced in order to run successfully.",
                   TEXT_ARGS(problem->model), unit, (long long)problem->allowed,
                   (long long)problem->asked);
        return;
    }
    buf_printf(
        out,
        "Rate limit reached for %.*s on %s: Limit %lld, Used %lld, Requested %lld. Please try "
        "again in ",
        TEXT_ARGS(problem->model), unit, (long long)problem->allowed, (long long)problem->used,
        (long long)problem->asked);
    add_duration(problem->retry_after_ms, out);
    buf_add_char(out, '.');
}

static void write_object(struct json_write *write, const char *name, struct text message,
                         const char *type, const struct problem *problem)
{
    json_write_open_object(write, name);
    json_write_text(write, "message", message);
    json_write_string(write, "type", type);
    json_write_string(write, "param", problem->param);
    json_write_string(write, "code", problem->code);
    json_write_close(write);
}

void dialect_openai_write_error_object(struct json_write *write, const char *name,
                                       const struct problem *problem)
{
    CLEANUP(buf_deinit) struct buf message = {0};
    struct problem said = *problem;
    const char *type = type_of(problem->status);

    buf_init(&message, 0);
    switch (problem->kind) {
    case PROBLEM_PLAIN:
        if (!said.message[0])
            usual(&said);
        buf_add_string(&message, said.message);
        break;
    case PROBLEM_LIMIT:
        add_limit_message(problem, &message);
        type = limit_words[problem->limit].type;
        said.code = "rate_limit_exceeded";
        break;
    case PROBLEM_TOO_LONG:
        buf_printf(&message,
                   "This model's maximum context length is %lld tokens. However, your messages "
                   "resulted in %lld tokens. Please reduce the length of the messages.",
                   (long long)problem->allowed, (long long)problem->asked);
        said.param = "messages";
        said.code = "context_length_exceeded";
        break;
    }
    write_object(write, name, buf_text(&message), type, &said);
}

int dialect_openai_write_error(const struct problem *problem, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    dialect_openai_write_error_object(&write, "error", problem);
    json_write_close(&write);
    return problem->status;
}

void dialect_openai_write_event_error(const struct problem *problem, struct event_list *out)
{
    event_list_begin(out, NULL);
    (void)dialect_openai_write_error(problem, &out->bytes);
    event_list_end(out);
}

void dialect_retry_after(const struct problem *problem, dialect_header_fn add, void *arg)
{
    char value[24];

    if (problem->kind != PROBLEM_LIMIT || problem->never)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)((problem->retry_after_ms + 999) / 1000));
    add(arg, "retry-after", text_of(value));
}

static void write_limit(const struct limit_state *state, const char *const names[3],
                        dialect_header_fn add, void *arg)
{
    CLEANUP(buf_deinit) struct buf value = {0};

    if (!state->allowed)
        return;
    buf_init(&value, 0);
    buf_add_int(&value, state->allowed);
    add(arg, names[0], buf_text(&value));
    buf_reset(&value);
    buf_add_int(&value, state->remaining);
    add(arg, names[1], buf_text(&value));
    buf_reset(&value);
    add_duration(state->reset_ms, &value);
    add(arg, names[2], buf_text(&value));
}

void dialect_openai_write_limits(const struct limit_state *requests,
                                 const struct limit_state *tokens, const struct problem *problem,
                                 dialect_header_fn add, void *arg)
{
    static const char *const request_names[] = {"x-ratelimit-limit-requests",
                                                "x-ratelimit-remaining-requests",
                                                "x-ratelimit-reset-requests"};
    static const char *const token_names[] = {
        "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"};

    write_limit(requests, request_names, add, arg);
    write_limit(tokens, token_names, add, arg);
    dialect_retry_after(problem, add, arg);
}

void dialect_openai_write_headers(const struct limit_state *limits, const struct problem *problem,
                                  dialect_header_fn add, void *arg)
{
    char value[24];

    if (!limits)
        return;
    dialect_openai_write_limits(limits[LIMIT_REQUESTS].allowed ? &limits[LIMIT_REQUESTS]
                                                               : &limits[LIMIT_REQUESTS_DAY],
                                &limits[LIMIT_TOKENS], problem, add, arg);
    if (problem->kind != PROBLEM_LIMIT || problem->never)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)problem->retry_after_ms);
    add(arg, "retry-after-ms", text_of(value));
}
