/* Calls of models for clients.
 *
 * The call's fiber and the connection's share the struct: the first writes into it, and wakes the
 * second, which reads. What was used is stored before the call is over, so who has the whole reply
 * finds it counted. A call that is cancelled is counted as far as its provider had said what it
 * costs.
 */

#include "scheduler/gateway/model_call.h"

#include <inttypes.h>
#include <stdio.h>

#include "providers/call.h"
#include "providers/call_span.h"
#include "providers/gate/gate.h"
#include "providers/models/registry.h"
#include "providers/wire/failure.h"
#include "scheduler/gateway/call_account.h"
#include "scheduler/gateway/gateway.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/trace/tracer.h"

/* Of a call that is to ask again: with another key, or now that it is its turn. */
enum { TRY_AGAIN = 32 };

#define STOPPING_RETRY_MS 1000

/* What a call holds of budgets is given up so long after it must be over. */
#define LATE_MS 1000

/* A reply is held as it arrives, and once more when it is read. */
#define REPLY_COPIES 2

/* ---- what the model says ---- */

static void wake(struct model_call *call)
{
    if (call->waiter)
        fiber_wake(call->waiter);
}

static void on_event(void *arg, const struct chat_event *event)
{
    struct model_call *call = arg;

    if (event->kind == CHAT_EVENT_USAGE)
        call->usage = event->usage;
    if (!call->sink)
        return;
    call->spoken |= event->kind != CHAT_EVENT_USAGE && event->kind != CHAT_EVENT_FINISH;
    call->sink->emit(call->sink->arg, event);
    wake(call);
}

static bool has_room(void *arg, size_t reply_bytes)
{
    struct model_call *call = arg;
    size_t needs = reply_bytes * REPLY_COPIES;

    if (needs <= call->held)
        return true;
    if (!budget_try(&call->gateway->replies, needs - call->held))
        return false;
    call->held = needs;
    return true;
}

static void give_room(struct model_call *call)
{
    budget_give(&call->gateway->replies, call->held);
    call->held = 0;
}

static bool is_used(const struct chat_usage *usage)
{
    return usage->input_tokens > 0 || usage->output_tokens > 0;
}

/* ---- one model ---- */

static struct gate_outcome outcome_of(const struct model_call *call, int r)
{
    const struct provider_failure_info *failure = &call->failure;

    if (r == PROVIDER_FAILED)
        return (struct gate_outcome){
            .failure = failure->failure,
            .status = failure->status,
            .retry_after_ms = failure->retry_after_ms,
            .usage = failure->usage,
            .limits = &failure->limits,
        };
    return (struct gate_outcome){
        .limits = call->texts ? &call->vectors.limits : &call->reply.limits,
        .usage = call->texts ? call->vectors.usage : call->reply.usage,
    };
}

SUSPENDS static int send_request(struct model_call *call, struct error *err)
{
    struct gateway *gateway = call->gateway;
    struct embedding_request texts;

    call->usage = (struct chat_usage){0};
    if (!call->texts) {
        call->reply = (struct chat_reply){.arena = call->arena};
        return provider_call(gateway->http, &call->target, &call->asked, &call->reply,
                             &call->failure, err);
    }
    texts = *call->texts;
    texts.idempotency_key = call->asked.idempotency_key;
    texts.deadline_ms = call->deadline_ms;
    texts.trace = call->asked.trace;
    call->vectors = (struct embedding_reply){.arena = call->arena};
    return provider_embed(gateway->http, &call->target, &texts, &call->vectors, &call->failure,
                          err);
}

/* Returns as provider_call. */
SUSPENDS static int ask_provider(struct model_call *call, struct error *err)
{
    struct tracer *tracer = call->gateway->tracer;
    const struct call_span_start start = {
        .parent = call->traced ? &call->trace : NULL,
        .target = &call->target,
        .request = &call->asked,
        .texts = call->texts,
    };
    struct span *span = call_span_begin(tracer, &start);
    struct trace_headers told;
    struct chat_reply vectors;
    int r;

    call->asked.trace = tracer_tell_provider(tracer, span_context(span, start.parent), &told);
    r = send_request(call, err);
    call->asked.trace = NULL;
    vectors = (struct chat_reply){.usage = call->vectors.usage, .model = call->vectors.model};
    if (r == 0)
        call_span_answered(span, call->texts ? &vectors : &call->reply);
    else if (r == PROVIDER_FAILED)
        call_span_failed(span, &call->failure);
    else
        call_span_given_up(span);
    return r;
}

