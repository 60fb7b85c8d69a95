/* From a run to the answer of a call: at once, when it has ended, or as far as it is by then.
 *
 * Who waits holds what a request that waits for a run's end does (assistants/run_get.c): a fiber
 * and a connection, and no row, room or body. With a progress token the response is a stream that
 * follows the run as any other reader does (stream/follow.h), and the answer is its last event. */

#include <stdio.h>

#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/mcp/mcp.h"
#include "scheduler/api/stream/follow.h"
#include "scheduler/live/live.h"
#include "scheduler/waits/waits.h"
#include "shared/base/clock.h"
#include "shared/store/threads/messages.h"

#define ANSWER_ROOM ((size_t)1 << 20) /* of an answer, as it is read, as JSON, and said twice */

#define REPLY_BYTES_MAX ((size_t)64 << 20)

/* ---- what a run comes to ---- */

/* Appends the text of content parts, those parted by line feeds. */
static void add_parts(struct json_object *parts, struct buf *out)
{
    size_t count = json_type_of(parts) == json_type_array ? json_object_array_length(parts) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *part = json_object_array_get_idx(parts, i);
        struct text text = json_get_text(json_get(part, "text"), "value");

        if (!text.ptr)
            text = json_get_text(part, "text");
        if (!text.ptr)
            text = json_get_text(part, "refusal");
        if (text.ptr && out->len > 0)
            buf_add_char(out, '\n');
        buf_add_text(out, text);
    }
}

/* What it answered last. Nothing where it has said nothing, or that was deleted. */
static int read_answer(struct mcp *mcp, const struct run *run, struct buf *out)
{
    struct request *request = mcp->request;
    CLEANUP(json_freep) struct json_object *parts = NULL;
    struct message message;
    struct error err;
    int r;

    if (uuid_is_zero(run->result_message) || !run_status_terminal(run->status))
        return 0;
    r = request_enlarge(request, ANSWER_ROOM);
    if (r < 0)
        return r;
    r = messages_get(&request->store, run->thread_id, run->result_message, &message, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (r == 0 && json_decode(message.content, JSON_DEPTH_DEFAULT, &parts, &err) == 0)
        add_parts(parts, out);
    return 0;
}

static void write_text(struct json_write *w, struct text text)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "type", "text");
    json_write_text(w, "text", text);
    json_write_close(w);
}

/* What it waits for. A call that needs somebody's word is not the client's to answer: what an agent
 * may not do by itself the model that asked it may not allow. */
static void write_needs(struct buf *text, struct text required_action)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    struct json_object *calls;
    struct error err;
    size_t count;
    size_t approvals = 0;

    if (json_decode(required_action, JSON_DEPTH_DEFAULT, &action, &err) < 0)
        return;
    calls = json_get(json_get(action, "submit_tool_outputs"), "tool_calls");
    count = json_object_array_length(calls);
    for (size_t i = 0; i < count; i++)
        approvals += json_has(json_object_array_get_idx(calls, i), "approval");
    if (approvals < count)
        buf_printf(text,
                   " It waits for the outputs of these calls, to be given with "
                   "run_submit_outputs: %.*s",
                   TEXT_ARGS(required_action));
    if (approvals > 0)
        buf_add_string(text, " A person has to allow what it wants to do, which you can't: say so, "
                             "and ask again with run_get.");
}

/* In words, for models that are shown no structured content. */
static void write_standing(struct json_write *w, const struct run *run, const char *id,
                           const char *thread)
{
    CLEANUP(json_freep) struct json_object *error = NULL;
    CLEANUP(buf_deinit) struct buf text = {0};
    struct error err;

    buf_init(&text, 0);
    if (run->last_error.ptr && json_decode(run->last_error, JSON_DEPTH_DEFAULT, &error, &err) < 0)
        error = NULL;
    buf_printf(&text, "Run %s is %s.", id, run_status_name(run->status));
    if (run->incomplete_reason.ptr)
        buf_printf(&text, " Its answer was cut: %.*s.", TEXT_ARGS(run->incomplete_reason));
    if (json_get(error, "message"))
        buf_printf(&text, " %s", json_get_string(error, "message"));
    if (run->status == RUN_REQUIRES_ACTION && run->required_action.ptr)
        write_needs(&text, run->required_action);
    else if (!run_status_terminal(run->status))
        buf_printf(&text, " It goes on: ask again with run_get.");
    else if (*thread)
        buf_printf(&text, " Go on with this conversation by thread_id %s.", thread);
    write_text(w, buf_text(&text));
}

static void write_structured(struct json_write *w, const struct run *run, const char *id,
                             const char *thread, const struct buf *said)
{
    json_write_open_object(w, "structuredContent");
    json_write_string(w, "run_id", id);
    if (*thread)
        json_write_string(w, "thread_id", thread);
    json_write_string(w, "status", run_status_name(run->status));
    if (said->len > 0)
        json_write_text(w, "output", buf_text(said));
    json_write_text_if(w, "incomplete_reason", run->incomplete_reason);
    json_write_raw_if(w, "error", run->last_error);
    if (run->status == RUN_REQUIRES_ACTION)
        json_write_raw_if(w, "required_action", run->required_action);
    json_write_close(w);
}

static bool is_failure(const struct run *run)
{
    return run->status == RUN_FAILED || run->status == RUN_EXPIRED || run->status == RUN_CANCELLED;
}

