/* The rows of writes. */

#include "shared/store/leases/write_rows.h"

void json_rows_init(struct json_rows *rows)
{
    buf_init(&rows->buf, 0);
    json_write_init(&rows->json, &rows->buf);
}

void json_rows_deinit(struct json_rows *rows)
{
    buf_deinit(&rows->buf);
}

bool json_rows_empty(const struct json_rows *rows)
{
    return rows->buf.len == 0;
}

struct json_write *json_rows_begin(struct json_rows *rows, size_t n)
{
    if (json_rows_empty(rows))
        json_write_open_array(&rows->json, NULL);
    json_write_open_object(&rows->json, NULL);
    json_write_int_text(&rows->json, "n", (int64_t)n);
    return &rows->json;
}

struct pg_value json_rows_value(struct json_rows *rows)
{
    if (json_rows_empty(rows))
        return pg_null();
    json_write_close(&rows->json);
    return pg_json(buf_text(&rows->buf));
}

void write_rows_init(struct write_rows *rows)
{
    for (size_t kind = 0; kind < WRITE_ROWS_KINDS; kind++)
        json_rows_init(&rows->of[kind]);
    rows->known_count = rows->models_count = 0;
}

void write_rows_deinit(struct write_rows *rows)
{
    for (size_t kind = 0; kind < WRITE_ROWS_KINDS; kind++)
        json_rows_deinit(&rows->of[kind]);
}

bool write_rows_empty(const struct write_rows *rows)
{
    return json_rows_empty(&rows->of[WRITE_HEADS]);
}

static void write_if(struct json_write *w, const char *name, int64_t number)
{
    if (number != 0)
        json_write_int_text(w, name, number);
}

static void encode_message(struct json_write *w, const struct run_message *message)
{
    json_write_uuid_if(w, "id", message->id);
    json_write_int_text(w, "seq", message->seq);
    json_write_string(w, "role", message_role_name(message->role));
    if (message->hidden)
        json_write_bool(w, "hidden", true);
    json_write_raw_if(w, "content", message->content);
    json_write_raw_if(w, "tool_calls", message->tool_calls);
    json_write_text_if(w, "tool_call_id", message->tool_call_id);
    json_write_text_if(w, "tool_name", message->tool_name);
    json_write_int_text(w, "bytes", run_message_bytes(message));
    write_if(w, "tokens", message->tokens);
    json_write_raw_if(w, "opaque", message->opaque);
    json_write_text_if(w, "incomplete", message->incomplete);
    json_write_close(w);
}

static void encode_call(struct json_write *w, const struct run_call *call)
{
    json_write_int_text(w, "call_no", call->call_no);
    json_write_string(w, "class", call_class_name(call->class));
    json_write_string(w, "state", call_state_name(call->state));
    json_write_bool(w, "is_error", call->is_error);
    if (call->kind != WAIT_NONE)
        json_write_string(w, "kind", wait_of(call->kind)->name);
    if (call->kind != WAIT_NONE && call->due_in_ms != CALL_NEVER_DUE)
        json_write_int_text(w, "due_ms", call->due_in_ms);
    json_write_text_if(w, "call_id", call->call_id);
    json_write_text_if(w, "name", call->name);
    json_write_text_if(w, "arguments", call->arguments);
    json_write_text_if(w, "idempotency_key", call->idempotency_key);
    json_write_text_if(w, "result", call->result);
    json_write_close(w);
}

static void encode_step(struct json_write *w, const struct run_step_write *step)
{
    json_write_uuid_if(w, "id", step->id);
    json_write_int_text(w, "seq", step->seq);
    json_write_string(w, "type", step_type_name(step->type));
    json_write_string(w, "status", step_status_name(step->status));
    json_write_uuid_if(w, "message_id", step->message_id);
    json_write_raw_if(w, "tool_calls", step->tool_calls);
    json_write_raw_if(w, "usage", step->usage);
    json_write_raw_if(w, "last_error", step->last_error);
    json_write_text_if(w, "model", step->model);
    if (step->model.ptr)
        json_write_int_text(w, "cost", step->cost_micros);
    json_write_raw_if(w, "tried", step->tried);
    write_if(w, "left_out", step->left_out);
    json_write_close(w);
}

