#pragma once
/* Inside retention: which policy counts for what, and what is due by it, said once for those who
 * sweep and those who look.
 *
 * Parameters: $1 the tenant, $2 and $3 the cursor (the hour and the id), $4 how many rows, $5 where
 * the walk ends: the last hour, or the first id beyond it. What is said is read by each statement
 * anew, once, so that a policy that is taken back stops at once. Where no agent says anything and
 * there are no schedules, nothing is looked up for a thread.
 */

#include "shared/store/rows.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/threads/promotions.h"

/* clang-format off */
#define OWN_POLICY    "(SELECT n.retention FROM tenants n WHERE n.id = $1)"
#define HAS_AGENTS \
    "(EXISTS (SELECT 1 FROM agents n WHERE n.tenant_id = $1 AND n.retention IS NOT NULL))"
#define HAS_SCHEDULES "(EXISTS (SELECT 1 FROM schedules n WHERE n.tenant_id = $1))"

/* Of the schedule that made a run of the thread last, or whose lasting thread it is; of its agent,
 * or of `agent`; of the tenant. */
#define POLICY(thread, agent) \
    "coalesce(" \
    "    CASE WHEN " HAS_SCHEDULES " THEN coalesce((" \
    "        SELECT s.retention" \
    "        FROM schedules s" \
    "        WHERE s.thread_id = " thread \
    "          AND " SQL_CHECKED("s.tenant_id = $1 AND s.retention IS NOT NULL") \
    "        LIMIT 1), (" \
    "        SELECT s.retention" \
    "        FROM runs q" \
    "        JOIN schedule_firings f ON f.id = ANY (ARRAY[q.id])" \
    "        JOIN schedules s ON s.id = ANY (ARRAY[f.schedule_id])" \
    "        WHERE q.thread_id = " thread \
    "          AND " SQL_CHECKED("s.retention IS NOT NULL") \
    "        ORDER BY q.id DESC" \
    "        LIMIT 1)) END," \
    "    CASE WHEN " HAS_AGENTS " THEN (" \
    "        SELECT a.retention FROM agents a WHERE a.id = " agent ") END," \
    "    " OWN_POLICY ")"

/* The thread's own agent, or that of its last run. */
#define AGENT_OF_THREAD(t) \
    "coalesce(" t ".agent_id, (" \
    "    SELECT q.agent_id" \
    "    FROM runs q" \
    "    WHERE q.thread_id = " t ".id" \
    "      AND " SQL_CHECKED("q.kind <> 'memory'") \
    "    ORDER BY q.id DESC" \
    "    LIMIT 1))"

#define SECONDS(value) "(" value ") * interval '1 s'"

/* A page of threads with what is due of them: d.goes, d.stored (it is archived). */
#define DUE_THREADS(hidden) \
    "c AS MATERIALIZED (" \
    "    SELECT t.id, t.used_hour, t.last_used_at, t.agent_id, t.archived_at, t.hidden," \
    "        1 + t.message_count AS weight" \
    "    FROM threads t" \
    "    WHERE uuid_hash(t.tenant_id) = uuid_hash($1)" \
    "      AND (t.used_hour, t.id) > ($2::int4, $3::uuid)" \
    "      AND t.used_hour <= $5::int4" \
    "      AND " hidden \
    "      AND " SQL_CHECKED("t.tenant_id = $1") \
    "    ORDER BY t.used_hour, t.id" \
    "    LIMIT $4)," \
    " p AS MATERIALIZED (" \
    "    SELECT c.*, " POLICY("c.id", AGENT_OF_THREAD("c")) " AS policy" \
    "    FROM c)," \
    " q AS MATERIALIZED (" \
    "    SELECT p.*, coalesce(CASE" \
    "        WHEN p.policy ->> 'action' = 'archive' AND NOT p.hidden THEN" \
    "            greatest(p.archived_at, p.last_used_at" \
    "                + " SECONDS("(p.policy ->> 'after')::int8") ")" \
    "                + " SECONDS("(p.policy ->> 'then_delete_after')::int8") " <= now()" \
    "                AND p.archived_at IS NOT NULL" \
    "        ELSE p.last_used_at + " SECONDS("penstock_delete_after(p.policy)") " <= now()" \
    "        END, false) AS goes," \
    "        coalesce(p.policy ->> 'action' = 'archive' AND NOT p.hidden" \
    "            AND p.archived_at IS NULL" \
    "            AND p.last_used_at + " SECONDS("(p.policy ->> 'after')::int8") " <= now()," \
    "            false) AS stored" \
    "    FROM p)," \
    " w AS MATERIALIZED (" \
    "    SELECT q.*, sum(CASE WHEN q.goes THEN q.weight ELSE 0 END)" \
    "        OVER (ORDER BY q.used_hour, q.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)" \
    "        AS before" \
    "    FROM q)," \
    " d AS MATERIALIZED (" \
    "    SELECT w.*" \
    "    FROM w" \
    "    WHERE coalesce(w.before, 0) < $4)"

