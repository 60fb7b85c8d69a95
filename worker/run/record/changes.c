/* The rows of one write. To store another thing of a run, add it here and to shapes.h. */

#include "worker/run/record/changes.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/events/frame.h"
#include "shared/text/tokens.h"

struct changes_base changes_base_of(const struct meter *meter,
                                    const struct conversation *conversation,
                                    const struct ledger *ledger)
{
    return (struct changes_base){
        .usage = meter->unsaved,
        .usage_count = meter->unsaved_count,
        .errors = meter->attempts - meter->attempts_told,
        .iterations = meter->iterations,
        .first_token_ms = meter->first_token_ms,
        .next_message_seq = conversation->next_seq,
        .next_step_seq = ledger->next_step_seq,
    };
}

struct changes *changes_new(const struct changes_base *base, size_t results)
{
    struct changes *changes = xcalloc(1, sizeof(*changes));

    arena_init(&changes->arena, 0);
    changes->base = *base;
    changes->message_room = results + 1;
    changes->messages =
        arena_calloc(&changes->arena, changes->message_room, sizeof(*changes->messages));
    changes->failed = !changes->messages;
    changes->rows = (struct run_changes){
        .usage = base->usage,
        .usage_count = base->usage_count,
        .errors = base->errors,
        .iterations = base->iterations,
        .first_token_ms = base->first_token_ms,
        .messages = changes->messages,
        .steps = changes->steps,
    };
    return changes;
}

void changes_freep(struct changes **changes)
{
    arena_deinit(&(*changes)->arena);
    free(*changes);
    *changes = NULL;
}

/* The JSON that was built, kept with the rows. */
static struct text keep(struct changes *changes, const struct buf *buf)
{
    char *copy = buf->failed ? NULL : arena_copy(&changes->arena, buf_text(buf));

    if (copy)
        return (struct text){copy, buf->len};
    changes->failed = true;
    return TEXT("[]");
}

static struct text content(struct changes *changes, struct text text, bool refusal)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    shape_content(&json, text, refusal);
    return keep(changes, &json);
}

static struct text usage(struct changes *changes, const struct chat_usage *used)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    shape_usage(&json, used);
    return keep(changes, &json);
}

static struct text message_calls(struct changes *changes, const struct chat_reply *reply)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    shape_message_calls(&json, reply->tool_calls, reply->tool_calls_count);
    return keep(changes, &json);
}

static struct text step_calls(struct changes *changes, const struct ledger *ledger)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    shape_step_calls(&json, ledger->calls, ledger->count);
    return keep(changes, &json);
}

static const struct run_message *add_message(struct changes *changes, struct run_message message)
{
    struct run_message *added;

    if (changes->failed)
        return NULL;
    ASSERT(changes->rows.message_count < changes->message_room);
    if (uuid_is_zero(message.id))
        message.id = uuid_new();
    message.seq = changes_next_message_seq(changes);
    added = &changes->messages[changes->rows.message_count++];
    *added = message;
    return added;
}

static const struct run_step_write *add_step(struct changes *changes, struct run_step_write step)
{
    struct run_step_write *added;

    ASSERT(changes->rows.step_count < ARRAY_LENGTH(changes->steps));
    step.seq = changes->base.next_step_seq + (int64_t)changes->rows.step_count;
    added = &changes->steps[changes->rows.step_count++];
    *added = step;
    return added;
}

/* A step of what came of a call of a model: what that used, and which model it was. */
static void set_used(struct changes *changes, const struct chat_reply *reply,
                     const struct reply_origin *origin, struct run_step_write *step)
{
    step->usage = usage(changes, &reply->usage);
    step->model = reply->answered_by;
    step->cost_micros = reply->usage.cost_micros;
    step->tried = origin->tried;
    step->left_out = origin->left_out;
    if (origin->left_out > changes->rows.left_out)
        changes->rows.left_out = origin->left_out;
}

/* A message that people see has a step of its own. The step of a reply tells what that used, unless
 * another step does (NULL). Returns the message's id; zero: failed. */
static struct uuid add_visible_message(struct changes *changes, struct run_message message,
                                       const struct chat_reply *reply,
                                       const struct reply_origin *origin)
{
    const struct run_message *added = add_message(changes, message);
    struct run_step_write step = {.type = STEP_MESSAGE_CREATION, .status = STEP_COMPLETED};

    if (!added)
        return (struct uuid){{0}};
    step.id = reply_message_step(added->id);
    step.message_id = added->id;
    if (reply)
        set_used(changes, reply, origin, &step);
    add_step(changes, step);
    return added->id;
}

/* As its provider counts; one that does not tell is estimated. */
static int64_t reply_tokens(const struct chat_reply *reply)
{
    int64_t tokens = reply->usage.output_tokens;

    if (tokens > 0)
        return tokens;
    tokens = tokens_estimate(reply->text, TOKENS_O200K);
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        tokens += tokens_estimate(reply->tool_calls[i].arguments, TOKENS_O200K);
    return tokens;
}

