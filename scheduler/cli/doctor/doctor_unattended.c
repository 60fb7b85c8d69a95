#include "scheduler/cli/doctor/doctor_unattended.h"

#include <stdio.h>

#include "shared/postgres/postgres.h"
#include "shared/store/rows.h"

#define NAMED SQL_STRING(DOCTOR_NAMED_MAX)

/* clang-format off */
static const struct pg_statement look = {
    .name = "doctor_unattended",
    .sql =
        "WITH w AS ("
        "    SELECT id, state = 'disabled' AND reason IS DISTINCT FROM 'asked' AS ill"
        "    FROM webhook_endpoints),"
        " s AS ("
        "    SELECT id, state = 'paused' AND pause_code IS DISTINCT FROM 'requested' AS ill"
        "    FROM schedules"
        "    WHERE state <> 'ended')"
        " SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM w WHERE ill), ("
        "         SELECT string_agg('whk_' || replace(n.id::text, '-', ''), ', ')"
        "         FROM (SELECT id FROM w WHERE ill ORDER BY id LIMIT " NAMED ") n),"
        "     (SELECT count(*) FROM s), (SELECT count(*) FROM s WHERE ill), ("
        "         SELECT string_agg('sched_' || replace(n.id::text, '-', ''), ', ')"
        "         FROM (SELECT id FROM s WHERE ill ORDER BY id LIMIT " NAMED ") n)",
    .types = "",
};
/* clang-format on */

int doctor_unattended_look(struct pg *pg, struct doctor_unattended *out, struct error *err)
{
    struct pg_result *result = NULL;
    int r = pg_exec(pg, &look, NULL, &result, err);

    if (r < 0)
        return r;
    *out = (struct doctor_unattended){
        .webhooks = pg_get_int(result, 0, 0),
        .disabled = pg_get_int(result, 0, 1),
        .schedules = pg_get_int(result, 0, 3),
        .paused = pg_get_int(result, 0, 4),
    };
    text_excerpt(pg_get_text(result, 0, 2), out->disabled_names, sizeof(out->disabled_names));
    text_excerpt(pg_get_text(result, 0, 5), out->paused_names, sizeof(out->paused_names));
    pg_result_free(result);
    return 0;
}

static const char *and_more(int64_t count)
{
    return count > DOCTOR_NAMED_MAX ? ", …" : "";
}

struct doctor_finding doctor_judge_webhooks(const struct doctor_unattended *found)
{
    if (found->disabled == 0)
        return doctor_ok("%lld, none is disabled", (long long)found->webhooks);
    return doctor_warning("%lld of %lld are disabled since they failed or are gone (%s%s): "
                          "`penstock webhooks show` tells why, `enable` goes on",
                          (long long)found->disabled, (long long)found->webhooks,
                          found->disabled_names, and_more(found->disabled));
}

struct doctor_finding doctor_judge_schedules(const struct doctor_unattended *found)
{
    if (found->paused == 0)
        return doctor_ok("%lld, none is paused for failures", (long long)found->schedules);
    return doctor_warning("%lld of %lld are paused for what failed or is gone (%s%s): `penstock "
                          "schedules show` tells why, `resume` goes on",
                          (long long)found->paused, (long long)found->schedules,
                          found->paused_names, and_more(found->paused));
}
