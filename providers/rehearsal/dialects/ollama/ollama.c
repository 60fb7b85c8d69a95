/* Ollama's row and its errors, which are a text each.
 * https://github.com/ollama/ollama/blob/main/docs/api.md. It has no keys and no limits of its own,
 * but for the calls that it lets wait; a server in front of it may have both. */

#include "providers/rehearsal/dialects/ollama/ollama.h"

#include "providers/rehearsal/dialects/openai/openai.h"

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    out->framing = EVENTS_NDJSON;
    if (text_is(path, "/api/embed"))
        out->endpoint = ENDPOINT_EMBEDDINGS;
    else if (text_is(path, "/api/tags"))
        out->endpoint = ENDPOINT_MODELS;
    else
        return text_is(path, "/api/chat");
    return true;
}

static void add_usual(const struct problem *problem, struct buf *out)
{
    switch (problem->status) {
    case 401:
        buf_add_string(out, "unauthorized");
        break;
    case 404:
        buf_printf(out, "model '%.*s' not found", TEXT_ARGS(problem->model));
        break;
    case 429:
        buf_add_string(out, "too many requests, please try again later");
        break;
    case 500:
        buf_add_string(out, "an error was encountered while running the model");
        break;
    case 503:
        buf_add_string(out, "server busy, please try again.  maximum pending requests exceeded");
        break;
    default:
        buf_add_string(out, "the rehearsal script asked for this error");
        break;
    }
}

static void add_message(const struct problem *problem, struct buf *out)
{
    static const char *const units[LIMIT_KINDS] = {
        [LIMIT_REQUESTS_DAY] = "requests per day",
        [LIMIT_REQUESTS] = "requests per minute",
        [LIMIT_TOKENS] = "tokens per minute",
        [LIMIT_INPUT_TOKENS] = "input tokens per minute",
        [LIMIT_OUTPUT_TOKENS] = "output tokens per minute",
    };

    switch (problem->kind) {
    case PROBLEM_LIMIT:
        if (problem->limit == LIMIT_CONCURRENT)
            buf_add_string(out,
                           "server busy, please try again.  maximum pending requests exceeded");
        else
            buf_printf(out, "too many requests: the limit is %lld %s", (long long)problem->allowed,
                       units[problem->limit]);
        break;
    case PROBLEM_TOO_LONG:
        buf_add_string(out, "the input length exceeds the context length");
        break;
    case PROBLEM_PLAIN:
        if (problem->message[0])
            buf_add_string(out, problem->message);
        else
            add_usual(problem, out);
        break;
    }
}

static int write_error(const struct problem *problem, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf message = {0};
    bool busy = problem->kind == PROBLEM_LIMIT && problem->limit == LIMIT_CONCURRENT;
    struct json_write write;

    buf_init(&message, 0);
    add_message(problem, &message);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_text(&write, "error", buf_text(&message));
    json_write_close(&write);
    return busy ? 503 : problem->status;
}

static void write_event_error(const struct problem *problem, struct event_list *out)
{
    event_list_begin(out, NULL);
    (void)write_error(problem, &out->bytes);
    event_list_end(out);
}

static void write_headers(const struct limit_state *limits, const struct problem *problem,
                          dialect_header_fn add, void *arg)
{
    (void)limits;
    dialect_retry_after(problem, add, arg);
}

static const char *const key_headers[] = {"authorization", NULL};

const struct dialect dialect_ollama = {
    .name = "ollama",
    .call_prefix = "call_",
    .route = route,
    .key_headers = key_headers,
    .read = dialect_ollama_read,
    .write = dialect_ollama_write,
    .write_events = dialect_ollama_write_events,
    .read_embedding = dialect_ollama_read_embedding,
    .write_vectors = dialect_ollama_write_vectors,
    .write_models = dialect_ollama_write_models,
    .write_error = write_error,
    .write_event_error = write_event_error,
    .write_headers = write_headers,
};
