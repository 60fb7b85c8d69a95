/* Looking at a run: at once, or (wait=SECONDS) as soon as it has ended or needs its client. */

#include <stdio.h>

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/assistants/run_path.h"
#include "scheduler/waits/ended_runs.h"
#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"
#include "shared/store/runs/runs.h"

#define WAIT_MAX_S 60

/* Tells pollers when to look again, and learns from runs that have ended how long runs take. */
static void advise_pollers(struct request *request, const struct run *run)
{
    struct poll *poll = &request->api->poll;
    int64_t now_ms = clock_wall_ms();
    char value[24];

    if (run_status_terminal(run->status)) {
        /* Ends are known to the second. */
        if (run->completed_at && now_ms / 1000 - run->completed_at < 60)
            poll_observe(poll, run->completed_at * 1000 + 500 - uuid_made_ms(run->id));
        return;
    }
    snprintf(
        value, sizeof(value), "%lld",
        (long long)poll_after_ms(poll, run->status == RUN_QUEUED, now_ms - uuid_made_ms(run->id)));
    http_add_header(request->exchange, "openai-poll-after-ms", text_of(value));
}

/* Whether it is shown from memory. */
static bool show_remembered(struct request *request, const struct run_path *path)
{
    struct waits *waits = request->api->waits;
    struct text json;

    if (!waits)
        return false;
    json = ended_runs_find(waits_ended_runs(waits), request->store.tenant, path->thread, path->run,
                           clock_ms());
    if (!json.ptr)
        return false;
    buf_add_text(&request->reply, json);
    waits_count_remembered(waits);
    return true;
}

static void show(struct request *request, const struct run *run, uint64_t stamp, int64_t asked_ms)
{
    struct waits *waits = request->api->waits;

    advise_pollers(request, run);
    render_run(run, &request->reply);
    if (waits && buf_check(&request->reply, NULL) == 0)
        ended_runs_keep(waits_ended_runs(waits), stamp, request->store.tenant, run,
                        buf_text(&request->reply), asked_ms);
}

static bool is_settled(const struct run *run)
{
    return run_status_terminal(run->status) || run->status == RUN_REQUIRES_ACTION;
}

/* Reads the run into the arena, and shows it when it has settled, or in any case when `patient` is
 * false. Returns 0 when it is shown, RUN_UNSETTLED, or -E_INVALID with request->failure. */
enum { RUN_UNSETTLED = 100 };

static int look(struct request *request, const struct run_path *path, bool patient,
                struct arena *arena)
{
    struct waits *waits = request->api->waits;
    uint64_t stamp = waits ? ended_runs_stamp(waits_ended_runs(waits)) : 0;
    int64_t asked_ms = clock_ms();
    struct run run;
    int r;

    if (show_remembered(request, path))
        return 0;
    request->store.arena = arena;
    r = run_look_read(request, path->thread, path->run, &run);
    request->store.arena = &request->exchange->arena;
    if (r == RUN_MISSING)
        return request_missing(request, "run", path->run_text);
    if (r < 0)
        return r;
    if (patient && !is_settled(&run))
        return RUN_UNSETTLED;
    show(request, &run, stamp, asked_ms);
    return 0;
}

/* Memory of each look is given back before the next wait. */
static int look_until(struct request *request, const struct run_path *path, struct waiter *waiter,
                      int64_t deadline_ms)
{
    bool patient = true;
    struct arena arena;
    int r;

    for (;;) {
        arena_init(&arena, 0);
        r = look(request, path, patient, &arena);
        arena_deinit(&arena);
        if (r != RUN_UNSETTLED)
            return r;
        r = run_look_sleep(request, waiter, deadline_ms);
        if (r < 0)
            return r;
        patient = r == 0;
    }
}

/* wait=SECONDS of the query; absent: 0. */
static int read_wait(struct request *request, int64_t *out_s)
{
    struct text text = http_query_get(request->exchange, "wait", 0);
    char shown[32];

    *out_s = 0;
    if (!text.ptr || (text_to_int(text, out_s) && *out_s >= 0 && *out_s <= WAIT_MAX_S))
        return 0;
    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "wait", "invalid_value",
                         "Invalid 'wait': expected an integer of 0 to %d (seconds), but got '%s'.",
                         WAIT_MAX_S, shown);
}

static int get(struct request *request, bool any_thread)
{
    struct waits *waits = request->api->waits;
    struct waiter waiter;
    struct run_path path;
    int64_t wait_s;
    int r = read_wait(request, &wait_s);

    if (r == 0)
        r = run_path_read(request, any_thread, &path);
    if (r < 0)
        return r;
    if (wait_s == 0 || !waits || !waits_join(waits, &waiter, path.run, request_waiters(request)))
        return look(request, &path, false, &request->exchange->arena);
    r = look_until(request, &path, &waiter, deadline_in(wait_s * 1000));
    waits_leave(waits, &waiter);
    return r;
}

static int run_get(struct request *request)
{
    return get(request, false);
}

static int run_get_any(struct request *request)
{
    return get(request, true);
}

static const char *const query[] = {"wait", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}",
     .handle = run_get,
     .query = query},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/runs/{run_id}",
     .handle = run_get_any,
     .query = query},
};
/* clang-format on */

const struct endpoint_table run_get_endpoints = ENDPOINT_TABLE(table);
