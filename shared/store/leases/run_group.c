/* Groups of writes
 *
 * One statement writes a group, whatever the kinds and the number of its writes. The first parts,
 * `l` and `ok`, are the compare-and-set on the rows of the runs. Everything else is selected FROM
 * ok, so it happens together with the compare-and-set or not at all. A write whose compare-and-set
 * fails is absent from the answer; the other writes of the group are done all the same. A second
 * statement then looks why it failed. A third one, in the same transaction as the first, promotes
 * held runs behind the runs that end.
 *
 * A group never waits for the row of a run, nor for the row of a thread which it releases. A cancel
 * or a person at a prompt may have locked such a row: this delays the write of that run alone.
 * Cancels take several runs in an order of their own, so a group that waited for them would now and
 * then be in a deadlock with one.
 *
 * The rows come as one jsonb array per kind: this makes four parameters, whatever the number of
 * rows and columns. Each row names its write by `n`, the place in the batch. Numbers of heads are
 * quoted: Postgres reads an int8 from a string at once, and from a JSON number by way of a numeric.
 *
 * The plan must not depend on how large Postgres thinks the tables are: a prepared statement keeps
 * the plan that it got in a young database, whose tables were never analysed. So a run is found by
 * a condition that can serve only as a probe of its primary key (Postgres makes no hash or merge
 * join of "= ANY"), and the rest of its row is compared in a way that serves no join and no other
 * index.
 *
 * To write another column of a run, add it to HEADS, SET and encode_head.
 */

#include "shared/store/leases/run_group.h"

#include <inttypes.h>

#include "shared/store/leases/run_verdict.h"
#include "shared/store/rows.h"
#include "shared/store/runs/promotions.h"
#include "shared/store/runs/run_ends.h"

/* clang-format off */
/* was, or_was: the states that the write may follow. */
#define HEADS \
    "i AS MATERIALIZED (" \
    "    SELECT *" \
    "    FROM jsonb_to_recordset($1) AS i (" \
    "        n int4, id uuid, owner int8, fence int8, step int8, becomes text, was text," \
    "        or_was text, prompt int8, completion int8, delay_ms int8, errors int2," \
    "        wait_kind text, open int2, wakes_ms int8, action jsonb, message uuid, error jsonb," \
    "        reason text))"

#define STEPS \
    "y AS MATERIALIZED (" \
    "    SELECT *" \
    "    FROM jsonb_to_recordset($4) AS y (" \
    "        n int4, id uuid, seq int8, type text, status text, message_id uuid," \
    "        tool_calls jsonb, usage jsonb, last_error jsonb))"

#define SET \
    "step = r.step + 1," \
    " prompt_tokens = r.prompt_tokens + i.prompt," \
    " completion_tokens = r.completion_tokens + i.completion," \
    " " SQL_BECOMES("i.becomes", "i.error") "," \
    " wait_kind = i.wait_kind," \
    " required_action = i.action," \
    " open_calls = coalesce(i.open, 0::int2)," \
    " wakes_at = now() + i.wakes_ms * interval '1 ms'," \
    " parked_at = CASE WHEN i.open > 0 THEN now() END," \
    " owner = CASE WHEN i.becomes IN ('queued', 'requires_action') THEN NULL ELSE r.owner END," \
    " due_at = CASE WHEN i.open > 0 THEN r.expires_at" \
    "     WHEN i.delay_ms IS NULL THEN r.due_at" \
    "     ELSE now() + i.delay_ms * interval '1 ms' END," \
    " errors = r.errors + coalesce(i.errors, 0::int2)," \
    " result_message = i.message," \
    " incomplete_reason = i.reason"

#define THE_LEASE \
    "r.id = ANY (ARRAY[i.id])" \
    " AND (r.owner, r.fence, r.step) IS NOT DISTINCT FROM (i.owner, i.fence, i.step)" \
    " AND (r.status = i.was OR r.status = i.or_was)"

/* A row that somebody else has locked is left out, not waited for. */
#define LOCKED \
    "l AS MATERIALIZED (" \
    "    SELECT i.*, r.thread_id" \
    "    FROM i" \
    "    JOIN runs r ON " THE_LEASE \
    "    FOR NO KEY UPDATE OF r SKIP LOCKED)," \
    " " SQL_LOCK_ENDING("l")

