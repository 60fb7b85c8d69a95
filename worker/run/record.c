/* Recording: one checkpoint per step of the loop.
 *
 * A step whose tools are all pure is one write: message, calls and results together, since
 * repeating such calls after a crash has no effect. Any other tool gets its intent recorded first,
 * so that a crash between effect and result is seen for what it is.
 *
 * Writes are shielded from cancels: half a write is worse than a late stop. They end by themselves
 * when the lease is lost. While the lease is only not trusted they go on: a write that lands
 * carried a good fence.
 */

#include "worker/run/record.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "worker/lease/heartbeat.h"
#include "worker/worker.h"

#define RETRY_BASE_MS      50
#define RETRY_CAP_MS       2000
#define RETRIES_WHILE_STOP 10

/* What a write is made of; the texts live in `arena`. */
struct draft {
    struct arena arena;
    struct run_changes changes;
    struct run_message *messages;
    size_t message_room;
    struct run_step_write steps[2];
    struct run_call *calls;
    bool failed; /* the arena is full */
};

/* With room for a message and `results` more. */
static struct draft *draft_new(struct run_task *task, size_t results)
{
    struct draft *draft = xcalloc(1, sizeof(*draft));

    arena_init(&draft->arena, 0);
    draft->message_room = results + 1;
    draft->messages = arena_calloc(&draft->arena, draft->message_room, sizeof(*draft->messages));
    draft->failed = !draft->messages;
    draft->changes = (struct run_changes){
        .prompt_tokens = task->unsaved.input_tokens,
        .completion_tokens = task->unsaved.output_tokens,
        .errors = task->attempts - task->attempts_told,
        .messages = draft->messages,
        .steps = draft->steps,
    };
    return draft;
}

static void draft_freep(struct draft **draft)
{
    arena_deinit(&(*draft)->arena);
    free(*draft);
}

static struct text keep(struct draft *draft, struct buf *buf)
{
    char *copy = buf->failed ? NULL : arena_copy(&draft->arena, buf_text(buf));
    struct text text = {copy, buf->len};

    if (!copy) {
        draft->failed = true;
        return TEXT("[]");
    }
    buf_reset(buf);
    return text;
}

static struct text text_content(struct draft *draft, struct text text, bool refusal)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 0);
    if (refusal) {
        buf_add_string(&buf, "[{\"type\":\"refusal\",\"refusal\":");
        buf_add_json(&buf, text);
        buf_add_string(&buf, "}]");
    } else {
        buf_add_string(&buf, "[{\"type\":\"text\",\"text\":{\"value\":");
        buf_add_json(&buf, text);
        buf_add_string(&buf, ",\"annotations\":[]}}]");
    }
    return keep(draft, &buf);
}

static struct text usage_json(struct draft *draft, const struct chat_usage *usage)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf,
               "{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
               ",\"total_tokens\":%" PRId64 "}",
               usage->input_tokens, usage->output_tokens,
               usage->input_tokens + usage->output_tokens);
    return keep(draft, &buf);
}

/* What the model wrote, where the call differs from it: for people, no program reads it. */
static void add_said(struct buf *buf, struct text said)
{
    if (!said.len)
        return;
    buf_add_string(buf, ",\"said\":");
    buf_add_text(buf, said);
}

/* The calls as a message carries them. */
static struct text message_calls(struct draft *draft, const struct chat_reply *reply)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 0);
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        buf_add_string(&buf, i ? ",{\"id\":" : "[{\"id\":");
        buf_add_json(&buf, reply->tool_calls[i].id);
        buf_add_string(&buf, ",\"name\":");
        buf_add_json(&buf, reply->tool_calls[i].name);
        buf_add_string(&buf, ",\"arguments\":");
        buf_add_json(&buf, reply->tool_calls[i].arguments);
        add_said(&buf, reply->tool_calls[i].said);
        buf_add_char(&buf, '}');
    }
    buf_add_char(&buf, ']');
    return keep(draft, &buf);
}

