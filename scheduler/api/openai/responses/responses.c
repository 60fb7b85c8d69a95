/* Responses that are there: look at one, or follow it; cancel and delete it.
 * https://platform.openai.com/docs/api-reference/responses */

#include "scheduler/api/openai/responses/events/response_events.h"
#include "scheduler/api/openai/responses/resources.h"
#include "scheduler/api/openai/responses/response_end.h"
#include "scheduler/api/openai/responses/response_find.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "shared/base/clock.h"
#include "shared/json/json_write.h"

#define CANCEL_WAIT_MS 5000

/* ---- look ---- */

static int read_bool(struct request *request, const char *name, bool *out)
{
    static const char *const words[] = {"true", "false", NULL};
    struct path at = {NULL, name, 0};
    struct text said = http_query_get(request->exchange, name, 0);

    *out = text_is(said, "true");
    return said.ptr ? fields_word(said, words, &at, &request->failure) : 0;
}

static int read_after(struct request *request, int64_t *out)
{
    struct text said = http_query_get(request->exchange, "starting_after", 0);
    char shown[32];

    *out = -1;
    if (!said.ptr || (text_to_int(said, out) && *out >= 0))
        return 0;
    text_excerpt(said, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "starting_after", "invalid_value",
                         "Invalid 'starting_after': expected the sequence_number of an event, but "
                         "got '%s'.",
                         shown);
}

/* The events that say only that it begins: these are told again whatever came after them. */
static bool is_at_beginning(int64_t after, const struct run *run)
{
    return after <= (response_is_background(run) ? 2 : 1);
}

/* Whether the events behind a number can be told: what was told of a reply that was never stored
 * has taken numbers that nobody knows any more. */
static int check_after(struct request *request, const struct run *run, int64_t after)
{
    if (is_at_beginning(after, run) ||
        (after < RESPONSE_NUMBERS_LOST && run->crashes == 0 && run->errors == 0))
        return 0;
    return failure_param(&request->failure, 400, "starting_after", "invalid_value",
                         "This response can no longer be streamed from there, since a part of it "
                         "was made anew. Retrieve it without 'stream', or without "
                         "'starting_after'.");
}

/* That somebody listens is no work. */
static int follow(struct request *request, struct uuid id, int64_t after)
{
    int64_t from_us = clock_us();
    int r = response_follow(request, id, after);

    request->start_us += clock_us() - from_us;
    return r;
}

static int retrieve(struct request *request)
{
    struct uuid id;
    struct run run;
    int64_t after;
    bool stream = false;
    int r = response_read_id(request, &id);

    if (r == 0)
        r = read_bool(request, "stream", &stream);
    if (r == 0)
        r = read_after(request, &after);
    if (r == 0)
        r = response_find(request, id, &run);
    if (r == 0 && stream)
        r = check_after(request, &run, after);
    if (r < 0)
        return r;
    return stream ? follow(request, id, after) : response_show(request, &run);
}

/* ---- cancel ---- */

static int tell_cancelled(struct request *request, const struct run *run)
{
    int r;

    run_events_cancelled(&request->api->events, run);
    if (run->status != RUN_CANCELLING)
        return response_show(request, run);
    r = response_await(request, run->id, CANCEL_WAIT_MS, NULL);
    return r == RESPONSE_UNENDED ? response_show(request, run) : r;
}

/* One that has ended is shown as it is. */
static int cancel(struct request *request)
{
    static const struct uuid any_thread = {{0}};
    struct run run;
    struct uuid id;
    struct error err;
    int r = response_read_id(request, &id);

    if (r == 0)
        r = response_find(request, id, &run);
    if (r < 0)
        return r;
    if (!response_is_background(&run))
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot cancel a synchronous response: only responses with "
                             "'background': true can be cancelled.");
    r = runs_cancel(&request->store, any_thread, id, &run, &err);
    if (r == RUN_MISSING)
        return response_missing(request, id);
    if (r < 0)
        return request_failed(request, &err);
    return tell_cancelled(request, &run);
}

/* ---- delete ---- */

static int delete (struct request *request)
{
    const struct run_events *events = &request->api->events;
    char text[ID_TEXT_SIZE];
    struct run_gone gone;
    struct json_write w;
    struct uuid id;
    struct error err;
    int r = response_read_id(request, &id);

    if (r < 0)
        return r;
    r = runs_delete(&request->store, id, &gone, &err);
    if (r == RUN_MISSING)
        return response_missing(request, id);
    if (r == RUN_UNFIT)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "The response is still being made. Cancel it, or wait for its end.");
    if (r < 0)
        return request_failed(request, &err);
    if (gone.with_thread)
        run_events_thread_gone(events, gone.thread);
    run_events_changed(events, id);
    id_format(ID_RESPONSE, id, text);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", text);
    json_write_string(&w, "object", "response");
    json_write_bool(&w, "deleted", true);
    json_write_close(&w);
    return 0;
}

/* SDKs have all of this a second time, under `beta`, and say so in the query. What it would add
 * (several agents in one response) is not here, and nobody is told to expect it. */
const char *const response_query[] = {"beta", NULL};

static const char *const retrieve_query[] = {
    "stream", "starting_after", "include", "include[]", "include_obfuscation", "beta", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/responses/{response_id}",
     .handle = retrieve,
     .query = retrieve_query},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/responses/{response_id}/cancel",
     .handle = cancel, .query = response_query},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/responses/{response_id}",
     .handle = delete, .query = response_query},
};
/* clang-format on */

const struct endpoint_table response_endpoints = ENDPOINT_TABLE(table);
