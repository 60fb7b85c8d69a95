/* Lists of messages
 *
 * What an agent has seen of a thread is told by what it wrote there: nobody else adds a message
 * while a run is at work, but for input that the run takes in itself, so a run that came to its end
 * has seen all that stands before its last message. One that failed, expired or was cancelled has
 * seen nothing. In a copy of a thread, whose messages name no run, an answer counts that has no
 * calls.
 * */

#include "shared/store/threads/messages.h"

#include <limits.h>

#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/seen.h"
#include "shared/store/threads/threads.h"

/* clang-format off */
static const struct pg_statement message_seen = {
    .name = "message_seen",
    .sql =
        "SELECT coalesce(("
        "    SELECT m.position"
        "    FROM messages m"
        "    LEFT JOIN runs r ON r.id = ANY (ARRAY[m.run_id])"
        "    WHERE m.thread_id = $1"
        "      AND " SQL_CHECKED("m.tenant_id = $2 AND m.agent_id = $3")
        "      AND " SQL_CHECKED(
                  "r.status IN ('completed', 'incomplete')"
                  " OR (m.run_id IS NULL AND NOT m.hidden AND m.tool_calls IS NULL)")
        "    ORDER BY m.position DESC"
        "    LIMIT 1), 0)",
    .types = "uuu",
};

/* $4: what it has seen. */
static const struct pg_statement message_unseen = {
    .name = "message_unseen",
    .sql =
        "SELECT EXISTS ("
        "    SELECT 1"
        "    FROM messages m"
        "    WHERE m.thread_id = $1"
        "      AND m.position > $4"
        "      AND " SQL_CHECKED(
                  "m.tenant_id = $2 AND NOT m.hidden AND m.agent_id IS DISTINCT FROM $3") ")",
    .types = "uuui",
};
/* clang-format on */

/* The position up to which an agent has seen all; 0: nothing. */
static int messages_seen(const struct store *store, struct uuid thread, struct uuid agent,
                         int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(agent)};
    int r = pg_exec(store->pg, &message_seen, values, &result, err);

    if (r == 0)
        *out = pg_get_int(result, 0, 0);
    return r;
}

static int messages_pending(const struct store *store, struct uuid thread, struct uuid agent,
                            bool *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(agent)};
    int64_t seen;
    int r = messages_seen(store, thread, agent, &seen, err);

    if (r < 0)
        return r;
    values[3] = pg_int(seen);
    r = pg_exec(store->pg, &message_unseen, values, &result, err);
    if (r == 0)
        *out = pg_get_bool(result, 0, 0);
    return r;
}

static const struct pg_statement agent_of_run = {
    .name = "message_agent_of_run",
    .sql = "SELECT r.agent_id FROM runs r WHERE r.id = $1 AND r.tenant_id = $2",
    .types = "uu",
};

int messages_pending_for_run(const struct store *store, struct uuid thread, struct uuid run,
                             bool *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(run), pg_uuid(store->tenant)};
    int r = pg_exec(store->pg, &agent_of_run, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) > 0)
        return messages_pending(store, thread, pg_get_uuid(result, 0, 0), out, err);
    *out = true; /* the run is gone: its next write tells */
    return 0;
}

/* Where a message is in the thread, or was before it was deleted: between those that are older and
 * those that are newer, since ids are given in the order of time. One of another thread, whosever
 * it is, was never here. */
/* clang-format off */
static const struct pg_statement message_cursor = {
    .name = "message_cursor",
    .sql =
        "SELECT CASE"
        "    WHEN c.id IS NOT NULL THEN"
        "        CASE WHEN c.thread_id = $1 AND c.tenant_id = $2 THEN c.position END"
        "    WHEN $4 THEN ("
        "        SELECT coalesce(max(m.position), 0)"
        "        FROM messages m"
        "        WHERE m.thread_id = $1"
        "          AND m.tenant_id = $2"
        "          AND m.id < $3)"
        "    ELSE ("
        "        SELECT coalesce(min(m.position), 9223372036854775807)"
        "        FROM messages m"
        "        WHERE m.thread_id = $1"
        "          AND m.tenant_id = $2"
        "          AND m.id > $3) END,"
        "    c.id IS NOT NULL"
        " FROM (VALUES (1)) one"
        " LEFT JOIN messages c ON c.id = $3",
    .types = "uuub",
};
/* clang-format on */

/* Where a page ends, on one side. */
struct bound {
    int64_t position;
    bool is_there; /* a message is, the cursor */
};

/* The positions between which a page lies. */
struct span {
    struct bound low;
    struct bound high;
};

/* What bounds a page at this cursor, from below or from above. */
static int cursor_position(const struct store *store, struct uuid thread, struct uuid id,
                           bool below, struct bound *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(id),
                                 pg_bool(below)};
    int r = pg_exec(store->pg, &message_cursor, values, &result, err);

    if (r < 0)
        return r;
    if (pg_is_null(result, 0, 0))
        return CURSOR_MISSING;
    *out = (struct bound){pg_get_int(result, 0, 0), pg_get_bool(result, 0, 1)};
    return 0;
}