/* The calls as the API shows a step's. `status` is ours: whether it took effect is not known. */
static struct text step_calls(struct draft *draft, const struct tool_work *work, size_t count)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 0);
    for (size_t i = 0; i < count; i++) {
        buf_add_string(&buf, i ? ",{\"id\":" : "[{\"id\":");
        buf_add_json(&buf, work[i].call_id);
        buf_add_string(&buf, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_add_json(&buf, work[i].name);
        buf_add_string(&buf, ",\"arguments\":");
        buf_add_json(&buf, work[i].arguments);
        buf_add_string(&buf, ",\"output\":");
        if (work[i].state == CALL_INTENT)
            buf_add_string(&buf, "null");
        else
            buf_add_json(&buf, work[i].result);
        buf_add_string(&buf, work[i].state == CALL_UNKNOWN ? "},\"status\":\"unknown\"" : "}");
        add_said(&buf, work[i].said);
        buf_add_char(&buf, '}');
    }
    buf_add_char(&buf, ']');
    return keep(draft, &buf);
}

static struct text call_key(struct run_task *task, struct draft *draft, int64_t call_no)
{
    char id[ID_TEXT_SIZE];
    char *key;

    id_format(ID_RUN, task->claim.lease.run, id);
    key = arena_printf(&draft->arena, "%s:%" PRId64, id, call_no);
    draft->failed |= !key;
    return text_of(key);
}

static void add_calls(struct run_task *task, struct draft *draft, const struct tool_work *work,
                      size_t count, bool due_only)
{
    size_t used = 0;

    draft->calls = arena_calloc(&draft->arena, count, sizeof(*draft->calls));
    if (!draft->calls) {
        draft->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (due_only && !record_is_due(&work[i]))
            continue;
        draft->calls[used++] = (struct run_call){
            .call_no = work[i].call_no,
            .call_id = work[i].call_id,
            .name = work[i].name,
            .arguments = work[i].arguments,
            .class = work[i].class,
            .state = work[i].state,
            .kind = work[i].kind,
            .due_in_ms = work[i].due_in_ms,
            .idempotency_key = call_key(task, draft, work[i].call_no),
            .result = work[i].state == CALL_INTENT ? TEXT_NONE : work[i].result,
            .is_error = work[i].is_error,
        };
    }
    draft->changes.calls = draft->calls;
    draft->changes.call_count = used;
}

static void add_message(struct run_task *task, struct draft *draft, struct run_message message)
{
    if (draft->failed)
        return;
    ASSERT(draft->changes.message_count < draft->message_room);
    message.id = uuid_new();
    message.seq = task->next_message_seq + (int64_t)draft->changes.message_count;
    draft->messages[draft->changes.message_count++] = message;
}

static void add_step(struct run_task *task, struct draft *draft, struct run_step_write step)
{
    ASSERT(draft->changes.step_count < ARRAY_LENGTH(draft->steps));
    step.id = uuid_new();
    step.seq = task->next_step_seq + (int64_t)draft->changes.step_count;
    draft->steps[draft->changes.step_count++] = step;
}

static void add_results(struct run_task *task, struct draft *draft, const struct tool_work *work,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (work[i].state == CALL_INTENT)
            continue;
        add_message(task, draft,
                    (struct run_message){
                        .role = MESSAGE_TOOL,
                        .hidden = true,
                        .content = text_content(draft, work[i].result, false),
                        .tool_call_id = work[i].call_id,
                    });
    }
}

/* A message that people see has a step of its own. */
static struct uuid add_visible_message(struct run_task *task, struct draft *draft,
                                       struct run_message message, const struct chat_usage *usage)
{
    struct uuid id;

    add_message(task, draft, message);
    if (draft->failed)
        return (struct uuid){{0}};
    id = draft->messages[draft->changes.message_count - 1].id;
    add_step(task, draft,
             (struct run_step_write){
                 .type = STEP_MESSAGE_CREATION,
                 .status = STEP_COMPLETED,
                 .message_id = id,
                 .usage = usage ? usage_json(draft, usage) : TEXT_NONE,
             });
    return id;
}