#define OK \
    "ok AS (" \
    "    UPDATE runs r" \
    "    SET " SET \
    "    FROM l AS i" \
    "    WHERE r.id = ANY (ARRAY[i.id])" \
    "      AND " SQL_MAY_BECOME("i") \
    "    RETURNING i.n, r.id, r.tenant_id, r.thread_id, r.agent_id, r.status, r.open_calls)"

#define MESSAGES \
    "m AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, run_id, agent_id, seq, role, hidden, content," \
    "        tool_calls, tool_call_id, opaque, status, incomplete_reason)" \
    "    SELECT x.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, x.seq, x.role, x.hidden," \
    "        x.content, x.tool_calls, x.tool_call_id, x.opaque," \
    "        CASE WHEN x.incomplete IS NULL THEN 'completed' ELSE 'incomplete' END, x.incomplete" \
    "    FROM ok" \
    "    JOIN jsonb_to_recordset($2) AS x (" \
    "        n int4, id uuid, seq int8, role text, hidden bool, content jsonb," \
    "        tool_calls jsonb, tool_call_id text, opaque jsonb, incomplete text) USING (n)" \
    "    ORDER BY ok.n, x.seq)"

#define CALLS \
    "c AS (" \
    "    INSERT INTO tool_calls (" \
    "        run_id, call_no, call_id, name, arguments, class, state, idempotency_key," \
    "        result, is_error, kind, due_at)" \
    "    SELECT ok.id, x.call_no, x.call_id, x.name, x.arguments, x.class, x.state," \
    "        x.idempotency_key, x.result, x.is_error, x.kind," \
    "        now() + x.due_ms * interval '1 ms'" \
    "    FROM ok" \
    "    JOIN jsonb_to_recordset($3) AS x (" \
    "        n int4, call_no int8, call_id text, name text, arguments text, class text," \
    "        state text, idempotency_key text, result text, is_error bool, kind text," \
    "        due_ms int8) USING (n)" \
    "    ON CONFLICT (run_id, call_no) DO UPDATE" \
    "    SET state = excluded.state," \
    "        result = excluded.result," \
    "        is_error = excluded.is_error," \
    "        kind = excluded.kind," \
    "        due_at = excluded.due_at)"

#define WRITE_STEPS \
    "w AS (" \
    "    INSERT INTO run_steps AS s (" \
    "        id, tenant_id, thread_id, run_id, agent_id, seq, type, status, message_id," \
    "        tool_calls, usage, last_error, ended_at)" \
    "    SELECT y.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, y.seq, y.type, y.status," \
    "        y.message_id, y.tool_calls, y.usage, y.last_error," \
    "        CASE WHEN y.status <> 'in_progress' THEN now() END" \
    "    FROM ok" \
    "    JOIN y USING (n)" \
    "    ON CONFLICT (run_id, seq) DO UPDATE" \
    "    SET status = excluded.status," \
    "        message_id = coalesce(excluded.message_id, s.message_id)," \
    "        tool_calls = coalesce(excluded.tool_calls, s.tool_calls)," \
    "        usage = coalesce(excluded.usage, s.usage)," \
    "        last_error = coalesce(excluded.last_error, s.last_error)," \
    "        ended_at = excluded.ended_at)"

/* A step that `w` writes must not be updated a second time. */
#define NOT_WRITTEN_HERE "AND NOT EXISTS (SELECT 1 FROM y WHERE y.n = e.n AND y.seq = s.seq)"

static const struct pg_statement run_group = {
    .name = "run_group",
    .sql =
        "WITH " HEADS ","
        " " STEPS ","
        " " LOCKED ","
        " " OK ","
        " " MESSAGES ","
        " " CALLS ","
        " " WRITE_STEPS ","
        " ended AS ("
        "    SELECT *"
        "    FROM ok"
        "    WHERE " SQL_IS_END("ok.status") "),"
        " " SQL_AFTER_END("ended", NOT_WRITTEN_HERE)
        " SELECT n"
        " FROM ok",
    .types = "jjjj",
};
/* clang-format on */

