/* Calls of models beside those of the run. */

#include "worker/run/think/aside.h"

#include "providers/gate/gate.h"
#include "providers/models/registry.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "worker/lease/trust.h"
#include "worker/run/task/task.h"
#include "worker/run/think/spend.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 10)

static int nothing(const struct aside *aside, const char *why, const char *detail)
{
    log_info("a call beside the run's own brings nothing", LOG_STR("what", aside->what),
             LOG_STR("why", why), LOG_STR("detail", detail));
    return ASIDE_NOTHING;
}

/* Is worth a line of the log, unless it is a cancel. */
static int no_matter(const struct aside *aside, int r, const struct error *err)
{
    return r == -E_CANCELED ? r : nothing(aside, "it could not be asked", err->text);
}

static const char *key_of(struct run_task *task, const struct aside *aside)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, task->claim.row.lease.run, id);
    return arena_printf(&task->arena, "%s:%s", id, aside->what);
}

/* The request in full. */
static struct chat_request fill(const struct run_task *task, const struct thinking *thinking,
                                const struct aside *aside)
{
    struct chat_request request = *aside->request;
    int64_t until_ms = clock_ms() + aside->for_ms;

    request.stream = thinking->target.stream;
    request.idempotency_key = text_of(thinking->key);
    request.deadline_ms = until_ms < task->deadline_ms ? until_ms : task->deadline_ms;
    request.answer_bytes_max = ANSWER_BYTES_MAX;
    return request;
}

static int take(struct run_task *task, struct thinking *thinking, const struct aside *aside, int r,
                int64_t took_us, struct chat_reply *out, struct error *err)
{
    const struct provider_failure_info *failure = &thinking->failure;
    const struct provider_target *target = &thinking->target;
    struct call_stats *stats = task->worker->calls;

    if (r == PROVIDER_FAILED) {
        meter_add_failure(&task->meter, target, &failure->usage);
        call_stats_model(stats, target, failure->failure, &failure->usage, took_us);
        return nothing(aside, provider_failure_name(failure->failure), failure->message);
    }
    if (r < 0)
        return no_matter(aside, r, err);
    meter_add_aside(&task->meter, target, &task->reply.usage);
    call_stats_model(stats, target, PROVIDER_OK, &task->reply.usage, took_us);
    *out = task->reply;
    return 0;
}

/* Within what the budgets and the limits allow now. */
SUSPENDS static int ask(struct run_task *task, struct thinking *thinking, const struct aside *aside,
                        struct chat_reply *out, struct error *err)
{
    struct provider_target *target = &thinking->target;
    struct chat_request request = fill(task, thinking, aside);
    struct gate_call call = thinking_gate_call(task, target, &request);
    struct gate_visit visit;
    int64_t start_us;
    int64_t wait_ms;
    int r = spend_aside(task, target, &request, err);

    if (r == SPEND_REFUSED)
        return nothing(aside, "its budgets have no room for it", "");
    if (r == RUN_GO_ON)
        r = gate_enter(task->worker->gate, &call, &visit, &wait_ms, err);
    if (r == GATE_LATER)
        gate_quit(task->worker->gate, &call);
    if (r == GATE_LATER || r == GATE_SHUT)
        return nothing(aside, "its model can't be asked now", "");
    if (r < 0)
        return no_matter(aside, r, err);
    provider_target_use(target, visit.key);
    start_us = clock_us();
    r = thinking_call(task, thinking, &request, err);
    (void)thinking_leave_gate(task, &visit, r, &thinking->failure);
    return take(task, thinking, aside, r, clock_us() - start_us, out, err);
}

int aside_ask(struct run_task *task, const struct aside *aside, struct chat_reply *out,
              struct error *err)
{
    struct thinking thinking = {.replied = false};
    int r = trust_wait(task->worker->heartbeat, err);

    if (r < 0)
        return r;
    (void)provider_registry_follow(&thinking.registry, task->worker->registry);
    thinking.key = key_of(task, aside);
    r = provider_registry_resolve(thinking.registry, aside->model, &thinking.target, err);
    if (r == 0)
        r = meter_expect(&task->meter, &thinking.target, err);
    if (r == 0 && !thinking.key)
        r = error_set(err, E_LIMIT, "the run's memory is full");
    if (r < 0) {
        r = no_matter(aside, r, err);
    } else {
        r = ask(task, &thinking, aside, out, err);
        spend_after(task);
    }
    task->reply = (struct chat_reply){.arena = NULL};
    provider_registry_free(thinking.registry);
    return r;
}
