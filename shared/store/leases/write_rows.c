/* The rows of writes. */

#include "shared/store/leases/write_rows.h"

void write_rows_init(struct write_rows *rows)
{
    columns_init(rows->columns, WRITE_COLUMNS);
    rows->known_count = 0;
}

void write_rows_deinit(struct write_rows *rows)
{
    columns_deinit(rows->columns, WRITE_COLUMNS);
}

bool write_rows_empty(const struct write_rows *rows)
{
    return pg_array_count(&rows->columns[HEAD_N]) == 0;
}

static void encode_message(struct column_row row, const struct run_message *message)
{
    column_uuid(row, MESSAGE_ID, message->id);
    column_int(row, MESSAGE_SEQ, message->seq);
    column_text(row, MESSAGE_ROLE, text_of(message_role_name(message->role)));
    if (message->hidden)
        column_bool(row, MESSAGE_HIDDEN, true);
    column_json(row, MESSAGE_CONTENT, message->content);
    column_json(row, MESSAGE_TOOL_CALLS, message->tool_calls);
    column_text(row, MESSAGE_TOOL_CALL_ID, message->tool_call_id);
    column_text(row, MESSAGE_TOOL_NAME, message->tool_name);
    column_json(row, MESSAGE_OPAQUE, message->opaque);
    column_text(row, MESSAGE_INCOMPLETE, message->incomplete);
    column_int(row, MESSAGE_BYTES, run_message_bytes(message));
    column_int_if(row, MESSAGE_TOKENS, message->tokens);
}

static void encode_report(struct column_row row, const struct call_report *report)
{
    CLEANUP(buf_deinit) struct buf rest;

    buf_init(&rest, 0);
    if (!report->made)
        return;
    call_report_write_rest(report, &rest);
    column_int(row, CALL_TOOK_MS, report->took_ms);
    if (rest.len > 0)
        column_json(row, CALL_WENT, buf_text(&rest));
}

static void encode_call(struct column_row row, const struct run_call *call)
{
    column_int(row, CALL_NO, call->call_no);
    column_text(row, CALL_ID, call->call_id);
    column_text(row, CALL_NAME, call->name);
    column_text(row, CALL_ARGUMENTS, call->arguments);
    column_text(row, CALL_CLASS, text_of(call_class_name(call->class)));
    column_text(row, CALL_STATE, text_of(call_state_name(call->state)));
    column_text(row, CALL_IDEMPOTENCY_KEY, call->idempotency_key);
    column_text(row, CALL_RESULT, call->result);
    column_bool(row, CALL_IS_ERROR, call->is_error);
    encode_report(row, &call->report);
    if (call->kind == WAIT_NONE)
        return;
    column_text(row, CALL_KIND, text_of(wait_of(call->kind)->name));
    if (call->due_in_ms != CALL_NEVER_DUE)
        column_int(row, CALL_DUE_MS, call->due_in_ms);
}

static void encode_step(struct column_row row, const struct run_step_write *step)
{
    column_uuid(row, STEP_ID, step->id);
    column_int(row, STEP_SEQ, step->seq);
    column_text(row, STEP_TYPE, text_of(step_type_name(step->type)));
    column_text(row, STEP_STATUS, text_of(step_status_name(step->status)));
    column_uuid(row, STEP_MESSAGE_ID, step->message_id);
    column_json(row, STEP_CALLS, step->tool_calls);
    column_json(row, STEP_USAGE, step->usage);
    column_json(row, STEP_LAST_ERROR, step->last_error);
    column_text(row, STEP_MODEL, step->model);
    if (step->model.ptr)
        column_int(row, STEP_COST, step->cost_micros);
    column_json(row, STEP_TRIED, step->tried);
    column_int_if(row, STEP_LEFT_OUT, step->left_out);
    column_text(row, STEP_REASONING, step->reasoning);
}

/* The place of the model among those of the group. */
static size_t place_of(struct write_rows *rows, const struct model_usage *usage)
{
    size_t count = pg_array_count(&rows->columns[MODEL_N]);
    struct column_row row;

    for (size_t i = 0; i < rows->known_count; i++)
        if (text_equal(rows->known[i]->model, usage->model) &&
            text_equal(rows->known[i]->provider, usage->provider))
            return i;
    if (rows->known_count == count && rows->known_count < WRITE_ROWS_MODELS_MAX)
        rows->known[rows->known_count++] = usage;
    row = column_row(rows->columns, MODEL_N, count);
    column_text(row, MODEL_PROVIDER, usage->provider);
    column_text(row, MODEL_MODEL, usage->model);
    return count;
}

static void encode_usage(struct write_rows *rows, size_t n, const struct model_usage *usage)
{
    size_t place = place_of(rows, usage);
    struct column_row row = column_row(rows->columns, USAGE_N, n);

    column_int(row, USAGE_U, (int64_t)place);
    column_int(row, USAGE_CALLS, usage->calls);
    column_int(row, USAGE_PROMPT, usage->used.prompt_tokens);
    column_int(row, USAGE_COMPLETION, usage->used.completion_tokens);
    column_int(row, USAGE_CACHED, usage->used.cached_tokens);
    column_int(row, USAGE_CACHE_WRITE, usage->used.cache_write_tokens);
    column_int(row, USAGE_REASONING, usage->used.reasoning_tokens);
    column_int(row, USAGE_COST, usage->used.cost_micros);
}

