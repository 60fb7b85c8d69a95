#pragma once
/* Inside the store: summaries, for the statements that delete or copy messages. */

/* clang-format off */
/* Messages of `gone` (thread_id, position) are deleted: a summary that speaks of one goes, too, and
 * one that is being made is not stored. It touches the row even where the summary is older than all
 * of them, so that who stores a newer one at the same moment is waited for, and seen. */
#define SQL_SUMMARY_FORGET(gone) \
    "UPDATE thread_summaries z" \
    " SET making = NULL, tried_tokens = NULL," \
    "    summary = CASE WHEN z.position >= g.first THEN NULL ELSE z.summary END," \
    "    position = CASE WHEN z.position >= g.first THEN 0 ELSE z.position END" \
    " FROM (SELECT thread_id, min(position) AS first FROM " gone " GROUP BY thread_id) g" \
    " WHERE z.thread_id = ANY (ARRAY[g.thread_id])"

/* The summary of thread `s` goes along with copies of its messages up to s.last: where it speaks of
 * no others. `t` is the copy, `m` has the positions of its messages, `o` are the originals that
 * `copied` finds. */
#define SQL_SUMMARY_COPY(copied) \
    "INSERT INTO thread_summaries (" \
    "    thread_id, tenant_id, summary, position, messages, tokens, source_tokens, model, run_id," \
    "    created_at)" \
    " SELECT t.id, t.tenant_id, z.summary, coalesce(p.position, 0), z.messages, z.tokens," \
    "    z.source_tokens, z.model, z.run_id, z.created_at" \
    " FROM t" \
    " CROSS JOIN s" \
    " JOIN thread_summaries z ON z.thread_id = ANY (ARRAY[s.id])" \
    "   AND " SQL_CHECKED("z.summary IS NOT NULL AND z.position <= s.last") \
    " LEFT JOIN LATERAL (" \
    "    SELECT m.position" \
    "    FROM m" \
    "    WHERE m.position IS NOT NULL" \
    "    ORDER BY m.position" \
    "    LIMIT 1" \
    "    OFFSET (" \
    "        SELECT coalesce(nullif(count(*), 0) - 1, 9223372036854775807)" \
    "        FROM messages o" \
    "        WHERE " copied \
    "          AND o.position <= z.position)) p ON true"
/* clang-format on */