enum write_kind { WRITE_CHECKPOINT, WRITE_ENDING, WRITE_HAND_BACK, WRITE_PARK };

static int write_once(struct run_task *task, enum write_kind kind,
                      const struct run_changes *changes, struct error *err)
{
    switch (kind) {
    case WRITE_CHECKPOINT:
        return run_leases_checkpoint(task->worker->writer, &task->claim.lease, changes, err);
    case WRITE_ENDING:
        return run_leases_finish(task->worker->writer, &task->claim.lease, changes, &task->ending,
                                 err);
    case WRITE_PARK:
        return run_leases_park(task->worker->writer, &task->claim.lease, changes, &task->parking,
                               err);
    case WRITE_HAND_BACK:
        break;
    }
    return run_leases_hand_back(task->worker->writer, &task->claim.lease, changes, &task->give_back,
                                err);
}

static bool is_transient(int r)
{
    return r == -E_UNAVAILABLE || r == -E_AMBIGUOUS || r == -E_TIMEOUT;
}

static bool lease_is_lost(const struct run_task *task)
{
    return task->stop == RUN_STOP_FENCED || heartbeat_dead(task->worker->heartbeat);
}

/* Writes until it is known what became of it. Returns as run_leases_* do, without transient errors.
 * */
static int write_until_known(struct run_task *task, enum write_kind kind,
                             const struct run_changes *changes, struct error *err)
{
    int r;

    fiber_shield_enter();
    task->writing = true;
    for (int tries = 0;; tries++) {
        int64_t wait_ms = tries < 6 ? RETRY_BASE_MS << tries : RETRY_CAP_MS;

        if (lease_is_lost(task)) {
            r = LEASE_FENCED;
            break;
        }
        r = write_once(task, kind, changes, err);
        if (!is_transient(r))
            break;
        if (task->stop != RUN_STOP_NONE && tries > RETRIES_WHILE_STOP) {
            r = LEASE_FENCED;
            break;
        }
        log_debug("write to be sent again", LOG_ERROR(err), LOG_INT("tries", tries + 1));
        IGNORE(fiber_sleep(wait_ms / 2 + (int64_t)random_below((uint64_t)wait_ms / 2 + 1), NULL));
    }
    task->writing = false;
    fiber_shield_leave();
    return r;
}

static void saved(struct run_task *task, const struct run_changes *changes)
{
    task->unsaved = (struct chat_usage){0};
    task->attempts_told = task->attempts;
    task->worker->counters.checkpoints++;
    if (!changes)
        return;
    task->next_message_seq += (int64_t)changes->message_count;
    for (size_t i = 0; i < changes->step_count; i++)
        if (changes->steps[i].seq >= task->next_step_seq)
            task->next_step_seq = changes->steps[i].seq + 1;
}

/* A write after which the run goes on, here or later; and from its outcome the verdict. */
static int write_step(struct run_task *task, struct draft *draft, enum write_kind kind,
                      struct error *err)
{
    int r;

    if (draft->failed)
        return run_end_failed(task, "server_error", "The step is too large to be stored.");
    r = write_until_known(task, kind, &draft->changes, err);
    if (r == 0) {
        saved(task, &draft->changes);
        return kind == WRITE_PARK ? RUN_PARKED : RUN_GO_ON;
    }
    if (r == LEASE_FENCED)
        return RUN_DROP;
    if (r == LEASE_CANCELLING) {
        task->ending = (struct run_ending){.status = RUN_CANCELLED};
        return RUN_FINISH;
    }
    if (r == -E_CANCELED)
        return r;
    log_error("a step can't be stored", LOG_ERROR(err));
    return run_end_failed(task, "server_error", "A step of the run could not be stored: %s.",
                          err->text);
}

