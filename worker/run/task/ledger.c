/* The ledger of a run's tool calls. */

#include "worker/run/task/ledger.h"

#include <inttypes.h>

#include "shared/base/error.h"
#include "shared/json/json_raw.h"

#define UNKNOWN_RESULT                                                                             \
    "This call was interrupted, and whether it took effect is not known. Do not repeat it "        \
    "without checking."
#define NOT_MADE                                                                                   \
    "This call was not made, since something else was said meanwhile. Make it again if it is "     \
    "still needed."
#define CHANGED                                                                                    \
    "A person changed the arguments of this call before allowing it. It was made with %.*s. The "  \
    "result:\n"
#define TOO_LARGE "Error: the result is too large for the run's memory."

void ledger_begin(struct ledger *ledger, struct uuid run, struct arena *arena)
{
    *ledger = (struct ledger){.arena = arena, .run = run, .next_step_seq = 1, .next_call_no = 1};
}

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the calls are too large for the run's memory");
}

/* The one place where a call's key is made: it is stored with the call, and read from there after a
 * crash. TEXT_NONE: the arena is full. */
static struct text make_key(const struct ledger *ledger, int64_t call_no)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, ledger->run, id);
    return text_of(arena_printf(ledger->arena, "%s:%" PRId64, id, call_no));
}

static bool begin_step(struct ledger *ledger, size_t count)
{
    ASSERT(ledger->count == 0);
    ledger->calls = arena_calloc(ledger->arena, count, sizeof(*ledger->calls));
    return ledger->calls != NULL;
}

/* As it is, or with the arguments that a person put in place of the model's. */
static struct text keep_result(struct ledger *ledger, const struct ledger_call *call,
                               struct text result)
{
    CLEANUP(buf_deinit) struct buf text;
    char *copy;

    buf_init(&text, 0);
    if (!json_raw_get(call->approval, "arguments_before").ptr) {
        copy = arena_copy(ledger->arena, result);
        return (struct text){copy, result.len};
    }
    buf_printf(&text, CHANGED, TEXT_ARGS(call->arguments));
    buf_add_text(&text, result);
    copy = text.failed ? NULL : arena_copy(ledger->arena, buf_text(&text));
    return (struct text){copy, text.len};
}

void ledger_note(struct ledger *ledger, struct ledger_call *call, struct text result, bool is_error)
{
    struct text kept = keep_result(ledger, call, result);

    call_move(call->class, &call->state, CALL_DONE);
    call->is_error = is_error || !kept.ptr;
    call->result = kept.ptr ? kept : TEXT(TOO_LARGE);
}

/* Whoever decides while the run is not parked yet has nobody who checks what he gives. */
static bool refuse_changed(struct ledger *ledger, struct ledger_call *call,
                           const struct toolbox *tools)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, TOOL_RESULT_MAX);
    if (!json_raw_get(call->approval, "arguments_before").ptr ||
        tool_fits(tools, call->tool, call->arguments, &text))
        return false;
    ledger_note(ledger, call, buf_text(&text), true);
    return true;
}

bool ledger_begin_approved(struct ledger *ledger, const struct toolbox *tools)
{
    bool has_effects = false;

    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_call *call = &ledger->calls[i];

        if (call->state != CALL_APPROVED)
            continue;
        call_move(call->class, &call->state, CALL_INTENT);
        if (!refuse_changed(ledger, call, tools))
            has_effects |= call_has_effect(call->class);
    }
    return has_effects;
}

void ledger_report(struct ledger_call *call, const struct call_report *report)
{
    call->report = *report;
    if (call->report.tries < 1)
        call->report.tries = 1;
    call->report.tries += call->repeated;
}

void ledger_park(struct ledger_call *call, enum wait_kind kind, int64_t due_in_ms)
{
    call_move(call->class, &call->state, CALL_OPEN);
    call->kind = kind;
    call->due_in_ms = due_in_ms;
}

void ledger_leave(struct ledger_call *call)
{
    call_move(call->class, &call->state, CALL_LEFT);
}

void ledger_refuse_left(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->calls[i].state == CALL_LEFT)
            ledger_note(ledger, &ledger->calls[i], TEXT(NOT_MADE), true);
}

static void refuse(struct ledger *ledger, struct ledger_call *call, const struct toolbox *tools)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, TOOL_RESULT_MAX);
    tool_refuse(tools, call->name, &text);
    ledger_note(ledger, call, buf_text(&text), true);
}

static void reproach(struct ledger *ledger, struct ledger_call *call, struct text problem)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, TOOL_RESULT_MAX);
    tool_reproach(problem, &text);
    ledger_note(ledger, call, buf_text(&text), true);
}

/* Nobody is asked about a call that the tool would refuse. */
static void ask_person(struct ledger *ledger, struct ledger_call *call, const struct toolbox *tools)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, TOOL_RESULT_MAX);
    if (tool_fits(tools, call->tool, call->arguments, &text))
        ledger_park(call, WAIT_APPROVAL, call->tool->approval_timeout_ms);
    else
        ledger_note(ledger, call, buf_text(&text), true);
}

int ledger_plan(struct ledger *ledger, const struct chat_reply *reply, const struct toolbox *tools,
                struct error *err)
{
    size_t count = reply->tool_calls_count;

