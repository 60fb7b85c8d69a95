#pragma once
/* Inside the store: what waits behind the active run of a thread gets its turn: input (inputs.h),
 * and held runs.
 *
 * A run with `held` set is queued but not ready. When its thread is idle, the held run with the
 * least `held` is promoted: it becomes the active run, the messages of its rolls_back leave the
 * thread, those of its `input` (as drafts_encode writes them) join it in their order, and it is due
 * at once. What it has used and written (a run that is tried again has some) leaves the sums of the
 * thread: it joins them when the run ends. Input that waited joins before, whether or not a run is
 * promoted; the thread counted it when it came.
 *
 * What releases a thread promotes right after it, by a statement of its own. The snapshot of that
 * statement is newer, so it sees what waited until the row of the thread was locked. The parts of
 * one statement would not see it.
 *
 *     struct pg_query queries[2] = {{&run_cancel, …}, {&promote_behind, ids}};
 *     pg_exec_all(pg, queries, 2, …)
 *
 * A promotion does not wait for rows that somebody else has locked. What it leaves out for this
 * reason is promoted by the reaper's sweep, every second.
 */

#include "shared/store/summaries/summary_rows.h"
#include "shared/store/threads/count_rows.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/usage/usage_rows.h"

/* Promotes in the idle ones of `threads`, a query of one column. Rows: the promoted runs. Threads
 * are locked in the order of their ids, then their runs. A run that was cancelled or promoted
 * meanwhile is found to be so, by a second look at it while it is locked.
 *
 * Each step probes an index by the rows of the one before, whatever sizes the planner assumes:
 * Postgres makes no hash or merge join of "= ANY" and LATERAL, and the second look at a run is
 * written so that the index of the held runs can not serve it. */
/* clang-format off */
#define SQL_HELD_OF(thread) \
    "FROM runs r WHERE r.thread_id = " thread " AND r.status = 'queued' AND r.held IS NOT NULL"

/* Nothing waits behind thread `t`: whoever adds to an idle thread may not overtake what is about to
 * be promoted there. */
#define SQL_NOTHING_WAITS(t) \
    "(NOT " t ".waited" \
    " OR NOT (EXISTS (SELECT 1 " SQL_HELD_OF(t ".id") ")" \
    "     OR EXISTS (SELECT 1 FROM thread_inputs o WHERE o.thread_id = " t ".id)))"

/* t: the idle threads where something waits. */
#define SQL_PROMOTE_THREADS(threads) \
    "g (id) AS MATERIALIZED (" threads ")," \
    " t AS MATERIALIZED (" \
    "    SELECT t.id, t.total_bytes" \
    "    FROM (SELECT DISTINCT g.id FROM g) g" \
    "    CROSS JOIN LATERAL (" \
    "        (SELECT 1 " SQL_HELD_OF("g.id") " LIMIT 1)" \
    "        UNION ALL" \
    "        (SELECT 1 FROM thread_inputs o WHERE o.thread_id = g.id LIMIT 1)" \
    "        LIMIT 1) f" \
    "    JOIN threads t ON t.id = ANY (ARRAY[g.id])" \
    "      AND t.active_run IS NULL" \
    "    ORDER BY t.id" \
    "    FOR NO KEY UPDATE OF t SKIP LOCKED)"

/* p: the runs that are promoted. x: the messages that they roll back. */
#define SQL_PROMOTE_RUNS \
    "f AS MATERIALIZED (" \
    "    SELECT f.*, t.total_bytes AS thread_bytes" \
    "    FROM t" \
    "    CROSS JOIN LATERAL (" \
    "        SELECT r.id, r.thread_id, r.input, r.rolls_back " SQL_HELD_OF("t.id") \
    "        ORDER BY r.held" \
    "        LIMIT 1) f)," \
    " n AS MATERIALIZED (" \
    "    SELECT f.*" \
    "    FROM f" \
    "    JOIN runs r ON r.id = ANY (ARRAY[f.id])" \
    "      AND r.status = 'queued'" \
    "      AND coalesce(r.held, 0) > 0" \
    "    FOR NO KEY UPDATE OF r SKIP LOCKED)," \
    " x AS (" \
    "    DELETE FROM messages m" \
    "    USING n" \
    "    WHERE m.thread_id = n.thread_id" \
    "      AND (m.run_id = ANY (n.rolls_back) OR m.submitted_with = ANY (n.rolls_back))" \
    "    RETURNING m.thread_id, m.position, m.bytes, m.token_count)," \
    " y AS (" SQL_SUMMARY_FORGET("x") ")," \
    " z AS (" \
    "    UPDATE runs r" \
    "    SET message_count = 0, total_bytes = 0, token_count = 0" \
    "    FROM n" \
    "    CROSS JOIN LATERAL unnest(n.rolls_back) b (id)" \
    "    WHERE r.id = ANY (ARRAY[b.id]))," \
    " p AS (" \
    "    UPDATE runs r" \
    "    SET held = NULL, input = NULL, rolls_back = NULL, updated_at = now()," \
    "        due_at = greatest(r.due_at, now())," \
    "        thread_bytes = n.thread_bytes - r.total_bytes" \
    "            - (SELECT coalesce(sum(x.bytes), 0) FROM x WHERE x.thread_id = n.thread_id)" \
    "            + (SELECT coalesce(sum(d.bytes), 0) FROM " SQL_DRAFTS("n.input") ")" \
    "    FROM n" \
    "    WHERE r.id = ANY (ARRAY[n.id])" \
    "    RETURNING r.id, r.tenant_id, r.thread_id, n.input, " USAGE_COLUMNS("r") "," \
    "        " COUNT_COLUMNS("r") ")"