/* The one model that was used; NULL: none was, or several. */
static const struct model_usage *only_model(const struct run_changes *changes)
{
    const struct model_usage *only = NULL;

    for (size_t i = 0; i < changes->usage_count; i++) {
        if (changes->usage[i].calls == 0)
            continue;
        if (only)
            return NULL;
        only = &changes->usage[i];
    }
    return only;
}

static struct usage sum_of(const struct run_changes *changes)
{
    struct usage sum = {0};

    for (size_t i = 0; i < changes->usage_count; i++)
        usage_add(&sum, &changes->usage[i].used);
    return sum;
}

static void encode_ending(struct column_row row, const struct run_ending *ending)
{
    column_uuid(row, HEAD_MESSAGE, ending->result_message);
    column_text(row, HEAD_REASON, ending->incomplete_reason);
    column_text(row, HEAD_ERROR_CODE, ending->error_code);
    column_text(row, HEAD_ERROR_MESSAGE, ending->error_message);
    column_text(row, HEAD_RESULT, ending->result);
}

bool run_write_may_follow(enum run_status now, enum run_status leaves)
{
    if (leaves == RUN_IN_PROGRESS)
        return now == RUN_IN_PROGRESS;
    return (now == RUN_IN_PROGRESS || now == RUN_CANCELLING) && run_transition_allowed(now, leaves);
}

static const char *wait_name(enum run_wait wait)
{
    static const char *const names[] = {
        [RUN_WAIT_NONE] = NULL,
        [RUN_WAIT_BACKOFF] = "backoff",
        [RUN_WAIT_RATE_LIMIT] = "rate_limit",
        [RUN_WAIT_BUDGET] = "budget",
    };

    ASSERT((unsigned)wait < ARRAY_LENGTH(names));
    return names[wait];
}

/* The calls that are open from now on, and when the first of them is due. */
static void encode_parking(struct column_row row, const struct run_changes *changes,
                           const struct run_parking *parking)
{
    int64_t wakes_ms = CALL_NEVER_DUE;
    int open = 0;

    for (size_t i = 0; i < changes->call_count; i++) {
        const struct run_call *call = &changes->calls[i];

        if (call->state != CALL_OPEN)
            continue;
        open++;
        if (call->due_in_ms < wakes_ms)
            wakes_ms = call->due_in_ms;
    }
    column_text(row, HEAD_WAIT_KIND, TEXT("calls"));
    column_int(row, HEAD_OPEN, open);
    if (wakes_ms != CALL_NEVER_DUE)
        column_int(row, HEAD_WAKES_MS, wakes_ms);
    column_json(row, HEAD_ACTION, parking->required_action);
}

static void encode_back(struct column_row row, const struct run_return *back)
{
    if (back->delay_ms > 0) /* else it keeps its due_at, so it stays before later ones */
        column_int(row, HEAD_DELAY_MS, back->delay_ms);
    column_text(row, HEAD_WAIT_KIND, text_of(wait_name(back->wait_kind)));
}

/* What the write's messages amount to. */
static void encode_counts(struct column_row row, const struct run_changes *changes)
{
    int64_t bytes = 0;
    int64_t tokens = 0;

    for (size_t i = 0; i < changes->message_count; i++) {
        bytes += run_message_bytes(&changes->messages[i]);
        tokens += changes->messages[i].tokens;
    }
    column_int_if(row, HEAD_MESSAGES, (int64_t)changes->message_count);
    column_int_if(row, HEAD_BYTES, bytes);
    column_int_if(row, HEAD_TOKENS, tokens);
}

static bool named_before(const struct run_changes *changes, size_t call)
{
    for (size_t i = 0; i < call; i++)
        if (text_equal(changes->calls[i].name, changes->calls[call].name))
            return true;
    return false;
}

/* The names of the tools, each once, and the places of these, which count from 1. */
static void encode_tools(struct write_rows *rows, struct column_row row,
                         const struct run_changes *changes)
{
    struct column_row tool = {rows->columns, pg_array_count(&rows->columns[TOOL_NAME])};

    if (changes->call_count == 0)
        return;
    column_int(row, HEAD_TOOLS_FROM, (int64_t)tool.place + 1);
    for (size_t i = 0; i < changes->call_count; i++)
        if (!named_before(changes, i))
            column_text(tool, TOOL_NAME, changes->calls[i].name);
    column_int(row, HEAD_TOOLS_TO, (int64_t)pg_array_count(&rows->columns[TOOL_NAME]));
}