static void encode_used(struct json_write *w, const struct usage *used)
{
    json_write_int_text(w, "prompt", used->prompt_tokens);
    json_write_int_text(w, "completion", used->completion_tokens);
    write_if(w, "cached", used->cached_tokens);
    write_if(w, "cache_write", used->cache_write_tokens);
    write_if(w, "reasoning", used->reasoning_tokens);
    write_if(w, "cost", used->cost_micros);
}

/* The place of the model among those of the group. */
static size_t place_of(struct write_rows *rows, const struct model_usage *usage)
{
    struct json_write *w;

    for (size_t i = 0; i < rows->known_count; i++)
        if (text_equal(rows->known[i]->model, usage->model) &&
            text_equal(rows->known[i]->provider, usage->provider))
            return i;
    if (rows->known_count == rows->models_count && rows->known_count < WRITE_ROWS_MODELS_MAX)
        rows->known[rows->known_count++] = usage;
    w = json_rows_begin(&rows->of[WRITE_MODELS], rows->models_count);
    json_write_text(w, "provider", usage->provider);
    json_write_text(w, "model", usage->model);
    json_write_close(w);
    return rows->models_count++;
}

static void encode_usage(struct write_rows *rows, size_t n, const struct model_usage *usage)
{
    size_t place = place_of(rows, usage);
    struct json_write *w = json_rows_begin(&rows->of[WRITE_USAGE], n);

    json_write_int(w, "u", (int64_t)place);
    json_write_int_text(w, "calls", usage->calls);
    encode_used(w, &usage->used);
    json_write_close(w);
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

static void encode_ending(struct json_write *w, const struct run_ending *ending)
{
    json_write_uuid_if(w, "message", ending->result_message);
    json_write_text_if(w, "reason", ending->incomplete_reason);
    if (!ending->error_code.ptr)
        return;
    json_write_open_object(w, "error");
    json_write_text(w, "code", ending->error_code);
    json_write_text(w, "message", ending->error_message.ptr ? ending->error_message : TEXT(""));
    json_write_close(w);
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
    };

    ASSERT((unsigned)wait < ARRAY_LENGTH(names));
    return names[wait];
}

/* The calls that are open from now on, and when the first of them is due. */
static void encode_parking(struct json_write *w, const struct run_changes *changes,
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
    json_write_string(w, "wait_kind", "calls");
    json_write_int_text(w, "open", open);
    if (wakes_ms != CALL_NEVER_DUE)
        json_write_int_text(w, "wakes_ms", wakes_ms);
    json_write_raw_if(w, "action", parking->required_action);
}

static void encode_back(struct json_write *w, const struct run_return *back)
{
    const char *wait_kind = wait_name(back->wait_kind);

    if (back->delay_ms > 0) /* else it keeps its due_at, so it stays before later ones */
        json_write_int_text(w, "delay_ms", back->delay_ms);
    if (wait_kind)
        json_write_string(w, "wait_kind", wait_kind);
}

/* What the write's messages amount to. */
static void encode_counts(struct json_write *w, const struct run_changes *changes)
{
    int64_t bytes = 0;
    int64_t tokens = 0;

    for (size_t i = 0; i < changes->message_count; i++) {
        bytes += run_message_bytes(&changes->messages[i]);
        tokens += changes->messages[i].tokens;
    }
    write_if(w, "messages", (int64_t)changes->message_count);
    write_if(w, "bytes", bytes);
    write_if(w, "tokens", tokens);
}