/* What a group needs while it is being written. */
struct group {
    struct gather_batch *batch;
    size_t from;
    size_t to;
    struct buf heads;
    struct buf messages;
    struct buf calls;
    struct buf steps;
    struct buf ended;
    bool ends;
};

static void group_init(struct group *group)
{
    buf_init(&group->heads, 0);
    buf_init(&group->messages, 0);
    buf_init(&group->calls, 0);
    buf_init(&group->steps, 0);
    buf_init(&group->ended, 0);
}

static void group_deinit(struct group *group)
{
    buf_deinit(&group->heads);
    buf_deinit(&group->messages);
    buf_deinit(&group->calls);
    buf_deinit(&group->steps);
    buf_deinit(&group->ended);
}

static struct run_write *write_at(const struct gather_batch *batch, size_t place)
{
    struct gather_item *item = batch->items[place];

    return item ? CONTAINER_OF(item, struct run_write, item) : NULL;
}

static void begin_row(struct buf *buf, size_t n)
{
    buf_printf(buf, "%s{\"n\":\"%zu\"", buf->len ? "," : "[", n);
}

static void add_raw(struct buf *buf, const char *name, struct text json)
{
    if (!json.ptr)
        return;
    buf_printf(buf, ",\"%s\":", name);
    buf_add_text(buf, json);
}

static void add_text(struct buf *buf, const char *name, struct text value)
{
    if (!value.ptr)
        return;
    buf_printf(buf, ",\"%s\":", name);
    buf_add_json(buf, value);
}

static void add_id(struct buf *buf, const char *name, struct uuid id)
{
    char text[UUID_TEXT_SIZE];

    if (uuid_is_zero(id))
        return;
    uuid_format(id, text);
    buf_printf(buf, ",\"%s\":\"%s\"", name, text);
}

static void encode_message(struct buf *buf, size_t n, const struct run_message *message)
{
    begin_row(buf, n);
    add_id(buf, "id", message->id);
    buf_printf(buf, ",\"seq\":\"%" PRId64 "\",\"role\":\"%s\",\"hidden\":%s", message->seq,
               message_role_name(message->role), message->hidden ? "true" : "false");
    add_raw(buf, "content", message->content);
    add_raw(buf, "tool_calls", message->tool_calls);
    add_text(buf, "tool_call_id", message->tool_call_id);
    add_raw(buf, "opaque", message->opaque);
    add_text(buf, "incomplete", message->incomplete);
    buf_add_char(buf, '}');
}

static void encode_call(struct buf *buf, size_t n, const struct run_call *call)
{
    begin_row(buf, n);
    buf_printf(buf,
               ",\"call_no\":\"%" PRId64 "\",\"class\":\"%s\",\"state\":\"%s\",\"is_error\":%s",
               call->call_no, call_class_name(call->class), call_state_name(call->state),
               call->is_error ? "true" : "false");
    if (call->kind != WAIT_NONE)
        buf_printf(buf, ",\"kind\":\"%s\"", wait_of(call->kind)->name);
    if (call->kind != WAIT_NONE && call->due_in_ms != CALL_NEVER_DUE)
        buf_printf(buf, ",\"due_ms\":\"%" PRId64 "\"", call->due_in_ms);
    add_text(buf, "call_id", call->call_id);
    add_text(buf, "name", call->name);
    add_text(buf, "arguments", call->arguments);
    add_text(buf, "idempotency_key", call->idempotency_key);
    add_text(buf, "result", call->result);
    buf_add_char(buf, '}');
}

static void encode_step(struct buf *buf, size_t n, const struct run_step_write *step)
{
    begin_row(buf, n);
    add_id(buf, "id", step->id);
    buf_printf(buf, ",\"seq\":\"%" PRId64 "\",\"type\":\"%s\",\"status\":\"%s\"", step->seq,
               step_type_name(step->type), step_status_name(step->status));
    add_id(buf, "message_id", step->message_id);
    add_raw(buf, "tool_calls", step->tool_calls);
    add_raw(buf, "usage", step->usage);
    add_raw(buf, "last_error", step->last_error);
    buf_add_char(buf, '}');
}

