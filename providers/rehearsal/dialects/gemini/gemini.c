/* Gemini's row and its errors. https://ai.google.dev/api/generate-content, .../embeddings and
 * https://ai.google.dev/gemini-api/docs/rate-limits; errors are google.rpc.Status, with QuotaFailure
 * and RetryInfo where a quota is reached. There are no headers for limits. */

#include "providers/rehearsal/dialects/gemini/gemini.h"

static bool ends_with(struct text path, const char *method, struct text *out_model)
{
    if (!text_ends(path, method))
        return false;
    *out_model = (struct text){path.ptr, path.len - strlen(method)};
    return out_model->len > 0;
}

static bool has_parameter(struct text query, const char *parameter)
{
    struct text head;

    while (text_cut(query, '&', &head, &query))
        if (text_is(head, parameter))
            return true;
    return text_is(query, parameter);
}

static bool route(struct text path, struct text query, struct route *out)
{
    static const char *const prefixes[] = {"/v1beta/", "/v1alpha/", "/v1/"};

    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        if (!text_starts(path, prefixes[i]))
            continue;
        path.ptr += strlen(prefixes[i]);
        path.len -= strlen(prefixes[i]);
        if (text_is(path, "models")) {
            out->endpoint = ENDPOINT_MODELS;
            return true;
        }
        if (!text_starts(path, "models/"))
            return false;
        path.ptr += 7;
        path.len -= 7;
        if (ends_with(path, ":generateContent", &out->model))
            return true;
        if (ends_with(path, ":streamGenerateContent", &out->model)) {
            out->stream = true;
            out->framing = has_parameter(query, "alt=sse") ? EVENTS_SSE_CRLF : EVENTS_JSON_LIST;
            return true;
        }
        out->endpoint = ENDPOINT_EMBEDDINGS;
        return ends_with(path, ":batchEmbedContents", &out->model) ||
               ends_with(path, ":embedContent", &out->model);
    }
    return false;
}

