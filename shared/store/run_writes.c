/* A worker's writes: checkpoint, finish, hand back, park
 *
 * Each is one statement whose first part, `ok`, is the compare-and-set on the run's row. Everything
 * else is selected FROM ok, so it happens together with it or not at all. The rows to write come as
 * one jsonb array of records per kind: three parameters whatever the number of rows and columns,
 * and a shape that can later carry many runs at once.
 *
 * A write is sent again after a connection broke with its answer unknown. If the row then shows
 * step = mine + 1 under my fence, in the state that this write leaves, it was applied before.
 */

#include "shared/store/run_leases.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/promotions.h"
#include "shared/store/rows.h"
#include "shared/store/run_ends.h"
#include "shared/store/run_verdict.h"

#define ATTEMPTS 4

struct run_writer {
    struct pg *pg;
};

struct run_writer *run_writer_new(struct pg *pg)
{
    struct run_writer *writer = xcalloc(1, sizeof(*writer));

    writer->pg = pg;
    return writer;
}

void run_writer_free(struct run_writer *writer)
{
    free(writer);
}

const char *run_wait_name(enum run_wait wait)
{
    static const char *const names[] = {
        [RUN_WAIT_NONE] = NULL,
        [RUN_WAIT_BACKOFF] = "backoff",
        [RUN_WAIT_RATE_LIMIT] = "rate_limit",
        [RUN_WAIT_TOOL_OUTPUTS] = "tool_outputs",
    };

    ASSERT((unsigned)wait < ARRAY_LENGTH(names));
    return names[wait];
}

/* The parameters that all three have, $1 to $9: id, owner, fence, step, tokens, tokens, messages,
 * calls, steps. */
#define CHANGE_TYPES  "uiiiiijjj"
#define CHANGE_VALUES 9

/* The owner is compared in a way that no index serves: in a young database, whose tables were never
 * analysed, Postgres else finds the run among all that its worker has in hand, not by its id. */
#define THE_LEASE "r.id = $1 AND r.owner IS NOT DISTINCT FROM $2 AND r.fence = $3 AND r.step = $4"

#define COUNT_UP                                                                                   \
    "step = r.step + 1, prompt_tokens = r.prompt_tokens + $5,"                                     \
    " completion_tokens = r.completion_tokens + $6, updated_at = now()"

#define RETURN_OK "RETURNING r.id, r.tenant_id, r.thread_id, r.agent_id, r.status"

#define WRITE_MESSAGES                                                                             \
    "INSERT INTO messages (id, tenant_id, thread_id, run_id, agent_id, seq, role, hidden,"         \
    "   content, tool_calls, tool_call_id, opaque)"                                                \
    " SELECT x.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, x.seq, x.role, x.hidden,"       \
    "   x.content, x.tool_calls, x.tool_call_id, x.opaque"                                         \
    " FROM ok, jsonb_to_recordset($7) AS x (id uuid, seq int8, role text, hidden bool,"            \
    "   content jsonb, tool_calls jsonb, tool_call_id text, opaque jsonb) ORDER BY x.seq"

#define WRITE_CALLS                                                                                \
    "INSERT INTO tool_calls (run_id, call_no, call_id, name, arguments, class, state,"             \
    "   idempotency_key, result, is_error)"                                                        \
    " SELECT ok.id, x.call_no, x.call_id, x.name, x.arguments, x.class, x.state,"                  \
    "   x.idempotency_key, x.result, x.is_error"                                                   \
    " FROM ok, jsonb_to_recordset($8) AS x (call_no int8, call_id text, name text,"                \
    "   arguments text, class text, state text, idempotency_key text, result text,"                \
    "   is_error bool)"                                                                            \
    " ON CONFLICT (run_id, call_no) DO UPDATE SET state = excluded.state,"                         \
    "   result = excluded.result, is_error = excluded.is_error"

#define WRITE_STEPS                                                                                \
    "INSERT INTO run_steps AS s (id, tenant_id, thread_id, run_id, agent_id, seq, type, status,"   \
    "   message_id, tool_calls, usage, last_error, ended_at)"                                      \
    " SELECT x.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, x.seq, x.type, x.status,"       \
    "   x.message_id, x.tool_calls, x.usage, x.last_error,"                                        \
    "   CASE WHEN x.status <> 'in_progress' THEN now() END"                                        \
    " FROM ok, jsonb_to_recordset($9) AS x (id uuid, seq int8, type text, status text,"            \
    "   message_id uuid, tool_calls jsonb, usage jsonb, last_error jsonb)"                         \
    " ON CONFLICT (run_id, seq) DO UPDATE SET status = excluded.status,"                           \
    "   message_id = coalesce(excluded.message_id, s.message_id),"                                 \
    "   tool_calls = coalesce(excluded.tool_calls, s.tool_calls),"                                 \
    "   usage = coalesce(excluded.usage, s.usage),"                                                \
    "   last_error = coalesce(excluded.last_error, s.last_error), ended_at = excluded.ended_at"