static void encode_ending(struct buf *buf, const struct run_ending *ending)
{
    add_id(buf, "message", ending->result_message);
    add_text(buf, "reason", ending->incomplete_reason);
    if (!ending->error_code.ptr)
        return;
    buf_add_string(buf, ",\"error\":{\"code\":");
    buf_add_json(buf, ending->error_code);
    buf_add_string(buf, ",\"message\":");
    buf_add_json(buf, ending->error_message.ptr ? ending->error_message : TEXT(""));
    buf_add_char(buf, '}');
}

/* Whether a write that leaves `leaves` may follow this state of a run in a worker's hands. */
static bool may_follow(enum run_status now, enum run_status leaves)
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
static void encode_parking(struct buf *buf, const struct run_changes *changes,
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
    buf_printf(buf, ",\"wait_kind\":\"calls\",\"open\":\"%d\"", open);
    if (wakes_ms != CALL_NEVER_DUE)
        buf_printf(buf, ",\"wakes_ms\":\"%" PRId64 "\"", wakes_ms);
    add_raw(buf, "action", parking->required_action);
}

static void encode_head(struct buf *buf, size_t n, const struct run_write *write)
{
    const struct run_lease *lease = &write->lease;

    begin_row(buf, n);
    add_id(buf, "id", lease->run);
    buf_printf(buf,
               ",\"owner\":\"%" PRId64 "\",\"fence\":\"%" PRId64 "\",\"step\":\"%" PRId64
               "\",\"prompt\":\"%" PRId64 "\",\"completion\":\"%" PRId64 "\",\"becomes\":\"%s\"",
               lease->owner, lease->fence, lease->step, write->changes->prompt_tokens,
               write->changes->completion_tokens, run_status_name(write->leaves));
    if (may_follow(RUN_IN_PROGRESS, write->leaves))
        buf_add_string(buf, ",\"was\":\"in_progress\"");
    if (may_follow(RUN_CANCELLING, write->leaves))
        buf_add_string(buf, ",\"or_was\":\"cancelling\"");
    if (write->changes->errors != 0)
        buf_printf(buf, ",\"errors\":\"%d\"", write->changes->errors);
    if (write->ending)
        encode_ending(buf, write->ending);
    if (write->back) {
        if (write->back->delay_ms > 0) /* else it keeps its due_at, so it stays before later ones */
            buf_printf(buf, ",\"delay_ms\":\"%" PRId64 "\"", write->back->delay_ms);
        add_text(buf, "wait_kind", text_of(wait_name(write->back->wait_kind)));
    }
    if (write->parking)
        encode_parking(buf, write->changes, write->parking);
    buf_add_char(buf, '}');
}

static void encode_write(struct group *group, size_t n, const struct run_write *write)
{
    const struct run_changes *changes = write->changes;

    encode_head(&group->heads, n, write);
    for (size_t i = 0; i < changes->message_count; i++)
        encode_message(&group->messages, n, &changes->messages[i]);
    for (size_t i = 0; i < changes->call_count; i++)
        encode_call(&group->calls, n, &changes->calls[i]);
    for (size_t i = 0; i < changes->step_count; i++)
        encode_step(&group->steps, n, &changes->steps[i]);
    if (!run_status_terminal(write->leaves))
        return;
    if (!group->ends)
        pg_array_begin(&group->ended);
    pg_array_add_uuid(&group->ended, write->lease.run);
    group->ends = true;
}

static struct pg_value rows_value(struct buf *rows)
{
    if (rows->len == 0)
        return pg_null();
    buf_add_char(rows, ']');
    return pg_json(buf_text(rows));
}

static int check(const struct group *group, struct error *err)
{
    const struct buf *bufs[] = {&group->heads, &group->messages, &group->calls, &group->steps,
                                &group->ended};

    for (size_t i = 0; i < ARRAY_LENGTH(bufs); i++) {
        if (buf_check(bufs[i], err) < 0)
            return -E_LIMIT;
    }
    return 0;
}

static void settle(struct run_write *write, int status)
{
    write->status = status;
    write->known = true;
}