/* i: the messages that join, in one INSERT, since the order of several is nobody's. What an earlier
 * version held it did not count. */
#define SQL_PROMOTE_MESSAGES \
    "q AS (" \
    "    DELETE FROM thread_inputs o" \
    "    USING t" \
    "    WHERE o.thread_id = t.id" \
    "    RETURNING o.*)," \
    " i AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, role, content, attachments, metadata, submitted_with," \
    "        bytes, token_count, created_at, " DRAFT_CALL_COLUMNS ")" \
    "    SELECT e.id, e.tenant_id, e.thread_id, e.role, e.content, e.attachments, e.metadata," \
    "        e.submitted_with, e.bytes, e.token_count, e.created_at, " SQL_DRAFT_CALLS("e") \
    "    FROM (" \
    "        SELECT q.id, q.tenant_id, q.thread_id, q.role::text, q.content, q.attachments," \
    "            q.metadata, NULL::uuid AS submitted_with, q.bytes, q.token_count, q.created_at," \
    "            q.hidden, q.tool_calls, q.tool_call_id, q.tool_name, 1 AS turn, q.place" \
    "        FROM q" \
    "        UNION ALL" \
    "        SELECT d.id, p.tenant_id, p.thread_id, d.role, d.content, d.attachments," \
    "            coalesce(d.metadata, '{}'), p.id," \
    "            coalesce(d.bytes, octet_length(d.content::text)), coalesce(d.tokens, 0), now()," \
    "            d.hidden, d.tool_calls, d.tool_call_id, d.tool_name, 2, d.place" \
    "        FROM p, " SQL_DRAFTS("p.input") ") e" \
    "    ORDER BY e.thread_id, e.turn, e.place" \
    "    RETURNING thread_id, submitted_with, bytes, token_count)"

#define SQL_PROMOTE_COUNTS \
    "c AS (" \
    "    SELECT s.thread_id, sum(s.messages)::int8 AS message_count," \
    "        sum(s.bytes)::int8 AS total_bytes, sum(s.tokens)::int8 AS token_count" \
    "    FROM (" \
    "        SELECT p.thread_id, -p.message_count AS messages, -p.total_bytes AS bytes," \
    "            -p.token_count AS tokens" \
    "        FROM p" \
    "        UNION ALL" \
    "        SELECT x.thread_id, -1, -x.bytes, -x.token_count" \
    "        FROM x" \
    "        UNION ALL" \
    "        SELECT i.thread_id, 1, i.bytes, i.token_count" \
    "        FROM i" \
    "        WHERE i.submitted_with IS NOT NULL) s" \
    "    GROUP BY s.thread_id)," \
    " a AS (" \
    "    UPDATE threads t" \
    "    SET active_run = p.id, " SQL_USED ", " SQL_USAGE_CHANGES("t", "-", "p") "," \
    "        " SQL_COUNT_CHANGES("t", "+", "c") \
    "    FROM p" \
    "    JOIN c ON c.thread_id = p.thread_id" \
    "    WHERE t.id = ANY (ARRAY[p.thread_id]))"

#define SQL_PROMOTE(threads) \
    "WITH " SQL_PROMOTE_THREADS(threads) ", " SQL_PROMOTE_RUNS ", " SQL_PROMOTE_MESSAGES "," \
    " " SQL_PROMOTE_COUNTS \
    " SELECT p.id" \
    " FROM p"
/* clang-format on */

/* $1: threads (U). */
extern const struct pg_statement promote_in;

/* $1: a thread. */
extern const struct pg_statement promote_at;

/* Whoever found a thread idle, and not SQL_NOTHING_WAITS, promotes there and tries again. It waits
 * for the row of the thread: mostly somebody else is about to promote the same. */
SUSPENDS MUSTCHECK int thread_promote(const struct store *store, struct uuid thread,
                                      struct error *err);

/* $1: runs (U) that ended: in their threads. */
extern const struct pg_statement promote_behind;

/* In all threads that are idle and have held runs, PROMOTE_BATCH at once. */
#define PROMOTE_BATCH 1000
extern const struct pg_statement promote_all;
