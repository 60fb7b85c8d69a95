/* Anthropic's row, its errors and its rate-limit headers.
 * https://docs.claude.com/en/api/errors and .../rate-limits; ErrorResponse of the npm package
 * @anthropic-ai/sdk. Reset times are RFC 3339. */

#include "providers/rehearsal/dialects/anthropic/anthropic.h"

#include <stdio.h>
#include <time.h>

#include "providers/rehearsal/dialects/openai/openai.h"

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    (void)out;
    return text_is(path, "/v1/messages");
}

static const struct {
    int status;
    const char *type;
    const char *usual;
} errors[] = {
    {401, "authentication_error", "invalid x-api-key"},
    {402, "billing_error", "Your credit balance is too low to access the Anthropic API."},
    {403, "permission_error", "Your API key does not have permission to use this resource."},
    {404, "not_found_error", "The requested resource could not be found."},
    {409, "conflict_error", "The request conflicts with the present state of the resource."},
    {413, "request_too_large", "Request exceeds the maximum size"},
    {429, "rate_limit_error", "This request would exceed your organization's rate limit."},
    {500, "api_error", "Internal server error"},
    {504, "timeout_error", "The request timed out while processing."},
    {529, "overloaded_error", "Overloaded"},
};

static void write_object(const struct problem *problem, struct text message, struct buf *out)
{
    const char *type = problem->status >= 500 ? "api_error" : "invalid_request_error";
    struct json_write write;

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
        if (errors[i].status == problem->status)
            type = errors[i].type;
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "type", "error");
    json_write_open_object(&write, "error");
    json_write_string(&write, "type", type);
    json_write_text(&write, "message", message);
    json_write_close(&write);
    json_write_null(&write, "request_id");
    json_write_close(&write);
}

static void add_limit_message(const struct problem *problem, struct buf *out)
{
    static const char *const units[LIMIT_KINDS] = {
        [LIMIT_REQUESTS_DAY] = "requests per day",
        [LIMIT_REQUESTS] = "requests per minute",
        [LIMIT_TOKENS] = "tokens per minute",
        [LIMIT_INPUT_TOKENS] = "input tokens per minute",
        [LIMIT_OUTPUT_TOKENS] = "output tokens per minute",
    };

    if (problem->limit == LIMIT_CONCURRENT)
        buf_printf(out,
                   "Number of concurrent connections has exceeded your rate limit of %lld (model: "
                   "%.*s). Please try again later.",
                   (long long)problem->allowed, TEXT_ARGS(problem->model));
    else
        buf_printf(out,
                   "This request would exceed your organization's rate limit of %lld %s (model: "
                   "%.*s). Please reduce the prompt length or the maximum tokens requested, or try "
                   "again later.",
                   (long long)problem->allowed, units[problem->limit], TEXT_ARGS(problem->model));
}

static void add_message(const struct problem *problem, struct buf *out)
{
    switch (problem->kind) {
    case PROBLEM_LIMIT:
        add_limit_message(problem, out);
        return;
    case PROBLEM_TOO_LONG:
        buf_printf(out, "prompt is too long: %lld tokens > %lld maximum", (long long)problem->asked,
                   (long long)problem->allowed);
        return;
    case PROBLEM_PLAIN:
        break;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(errors) && !problem->message[0]; i++)
        if (errors[i].status == problem->status)
            buf_add_string(out, errors[i].usual);
    if (!out->len)
        buf_add_string(out, problem->message[0] ? problem->message
                                                : "The rehearsal script asked for this error.");
}

static int write_error(const struct problem *problem, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&message, 0);
    add_message(problem, &message);
    write_object(problem, buf_text(&message), out);
    return problem->status;
}

static void write_event_error(const struct problem *problem, struct event_list *out)
{
    event_list_begin(out, "error");
    (void)write_error(problem, &out->bytes);
    event_list_end(out);
}

static void add_limit(const char *what, const char *which, struct text value, dialect_header_fn add,
                      void *arg)
{
    char name[64];

    snprintf(name, sizeof(name), "anthropic-ratelimit-%s-%s", what, which);
    add(arg, name, value);
}

static void write_limit(const struct limit_state *state, const char *what, dialect_header_fn add,
                        void *arg)
{
    time_t reset = (time_t)((state->reset_wall_ms + 999) / 1000);
    char value[32];
    struct tm tm;

    if (!state->allowed)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)state->allowed);
    add_limit(what, "limit", text_of(value), add, arg);
    snprintf(value, sizeof(value), "%lld", (long long)state->remaining);
    add_limit(what, "remaining", text_of(value), add, arg);
    gmtime_r(&reset, &tm);
    strftime(value, sizeof(value), "%Y-%m-%dT%H:%M:%SZ", &tm);
    add_limit(what, "reset", text_of(value), add, arg);
}

static void write_headers(const struct limit_state *limits, const struct problem *problem,
                          dialect_header_fn add, void *arg)
{
    if (limits) {
        write_limit(&limits[LIMIT_REQUESTS], "requests", add, arg);
        write_limit(&limits[LIMIT_TOKENS], "tokens", add, arg);
        write_limit(&limits[LIMIT_INPUT_TOKENS], "input-tokens", add, arg);
        write_limit(&limits[LIMIT_OUTPUT_TOKENS], "output-tokens", add, arg);
    }
    dialect_retry_after(problem, add, arg);
}

static const char *const key_headers[] = {"x-api-key", "authorization", NULL};

const struct dialect dialect_anthropic = {
    .name = ANTHROPIC_NAME,
    .call_prefix = "toolu_",
    .request_id_header = "request-id",
    .route = route,
    .key_headers = key_headers,
    .read = dialect_anthropic_read,
    .write = dialect_anthropic_write,
    .write_events = dialect_anthropic_write_events,
    .write_error = write_error,
    .write_event_error = write_event_error,
    .write_headers = write_headers,
};
