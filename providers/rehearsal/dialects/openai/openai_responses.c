/* The row of Responses. https://platform.openai.com/docs/api-reference/responses */

#include "providers/rehearsal/dialects/openai/openai_responses.h"

#include "providers/rehearsal/dialects/openai/openai.h"

static bool route(struct text path, struct text query, struct route *out)
{
    (void)query;
    (void)out;
    return dialect_openai_path_is(path, "/responses", false);
}

static int write_error(const struct problem *problem, struct buf *out)
{
    struct problem said = *problem;

    if (problem->kind == PROBLEM_TOO_LONG)
        said = (struct problem){
            .status = 400,
            .code = "context_length_exceeded",
            .param = "input",
            .message = "Your input exceeds the context window of this model. Please adjust your "
                       "input and try again.",
        };
    return dialect_openai_write_error(&said, out);
}

const struct dialect dialect_openai_responses = {
    .name = RESPONSES_NAME,
    .call_prefix = "call_",
    .route = route,
    .key_headers = dialect_openai_key_headers,
    .read = dialect_responses_read,
    .write = dialect_responses_write,
    .write_events = dialect_responses_write_events,
    .write_kept = dialect_responses_write_kept,
    .kept_id = dialect_responses_kept_id,
    .write_error = write_error,
    .write_event_error = dialect_responses_write_event_error,
    .write_headers = dialect_openai_write_headers,
};