#define WRITE_CHANGES ", m AS (" WRITE_MESSAGES "), c AS (" WRITE_CALLS "), w AS (" WRITE_STEPS ")"

static const struct pg_statement run_checkpoint = {
    .name = "run_checkpoint",
    .sql = "WITH ok AS (UPDATE runs r SET " COUNT_UP " WHERE " THE_LEASE
           "   AND r.status = 'in_progress' " RETURN_OK ")" WRITE_CHANGES " SELECT 1 FROM ok",
    .types = CHANGE_TYPES,
};

#define NOT_WRITTEN_HERE                                                                           \
    "AND $10::text <> 'completed'"                                                                 \
    " AND s.seq NOT IN (SELECT y.seq FROM jsonb_to_recordset($9) AS y (seq int8))"

/* $10 status, $11 the states that it may follow. */
/* clang-format off */
static const struct pg_statement run_finish = {
    .name = "run_finish",
    .sql = "WITH ok AS (UPDATE runs r SET " COUNT_UP ", status = $10::text,"
           "     result_message = $12, last_error = $13, incomplete_reason = $14,"
           "     completed_at = CASE WHEN $10::text IN ('completed', 'incomplete') THEN now() END,"
           "     failed_at = CASE WHEN $10::text = 'failed' THEN now() END,"
           "     cancelled_at = CASE WHEN $10::text = 'cancelled' THEN now() END"
           "   WHERE " THE_LEASE " AND r.status = ANY($11) " RETURN_OK ")" WRITE_CHANGES ","
           " t AS (" SQL_RELEASE_THREADS("ok") "),"
           " s AS (" SQL_END_STEPS("ok", NOT_WRITTEN_HERE) ")"
           " SELECT 1 FROM ok",
    .types = CHANGE_TYPES "tTujt",
};
/* clang-format on */

static const struct pg_statement run_hand_back = {
    .name = "run_hand_back",
    .sql = "WITH ok AS (UPDATE runs r SET " COUNT_UP ", status = 'queued', owner = NULL,"
           "     due_at = now() + $10 * interval '1 ms', errors = r.errors + $11::int8::int2,"
           "     wait_kind = $12"
           "   WHERE " THE_LEASE " AND r.status = 'in_progress' " RETURN_OK ")" WRITE_CHANGES
           " SELECT 1 FROM ok",
    .types = CHANGE_TYPES "iit",
};

static const struct pg_statement run_park = {
    .name = "run_park",
    .sql = "WITH ok AS (UPDATE runs r SET " COUNT_UP ", status = 'requires_action', owner = NULL,"
           "     wait_kind = $10, required_action = $11"
           "   WHERE " THE_LEASE " AND r.status = 'in_progress' " RETURN_OK ")" WRITE_CHANGES
           " SELECT 1 FROM ok",
    .types = CHANGE_TYPES "tj",
};

/* What a write needs while it is being made. */
struct write {
    const struct pg_statement *statement;
    struct uuid run;
    struct pg_value values[CHANGE_VALUES + 5];
    enum run_status leaves; /* the state after it */
    struct buf messages;
    struct buf calls;
    struct buf steps;
};

static void write_deinit(struct write *write)
{
    buf_deinit(&write->messages);
    buf_deinit(&write->calls);
    buf_deinit(&write->steps);
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

static void encode_message(struct buf *buf, const struct run_message *message)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(message->id, id);
    buf_printf(buf, "{\"id\":\"%s\",\"seq\":%lld,\"role\":\"%s\",\"hidden\":%s", id,
               (long long)message->seq, message_role_name(message->role),
               message->hidden ? "true" : "false");
    add_raw(buf, "content", message->content);
    add_raw(buf, "tool_calls", message->tool_calls);
    add_text(buf, "tool_call_id", message->tool_call_id);
    add_raw(buf, "opaque", message->opaque);
    buf_add_char(buf, '}');
}

static void encode_call(struct buf *buf, const struct run_call *call)
{
    static const char *const classes[] = {
        [CALL_PURE] = "pure",
        [CALL_IDEMPOTENT] = "idempotent",
        [CALL_ONCE] = "once",
        [CALL_CLIENT] = "client",
    };
    static const char *const states[] = {
        [CALL_INTENT] = "intent", [CALL_DONE] = "done", [CALL_UNKNOWN] = "unknown"};

    ASSERT((unsigned)call->class < ARRAY_LENGTH(classes));
    ASSERT((unsigned)call->state < ARRAY_LENGTH(states));
    buf_printf(buf, "{\"call_no\":%lld,\"class\":\"%s\",\"state\":\"%s\",\"is_error\":%s",
               (long long)call->call_no, classes[call->class], states[call->state],
               call->is_error ? "true" : "false");
    add_text(buf, "call_id", call->call_id);
    add_text(buf, "name", call->name);
    add_text(buf, "arguments", call->arguments);
    add_text(buf, "idempotency_key", call->idempotency_key);
    add_text(buf, "result", call->result);
    buf_add_char(buf, '}');
}

