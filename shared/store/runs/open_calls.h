#pragma once
/* Settling the calls that a parked run waits for (waits.h), by one statement whoever settles them.
 *
 * A settlement writes the result into the ledger and into the run's step, and counts the open
 * calls of the run down. When it was the last one the run is queued and due at once, and its step
 * completed; the worker that claims it adds the results to the thread. The fence is raised, so that
 * no worker that had the run before can write any more. */

#include "shared/store/runs/waits.h"
#include "shared/store/store.h"
#include "shared/store/tools/tool_times.h"

#define OPEN_CALLS_BATCH 500

/* Settles the calls whose due_at has come, of at most OPEN_CALLS_BATCH runs. *out_settled: how
 * many calls. *out_more: there may be others. It may run in several processes at once, and be cut
 * off at any moment: what was not settled is found again. A run that somebody else is at is left
 * for the next time. */
SUSPENDS MUSTCHECK int open_calls_sweep(struct pg *pg, int64_t *out_settled, bool *out_more,
                                        struct error *err);

/* Inside the store.
 *
 * CTEs behind `l` (id), locked and parked runs, and `given` (run_id, call_no, state, result,
 * is_error, approval, arguments), open calls of theirs with what becomes of them: settles these,
 * and gives the runs of `l` as `r`. An approval is NULL where none was asked for, and arguments are
 * NULL where they stay.
 *
 * What is left is computed on the rows themselves, so it does not matter what else was settled
 * since the statement's snapshot: open calls are counted down, and what was settled leaves
 * required_action. As long as something is left there somebody must act. A step in which a call is
 * allowed is not complete before that is made. */
/* clang-format off */
#define SQL_PARKED_MS(run) \
    "coalesce(floor(date_part('epoch', now() - " run ".parked_at) * 1000), 0)::int8"

#define SQL_SETTLE \
    "settled AS (" \
    "    UPDATE tool_calls c" \
    "    SET state = g.state, result = g.result, is_error = g.is_error," \
    "        approval = coalesce(g.approval, c.approval)," \
    "        arguments = coalesce(g.arguments, c.arguments)," \
    "        kind = CASE g.state WHEN 'approved' THEN NULL ELSE c.kind END" \
    "    FROM given g" \
    "    WHERE c.run_id = ANY (ARRAY[g.run_id])" \
    "      AND c.call_no = ANY (ARRAY[g.call_no])" \
    "      AND c.state = 'open'" \
    "    RETURNING c.run_id, c.call_no, c.call_id, c.name, c.kind, c.state, c.result," \
    "        c.is_error, c.arguments, c.approval)," \
    " n AS MATERIALIZED (" \
    "    SELECT l.id, count(x.call_no) AS calls," \
    "        coalesce(array_agg(x.call_id) FILTER (WHERE x.call_id IS NOT NULL), '{}') AS ids" \
    "    FROM l" \
    "    LEFT JOIN settled x ON x.run_id = l.id" \
    "    GROUP BY l.id)," \
    " r AS (" \
    "    UPDATE runs r" \
    "    SET open_calls = r.open_calls - n.calls, fence = r.fence + 1, owner = NULL," \
    "        updated_at = now()," \
    "        (status, required_action) = (" \
    "            SELECT CASE WHEN a.calls IS NULL THEN 'queued' ELSE r.status END," \
    "                jsonb_set(r.required_action, '{submit_tool_outputs,tool_calls}', a.calls)" \
    "            FROM (" \
    "                SELECT jsonb_agg(e.call ORDER BY e.place) AS calls" \
    "                FROM jsonb_array_elements(" \
    "                    r.required_action #> '{submit_tool_outputs,tool_calls}')" \
    "                    WITH ORDINALITY AS e (call, place)" \
    "                WHERE e.call ->> 'id' <> ALL (n.ids)) a)," \
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
    " counted AS (" \
    SQL_COUNT_CALLS( \
        "SELECT r.tenant_id, x.name, x.state, x.is_error, " SQL_PARKED_MS("r") " AS took_ms" \
        " FROM r" \
        " JOIN settled x ON x.run_id = r.id" \
        " WHERE x.kind IN ('client', 'time')") ")," \
    " step AS (" \
    "    UPDATE run_steps s" \
    "    SET (status, ended_at, tool_calls) = (" \
    "        SELECT CASE WHEN a.complete THEN 'completed' ELSE s.status END," \
    "            CASE WHEN a.complete THEN now() END, a.calls" \
    "        FROM (" \
    "            SELECT jsonb_agg(u.call ORDER BY u.place) AS calls," \
    "                r.open_calls = 0 AND NOT coalesce(bool_or(" \
    "                    u.call #>> '{approval,decision}' = 'approved'" \
    "                    AND u.call #> '{function,output}' = 'null'), false) AS complete" \
    "            FROM (" \
    "                SELECT e.place," \
    "                    CASE WHEN x.call_id IS NULL THEN e.call" \
    "                        WHEN x.approval IS NULL THEN" \
    "                            jsonb_set(e.call, '{function,output}', to_jsonb(x.result))" \
    "                                || jsonb_build_object('is_error', x.is_error," \
    "                                    'duration_ms', " SQL_PARKED_MS("r") "," \
    "                                    'bytes', octet_length(x.result))" \
    "                        ELSE e.call || jsonb_build_object('approval', x.approval," \
    "                            'function', coalesce(e.call -> 'function', '{}')" \
    "                                || jsonb_build_object(" \
    "                                    'arguments', x.arguments, 'output', x.result)) END" \
    "                        AS call" \
    "                FROM jsonb_array_elements(s.tool_calls)" \
    "                    WITH ORDINALITY AS e (call, place)" \
    "                LEFT JOIN settled x ON x.run_id = s.run_id" \
    "                    AND x.call_id = e.call ->> 'id') u) a)" \
    "    FROM r" \
    "    WHERE s.run_id = ANY (ARRAY[r.id])" \
    "      AND s.status = 'in_progress'" \
    "      AND s.type = 'tool_calls')"
/* clang-format on */