static bool named_before(const struct run_changes *changes, size_t call)
{
    for (size_t i = 0; i < call; i++)
        if (text_equal(changes->calls[i].name, changes->calls[call].name))
            return true;
    return false;
}

/* The names of the tools, each once. */
static void encode_tools(struct json_write *w, const struct run_changes *changes)
{
    if (changes->call_count == 0)
        return;
    json_write_open_array(w, "tools");
    for (size_t i = 0; i < changes->call_count; i++)
        if (!named_before(changes, i))
            json_write_text(w, NULL, changes->calls[i].name);
    json_write_close(w);
}

static void encode_head(struct write_rows *rows, size_t n, const struct run_write *write)
{
    const struct model_usage *only = only_model(write->changes);
    size_t place = only ? place_of(rows, only) : 0;
    const struct usage used = only ? only->used : sum_of(write->changes);
    const struct run_lease *lease = &write->lease;
    struct json_write *w = json_rows_begin(&rows->of[WRITE_HEADS], n);

    json_write_uuid(w, "id", lease->run);
    json_write_int_text(w, "owner", lease->owner);
    json_write_int_text(w, "fence", lease->fence);
    json_write_int_text(w, "step", lease->step);
    encode_used(w, &used);
    if (only) {
        json_write_int(w, "u", (int64_t)place);
        if (only->calls != 1)
            json_write_int_text(w, "calls", only->calls);
    }
    write_if(w, "left_out", write->changes->left_out);
    write_if(w, "iterations", write->changes->iterations);
    write_if(w, "first_ms", write->changes->first_token_ms);
    encode_counts(w, write->changes);
    encode_tools(w, write->changes);
    json_write_string(w, "becomes", run_status_name(write->leaves));
    if (run_write_may_follow(RUN_IN_PROGRESS, write->leaves))
        json_write_string(w, "was", "in_progress");
    if (run_write_may_follow(RUN_CANCELLING, write->leaves))
        json_write_string(w, "or_was", "cancelling");
    if (write->changes->errors != 0)
        json_write_int_text(w, "errors", write->changes->errors);
    if (write->ending)
        encode_ending(w, write->ending);
    if (write->back)
        encode_back(w, write->back);
    if (write->parking)
        encode_parking(w, write->changes, write->parking);
    json_write_close(w);
}

void write_rows_add(struct write_rows *rows, size_t n, const struct run_write *write)
{
    const struct run_changes *changes = write->changes;

    encode_head(rows, n, write);
    for (size_t i = 0; i < changes->message_count; i++)
        encode_message(json_rows_begin(&rows->of[WRITE_MESSAGES], n), &changes->messages[i]);
    for (size_t i = 0; i < changes->call_count; i++)
        encode_call(json_rows_begin(&rows->of[WRITE_CALLS], n), &changes->calls[i]);
    for (size_t i = 0; i < changes->step_count; i++)
        encode_step(json_rows_begin(&rows->of[WRITE_STEPS], n), &changes->steps[i]);
    if (only_model(changes))
        return;
    for (size_t i = 0; i < changes->usage_count; i++)
        if (changes->usage[i].calls > 0)
            encode_usage(rows, n, &changes->usage[i]);
}

void write_rows_values(struct write_rows *rows, struct pg_value values[WRITE_ROWS_KINDS])
{
    for (size_t kind = 0; kind < WRITE_ROWS_KINDS; kind++)
        values[kind] = json_rows_value(&rows->of[kind]);
}

int write_rows_check(const struct write_rows *rows, struct error *err)
{
    for (size_t kind = 0; kind < WRITE_ROWS_KINDS; kind++)
        if (buf_check(&rows->of[kind].buf, err) < 0)
            return -E_LIMIT;
    return 0;
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
                 step->model.len + step->tried.len;
    }
    if (write->ending)
        bytes += write->ending->error_message.len;
    if (write->parking)
        bytes += write->parking->required_action.len;
    return bytes;
}