/* The assistant's message, and the step of its calls. */
static void add_reply(struct run_task *task, struct draft *draft, const struct chat_reply *reply,
                      const struct tool_work *work, enum step_status status)
{
    struct run_message message = {
        .role = MESSAGE_ASSISTANT,
        .hidden = reply->text.len == 0,
        .opaque = reply->opaque_state,
    };

    message.content = message.hidden ? TEXT("[]") : text_content(draft, reply->text, false);
    message.tool_calls = message_calls(draft, reply);
    if (message.hidden)
        add_message(task, draft, message);
    else
        (void)add_visible_message(task, draft, message, NULL);
    add_step(task, draft,
             (struct run_step_write){
                 .type = STEP_TOOL_CALLS,
                 .status = status,
                 .tool_calls = step_calls(draft, work, reply->tool_calls_count),
                 .usage = usage_json(draft, &reply->usage),
             });
    task->open_step = draft->steps[draft->changes.step_count - 1].id;
    task->open_step_seq = draft->steps[draft->changes.step_count - 1].seq;
}

/* The open step, with what came of its calls so far. */
static void update_step(struct run_task *task, struct draft *draft, const struct tool_work *work,
                        size_t count, enum step_status status)
{
    ASSERT(draft->changes.step_count == 0);
    draft->steps[0] = (struct run_step_write){
        .id = task->open_step,
        .seq = task->open_step_seq,
        .type = STEP_TOOL_CALLS,
        .status = status,
        .tool_calls = step_calls(draft, work, count),
    };
    draft->changes.step_count = 1;
}

int record_calls(struct run_task *task, const struct chat_reply *reply,
                 const struct tool_work *work, bool with_results, struct error *err)
{
    size_t count = reply->tool_calls_count;
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, with_results ? count : 0);
    int r;

    add_reply(task, draft, reply, work, with_results ? STEP_COMPLETED : STEP_IN_PROGRESS);
    add_calls(task, draft, work, count, false);
    if (with_results)
        add_results(task, draft, work, count);
    r = write_step(task, draft, WRITE_CHECKPOINT, err);
    if (with_results)
        task->open_step = (struct uuid){{0}};
    return r;
}

int record_results(struct run_task *task, const struct tool_work *work, size_t count,
                   struct error *err)
{
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, count);
    int r;

    if (!uuid_is_zero(task->open_step))
        update_step(task, draft, work, count, STEP_COMPLETED);
    add_calls(task, draft, work, count, false);
    add_results(task, draft, work, count);
    r = write_step(task, draft, WRITE_CHECKPOINT, err);
    task->open_step = (struct uuid){{0}};
    return r;
}

bool record_is_due(const struct tool_work *work)
{
    return !work->recorded && work->state == CALL_DONE &&
           (work->class == CALL_IDEMPOTENT || work->class == CALL_ONCE);
}

int record_done(struct run_task *task, struct tool_work *work, size_t count, struct error *err)
{
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, 0);

    add_calls(task, draft, work, count, true);
    for (size_t i = 0; i < count; i++)
        work[i].recorded |= record_is_due(&work[i]);
    return write_step(task, draft, WRITE_CHECKPOINT, err);
}

/* As the API shows it; TEXT_NONE when the client has nothing to do. */
static struct text required_action(struct draft *draft, const struct tool_work *work, size_t count)
{
    CLEANUP(buf_deinit) struct buf buf;
    const char *before = "";

    buf_init(&buf, 0);
    buf_add_string(&buf,
                   "{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{\"tool_calls\":[");
    for (size_t i = 0; i < count; i++) {
        if (work[i].kind != WAIT_CLIENT || work[i].state != CALL_INTENT)
            continue;
        buf_printf(&buf, "%s{\"id\":", before);
        buf_add_json(&buf, work[i].call_id);
        buf_add_string(&buf, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_add_json(&buf, work[i].name);
        buf_add_string(&buf, ",\"arguments\":");
        buf_add_json(&buf, work[i].arguments);
        buf_add_string(&buf, "}}");
        before = ",";
    }
    if (before[0] == '\0')
        return TEXT_NONE;
    buf_add_string(&buf, "]}}");
    return keep(draft, &buf);
}

/* What is left of a step that was parked before: the step itself says it all. */
static bool all_of_others(const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (work[i].kind == WAIT_NONE)
            return false;
    return true;
}

int record_park(struct run_task *task, const struct chat_reply *reply, const struct tool_work *work,
                size_t count, struct error *err)
{
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, count);