static const struct {
    int status;
    const char *word;
    const char *usual;
} errors[] = {
    {400, "INVALID_ARGUMENT", "Request contains an invalid argument."},
    {401, "UNAUTHENTICATED", "Request had invalid authentication credentials."},
    {403, "PERMISSION_DENIED", "The caller does not have permission"},
    {404, "NOT_FOUND", "Requested entity was not found."},
    {409, "ABORTED", "The operation was aborted."},
    {429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."},
    {499, "CANCELLED", "The operation was cancelled."},
    {500, "INTERNAL", "An internal error has occurred. Please retry."},
    {501, "UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."},
    {503, "UNAVAILABLE", "The model is overloaded. Please try again later."},
    {504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."},
};

static const struct {
    const char *metric;
    const char *id;
} quotas[LIMIT_KINDS] = {
    [LIMIT_CONCURRENT] = {"concurrent_requests_per_model", "ConcurrentRequestsPerProjectPerModel"},
    [LIMIT_REQUESTS_DAY] = {"generate_requests_per_model_per_day",
                            "GenerateRequestsPerDayPerProjectPerModel"},
    [LIMIT_REQUESTS] = {"generate_requests_per_model",
                        "GenerateRequestsPerMinutePerProjectPerModel"},
    [LIMIT_TOKENS] = {"generate_content_token_count", "GenerateContentTokensPerModelPerMinute"},
    [LIMIT_INPUT_TOKENS] = {"generate_content_input_token_count",
                            "GenerateContentInputTokensPerModelPerMinute"},
    [LIMIT_OUTPUT_TOKENS] = {"generate_content_output_token_count",
                             "GenerateContentOutputTokensPerModelPerMinute"},
};

static void write_violation(struct json_write *write, const struct problem *problem)
{
    CLEANUP(buf_deinit) struct buf metric = {0};

    buf_init(&metric, 0);
    buf_printf(&metric, "generativelanguage.googleapis.com/%s", quotas[problem->limit].metric);
    json_write_open_object(write, NULL);
    json_write_string(write, "@type", "type.googleapis.com/google.rpc.QuotaFailure");
    json_write_open_array(write, "violations");
    json_write_open_object(write, NULL);
    json_write_text(write, "quotaMetric", buf_text(&metric));
    json_write_string(write, "quotaId", quotas[problem->limit].id);
    json_write_open_object(write, "quotaDimensions");
    json_write_string(write, "location", "global");
    json_write_text(write, "model", problem->model);
    json_write_close(write);
    json_write_int_text(write, "quotaValue", problem->allowed);
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
}

static void write_retry(struct json_write *write, const struct problem *problem)
{
    CLEANUP(buf_deinit) struct buf delay = {0};

    buf_init(&delay, 0);
    buf_printf(&delay, "%lld.%03llds", (long long)(problem->retry_after_ms / 1000),
               (long long)(problem->retry_after_ms % 1000));
    json_write_open_object(write, NULL);
    json_write_string(write, "@type", "type.googleapis.com/google.rpc.RetryInfo");
    json_write_text(write, "retryDelay", buf_text(&delay));
    json_write_close(write);
}

static void add_message(const struct problem *problem, struct buf *out)
{
    switch (problem->kind) {
    case PROBLEM_LIMIT:
        buf_printf(out,
                   "You exceeded your current quota, please check your plan and billing details. "
                   "* Quota exceeded for metric: generativelanguage.googleapis.com/%s, limit: "
                   "%lld, model: %.*s",
                   quotas[problem->limit].metric, (long long)problem->allowed,
                   TEXT_ARGS(problem->model));
        return;
    case PROBLEM_TOO_LONG:
        buf_printf(out,
                   "The input token count (%lld) exceeds the maximum number of tokens allowed "
                   "(%lld).",
                   (long long)problem->asked, (long long)problem->allowed);
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
    const char *word = "UNKNOWN";
    struct json_write write;

    buf_init(&message, 0);
    add_message(problem, &message);
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
        if (errors[i].status == problem->status)
            word = errors[i].word;
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_open_object(&write, "error");
    json_write_int(&write, "code", problem->status);
    json_write_text(&write, "message", buf_text(&message));
    json_write_string(&write, "status", word);
    if (problem->kind == PROBLEM_LIMIT) {
        json_write_open_array(&write, "details");
        write_violation(&write, problem);
        write_retry(&write, problem);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_close(&write);
    return problem->status;
}

static void write_event_error(const struct problem *problem, struct event_list *out)
{
    event_list_begin(out, NULL);
    (void)write_error(problem, &out->bytes);
    event_list_end(out);
}

static void write_models(struct buf *out)
{
    static const char *const models[] = {"gemini-2.5-flash", "gemini-3-pro-preview",
                                         "gemini-embedding-001"};
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_open_array(&write, "models");
    for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
        CLEANUP(buf_deinit) struct buf name = {0};

        buf_init(&name, 0);
        buf_printf(&name, "models/%s", models[i]);
        json_write_open_object(&write, NULL);
        json_write_text(&write, "name", buf_text(&name));
        json_write_string(&write, "displayName", models[i]);
        json_write_string(&write, "description", "A rehearsal.");
        json_write_int(&write, "inputTokenLimit", 1048576);
        json_write_int(&write, "outputTokenLimit", 65536);
        json_write_open_array(&write, "supportedGenerationMethods");
        json_write_string(&write, NULL, i == 2 ? "embedContent" : "generateContent");
        json_write_close(&write);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_close(&write);
}

static const char *const key_headers[] = {"x-goog-api-key", "authorization", NULL};

const struct dialect dialect_gemini = {
    .name = GEMINI_NAME,
    .call_prefix = "",
    .route = route,
    .key_headers = key_headers,
    .read = dialect_gemini_read,
    .write = dialect_gemini_write,
    .write_events = dialect_gemini_write_events,
    .read_embedding = dialect_gemini_read_embedding,
    .write_vectors = dialect_gemini_write_vectors,
    .write_models = write_models,
    .write_error = write_error,
    .write_event_error = write_event_error,
};