/* Sends the group. The writes that the answer names are written. */
static int group_send(struct pg *pg, struct group *group, struct error *err)
{
    struct pg_value ended[1];
    struct pg_value values[4];
    struct pg_query queries[2] = {{&run_group, values}, {&promote_behind, ended}};
    struct pg_result *results[2] = {NULL, NULL};
    int r;

    values[0] = rows_value(&group->heads);
    values[1] = rows_value(&group->messages);
    values[2] = rows_value(&group->calls);
    values[3] = rows_value(&group->steps);
    if (group->ends)
        pg_array_end(&group->ended);
    r = check(group, err);
    if (r < 0)
        return r;
    ended[0] = group->ends ? pg_array('U', &group->ended) : pg_null();
    r = pg_exec_all(pg, queries, group->ends ? 2 : 1, results, err);
    if (r < 0)
        return r;
    for (int row = 0; row < pg_rows(results[0]); row++) {
        struct run_write *write = write_at(group->batch, (size_t)pg_get_int(results[0], row, 0));

        if (write)
            settle(write, 0);
    }
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return 0;
}

/* clang-format off */
static const struct pg_statement run_look = {
    .name = "run_look",
    .sql =
        "SELECT i.n, r.owner, r.fence, r.step, r.status"
        " FROM jsonb_to_recordset($1) AS i (n int4, id uuid), runs r"
        " WHERE r.id = ANY (ARRAY[i.id])",
    .types = "j",
};
/* clang-format on */

/* Why the compare-and-set did not touch this row. */
static int look_verdict(const struct run_write *write, const struct pg_result *result, int row,
                        struct error *err)
{
    const struct run_lease *lease = &write->lease;
    struct run_standing now = {
        .owner = pg_get_int(result, row, 1),
        .fence = pg_get_int(result, row, 2),
        .step = pg_get_int(result, row, 3),
    };
    int r;

    if (!run_status_parse(pg_get_text(result, row, 4), &now.status))
        return error_set(err, E_INTERNAL, "the run has a status that this program does not know");
    if (now.owner == lease->owner && now.fence == lease->fence && now.step == lease->step &&
        may_follow(now.status, write->leaves))
        return RUN_BUSY;
    r = run_verdict(&now, lease, write->leaves);
    return r < 0 ? error_set(err, E_INTERNAL, "nobody asked to cancel this run") : r;
}

/* Looks at all that are not known yet. */
static int group_look(struct pg *pg, struct group *group, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf absent;
    struct pg_value values[1];
    struct run_write *write;
    int r;

    buf_init(&absent, 0);
    for (size_t n = group->from; n < group->to; n++) {
        write = write_at(group->batch, n);
        if (!write || write->known)
            continue;
        begin_row(&absent, n);
        add_id(&absent, "id", write->lease.run);
        buf_add_char(&absent, '}');
    }
    if (absent.len == 0)
        return 0;
    values[0] = rows_value(&absent);
    r = buf_check(&absent, err);
    if (r == 0)
        r = pg_exec(pg, &run_look, values, &result, err);
    if (r < 0)
        return r;
    for (int row = 0; row < pg_rows(result); row++) {
        write = write_at(group->batch, (size_t)pg_get_int(result, row, 0));
        if (write)
            settle(write, look_verdict(write, result, row, &write->error));
    }
    for (size_t n = group->from; n < group->to; n++) {
        write = write_at(group->batch, n);
        if (write && !write->known)
            settle(write, LEASE_FENCED); /* the run is deleted */
    }
    return 0;
}

int run_group_write(struct pg *pg, struct gather_batch *batch, size_t from, size_t to,
                    struct error *err)
{
    CLEANUP(group_deinit) struct group group = {.batch = batch, .from = from, .to = to};
    int r;

    group_init(&group);
    for (size_t n = from; n < to; n++) {
        const struct run_write *write = write_at(batch, n);

        if (write && !write->known)
            encode_write(&group, n, write);
    }
    if (group.heads.len == 0)
        return 0;
    r = group_send(pg, &group, err);
    return r < 0 ? r : group_look(pg, &group, err);
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
                 message->opaque.len;
    }
    for (size_t i = 0; i < changes->step_count; i++) {
        const struct run_step_write *step = &changes->steps[i];

        bytes += 200 + step->tool_calls.len + step->usage.len + step->last_error.len;
    }
    if (write->ending)
        bytes += write->ending->error_message.len;
    if (write->parking)
        bytes += write->parking->required_action.len;
    return bytes;
}