/* Since when what the tenant does may be part of a batch that has not ended. */
#define BATCHES_SINCE \
    "coalesce((" \
    "    SELECT min(b.created_at)" \
    "    FROM batches b" \
    "    WHERE b.state IN ('validating', 'in_progress', 'finalizing', 'cancelling')" \
    "      AND " SQL_CHECKED("b.tenant_id = $1") "), 'infinity')"

/* Thread `t` of row `d`: nobody uses it, and nobody has since d was read. */
#define IS_FREE_THREAD \
    "t.active_run IS NULL" \
    " AND " SQL_NOTHING_WAITS("t") \
    " AND t.last_used_at = d.last_used_at" \
    " AND t.archived_at IS NOT DISTINCT FROM d.archived_at" \
    " AND t.last_used_at < " BATCHES_SINCE \
    " AND NOT (" HAS_SCHEDULES " AND EXISTS (" \
    "    SELECT 1" \
    "    FROM schedules s" \
    "    WHERE s.thread_id = t.id" \
    "      AND " SQL_CHECKED("s.state <> 'ended'") "))" \
    " AND NOT (" HAS_SCHEDULES " AND EXISTS (" \
    "    SELECT 1" \
    "    FROM runs q" \
    "    JOIN schedule_firings f ON f.id = ANY (ARRAY[q.id])" \
    "    WHERE q.thread_id = t.id" \
    "      AND " SQL_CHECKED("f.tell OR f.state IN ('due', 'waiting', 'started')") "))"

/* A page of runs. */
#define DUE_RUNS \
    "c AS MATERIALIZED (" \
    "    SELECT r.id, r.thread_id, r.agent_id" \
    "    FROM runs r" \
    "    WHERE r.tenant_id = $1" \
    "      AND r.id > $3" \
    "      AND r.id < $5::uuid" \
    "      AND " SQL_CHECKED("$2::int4 IS NOT NULL") \
    "    ORDER BY r.id" \
    "    LIMIT $4)," \
    " p AS MATERIALIZED (" \
    "    SELECT c.id, " POLICY("c.thread_id", "coalesce((" \
    "        SELECT t.agent_id FROM threads t WHERE t.id = c.thread_id), c.agent_id)") \
    "        AS policy" \
    "    FROM c)," \
    " d AS MATERIALIZED (" \
    "    SELECT p.id, " SECONDS("penstock_delete_after(p.policy)") " AS delete_after" \
    "    FROM p)"

/* Run `r` of row `d`: it is due, it has ended, and nobody needs it. */
#define ENDED_AT "coalesce(r.completed_at, r.failed_at, r.cancelled_at, r.updated_at)"
#define IS_FREE_RUN \
    SQL_CHECKED(SQL_IS_END("r.status")) \
    " AND " ENDED_AT " + d.delete_after <= now()" \
    " AND " ENDED_AT " < " BATCHES_SINCE \
    " AND NOT (" HAS_SCHEDULES " AND EXISTS (" \
    "    SELECT 1" \
    "    FROM schedule_firings f" \
    "    JOIN schedules s ON s.id = ANY (ARRAY[f.schedule_id])" \
    "    WHERE f.id = r.id" \
    "      AND " SQL_CHECKED("f.tell OR f.state IN ('due', 'waiting', 'started')" \
        " OR s.last_run = r.id OR s.last_completed = r.id") "))"

/* Run `r` is not the last one of its thread, which goes with that: it may say whose policy counts
 * for the thread. */
#define IS_NOT_LAST_RUN \
    "(r.thread_id IS NULL OR EXISTS (" \
    "    SELECT 1" \
    "    FROM runs q" \
    "    WHERE q.thread_id = r.thread_id" \
    "      AND q.id > r.id" \
    "      AND " SQL_CHECKED("q.kind <> 'memory'") "))"

/* Batches of $1, of ids before $2. */
#define DUE_BATCHES(limit) \
    "SELECT b.id" \
    " FROM batches b" \
    " WHERE b.tenant_id = $1" \
    "   AND b.id < $2" \
    "   AND " SQL_CHECKED("b.state IN ('completed', 'failed', 'expired', 'cancelled')") \
    "   AND b.ended_at + " SECONDS("penstock_delete_after(" OWN_POLICY ")") " <= now()" \
    " ORDER BY b.id" \
    " LIMIT " limit
/* clang-format on */

/* $1 to $5. */
enum { DUE_VALUES = 5 };

struct retention_cursor;
struct retention_tenant;

void due_thread_values(const struct retention_tenant *tenant, const struct retention_cursor *cursor,
                       int64_t rows, struct pg_value values[DUE_VALUES]);
void due_run_values(const struct retention_tenant *tenant, const struct retention_cursor *cursor,
                    int64_t rows, struct pg_value values[DUE_VALUES]);

/* Of what was made before the time at which `age_s` has passed: all have smaller ids. */
struct uuid due_id(int64_t age_s);