static void encode_step(struct buf *buf, const struct run_step_write *step)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(step->id, id);
    buf_printf(buf, "{\"id\":\"%s\",\"seq\":%lld,\"type\":\"%s\",\"status\":\"%s\"", id,
               (long long)step->seq, step_type_name(step->type), step_status_name(step->status));
    if (!uuid_is_zero(step->message_id)) {
        uuid_format(step->message_id, id);
        buf_printf(buf, ",\"message_id\":\"%s\"", id);
    }
    add_raw(buf, "tool_calls", step->tool_calls);
    add_raw(buf, "usage", step->usage);
    add_raw(buf, "last_error", step->last_error);
    buf_add_char(buf, '}');
}

static struct pg_value array_value(struct buf *buf, size_t count)
{
    if (count == 0)
        return pg_null();
    buf_add_char(buf, ']');
    return pg_json(buf_text(buf));
}

/* Fills values[0 .. CHANGE_VALUES). The write owns the buffers, from here on also on failure. */
static int write_init(struct write *write, const struct run_lease *lease,
                      const struct run_changes *changes, struct error *err)
{
    static const struct run_changes none = {0};
    const struct run_changes *c = changes ? changes : &none;

    buf_init(&write->messages, 0);
    buf_init(&write->calls, 0);
    buf_init(&write->steps, 0);
    if (c->message_count > CHECKPOINT_ITEMS_MAX || c->call_count > CHECKPOINT_ITEMS_MAX ||
        c->step_count > CHECKPOINT_ITEMS_MAX)
        return error_set(err, E_LIMIT, "more than %d messages, calls or steps in one checkpoint",
                         CHECKPOINT_ITEMS_MAX);
    for (size_t i = 0; i < c->message_count; i++) {
        buf_add_char(&write->messages, i ? ',' : '[');
        encode_message(&write->messages, &c->messages[i]);
    }
    for (size_t i = 0; i < c->call_count; i++) {
        buf_add_char(&write->calls, i ? ',' : '[');
        encode_call(&write->calls, &c->calls[i]);
    }
    for (size_t i = 0; i < c->step_count; i++) {
        buf_add_char(&write->steps, i ? ',' : '[');
        encode_step(&write->steps, &c->steps[i]);
    }
    write->run = lease->run;
    write->values[0] = pg_uuid(lease->run);
    write->values[1] = pg_int(lease->owner);
    write->values[2] = pg_int(lease->fence);
    write->values[3] = pg_int(lease->step);
    write->values[4] = pg_int(c->prompt_tokens);
    write->values[5] = pg_int(c->completion_tokens);
    write->values[6] = array_value(&write->messages, c->message_count);
    write->values[7] = array_value(&write->calls, c->call_count);
    write->values[8] = array_value(&write->steps, c->step_count);
    if (buf_check(&write->messages, err) < 0 || buf_check(&write->calls, err) < 0 ||
        buf_check(&write->steps, err) < 0)
        return -E_LIMIT;
    return 0;
}

static const struct pg_statement run_look = {
    .name = "run_look",
    .sql = "SELECT owner, fence, step, status FROM runs WHERE id = $1",
    .types = "u",
};

/* The compare-and-set touched no row: why? */
static int write_look(struct pg *pg, const struct run_lease *lease, enum run_status leaves,
                      struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_uuid(lease->run)};
    struct run_standing now;
    int r;

    r = pg_exec(pg, &run_look, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return LEASE_FENCED;
    now.owner = pg_get_int(result, 0, 0);
    now.fence = pg_get_int(result, 0, 1);
    now.step = pg_get_int(result, 0, 2);
    if (!run_status_parse(pg_get_text(result, 0, 3), &now.status))
        return error_set(err, E_INTERNAL, "the run has a status that this program does not know");
    r = run_verdict(&now, lease, leaves);
    return r < 0 ? error_set(err, E_INTERNAL, "nobody asked to cancel this run") : r;
}

/* Releases the thread and gives it to the next held run, when the run ends. */
static int write_exec(struct pg *pg, const struct write *write, struct pg_result **out,
                      struct error *err)
{
    CLEANUP(buf_deinit)
    struct buf runs;
    struct pg_result *results[2] = {NULL, NULL};
    struct pg_value ended[1];
    struct pg_query queries[2] = {{write->statement, write->values}, {&promote_behind, ended}};
    size_t count = run_status_terminal(write->leaves) ? 2 : 1;
    int r;

