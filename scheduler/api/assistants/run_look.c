/* Room, the reading, and the sleep between two readings. */

#include "scheduler/api/assistants/run_look.h"

#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"
#include "shared/store/polls/run_reader.h"

#define COPIES 3 /* as the database has it, as a row, as JSON */

int run_make_room(struct request *request, struct uuid thread, struct uuid run)
{
    struct error err;
    size_t bytes;
    int r = runs_size(&request->store, thread, run, &bytes, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0 && bytes > SMALL_BYTES_MAX)
        r = request_enlarge(request, COPIES * bytes);
    return r;
}

int run_look_read(struct request *request, struct uuid thread, struct uuid run, struct run *out)
{
    struct error err;
    int r = run_reader_get(request->api->run_reader, &request->store, thread, run, out, &err);

    if (r == RUN_UNREAD) {
        r = run_make_room(request, thread, run);
        if (r < 0)
            return r;
        if (r == 0)
            r = runs_get(&request->store, thread, run, out, &err);
    }
    return r < 0 ? request_failed(request, &err) : r;
}

int run_look_sleep(struct request *request, struct waiter *waiter, int64_t deadline_ms)
{
    int64_t from_us = clock_us();
    int gone;
    int r = 0;

    request_rest(request);
    while (r == 0 && !waiter->woken) {
        waiter->fiber = fiber_self();
        r = http_await_wake(request->exchange, "the end of a run", deadline_ms, NULL);
        waiter->fiber = NULL;
    }
    waiter->woken = false;
    request->start_us += clock_us() - from_us; /* that it waits is no work */
    if (r == HTTP_PEER_GONE) {
        http_abort(request->exchange);
        return failure_param(&request->failure, STATUS_CLIENT_GONE, NULL, NULL,
                             "The client went away before the run had ended.");
    }
    gone = request_go_on(request);
    if (gone < 0)
        return gone;
    return r == 0 && !waits_have_ended(request->api->waits) ? 0 : RUN_SLEPT;
}
