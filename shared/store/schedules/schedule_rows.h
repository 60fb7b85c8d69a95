#pragma once
/* Inside the store: rows of schedules and of their firings. */

#include "shared/store/rows.h"
#include "shared/store/schedules/firings.h"
#include "shared/store/schedules/schedules.h"

/* clang-format off */
#define SCHEDULE_COLUMNS_WITH(request, metadata) \
    "s.id, s.tenant_id, s.agent_id, s.name, s.cron, s.every_seconds," \
    " " SQL_SECONDS("s.run_at") ", s.timezone," \
    " " SQL_SECONDS("s.starts_at") "," \
    " " SQL_SECONDS("s.ends_at") "," \
    " s.jitter_seconds, s.overlap, s.catch_up, s.window_seconds, s.lasting, s.thread_id," \
    " s.thread_made, s.on_full = 'compact', s.max_failures, s.user_id, " request ", " metadata "," \
    " s.retention," \
    " s.state, s.pause_code, s.pause_message," \
    " " SQL_SECONDS("s.next") "," \
    " " SQL_SECONDS("s.due") "," \
    " s.turn, s.fired, s.failures," \
    " " SQL_SECONDS("s.last_fire") ", s.last_run, s.last_outcome, s.last_completed," \
    " " SQL_SECONDS("s.created_at") "," \
    " " SQL_SECONDS("s.updated_at") ", " SQL_SECONDS("now()")

#define SCHEDULE_COLUMNS SCHEDULE_COLUMNS_WITH("s.request", "s.metadata")

/* Where nobody asks what its runs are asked with: that may be a megabyte. */
#define SCHEDULE_COLUMNS_OF_TIMES SCHEDULE_COLUMNS_WITH("NULL::jsonb", "NULL::jsonb")

#define FIRING_COLUMNS \
    "f.id, f.schedule_id, f.tenant_id, f.cause," \
    " " SQL_SECONDS("f.nominal") "," \
    " " SQL_SECONDS("f.until") ", f.times, f.state, f.detail, f.tries," \
    " " SQL_SECONDS("f.created_at") "," \
    " " SQL_SECONDS("f.started_at") "," \
    " " SQL_SECONDS("f.ended_at") ", f.outcome"

/* Whoever wants to know is told of a schedule `s` (store/hooks), of which these columns are there.
 * `more`: jsonb that joins what is said of it. */
#define SCHEDULE_TOLD(s) \
    s ".id, " s ".tenant_id, " s ".agent_id, " s ".name, " s ".metadata, " s ".state," \
    " " s ".pause_code, " s ".pause_message"
#define SCHEDULE_TELL(s, type, more) \
    "penstock_webhook_emit(" s ".tenant_id, " type "," \
    "    'sched_' || replace(" s ".id::text, '-', '')," \
    "    (jsonb_build_object('object', 'schedule', 'name', " s ".name, 'agent'," \
    "        'asst_' || replace(" s ".agent_id::text, '-', ''), 'state', " s ".state, 'metadata'," \
    "        CASE WHEN octet_length(" s ".metadata::text) <= 8000 THEN " s ".metadata" \
    "            ELSE '{}' END) || " more ")::json)"
#define SCHEDULE_TELL_PAUSED(s) \
    SCHEDULE_TELL(s, "'schedule.paused'", \
        "jsonb_build_object('paused_reason', jsonb_build_object(" \
        "    'code', " s ".pause_code, 'message', " s ".pause_message))")
#define SCHEDULE_TELL_FIRING(s, f) \
    SCHEDULE_TELL(s, "'schedule.' || " f ".state", \
        "jsonb_build_object('firing', jsonb_build_object('cause', " f ".cause," \
        "    'fire_time', " SQL_TOLD_TIME(f ".nominal") "," \
        "    'last_missed_time', " SQL_TOLD_TIME(f ".until") "," \
        "    'times', " f ".times, 'detail', " f ".detail))")
#define SQL_TOLD_TIME(at) \
    "to_char(" at " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"+00:00\"')"
/* clang-format on */

/* Read these columns. Return 0, or -E_LIMIT. */
MUSTCHECK int schedule_read(struct row *row, void *out, struct error *err);
MUSTCHECK int firing_read(struct row *row, void *out, struct error *err);

extern const struct row_kind schedule_rows; /* SCHEDULE_MISSING */
extern const struct row_kind firing_rows;