/* $1 thread, $2 tenant, $3 and $4 bounds, $5 limit, $6 bytes, $7 whether hidden ones are wanted, $8
 * the run or the agent. Calls, which may be large, are told by the steps of a run, and shown here
 * with the hidden ones only. */
/* clang-format off */
#define CALLS "CASE WHEN $7::bool THEN m.tool_calls END"

#define PAGE(source, waits, more, direction) \
    SQL_PAGE(MESSAGE_SHOWN(CALLS, waits), "m", \
        source \
        " WHERE m.thread_id = $1" \
        "   AND m.tenant_id = $2" \
        "   AND (NOT m.hidden OR $7::bool)" \
        "   AND m.position > $3" \
        "   AND m.position < $4" more, \
        "m.position " direction, "$5", "$6", \
        SQL_STORED("m.content") " + " SQL_STORED("m.metadata") " + " SQL_STORED(CALLS), \
        SQL_SENT("m.content") " + " SQL_SENT("m.metadata") " + " SQL_SENT(CALLS))

#define LISTED(more, direction) PAGE("messages m", "NULL::text", more, direction)

/* What waits stands behind what is there. */
#define PENDING(direction) \
    PAGE( \
        "(SELECT o.content, o.id, o.tenant_id, o.thread_id, o.run_id, o.agent_id, o.position," \
        "     o.seq, o.role::text, o.hidden, o.tool_calls, o.tool_call_id, o.tool_name," \
        "     o.attachments, o.metadata, o.status, o.incomplete_reason, o.created_at," \
        "     o.token_count, NULL::text AS waits" \
        " FROM messages o" \
        " UNION ALL " SQL_INPUTS_AS_MESSAGES ") m", \
        "m.waits", " AND m.agent_id IS DISTINCT FROM $8", direction)

enum { ALL, OF_RUN, BROUGHT, OF_AGENT, LISTS };

static const struct pg_statement message_lists[LISTS][2] = {
    [ALL] = {{"message_list_down", LISTED("", "DESC"), "uuiiiib"},
             {"message_list_up", LISTED("", "ASC"), "uuiiiib"}},
    [OF_RUN] = {{"message_list_run_down", LISTED(" AND m.run_id = $8", "DESC"), "uuiiiibu"},
                {"message_list_run_up", LISTED(" AND m.run_id = $8", "ASC"), "uuiiiibu"}},
    [BROUGHT] = {{"message_list_brought_down", LISTED(" AND m.submitted_with = $8", "DESC"),
                  "uuiiiibu"},
                 {"message_list_brought_up", LISTED(" AND m.submitted_with = $8", "ASC"),
                  "uuiiiibu"}},
    [OF_AGENT] = {{"message_list_pending_down", PENDING("DESC"), "uuiiiibu"},
                  {"message_list_pending_up", PENDING("ASC"), "uuiiiibu"}},
};
/* clang-format on */

/* What a run brought stands together, before all that it wrote: so the page reads no more of the
 * thread than that. */
/* clang-format off */
static const struct pg_statement message_brought = {
    .name = "message_brought",
    .sql =
        "WITH n AS MATERIALIZED ("
        "    SELECT m.position"
        "    FROM messages m"
        "    WHERE m.thread_id = $1"
        "      AND m.position < coalesce(("
        "          SELECT w.position"
        "          FROM messages w"
        "          WHERE w.run_id = $3"
        "          ORDER BY w.seq"
        "          LIMIT 1), 9223372036854775807)"
        "      AND " SQL_CHECKED("m.tenant_id = $2 AND m.submitted_with = $3")
        "    ORDER BY m.position DESC"
        "    LIMIT 1)"
        " SELECT n.position, coalesce(("
        "    SELECT o.position"
        "    FROM messages o"
        "    WHERE o.thread_id = $1"
        "      AND o.position < n.position"
        "      AND " SQL_CHECKED("o.submitted_with IS DISTINCT FROM $3")
        "    ORDER BY o.position DESC"
        "    LIMIT 1), 0)"
        " FROM n",
    .types = "uuu",
};
/* clang-format on */

static bool is_within(const struct bound *bound, int64_t low, int64_t high)
{
    return !bound->is_there || (bound->position > low && bound->position < high);
}

static int narrow_to_brought(const struct store *store, struct uuid thread, struct uuid run,
                             struct span *span, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(thread), pg_uuid(store->tenant), pg_uuid(run)};
    int64_t low = 0; /* it brought none */
    int64_t high = 1;
    int r = pg_exec(store->pg, &message_brought, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) > 0) {
        low = pg_get_int(result, 0, 1);
        high = pg_get_int(result, 0, 0) + 1;
    }
    if (!is_within(&span->low, low, high) || !is_within(&span->high, low, high))
        return CURSOR_MISSING;
    if (span->low.position < low)
        span->low.position = low;
    if (span->high.position > high)
        span->high.position = high;
    return 0;
}