    if (!begin_step(ledger, count))
        return no_room(err);
    for (size_t i = 0; i < count; i++) {
        const struct chat_tool_call *asked = &reply->tool_calls[i];
        struct ledger_call *call = &ledger->calls[i];

        *call = (struct ledger_call){
            .tool = asked->problem.len ? NULL : toolbox_find(tools, asked->name),
            .call_id = asked->id,
            .name = asked->name,
            .arguments = asked->arguments,
            .said = asked->said,
            .call_no = ledger->next_call_no + (int64_t)i,
            .state = CALL_INTENT,
            .due_in_ms = CALL_NEVER_DUE,
        };
        call->class = tool_class_of(call->tool, call->arguments);
        call->key = make_key(ledger, call->call_no);
        if (!call->key.ptr)
            return no_room(err);
        if (asked->problem.len)
            reproach(ledger, call, asked->problem);
        else if (!call->tool)
            refuse(ledger, call, tools);
        else if (tool_needs_approval(call->tool, call->arguments))
            ask_person(ledger, call, tools);
    }
    ledger->next_call_no += (int64_t)count;
    ledger->count = count;
    ledger->opened = false;
    ledger->step = (struct uuid){{0}};
    return 0;
}

/* The run was redriven, and what it waited for is to be made anew; but a time that was fixed stays
 * as it is, and the clock settles one that has come at once. Who was asked to allow a call is asked
 * anew. */
static void revive(struct ledger_call *call)
{
    enum wait_kind kind = call->kind;

    call_move(call->class, &call->state, CALL_INTENT);
    call->result = TEXT_NONE;
    if (kind == WAIT_TIME && call->due_in_ms != CALL_NEVER_DUE)
        ledger_park(call, WAIT_TIME, call->due_in_ms > 0 ? call->due_in_ms : 0);
    if (kind == WAIT_APPROVAL)
        ledger_park(call, WAIT_APPROVAL,
                    call->tool ? call->tool->approval_timeout_ms : CALL_NEVER_DUE);
}

static int recall(struct ledger *ledger, const struct run_call *stored, const struct toolbox *tools,
                  struct ledger_call *call, struct error *err)
{
    *call = (struct ledger_call){
        .tool = toolbox_find(tools, stored->name),
        .call_id = stored->call_id,
        .name = stored->name,
        .arguments = stored->arguments,
        .key = stored->idempotency_key,
        .call_no = stored->call_no,
        .class = stored->class,
        .state = stored->state,
        .kind = stored->kind,
        .due_in_ms = stored->due_in_ms,
        .result = stored->result,
        .approval = stored->approval,
        .is_error = stored->is_error,
        .report = stored->report,
        .recorded = stored->state == CALL_DONE || stored->state == CALL_UNKNOWN,
    };
    if (call->key.len == 0)
        call->key = make_key(ledger, call->call_no);
    if (!call->key.ptr)
        return no_room(err);
    if (call->state == CALL_CANCELLED)
        revive(call);
    if (call->state == CALL_APPROVED && !call->tool) {
        call_move(call->class, &call->state, CALL_INTENT);
        refuse(ledger, call, tools);
    }
    if (call->state != CALL_INTENT)
        return 0;
    call->repeated = true;
    if (!call_may_repeat(call->class)) {
        call_move(call->class, &call->state, CALL_UNKNOWN);
        call->result = TEXT(UNKNOWN_RESULT);
        call->is_error = true;
    } else if (!call->tool) {
        refuse(ledger, call, tools);
    }
    return 0;
}

int ledger_recall(struct ledger *ledger, const struct run_progress *progress,
                  const struct toolbox *tools, struct error *err)
{
    ledger->next_step_seq = progress->next_step_seq;
    ledger->next_call_no = progress->next_call_no;
    ledger->step = progress->open_step;
    ledger->step_seq = progress->open_step_seq;
    if (progress->call_count == 0)
        return 0;
    if (!begin_step(ledger, progress->call_count))
        return no_room(err);
    for (size_t i = 0; i < progress->call_count; i++) {
        int r = recall(ledger, &progress->calls[i], tools, &ledger->calls[i], err);

        if (r < 0)
            return r;
    }
    ledger->count = progress->call_count;
    ledger->opened = true;
    return 0;
}

void ledger_close(struct ledger *ledger)
{
    ledger->count = 0;
    ledger->opened = false;
    ledger->step = (struct uuid){{0}};
}

bool ledger_is_due(const struct ledger_call *call)
{
    return call->state == CALL_INTENT;
}

bool ledger_is_unrecorded(const struct ledger_call *call)
{
    return !call->recorded && call->state == CALL_DONE && call_has_effect(call->class);
}

bool ledger_has_effects(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger_is_due(&ledger->calls[i]) && call_has_effect(ledger->calls[i].class))
            return true;
    return false;
}

bool ledger_has_unrecorded(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger_is_unrecorded(&ledger->calls[i]))
            return true;
    return false;
}

bool ledger_may_be_left(const struct ledger *ledger)
{
    size_t due = 0;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_call *call = &ledger->calls[i];

        if (ledger_is_due(call) && !call_may_repeat(call->class))
            return false;
        due += ledger_is_due(call);
    }
    return due > 0;
}

static bool has_state(const struct ledger *ledger, enum call_state state)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->calls[i].state == state)
            return true;
    return false;
}

bool ledger_waits(const struct ledger *ledger)
{
    return has_state(ledger, CALL_OPEN);
}

bool ledger_leaves(const struct ledger *ledger)
{
    return has_state(ledger, CALL_LEFT);
}