static int write_run(struct mcp *mcp, const struct run *run, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf said = {0};
    char id[ID_TEXT_SIZE];
    char thread[ID_TEXT_SIZE] = "";
    struct json_write w;
    int r;

    buf_init(&said, REPLY_BYTES_MAX);
    r = read_answer(mcp, run, &said);
    if (r < 0)
        return r;
    id_format(ID_RUN, run->id, id);
    if (!uuid_is_zero(run->thread_id))
        id_format(ID_THREAD, run->thread_id, thread);
    mcp_result_open(&mcp->message, &w, out);
    json_write_open_array(&w, "content");
    if (said.len > 0)
        write_text(&w, buf_text(&said));
    write_standing(&w, run, id, thread);
    json_write_close(&w);
    write_structured(&w, run, id, thread, &said);
    json_write_bool(&w, "isError", is_failure(run));
    mcp_result_close(&mcp->message, &w);
    return 0;
}

static int show(struct mcp *mcp, struct uuid id, bool patient, struct buf *out)
{
    static const struct uuid any_thread = {{0}};
    struct request *request = mcp->request;
    char text[ID_TEXT_SIZE];
    struct run run;
    int r = run_look_read(request, any_thread, id, &run);

    if (r == RUN_MISSING) {
        id_format(ID_RUN, id, text);
        return request_missing(request, "run", text_of(text));
    }
    if (r < 0)
        return r;
    if (patient && !run_status_terminal(run.status) && run.status != RUN_REQUIRES_ACTION)
        return RUN_UNSETTLED;
    return write_run(mcp, &run, out);
}

/* Memory of each look is given back before the next wait. */
int mcp_show_run(struct mcp *mcp, struct uuid run, bool patient, struct buf *out)
{
    struct request *request = mcp->request;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    request->store.arena = &arena;
    r = show(mcp, run, patient, out);
    request->store.arena = &request->exchange->arena;
    arena_deinit(&arena);
    return r;
}

/* ---- waiting ---- */

static int look_until(struct mcp *mcp, struct uuid run, struct waiter *waiter, int64_t deadline_ms)
{
    struct request *request = mcp->request;
    bool patient = true;
    int r;

    for (;;) {
        r = mcp_show_run(mcp, run, patient, &request->reply);
        if (r != RUN_UNSETTLED)
            return r;
        r = run_look_sleep(request, waiter, deadline_ms);
        if (r < 0)
            return r;
        patient = r == 0;
    }
}

static int wait_for_end(struct mcp *mcp, struct uuid run, int64_t deadline_ms)
{
    struct request *request = mcp->request;
    struct waits *waits = request->api->waits;
    struct waiter waiter;
    int r;

    if (clock_ms() >= deadline_ms || !waits ||
        !waits_join(waits, &waiter, run, request_waiters(request)))
        return mcp_show_run(mcp, run, false, &request->reply);
    r = look_until(mcp, run, &waiter, deadline_ms);
    waits_leave(waits, &waiter);
    return r;
}

/* The message keeps its id and its token, which are in the arena. */
static void let_go(struct mcp *mcp)
{
    struct request *request = mcp->request;

    request_let_go(request);
    buf_init(&request->reply, REPLY_BYTES_MAX);
    mcp->message.method = TEXT_NONE;
    mcp->message.params = NULL;
    mcp->message.meta = NULL;
}

static void give_up(struct mcp *mcp, const struct mcp_wait *wait)
{
    if (wait->cancels)
        IGNORE(mcp_cancel_run(mcp, wait->run)); /* it has ended, or goes on: nobody is there */
}

static int follow(struct mcp *mcp, const struct mcp_wait *wait, int64_t deadline_ms)
{
    struct mcp_progress progress = {.mcp = mcp, .run = wait->run};
    bool gone = false;
    const struct follow follow = {
        .run = wait->run,
        .until_action = true,
        .is_there = true,
        .format = &mcp_events,
        .memory = &progress,
        .deadline_ms = deadline_ms,
        .gone = &gone,
    };
    int r = follow_run(mcp->request, &follow);

    if (gone)
        give_up(mcp, wait);
    return r < 0 ? mcp_refuse(mcp, &mcp->request->failure) : 0;
}

static bool may_follow(const struct mcp *mcp, int64_t deadline_ms)
{
    struct request *request = mcp->request;
    struct live *live = request->api->live;

    return mcp->token.ptr && mcp->takes_events && clock_ms() < deadline_ms && live &&
           live_has_room(live, *request_readers(request));
}

/* The run is there, whatever kept its answer: who asked must learn its name. */
static int tell_where(struct mcp *mcp, struct uuid run)
{
    struct failure failure = mcp->request->failure;
    char id[ID_TEXT_SIZE];

    if (failure.status == 404)
        return mcp_refuse(mcp, &failure);
    id_format(ID_RUN, run, id);
    (void)snprintf(failure.message, sizeof(failure.message),
                   "%.500s Run %s is not touched by this: ask again with run_get.",
                   mcp->request->failure.message, id);
    return mcp_refuse(mcp, &failure);
}

int mcp_await(struct mcp *mcp, const struct mcp_wait *wait)
{
    struct request *request = mcp->request;
    int64_t wait_ms = wait->wait_s * 1000;
    int64_t deadline_ms;
    int r;

    if (wait_ms > request->api->response_wait_ms)
        wait_ms = request->api->response_wait_ms;
    deadline_ms = deadline_in(wait_ms);
    let_go(mcp);
    if (wait_ms > 0 && may_follow(mcp, deadline_ms))
        return follow(mcp, wait, deadline_ms);
    r = request_go_on(request);
    if (r == 0)
        r = wait_for_end(mcp, wait->run, deadline_ms);
    if (r < 0 && request->failure.status == STATUS_CLIENT_GONE)
        give_up(mcp, wait);
    return r < 0 ? tell_where(mcp, wait->run) : 0;
}