    buf_init(&runs, 0);
    pg_array_begin(&runs);
    pg_array_add_uuid(&runs, write->run);
    pg_array_end(&runs);
    ended[0] = pg_array('U', &runs);
    r = pg_exec_all(pg, queries, count, results, err);
    pg_result_free(results[1]);
    if (r == 0)
        *out = results[0];
    return r;
}

static int write_send(struct run_writer *writer, struct run_lease *lease, const struct write *write,
                      struct error *err)
{
    int r = 0;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(pg_result_freep)
        struct pg_result *result = NULL;

        r = write_exec(writer->pg, write, &result, err);
        if (r == 0 && pg_rows(result) == 0)
            r = write_look(writer->pg, lease, write->leaves, err);
        if (r != -E_AMBIGUOUS)
            break;
    }
    if (r == 0)
        lease->step++;
    return r;
}

int run_leases_checkpoint(struct run_writer *writer, struct run_lease *lease,
                          const struct run_changes *changes, struct error *err)
{
    CLEANUP(write_deinit)
    struct write write = {.statement = &run_checkpoint, .leaves = RUN_IN_PROGRESS};
    int r;

    r = write_init(&write, lease, changes, err);
    if (r < 0)
        return r;
    return write_send(writer, lease, &write, err);
}

static void encode_last_error(struct buf *buf, const struct run_ending *ending)
{
    buf_add_string(buf, "{\"code\":");
    buf_add_json(buf, ending->error_code);
    buf_add_string(buf, ",\"message\":");
    buf_add_json(buf, ending->error_message.ptr ? ending->error_message : TEXT(""));
    buf_add_char(buf, '}');
}

/* The states of a run in a worker's hands that `to` may follow. */
static void encode_sources(struct buf *buf, enum run_status to)
{
    static const enum run_status held[] = {RUN_IN_PROGRESS, RUN_CANCELLING};

    pg_array_begin(buf);
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++) {
        if (run_transition_allowed(held[i], to))
            pg_array_add_text(buf, text_of(run_status_name(held[i])));
    }
    pg_array_end(buf);
}

int run_leases_finish(struct run_writer *writer, struct run_lease *lease,
                      const struct run_changes *changes, const struct run_ending *ending,
                      struct error *err)
{
    CLEANUP(write_deinit)
    struct write write = {.statement = &run_finish, .leaves = ending->status};
    CLEANUP(buf_deinit)
    struct buf last_error;
    CLEANUP(buf_deinit)
    struct buf sources;
    int r;

    buf_init(&last_error, 0);
    buf_init(&sources, 0);
    ASSERT(run_status_terminal(ending->status));
    r = write_init(&write, lease, changes, err);
    if (r < 0)
        return r;
    encode_sources(&sources, ending->status);
    if (ending->error_code.ptr)
        encode_last_error(&last_error, ending);
    r = buf_check(&last_error, err);
    if (r < 0)
        return r;
    write.values[9] = pg_string(run_status_name(ending->status));
    write.values[10] = pg_array('T', &sources);
    write.values[11] = value_uuid_or_null(ending->result_message);
    write.values[12] = ending->error_code.ptr ? pg_json(buf_text(&last_error)) : pg_null();
    write.values[13] = pg_text(ending->incomplete_reason);
    return write_send(writer, lease, &write, err);
}

int run_leases_hand_back(struct run_writer *writer, struct run_lease *lease,
                         const struct run_changes *changes, const struct run_return *how,
                         struct error *err)
{
    CLEANUP(write_deinit)
    struct write write = {.statement = &run_hand_back, .leaves = RUN_QUEUED};
    int r;

    ASSERT(how->delay_ms >= 0);
    r = write_init(&write, lease, changes, err);
    if (r < 0)
        return r;
    write.values[9] = pg_int(how->delay_ms);
    write.values[10] = pg_int(how->errors);
    write.values[11] = pg_string(run_wait_name(how->wait_kind));
    return write_send(writer, lease, &write, err);
}

int run_leases_park(struct run_writer *writer, struct run_lease *lease,
                    const struct run_changes *changes, const struct run_parking *how,
                    struct error *err)
{
    CLEANUP(write_deinit)
    struct write write = {.statement = &run_park, .leaves = RUN_REQUIRES_ACTION};
    int r;

    ASSERT(how->wait_kind != RUN_WAIT_NONE);
    r = write_init(&write, lease, changes, err);
    if (r < 0)
        return r;
    write.values[9] = pg_string(run_wait_name(how->wait_kind));
    write.values[10] = pg_json(how->required_action);
    return write_send(writer, lease, &write, err);
}
