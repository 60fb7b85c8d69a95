/* Summaries, made ahead: when an agent's run is completed, and more stands behind the summary of
 * its thread than its strategy wants there, the next one is made behind the runs' backs, so that
 * later runs find it. Also made by the API, whatever there is ("keep_tokens").
 *
 *   spec: {"job": "summary", "model", "fallbacks", "trigger_tokens", "keep_tokens"}
 *
 * The thread may have an active run meanwhile: what that has done itself stays as it is. */

#include <stdio.h>
#include <string.h>

#include "providers/context/summary.h"
#include "providers/models/registry.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/json/json_write.h"
#include "shared/store/runs/memory_runs.h"
#include "shared/text/tokens.h"
#include "worker/memory/job.h"
#include "worker/state.h"

#define HISTORY_MESSAGES 4000
#define HISTORY_BYTES    ((int64_t)8 << 20)

/* From gather to keep. */
struct summary_work {
    struct thread_summary seen;
    struct message_list history;
    struct context context;
    struct summary_plan plan;
    struct chat_request request;
};

static struct store store_of(struct run_task *task, struct pg *pg)
{
    return (struct store){.pg = pg, .tenant = task->claim.row.tenant_id, .arena = &task->arena};
}

/* ---- follows ---- */

static void write_spec(const struct run_setup *setup, struct buf *out)
{
    bool own = setup->memory.summary_model.len > 0;
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "job", "summary");
    json_write_text(&w, "model", own ? setup->memory.summary_model : setup->model);
    if (!own && setup->fallbacks_count > 0) {
        json_write_open_array(&w, "fallbacks");
        for (size_t i = 0; i < setup->fallbacks_count; i++)
            json_write_text(&w, NULL, setup->fallbacks[i]);
        json_write_close(&w);
    }
    json_write_int(&w, "trigger_tokens", setup->memory.trigger_tokens);
    json_write_close(&w);
}

static bool is_due(const struct run_task *task)
{
    const struct conversation *conversation = &task->conversation;
    const struct context context = {conversation->messages, conversation->count,
                                    conversation->first};
    int64_t trigger = task->setup.memory.trigger_tokens;
    int64_t answer = task->ending.with_reply ? tokens_estimate(task->reply.text, TOKENS_O200K) : 0;

    if (answer <= trigger)
        answer += summary_tokens_behind(&context, trigger - answer);
    return summary_is_due(answer, trigger, task->summary.tried_tokens);
}

static bool follows(struct run_task *task, struct memory_run *out)
{
    CLEANUP(buf_deinit) struct buf spec;
    char thread[ID_TEXT_SIZE];
    const char *about;

    buf_init(&spec, 0);
    if (task->setup.memory.strategy != CONTEXT_SUMMARIZE || !is_due(task))
        return false;
    write_spec(&task->setup, &spec);
    id_format(ID_THREAD, task->claim.row.thread_id, thread);
    about = arena_printf(&task->arena, "summary:%s", thread);
    *out = (struct memory_run){
        .id = uuid_new(),
        .about = text_of(about),
        .spec = {spec.failed ? NULL : arena_copy(&task->arena, buf_text(&spec)), spec.len},
    };
    return about && out->spec.ptr;
}

/* ---- gather ---- */

static struct summary_model known_of(const struct run_task *task)
{
    const struct run_setup *setup = &task->setup;
    struct summary_model known = {.context_tokens = 0};

    for (size_t i = 0; i <= setup->fallbacks_count; i++) {
        struct provider_target target;
        struct error ignored;

        if (provider_registry_resolve(task->worker->registry,
                                      i == 0 ? setup->model : setup->fallbacks[i - 1], &target,
                                      &ignored) < 0)
            continue;
        known.reasons = known.reasons || target.abilities.reasoning_effort;
        if (target.context_tokens > 0 &&
            (known.context_tokens == 0 || target.context_tokens < known.context_tokens))
            known.context_tokens = target.context_tokens;
    }
    return known;
}

/* As worker/run/resume.c: there is room for it, or the run comes back. */
SUSPENDS static int enter_room(struct run_task *task, const struct history_limits *limits,
                               struct error *err)
{
    struct store store = store_of(task, task->worker->large);
    int64_t return_ms = 0;
    int64_t bytes;
    int r = messages_history_bytes(&store, task->claim.row.thread_id, limits, &bytes, err);

    if (r < 0)
        return r;
    r = room_enter(&task->room, room_of_arena(task->arena.used + (size_t)bytes * 3),
                   task->arena.used, task->deadline_ms, &return_ms, err);
    if (r == ROOM_FULL)
        return ending_hand_back(&task->ending, return_ms, RUN_WAIT_BACKOFF);
    if (r == -E_TIMEOUT)
        return ending_expired(&task->ending);
    return r;
}

