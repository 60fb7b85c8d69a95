#pragma once
/* Settling the calls that a parked run waits for (waits.h), by one statement whoever settles them.
 *
 * A settlement writes the result into the ledger and into the run's step, and counts the open
 * calls of the run down. When it was the last one the run is queued and due at once, and its step
 * completed; the worker that claims it adds the results to the thread. The fence is raised, so that
 * no worker that had the run before can write any more. */

#include "shared/store/runs/waits.h"
#include "shared/store/store.h"

#define OPEN_CALLS_BATCH 500

/* Settles the calls whose due_at has come, of at most OPEN_CALLS_BATCH runs. *out_settled: how
 * many calls. *out_more: there may be others. It may run in several processes at once, and be cut
 * off at any moment: what was not settled is found again. A run that somebody else is at is left
 * for the next time. */
SUSPENDS MUSTCHECK int open_calls_sweep(struct pg *pg, int64_t *out_settled, bool *out_more,
                                        struct error *err);

/* Inside the store.
 *
 * CTEs behind `l` (id), locked and parked runs, and `given` (run_id, call_no, result), open calls
 * of theirs with what they give: settles these, and gives the runs of `l` as `r`. The number of
 * open calls is counted down on the row itself, so it does not matter what else was settled since
 * the statement's snapshot. What clients must do they do in one request, so required_action goes
 * with it. */
/* clang-format off */
#define SQL_SETTLE \
    "settled AS (" \
    "    UPDATE tool_calls c" \
    "    SET state = 'done', result = g.result" \
    "    FROM given g" \
    "    WHERE c.run_id = ANY (ARRAY[g.run_id])" \
    "      AND c.call_no = ANY (ARRAY[g.call_no])" \
    "      AND c.state = 'open'" \
    "    RETURNING c.run_id, c.call_no, c.call_id, c.kind, c.result)," \
    " n AS MATERIALIZED (" \
    "    SELECT l.id, count(x.call_no) AS calls," \
    "        coalesce(bool_or(x.kind = 'client'), false) AS acted" \
    "    FROM l" \
    "    LEFT JOIN settled x ON x.run_id = l.id" \
    "    GROUP BY l.id)," \
    " r AS (" \
    "    UPDATE runs r" \
    "    SET open_calls = r.open_calls - n.calls, fence = r.fence + 1, owner = NULL," \
    "        updated_at = now()," \
    "        status = CASE WHEN n.acted THEN 'queued' ELSE r.status END," \
    "        required_action = CASE WHEN n.acted THEN NULL ELSE r.required_action END," \
    "        wait_kind = CASE WHEN r.open_calls > n.calls THEN r.wait_kind END," \
    "        due_at = CASE WHEN r.open_calls > n.calls THEN r.due_at ELSE now() END," \
    "        wakes_at = CASE WHEN r.open_calls > n.calls THEN (" \
    "            SELECT min(o.due_at)" \
    "            FROM tool_calls o" \
    "            WHERE o.run_id = r.id" \
    "              AND o.state = 'open'" \
    "              AND NOT EXISTS (" \
    "                  SELECT 1" \
    "                  FROM settled x" \
    "                  WHERE x.run_id = o.run_id" \
    "                    AND x.call_no = o.call_no)) END" \
    "    FROM n" \
    "    WHERE r.id = ANY (ARRAY[n.id])" \
    "    RETURNING r.*)," \
    " step AS (" \
    "    UPDATE run_steps s" \
    "    SET status = CASE WHEN r.open_calls = 0 THEN 'completed' ELSE s.status END," \
    "        ended_at = CASE WHEN r.open_calls = 0 THEN now() END," \
    "        tool_calls = (" \
    "            SELECT jsonb_agg(" \
    "                CASE WHEN x.call_id IS NULL THEN e.call" \
    "                    ELSE jsonb_set(e.call, '{function,output}', to_jsonb(x.result)) END" \
    "                ORDER BY e.place)" \
    "            FROM jsonb_array_elements(s.tool_calls) WITH ORDINALITY AS e (call, place)" \
    "            LEFT JOIN settled x ON x.run_id = s.run_id AND x.call_id = e.call ->> 'id')" \
    "    FROM r" \
    "    WHERE s.run_id = ANY (ARRAY[r.id])" \
    "      AND s.status = 'in_progress'" \
    "      AND s.type = 'tool_calls')"
/* clang-format on */
