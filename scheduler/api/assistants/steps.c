/* The steps of runs. */

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"

/* The run of the path, seen to be there and in its thread. */
static int find_run(struct request *request, bool any_thread, struct uuid *out)
{
    size_t index = any_thread ? 0 : 1;
    struct uuid thread = {{0}};
    struct error err;
    size_t bytes;
    int r = any_thread ? 0 : request_id(request, 0, ID_THREAD, "thread", &thread);

    if (r == 0)
        r = request_id(request, index, ID_RUN, "run", out);
    if (r < 0)
        return r;
    r = runs_size(&request->store, thread, *out, &bytes, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", request->exchange->params[index]);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int list_steps(struct request *request, bool any_thread)
{
    struct run_step_list steps;
    struct listing list;
    struct uuid run;
    struct error err;
    int r = listing_begin(&list, request, ID_STEP);

    if (r == 0)
        r = find_run(request, any_thread, &run);
    if (r < 0)
        return r;
    r = run_steps_list(&request->store, run, &list.page, &steps, &err);
    if (r == CURSOR_MISSING)
        return request_cursor_missing(request);
    if (r == RUN_MISSING)
        return request_missing(request, "run", request->exchange->params[any_thread ? 0 : 1]);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < steps.count; i++) {
        listing_add(&list, steps.items[i].id);
        render_step(&steps.items[i], &request->reply);
    }
    listing_end(&list, steps.has_more);
    return 0;
}

static int step_list(struct request *request)
{
    return list_steps(request, false);
}

static int step_list_any(struct request *request)
{
    return list_steps(request, true);
}

static int step_get(struct request *request)
{
    struct run_step step;
    struct uuid run;
    struct uuid id;
    struct error err;
    int r = find_run(request, false, &run);

    if (r == 0)
        r = request_id(request, 2, ID_STEP, "run step", &id);
    if (r < 0)
        return r;
    r = run_steps_get(&request->store, run, id, &step, &err);
    if (r == STEP_MISSING)
        return request_missing(request, "run step", request->exchange->params[2]);
    if (r < 0)
        return request_failed(request, &err);
    render_step(&step, &request->reply);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/steps",
     .handle = step_list,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}",
     .handle = step_get,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/runs/{run_id}/steps",
     .handle = step_list_any,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table step_endpoints = ENDPOINT_TABLE(table);
