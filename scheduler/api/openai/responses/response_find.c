/* The run behind a response, and its end. */

#include "scheduler/api/openai/responses/response_find.h"

#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"

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
    int r = run_look_read(request, any_thread, id, out);

    if (r == RUN_MISSING)
        return response_missing(request, id);
    return r;
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
        r = run_look_sleep(request, &waiter, deadline_ms);
    } while (r == 0);
    waits_leave(waits, &waiter);
    return r == RUN_SLEPT ? look(request, id, &request->exchange->arena, out_thread) : r;
}