/* What the thread has behind its summary. Returns RUN_GO_ON, or as stages do. */
SUSPENDS static int read_thread(struct run_task *task, struct summary_work *work, struct error *err)
{
    struct history_limits limits = {.count = HISTORY_MESSAGES,
                                    .bytes = HISTORY_BYTES,
                                    .part = HISTORY_AFTER,
                                    .after = work->seen.position};
    const struct context_history source = {.history = &work->history, .summary = &work->seen};
    struct store store = store_of(task, task->worker->large);
    int r = enter_room(task, &limits, err);

    if (r != RUN_GO_ON)
        return r;
    r = messages_history(&store, task->claim.row.thread_id, &limits, &work->history, err);
    if (r < 0)
        return r;
    if (context_build(&source, &task->arena, &work->context, err) < 0)
        return ending_failed(&task->ending, "server_error", "%s.", err->text);
    return RUN_GO_ON;
}

/* From where on the active run has written itself. */
static int64_t own_from(const struct message_list *history, struct uuid active_run)
{
    for (size_t i = 0; !uuid_is_zero(active_run) && i < history->count; i++)
        if (uuid_equal(history->items[i].run_id, active_run))
            return history->items[i].position;
    return INT64_MAX;
}

/* Whether there is something to be summed up now. */
static bool make_plan(struct run_task *task, struct summary_work *work,
                      const struct summary_begun *begun, int64_t *out_tokens)
{
    struct json_object *spec = task->memory->spec;
    int64_t trigger = json_get_int(spec, "trigger_tokens", CONTEXT_TRIGGER_TOKENS);
    bool asked_for = json_get(spec, "keep_tokens");
    int64_t keep = json_get_int(spec, "keep_tokens", SUMMARY_KEEP_OF(trigger));
    int64_t tried = begun->again ? -1 : work->seen.tried_tokens;

    *out_tokens = summary_tokens_behind(&work->context, asked_for ? 0 : trigger);
    if (!asked_for && !summary_is_due(*out_tokens, trigger, tried))
        return false;
    return summary_plan(&work->context, &work->history, &work->seen, keep,
                        own_from(&work->history, begun->active_run), &work->plan);
}

static int overtaken(struct run_task *task)
{
    return memory_finish(task, "overtaken", TEXT_NONE);
}

SUSPENDS static int ask(struct run_task *task, struct summary_work *work, int64_t tokens,
                        struct error *err)
{
    const struct summary_model known = known_of(task);
    struct store store = store_of(task, task->worker->pg);
    const struct run_claim *row = &task->claim.row;
    int r = summaries_try(&store, row->thread_id, row->lease.run, tokens, err);

    if (r == SUMMARY_MOVED)
        return overtaken(task);
    if (r < 0)
        return r;
    if (summary_ask(&work->plan, &known, &task->arena, &work->request, err) < 0)
        return ending_out_of_memory(&task->ending);
    task->setup.asked = &work->request;
    room_settle(&task->room, room_of_arena(task->arena.used));
    return RUN_GO_ON;
}

static int gather(struct run_task *task, struct error *err)
{
    struct summary_work *work = arena_calloc(&task->arena, 1, sizeof(*work));
    struct store store = store_of(task, task->worker->pg);
    const struct run_claim *row = &task->claim.row;
    struct summary_begun begun;
    int64_t tokens;
    int r;

    if (!work)
        return ending_out_of_memory(&task->ending);
    task->memory->own = work;
    r = summaries_get(&store, row->thread_id, &work->seen, err);
    if (r == 0)
        r = summaries_begin(&store, row->thread_id, row->lease.run, &work->seen, &begun, err);
    if (r == SUMMARY_MOVED || r == THREAD_MISSING)
        return overtaken(task);
    if (r == 0)
        r = read_thread(task, work, err);
    if (r != RUN_GO_ON)
        return r;
    if (!make_plan(task, work, &begun, &tokens))
        return memory_finish(task, "nothing_to_do", TEXT_NONE);
    return ask(task, work, tokens, err);
}

/* ---- keep ---- */

static int finish_stored(struct run_task *task, const struct summary_draft *draft)
{
    char more[160];

    (void)snprintf(more, sizeof(more), "{\"messages\":%lld,\"tokens\":%lld,\"source_tokens\":%lld}",
                   (long long)draft->messages, (long long)draft->tokens,
                   (long long)draft->source_tokens);
    return memory_finish(task, "stored", text_of(more));
}

static int keep(struct run_task *task, struct error *err)
{
    const struct summary_work *work = task->memory->own;
    struct store store = store_of(task, task->worker->pg);
    struct summary_draft draft;
    int r = summary_take(&work->plan, &task->reply, &task->arena, &draft, err);

    if (r == SUMMARY_USELESS)
        return memory_finish(task, "not_shorter", TEXT_NONE);
    if (r < 0)
        return ending_out_of_memory(&task->ending);
    draft.run = task->claim.row.lease.run;
    draft.model = task->reply.answered_by;
    r = summaries_keep(&store, task->claim.row.thread_id, &draft, err);
    if (r == SUMMARY_MOVED)
        return overtaken(task);
    return r < 0 ? r : finish_stored(task, &draft);
}

const struct memory_job memory_job_summary = {"summary", gather, keep, follows};