    if (reply)
        add_reply(task, draft, reply, work, STEP_IN_PROGRESS);
    else if (!uuid_is_zero(task->open_step) && !all_of_others(work, count))
        update_step(task, draft, work, count, STEP_IN_PROGRESS);
    add_calls(task, draft, work, count, false);
    for (size_t i = 0; !draft->failed && i < draft->changes.call_count; i++)
        if (draft->calls[i].kind != WAIT_NONE && draft->calls[i].state == CALL_INTENT)
            draft->calls[i].state = CALL_OPEN;
    add_results(task, draft, work, count);
    task->parking = (struct run_parking){
        .required_action = required_action(draft, work, count),
    };
    return write_step(task, draft, WRITE_PARK, err);
}

/* `changes` may be NULL. Where they can't be written (any more), the tokens used still are. */
static int write_ending(struct run_task *task, const struct run_changes *changes)
{
    const struct run_changes usage = {
        .prompt_tokens = task->unsaved.input_tokens,
        .completion_tokens = task->unsaved.output_tokens,
    };
    struct error err = {0};
    int r = write_until_known(task, WRITE_ENDING, changes ? changes : &usage, &err);

    if (r == LEASE_CANCELLING) { /* a cancel came first */
        task->ending = (struct run_ending){.status = RUN_CANCELLED};
        r = write_until_known(task, WRITE_ENDING, &usage, &err);
    }
    if (r < 0 && task->ending.status != RUN_FAILED) {
        log_error("the end of a run can't be stored as it is", LOG_ERROR(&err));
        run_end_failed(task, "server_error", "The result could not be stored: %s.", err.text);
        r = write_until_known(task, WRITE_ENDING, &usage, &err);
    }
    if (r < 0)
        log_error("the end of a run can't be stored", LOG_ERROR(&err));
    if (r == 0)
        saved(task, NULL);
    return r == 0 ? 0 : LEASE_FENCED;
}

/* Why a message is not whole, in the words of the API. */
static struct text incomplete_reason(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_LENGTH:
        return TEXT("max_tokens");
    case CHAT_FINISH_FILTER:
        return TEXT("content_filter");
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_TOOL:
    case CHAT_FINISH_REFUSAL:
        break;
    }
    return TEXT_NONE;
}

int record_ending(struct run_task *task, const struct chat_reply *reply)
{
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, 0);
    bool refusal = reply && reply->finish == CHAT_FINISH_REFUSAL;

    if (reply)
        task->ending.result_message = add_visible_message(
            task, draft,
            (struct run_message){
                .role = MESSAGE_ASSISTANT,
                .content = text_content(draft, reply->text.ptr ? reply->text : TEXT(""), refusal),
                .opaque = reply->opaque_state,
                .incomplete = incomplete_reason(reply->finish),
            },
            &reply->usage);
    if (draft->failed) {
        run_end_failed(task, "server_error", "The answer is too large to be stored.");
        return write_ending(task, NULL);
    }
    return write_ending(task, &draft->changes);
}

int record_hand_back(struct run_task *task)
{
    CLEANUP(draft_freep) struct draft *draft = draft_new(task, 0);
    struct error err = {0};
    int r;

    r = write_until_known(task, WRITE_HAND_BACK, &draft->changes, &err);

    if (r == LEASE_CANCELLING) {
        task->ending = (struct run_ending){.status = RUN_CANCELLED};
        return write_ending(task, &draft->changes);
    }
    if (r < 0)
        log_error("a run can't be handed back", LOG_ERROR(&err));
    return r == 0 ? 0 : LEASE_FENCED;
}