static void encode_use(struct write_rows *rows, struct column_row row,
                       const struct run_changes *changes)
{
    const struct model_usage *only = only_model(changes);
    const struct usage used = only ? only->used : sum_of(changes);

    column_int(row, HEAD_PROMPT, used.prompt_tokens);
    column_int(row, HEAD_COMPLETION, used.completion_tokens);
    column_int_if(row, HEAD_CACHED, used.cached_tokens);
    column_int_if(row, HEAD_CACHE_WRITE, used.cache_write_tokens);
    column_int_if(row, HEAD_REASONING, used.reasoning_tokens);
    column_int_if(row, HEAD_COST, used.cost_micros);
    if (!only)
        return;
    column_int(row, HEAD_U, (int64_t)place_of(rows, only));
    if (only->calls != 1)
        column_int(row, HEAD_CALLS, only->calls);
}

static void encode_head(struct write_rows *rows, size_t n, const struct run_write *write)
{
    struct column_row row = column_row(rows->columns, HEAD_N, n);
    const struct run_changes *changes = write->changes;
    const struct run_lease *lease = &write->lease;

    column_uuid(row, HEAD_ID, lease->run);
    column_int(row, HEAD_OWNER, lease->owner);
    column_int(row, HEAD_FENCE, lease->fence);
    column_int(row, HEAD_STEP, lease->step);
    column_text(row, HEAD_BECOMES, text_of(run_status_name(write->leaves)));
    if (run_write_may_follow(RUN_IN_PROGRESS, write->leaves))
        column_text(row, HEAD_WAS, TEXT("in_progress"));
    if (run_write_may_follow(RUN_CANCELLING, write->leaves))
        column_text(row, HEAD_OR_WAS, TEXT("cancelling"));
    encode_use(rows, row, changes);
    encode_counts(row, changes);
    encode_tools(rows, row, changes);
    column_int_if(row, HEAD_LEFT_OUT, changes->left_out);
    column_int_if(row, HEAD_ITERATIONS, changes->iterations);
    column_int_if(row, HEAD_FIRST_MS, changes->first_token_ms);
    column_int_if(row, HEAD_ERRORS, changes->errors);
    if (write->ending)
        encode_ending(row, write->ending);
    if (write->back)
        encode_back(row, write->back);
    if (write->parking)
        encode_parking(row, changes, write->parking);
}

static void encode_follow(struct column_row row, const struct memory_run *follow)
{
    column_uuid(row, FOLLOW_ID, follow->id);
    column_text(row, FOLLOW_ABOUT, follow->about);
    column_text(row, FOLLOW_SPEC, follow->spec);
    column_int(row, FOLLOW_DELAY_MS, follow->delay_ms);
}

void write_rows_add(struct write_rows *rows, size_t n, const struct run_write *write)
{
    const struct run_changes *changes = write->changes;
    struct buf *columns = rows->columns;

    encode_head(rows, n, write);
    for (size_t i = 0; i < changes->message_count; i++)
        encode_message(column_row(columns, MESSAGE_N, n), &changes->messages[i]);
    for (size_t i = 0; i < changes->call_count; i++)
        encode_call(column_row(columns, CALL_N, n), &changes->calls[i]);
    for (size_t i = 0; i < changes->step_count; i++)
        encode_step(column_row(columns, STEP_N, n), &changes->steps[i]);
    for (size_t i = 0; write->ending && i < write->ending->follows_count; i++)
        encode_follow(column_row(columns, FOLLOW_N, n), &write->ending->follows[i]);
    if (only_model(changes))
        return;
    for (size_t i = 0; i < changes->usage_count; i++)
        if (changes->usage[i].calls > 0)
            encode_usage(rows, n, &changes->usage[i]);
}

static size_t calls_bytes(const struct run_changes *changes)
{
    size_t bytes = 0;

    for (size_t i = 0; i < changes->call_count; i++) {
        const struct run_call *call = &changes->calls[i];

        bytes += 200 + call->call_id.len + call->name.len + call->arguments.len +
                 call->idempotency_key.len + call->result.len;
    }
    return bytes;
}

static size_t ending_bytes(const struct run_ending *ending)
{
    size_t bytes = ending->error_message.len + ending->result.len;

    for (size_t i = 0; i < ending->follows_count; i++)
        bytes += 200 + ending->follows[i].about.len + ending->follows[i].spec.len;
    return bytes;
}

size_t run_write_bytes(const struct run_write *write)
{
    const struct run_changes *changes = write->changes;
    size_t bytes = 400 + calls_bytes(changes);

    for (size_t i = 0; i < changes->message_count; i++) {
        const struct run_message *message = &changes->messages[i];

        bytes += 200 + message->content.len + message->tool_calls.len + message->tool_call_id.len +
                 message->tool_name.len + message->opaque.len;
    }
    for (size_t i = 0; i < changes->step_count; i++) {
        const struct run_step_write *step = &changes->steps[i];

        bytes += 200 + step->tool_calls.len + step->usage.len + step->last_error.len +
                 step->model.len + step->tried.len + step->reasoning.len;
    }
    if (write->ending)
        bytes += ending_bytes(write->ending);
    if (write->parking)
        bytes += write->parking->required_action.len;
    return bytes;
}
