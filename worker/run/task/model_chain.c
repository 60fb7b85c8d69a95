/* The models of a run, one after the other. */

#include "worker/run/task/model_chain.h"

#include <stdio.h>
#include <string.h>

#include "shared/agent/spec.h"
#include "shared/json/json_write.h"

#define MESSAGE_KEPT_BYTES 240
#define OTHERS_BYTES       200

struct text model_chain_model(const struct model_chain *chain)
{
    return chain->turn == 0 ? chain->setup->model : chain->setup->fallbacks[chain->turn - 1];
}

bool model_chain_goes_on(enum provider_failure failure, int64_t retry_after_ms)
{
    switch (failure) {
    case PROVIDER_RATE_LIMITED:
        return retry_after_ms >= CHAIN_WAIT_MS;
    case PROVIDER_OVERLOADED:
    case PROVIDER_TIMED_OUT:
    case PROVIDER_STREAM_CUT:
    case PROVIDER_MALFORMED_REPLY:
    case PROVIDER_EMPTY_REPLY:
    case PROVIDER_QUOTA:
    case PROVIDER_CONTEXT_OVERFLOW:
    case PROVIDER_BAD_REQUEST:
    case PROVIDER_AUTH:
        return true;
    case PROVIDER_OK:
    case PROVIDER_NO_ROOM:
    case PROVIDER_REPLY_TOO_LARGE:
        break;
    }
    return false;
}

/* Another try may succeed. */
static bool may_pass(enum provider_failure failure)
{
    return failure == PROVIDER_RATE_LIMITED || failure == PROVIDER_OVERLOADED ||
           failure == PROVIDER_TIMED_OUT || failure == PROVIDER_STREAM_CUT ||
           failure == PROVIDER_MALFORMED_REPLY || failure == PROVIDER_EMPTY_REPLY;
}

static void note(struct model_chain *chain, const struct provider_failure_info *failure)
{
    struct text message = text_prefix(text_of(failure->message), MESSAGE_KEPT_BYTES);
    const char *kept;

    if (!chain->failures)
        chain->failures = arena_calloc(chain->arena, CHAIN_FAILURES_MAX, sizeof(*chain->failures));
    if (!chain->failures)
        return;
    if (chain->turn == 0 && chain->failures_count + AGENT_FALLBACKS_MAX >= CHAIN_FAILURES_MAX)
        chain->failures_count = 0; /* rounds of long ago */
    if (chain->turn == 0)
        chain->round_began = chain->failures_count;
    kept = arena_copy(chain->arena, message);
    chain->failures[chain->failures_count++] = (struct chain_failure){
        .model = model_chain_model(chain),
        .failure = failure->failure,
        .retry_after_ms = failure->retry_after_ms,
        .message = kept ? (struct text){kept, message.len} : TEXT(""),
    };
}

/* The one to decide about; NULL: nothing could be noted. */
static const struct chain_failure *choose(const struct model_chain *chain)
{
    for (size_t i = chain->round_began; i < chain->failures_count; i++)
        if (may_pass(chain->failures[i].failure))
            return &chain->failures[i];
    return chain->failures_count > 0 ? &chain->failures[chain->round_began] : NULL;
}

/* "; others: groq/llama: auth, ollama/qwen3: timed_out" */
static void add_others(const struct model_chain *chain, const struct chain_failure *chosen,
                       struct provider_failure_info *failure)
{
    CLEANUP(buf_deinit) struct buf others;
    const char *between = "; others: ";
    size_t used;

    buf_init(&others, OTHERS_BYTES);
    for (size_t i = chain->round_began; i < chain->failures_count; i++) {
        const struct chain_failure *other = &chain->failures[i];

        if (other == chosen)
            continue;
        buf_printf(&others, "%s%.*s: %s", between, TEXT_ARGS(other->model),
                   provider_failure_name(other->failure));
        between = ", ";
    }
    used = strlen(failure->message);
    if (!others.failed)
        (void)snprintf(failure->message + used, sizeof(failure->message) - used, "%s",
                       buf_string(&others));
}

bool model_chain_failed(struct model_chain *chain, struct provider_failure_info *failure)
{
    size_t count = chain->setup->fallbacks_count;
    const struct chain_failure *chosen;
    bool on = model_chain_goes_on(failure->failure, failure->retry_after_ms);

    if (count == 0)
        return false;
    if (on)
        note(chain, failure);
    if (on && chain->turn < count) {
        chain->turn++;
        return true;
    }
    chain->turn = 0;
    chosen = on ? choose(chain) : NULL;
    if (!chosen)
        return false;
    /* The detail stays that of the last one: those before were logged as they were passed over. */
    failure->failure = chosen->failure;
    failure->retry_after_ms = chosen->retry_after_ms;
    (void)snprintf(failure->message, sizeof(failure->message), "%.*s", TEXT_ARGS(chosen->message));
    add_others(chain, chosen, failure);
    return false;
}

static void write_tried(const struct model_chain *chain, struct buf *out)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < chain->failures_count; i++) {
        const struct chain_failure *failure = &chain->failures[i];

        json_write_open_object(&w, NULL);
        json_write_text(&w, "model", failure->model);
        json_write_string(&w, "code", provider_failure_name(failure->failure));
        json_write_text(&w, "message", failure->message);
        json_write_close(&w);
    }
    json_write_close(&w);
}

struct text model_chain_tried(const struct model_chain *chain)
{
    CLEANUP(buf_deinit) struct buf json = {0};
    const char *copy;

    if (chain->failures_count == 0)
        return TEXT_NONE;
    buf_init(&json, 0);
    write_tried(chain, &json);
    copy = json.failed ? NULL : arena_copy(chain->arena, buf_text(&json));
    return copy ? (struct text){copy, json.len} : TEXT_NONE;
}