/* What came of it. Returns 0, PROVIDER_FAILED or -E_CANCELED. */
static int take_reply(struct model_call *call, int r, const struct error *err)
{
    const struct chat_usage *usage = call->texts ? &call->vectors.usage : &call->reply.usage;

    if (r == -E_CANCELED)
        usage = &call->usage;
    else if (r == PROVIDER_FAILED)
        usage = &call->failure.usage;
    if (r == 0 || ((r == PROVIDER_FAILED || r == -E_CANCELED) && is_used(usage)))
        call_account_charge(&call->account, &call->target, usage);
    if (r >= 0 || r == -E_CANCELED)
        return r;
    /* It can't be said in the provider's format. */
    provider_failure_set(&call->failure, PROVIDER_BAD_REQUEST, NULL, "%s", err->text);
    return PROVIDER_FAILED;
}

/* ---- budgets ---- */

/* It stands in line, and then its provider answers or not. Many texts are more than one request. */
static int64_t longest_ms(const struct model_call *call)
{
    int64_t now_ms = clock_ms();
    int64_t in_line_ms = call->patience_ms > now_ms ? call->patience_ms - now_ms : 0;
    int64_t left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 0;
    int64_t longest_ms = in_line_ms + call->target.total_timeout_ms;

    return (longest_ms < left_ms && !call->texts ? longest_ms : left_ms) + LATE_MS;
}

/* Returns 0: it may be made, ACCOUNT_OTHER_MODEL, PROVIDER_FAILED or -E_CANCELED. */
SUSPENDS static int pass_account(struct model_call *call, struct error *err)
{
    const struct account_ask ask = {
        .target = &call->target,
        .request = call->request,
        .texts = call->texts,
        .until_ms = call->has_next ? deadline_in(GATE_HOLD_MS) : call->patience_ms,
        .for_ms = longest_ms(call),
    };
    int r = call_account_ask(&call->account, &ask, &call->asked.max_completion_tokens,
                             &call->failure, err);

    if (r == ACCOUNT_OTHER_MODEL || r == ACCOUNT_REFUSED)
        call->has_next = false;
    return r == ACCOUNT_REFUSED || r == ACCOUNT_BUSY ? PROVIDER_FAILED : r;
}

/* ---- limits ---- */

/* Stands in line, until its turn is near: unless there is another model, or that would be too late.
 * Returns TRY_AGAIN, PROVIDER_FAILED or -E_CANCELED. */
SUSPENDS static int stand_in_line(struct model_call *call, int64_t wait_ms)
{
    struct gateway *gateway = call->gateway;
    int64_t until_ms = deadline_in(wait_ms);
    struct error err;
    int r;

    if (!gateway->ending && !call->has_next && until_ms <= call->patience_ms) {
        gateway->waiting++;
        r = cond_wait(&gateway->ended, until_ms, &err);
        gateway->waiting--;
        if (r != 0)
            return r == -E_TIMEOUT ? TRY_AGAIN : r;
    }
    if (gateway->ending)
        provider_failure_set(&call->failure, PROVIDER_OVERLOADED, NULL,
                             "this server is about to stop");
    else
        provider_failure_set(&call->failure, PROVIDER_RATE_LIMITED, NULL,
                             "the limits of %s let no call through for %" PRId64 " s",
                             call->target.provider_name, (wait_ms + 999) / 1000);
    call->failure.retry_after_ms = gateway->ending ? STOPPING_RETRY_MS : wait_ms;
    return PROVIDER_FAILED;
}

/* Returns 0: it may be made, TRY_AGAIN, PROVIDER_FAILED or -E_CANCELED. */
SUSPENDS static int pass_gate(struct model_call *call, struct gate_visit *visit, struct error *err)
{
    struct gate *gate = call->gateway->gate;
    const struct gate_call at_gate = {
        .target = &call->target,
        .request = &call->asked,
        .run = call->id,
        .priority = (int)call->turn,
        .tenant = call->tenant,
        .tenant_requests_per_minute = call->rates.requests_per_minute,
        .tenant_tokens_per_minute = call->rates.tokens_per_minute,
        .call_ms = call->target.total_timeout_ms,
    };
    int64_t wait_ms;
    int r = gate_enter(gate, &at_gate, visit, &wait_ms, err);

    if (r == GATE_LATER) {
        r = stand_in_line(call, wait_ms);
        if (r != TRY_AGAIN)
            gate_quit(gate, &at_gate);
    } else if (r == GATE_SHUT) {
        provider_failure_set(&call->failure, PROVIDER_OVERLOADED, NULL,
                             "%s has failed again and again, and is left alone for a while",
                             call->target.provider_name);
        call->failure.retry_after_ms = wait_ms;
        r = PROVIDER_FAILED;
    }
    return r;
}