/* What the model thought led to the first step of its reply. */
static void set_thought(struct changes *changes, size_t first, const struct chat_reply *reply)
{
    if (first < changes->rows.step_count)
        changes->steps[first].reasoning = reply->reasoning;
}

const struct run_step_write *changes_add_reply(struct changes *changes,
                                               const struct chat_reply *reply,
                                               const struct reply_origin *origin,
                                               const struct ledger *ledger, enum step_status status)
{
    struct run_message message = {
        .id = reply_message(origin->id),
        .role = MESSAGE_ASSISTANT,
        .hidden = reply->text.len == 0,
        .opaque = reply->opaque_state,
        .tokens = reply_tokens(reply),
    };
    struct run_step_write step = {
        .id = reply_calls_step(origin->id, !message.hidden),
        .type = STEP_TOOL_CALLS,
        .status = status,
    };
    const struct run_step_write *added;
    size_t first = changes->rows.step_count;

    message.content = message.hidden ? TEXT("[]") : content(changes, reply->text, false);
    message.tool_calls = message_calls(changes, reply);
    if (message.hidden)
        (void)add_message(changes, message);
    else
        (void)add_visible_message(changes, message, NULL, NULL);
    step.tool_calls = step_calls(changes, ledger);
    set_used(changes, reply, origin, &step);
    added = add_step(changes, step);
    set_thought(changes, first, reply);
    return added;
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

struct uuid changes_add_answer(struct changes *changes, const struct chat_reply *reply,
                               const struct reply_origin *origin)
{
    size_t first = changes->rows.step_count;
    struct uuid id = add_visible_message(
        changes,
        (struct run_message){
            .id = reply_message(origin->id),
            .role = MESSAGE_ASSISTANT,
            .content = content(changes, reply->text, reply->finish == CHAT_FINISH_REFUSAL),
            .opaque = reply->opaque_state,
            .tokens = reply_tokens(reply),
            .incomplete = incomplete_reason(reply->finish),
        },
        reply, origin);

    set_thought(changes, first, reply);
    return id;
}

void changes_update_step(struct changes *changes, const struct ledger *ledger,
                         enum step_status status)
{
    ASSERT(changes->rows.step_count == 0);
    changes->steps[0] = (struct run_step_write){
        .id = ledger->step,
        .seq = ledger->step_seq,
        .type = STEP_TOOL_CALLS,
        .status = status,
        .tool_calls = step_calls(changes, ledger),
    };
    changes->rows.step_count = 1;
}

void changes_add_calls(struct changes *changes, const struct ledger *ledger, bool effects_only)
{
    size_t used = 0;

    changes->calls = arena_calloc(&changes->arena, ledger->count, sizeof(*changes->calls));
    if (!changes->calls) {
        changes->failed = true;
        return;
    }
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_call *call = &ledger->calls[i];

        if (call->recorded || (effects_only && !ledger_is_unrecorded(call)))
            continue;
        changes->calls[used++] = (struct run_call){
            .call_no = call->call_no,
            .call_id = call->call_id,
            .name = call->name,
            .arguments = call->arguments,
            .class = call->class,
            .state = call->state,
            .kind = call->kind,
            .due_in_ms = call->due_in_ms,
            .idempotency_key = call->key,
            .result = call->result,
            .is_error = call->is_error,
            .report = call->report,
        };
    }
    changes->rows.calls = changes->calls;
    changes->rows.call_count = used;
}

void changes_add_results(struct changes *changes, const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_call *call = &ledger->calls[i];

        if (!call->result.ptr)
            continue;
        (void)add_message(changes, (struct run_message){
                                       .role = MESSAGE_TOOL,
                                       .hidden = true,
                                       .content = content(changes, call->result, false),
                                       .tool_call_id = call->call_id,
                                       .tool_name = call->name,
                                       .tokens = tokens_estimate(call->result, TOKENS_O200K),
                                   });
    }
}

struct text changes_required_action(struct changes *changes, const struct ledger *ledger,
                                    const struct shape_asking *asking)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    if (!shape_required_action(&json, ledger->calls, ledger->count, asking))
        return TEXT_NONE;
    return keep(changes, &json);
}

int64_t changes_next_message_seq(const struct changes *changes)
{
    return changes->base.next_message_seq + (int64_t)changes->rows.message_count;
}

int64_t changes_next_step_seq(const struct changes *changes)
{
    int64_t next = changes->base.next_step_seq;

    for (size_t i = 0; i < changes->rows.step_count; i++)
        if (changes->steps[i].seq >= next)
            next = changes->steps[i].seq + 1;
    return next;
}
