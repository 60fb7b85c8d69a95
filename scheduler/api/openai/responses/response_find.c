/* A request that waits joins the waiters of the run first, and reads it then, so no end is missed
 * (scheduler/waits). */

#include "scheduler/api/openai/responses/response_find.h"

#include "scheduler/api/assistants/run_room.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"
#include "shared/store/polls/run_reader.h"

enum { STATUS_CLIENT_GONE = 499 }; /* for the counts: nobody reads it */

int response_read_id(struct request *request, struct uuid *out)
{
    struct text text = request->exchange->params[0];
    char shown[64];

    if (id_parse(ID_RESPONSE, text, out))
        return 0;
    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 404, NULL, NULL, "Response with id '%s' not found.",
                         shown);
}

int response_find(struct request *request, struct uuid id, struct run *out)
{
    static const struct uuid any_thread = {{0}};
    struct error err;
    int r = run_reader_get(request->api->run_reader, &request->store, any_thread, id, out, &err);

    if (r == RUN_UNREAD) {
        r = run_make_room(request, any_thread, id);
        if (r < 0)
            return r;
        if (r == 0)
            r = runs_get(&request->store, any_thread, id, out, &err);
    }
    if (r == RUN_MISSING)
        return response_missing(request, id);
    return r < 0 ? request_failed(request, &err) : 0;
}

/* Into the arena. */
static int look(struct request *request, struct uuid id, struct arena *arena,
                struct uuid *out_thread)
{
    struct run run;
    int r;

    request->store.arena = arena;
    r = response_find(request, id, &run);
    if (r == 0 && out_thread)
        *out_thread = run.thread_id;
    if (r == 0)
        r = run_status_terminal(run.status) ? response_show(request, &run) : RESPONSE_UNENDED;
    request->store.arena = &request->exchange->arena;
    return r;
}

/* Returns 0: somebody says that there is something to see; RESPONSE_UNENDED: the time is over; or
 * -E_INVALID with request->failure. */
static int sleep_until_woken(struct request *request, struct waiter *waiter, int64_t deadline_ms)
{
    int64_t from_us = clock_us();
    int r = 0;

    request_rest(request);
    while (r == 0 && !waiter->woken) {
        waiter->fiber = fiber_self();
        r = http_await_wake(request->exchange, "the end of a response", deadline_ms, NULL);
        waiter->fiber = NULL;
    }
    waiter->woken = false;
    request->start_us += clock_us() - from_us; /* that it waits is no work */
    if (r == HTTP_PEER_GONE) {
        http_abort(request->exchange);
        return failure_param(&request->failure, STATUS_CLIENT_GONE, NULL, NULL,
                             "The client went away before the response had ended.");
    }
    if (r != 0)
        return RESPONSE_UNENDED;
    return request_go_on(request);
}

int response_await(struct request *request, struct uuid id, int64_t wait_ms,
                   struct uuid *out_thread)
{
    struct waits *waits = request->api->waits;
    int64_t deadline_ms = deadline_in(wait_ms);
    struct waiter waiter;
    struct arena arena;
    int r;

    if (!waits || !waits_join(waits, &waiter, id, request_waiters(request)))
        return look(request, id, &request->exchange->arena, out_thread);
    do {
        arena_init(&arena, 0);
        r = look(request, id, &arena, out_thread);
        arena_deinit(&arena);
        if (r != RESPONSE_UNENDED || waits_have_ended(waits))
            break;
        r = sleep_until_woken(request, &waiter, deadline_ms);
    } while (r == 0);
    waits_leave(waits, &waiter);
    return r;
}
