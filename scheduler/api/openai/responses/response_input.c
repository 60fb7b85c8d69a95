/* What responses are asked: the items that came with one, and how many tokens an input is. */

#include "scheduler/api/openai/items/item_pages.h"
#include "scheduler/api/openai/items/item_read.h"
#include "scheduler/api/openai/responses/resources.h"
#include "scheduler/api/openai/responses/response_bodies.h"
#include "scheduler/api/openai/responses/response_find.h"
#include "scheduler/api/openai/responses/response_ground.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "shared/json/json_write.h"
#include "shared/store/threads/threads.h"
#include "shared/text/tokens.h"

static int missing(struct request *request)
{
    struct uuid id;

    return response_read_id(request, &id) < 0 ? -E_INVALID : response_missing(request, id);
}

static int input_items(struct request *request)
{
    struct uuid id;
    struct run run;
    int r = response_read_id(request, &id);

    if (r == 0)
        r = response_find(request, id, &run);
    return r < 0 ? r : item_pages_show(request, run.thread_id, run.id, missing);
}

static int64_t tokens_of(struct json_object *value)
{
    struct text text = json_string(value);

    if (!value)
        return 0;
    return tokens_estimate(text.ptr ? text : json_text(value), TOKENS_O200K);
}

/* What stands before the input. */
static int count_ground(struct request *request, const struct response_ground *ground, int64_t *out)
{
    struct thread thread;
    struct error err;
    int r;

    *out = 0;
    if (ground->kind == GROUND_NEW)
        return 0;
    r = threads_get(&request->store, ground->thread, &thread, &err);
    if (r < 0)
        return request_failed(request, &err);
    *out = r == 0 ? thread.counts.tokens : 0;
    return 0;
}

/* An estimate: what a model counts is known once it was asked. */
static int input_tokens(struct request *request)
{
    struct response_ground ground;
    struct read_items items;
    struct json_write w;
    int64_t tokens;
    int r = response_ground_find(request, &ground);

    if (r == 0)
        r = items_read(request, json_get(request->body, "input"), &items);
    if (r == 0)
        r = count_ground(request, &ground, &tokens);
    if (r < 0)
        return r;
    for (size_t i = 0; i < items.count; i++)
        tokens += items.drafts[i].tokens;
    tokens += tokens_of(json_get(request->body, "instructions"));
    tokens += tokens_of(json_get(request->body, "tools"));
    tokens += tokens_of(json_get(json_get(request->body, "text"), "format"));
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "response.input_tokens");
    json_write_int(&w, "input_tokens", tokens);
    json_write_close(&w);
    return 0;
}

static const char *const input_items_query[] = {"limit",     "order", "after", "include",
                                                "include[]", "beta",  NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/responses/{response_id}/input_items",
     .handle = input_items,
     .query = input_items_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/responses/input_tokens",
     .handle = input_tokens,
     .takes = TAKES_JSON, .body = &body_input_tokens, .query = response_query},
};
/* clang-format on */

const struct endpoint_table response_input_endpoints = ENDPOINT_TABLE(table);
