/* A call of a provider that may have kept the conversation. */

#include "providers/native/native_state.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "worker/run/task/task.h"
#include "worker/run/think/thinking.h"

static struct native_state state_of(const struct run_task *task, const struct thinking *thinking)
{
    return (struct native_state){
        .target = &thinking->target,
        .strategy = task->setup.memory.strategy,
        .left_out = thinking->fit.left_out,
        .now_s = clock_wall_ms() / 1000,
    };
}

/* Of runs of threads: others have no conversation that goes on. */
static void use_kept(const struct run_task *task, const struct thinking *thinking,
                     struct chat_request *request)
{
    const struct native_state state = state_of(task, thinking);

    if (task->setup.asked || task->single || task->memory)
        return;
    native_state_use(&state, request);
    if (thinking->whole)
        native_state_drop(request);
}

/* Another request than the one that was refused has another key. False: the arena is full. */
static bool make_whole(struct run_task *task, struct thinking *thinking,
                       struct chat_request *request)
{
    const char *key = arena_printf(&task->arena, "%.*s:whole", TEXT_ARGS(request->idempotency_key));

    if (!key)
        return false;
    thinking->whole = true;
    thinking->key = key;
    request->idempotency_key = text_of(key);
    native_state_drop(request);
    return true;
}

int thinking_call_kept(struct run_task *task, struct thinking *thinking,
                       struct chat_request *request, struct error *err)
{
    struct native_state state;
    int r;

    use_kept(task, thinking, request);
    r = thinking_call(task, thinking, request, err);
    if (r == PROVIDER_FAILED && native_state_is_refused(request, &thinking->failure) &&
        make_whole(task, thinking, request)) {
        log_info("the provider has not kept the conversation, it is sent whole",
                 LOG_STR("provider", thinking->target.provider_name),
                 LOG_INT("status", thinking->failure.status),
                 LOG_STR("message", thinking->failure.message));
        r = thinking_call(task, thinking, request, err);
    }
    state = state_of(task, thinking);
    if (r == 0 && request->store && !native_state_note(&state, request, &task->reply))
        log_info("there is no room to note what the provider has kept");
    return r;
}