/* Returns 0, TRY_AGAIN, ACCOUNT_OTHER_MODEL, PROVIDER_FAILED or -E_CANCELED. */
SUSPENDS static int try_once(struct model_call *call, struct error *err)
{
    struct gate *gate = call->gateway->gate;
    struct gate_outcome outcome;
    struct gate_visit visit;
    bool other_key = false;
    int r = pass_account(call, err);

    if (r == 0)
        r = pass_gate(call, &visit, err);
    if (r != 0)
        return r;
    provider_target_use(&call->target, visit.key);
    r = ask_provider(call, err);
    give_room(call);
    if (r == 0 || r == PROVIDER_FAILED) {
        outcome = outcome_of(call, r);
        other_key = gate_leave(gate, &visit, &outcome);
    } else {
        gate_give_back(gate, &visit);
    }
    r = take_reply(call, r, err);
    if (r == PROVIDER_FAILED && other_key && !call->spoken &&
        ++call->keys_failed < call->target.keys_count)
        return TRY_AGAIN;
    return r;
}

/* Makes the target that model, and the request what it is asked. Returns 0 or PROVIDER_FAILED. */
static int resolve(struct model_call *call, struct text model)
{
    struct provider_failure_info *failure = &call->failure;
    const struct provider_target *target = &call->target;
    struct error err;

    if (provider_registry_resolve(call->registry, model, &call->target, &err) < 0) {
        provider_failure_set(failure, PROVIDER_BAD_REQUEST, NULL, "%s", err.text);
        (void)snprintf(failure->code, sizeof(failure->code), "model_not_found");
        return PROVIDER_FAILED;
    }
    call->keys_failed = 0;
    call->asked = *call->request;
    call->asked.stream = target->stream || (target->may_stream && call->sink);
    call->asked.idempotency_key = text_of(call->name);
    call->asked.deadline_ms = call->deadline_ms;
    call->asked.sink = &call->listener;
    call->asked.has_room = has_room;
    call->asked.arg = call;
    return 0;
}

/* Returns 0, PROVIDER_FAILED with call->failure, or -E_CANCELED. */
SUSPENDS static int ask_model(struct model_call *call, struct text model, struct error *err)
{
    bool resolved = false;
    int r;

    do {
        if (provider_registry_follow(&call->registry, call->gateway->registry))
            resolved = false;
        r = resolved ? 0 : resolve(call, model);
        resolved = true;
        if (r == 0)
            r = try_once(call, err);
        if (r == ACCOUNT_OTHER_MODEL) {
            model = call->account.instead;
            resolved = false;
        }
    } while (r == TRY_AGAIN || r == ACCOUNT_OTHER_MODEL);
    if (r == PROVIDER_FAILED)
        log_info("model call failed",
                 LOG_STR("class", provider_failure_name(call->failure.failure)),
                 LOG_INT("status", call->failure.status), LOG_STR("message", call->failure.message),
                 LOG_STR("detail", call->failure.detail), LOG_STR("call", call->name));
    return r;
}

/* ---- the call ---- */

/* Whether the next model is asked: not where the fault is ours, nor once something was said. */
static bool goes_on(const struct model_call *call, int r)
{
    enum provider_failure failure = call->failure.failure;

    return r == PROVIDER_FAILED && call->has_next && !call->spoken && failure != PROVIDER_NO_ROOM &&
           failure != PROVIDER_REPLY_TOO_LARGE;
}

static void run(void *arg)
{
    struct model_call *call = arg;
    struct error err;
    size_t turn = 0;
    int r;

    *fiber_log_context() = call->log;
    do {
        call->has_next = turn + 1 < call->models_count;
        r = ask_model(call, call->models[turn++], &err);
    } while (goes_on(call, r));
    call_account_close(&call->account);
    if (r == -E_CANCELED)
        provider_failure_set(&call->failure, PROVIDER_OVERLOADED, NULL,
                             "the call was given up before the model had answered");
    call->answered = r == 0;
    call->over = true;
    wake(call);
}

int model_call_start(struct gateway *gateway, struct model_call *call)
{
    if (gateway->calls >= gateway->calls_max) {
        gateway->crowded++;
        return MODEL_CALL_CROWDED;
    }
    gateway->calls++;
    call->gateway = gateway;
    call->id = uuid_new();
    id_format(ID_REQUEST, call->id, call->name);
    call->deadline_ms = deadline_in(MODEL_CALL_MS);
    call->patience_ms = deadline_in(gateway->wait_ms);
    call->log = *fiber_log_context();
    call->waiter = fiber_self();
    call->listener = (struct chat_sink){on_event, call};
    call->account = (struct call_account){.gateway = gateway,
                                          .arena = call->arena,
                                          .tenant = call->tenant,
                                          .user = call->user,
                                          .name = call->name};
    call->fiber = fiber_start("model call", run, call);
    return 0;
}

void model_call_end(struct model_call *call)
{
    struct gateway *gateway = call->gateway;

    call->waiter = NULL;
    if (!call->over) {
        gateway->gone++;
        fiber_cancel(call->fiber);
    }
    fiber_join(call->fiber);
    provider_registry_free(call->registry);
    call->registry = NULL;
    gateway->calls--;
}