static int find_span(const struct store *store, struct uuid thread,
                     const struct message_filter *filter, const struct page_plan *plan,
                     struct span *out, struct error *err)
{
    struct span span = {.high.position = INT64_MAX};
    int64_t seen = 0;
    int r = 0;

    if (plan->low_given)
        r = cursor_position(store, thread, plan->low, true, &span.low, err);
    if (r == 0 && plan->high_given)
        r = cursor_position(store, thread, plan->high, false, &span.high, err);
    if (r == 0 && !uuid_is_zero(filter->pending_for))
        r = messages_seen(store, thread, filter->pending_for, &seen, err);
    if (r == 0 && !uuid_is_zero(filter->came_with))
        r = narrow_to_brought(store, thread, filter->came_with, &span, err);
    if (r != 0)
        return r;
    if (span.low.position < seen)
        span.low.position = seen;
    *out = span;
    return 0;
}

static size_t list_of(const struct message_filter *filter, struct uuid *out_id)
{
    if (!uuid_is_zero(filter->run)) {
        *out_id = filter->run;
        return OF_RUN;
    }
    if (!uuid_is_zero(filter->came_with)) {
        *out_id = filter->came_with;
        return BROUGHT;
    }
    *out_id = filter->pending_for;
    return uuid_is_zero(filter->pending_for) ? ALL : OF_AGENT;
}

int messages_list(const struct store *store, struct uuid thread,
                  const struct message_filter *filter, const struct page *page,
                  struct message_list *out, struct error *err)
{
    struct uuid id;
    size_t list = list_of(filter, &id);
    struct page_plan plan = page_plan(page);
    struct rows rows = {.count = 0};
    struct span span;
    int r = find_span(store, thread, filter, &plan, &span, err);

    if (r == 0) {
        struct pg_value values[8] = {pg_uuid(thread),           pg_uuid(store->tenant),
                                     pg_int(span.low.position), pg_int(span.high.position),
                                     pg_int(plan.limit),        pg_int(plan.bytes),
                                     pg_bool(filter->hidden),   pg_uuid(id)};
        struct pg_query query = {&message_lists[list][plan.ascending], values};

        r = rows_page(store, &message_shown_rows, &query, &plan, &rows, err);
    }
    if (r < 0)
        return r;
    if (rows.count == 0) { /* is it that there is no such thread? */
        struct thread now;
        int missing = threads_get(store, thread, &now, err);

        if (missing != 0)
            return missing;
    }
    if (r == 0)
        *out = (struct message_list){rows.items, rows.count, rows.has_more};
    return r;
}

/* Each is one probe of an index: of the ids, or of the messages of a run. */
/* clang-format off */
static const struct pg_statement messages_found = {
    .name = "messages_find",
    .sql =
        "WITH f AS MATERIALIZED ("
        "    SELECT m.*"
        "    FROM unnest($1) AS i (id)"
        "    JOIN messages m ON m.id = ANY (ARRAY[i.id])"
        "    WHERE m.tenant_id = $2),"
        " a AS ("
        "    SELECT f.*, false AS is_result"
        "    FROM f"
        "    UNION ALL"
        "    SELECT o.*, true"
        "    FROM (SELECT DISTINCT f.run_id FROM f WHERE f.tool_calls IS NOT NULL) r"
        "    JOIN messages o ON o.run_id = ANY (ARRAY[r.run_id])"
        "    WHERE o.role = 'tool'"
        "      AND NOT o.id = ANY ($1))"
        " SELECT " MESSAGE_SHOWN("m.tool_calls", "NULL::text") ", m.all_rows"
        " FROM ("
        "    SELECT a.*, count(*) OVER () AS all_rows,"
        "        sum(a.bytes) OVER (ORDER BY a.is_result, a.position, a.id) AS up_to"
        "    FROM a) m"
        " WHERE m.up_to <= $3"
        "    OR m.up_to = m.bytes"
        " ORDER BY m.position",
    .types = "Uui",
};
/* clang-format on */

int messages_find(const struct store *store, const struct uuid *ids, size_t count,
                  struct message_list *out, struct error *err)
{
    const struct page_plan all = {.limit = INT_MAX};
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[3];
    struct rows rows;
    int r;

    ASSERT(count <= MESSAGES_FIND_MAX);
    buf_init(&array, 0);
    pg_array_of_uuids(&array, ids, count);
    values[0] = pg_array('U', &array);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_int(MESSAGES_FIND_BYTES_MAX);
    r = rows_page(store, &message_shown_rows, &(struct pg_query){&messages_found, values}, &all,
                  &rows, err);
    if (r == 0)
        *out = (struct message_list){rows.items, rows.count, rows.has_more};
    return r;
}
