#include "scheduler/cli/doctor/doctor_tools.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/config/config.h"
#include "shared/postgres/postgres.h"
#include "shared/secrets/key_ring.h"
#include "shared/store/rows.h"

#define OTHERS 077 /* of a file's mode */

/* clang-format off */
static const struct pg_statement seals = {
    .name = "doctor_seals",
    .sql =
        "SELECT key_id, count(*)"
        " FROM secrets"
        " GROUP BY key_id",
    .types = "",
};

static const struct pg_statement tools = {
    .name = "doctor_tools",
    .sql =
        "WITH t AS ("
        "    SELECT coalesce(definition ->> 'class',"
        "        CASE WHEN definition ->> 'method' IN ('POST', 'PATCH') THEN 'once' END) AS class"
        "    FROM tools),"
        " u AS ("
        "    SELECT h.tool, sum(h.calls)::int8 AS calls"
        "    FROM ("
        "        SELECT tool, calls FROM tool_hourly"
        "        WHERE hour > now() - interval '1 day' AND bucket = -1"
        "        UNION ALL"
        "        SELECT tool, calls FROM tool_deltas WHERE bucket = -1) h"
        "    GROUP BY h.tool)"
        " SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM t WHERE class = 'once'),"
        "    (SELECT coalesce(sum(calls), 0)::int8 FROM u), ("
        "        SELECT string_agg(n.tool, ', ')"
        "        FROM (SELECT tool FROM u ORDER BY calls DESC, tool"
        "              LIMIT " SQL_STRING(DOCTOR_TOOLS_NAMED) ") n)",
    .types = "",
};
/* clang-format on */

static void look_at_file(const char *file, struct doctor_secrets *out)
{
    struct stat found;

    (void)snprintf(out->file, sizeof(out->file), "%s", file);
    if (!*file || stat(file, &found) < 0)
        return;
    out->mode = (unsigned)found.st_mode & 0777;
    out->is_open = S_ISREG(found.st_mode) && (out->mode & OTHERS) != 0;
}

int doctor_secrets_look(struct pg *pg, const struct config *config, struct doctor_secrets *out,
                        struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct doctor_secrets found = {.secrets = 0};
    struct key_ring *ring = NULL;
    struct error problem;
    int r = pg_exec(pg, &seals, NULL, &result, err);

    if (r < 0)
        return r;
    look_at_file(config->secrets.master_key_file, &found);
    if (key_ring_open(config->secrets.master_key, config->secrets.master_key_file, &ring,
                      &problem) < 0)
        (void)snprintf(found.problem, sizeof(found.problem), "%.150s", problem.text);
    found.has_key = ring && key_ring_current(ring);
    for (int i = 0; i < pg_rows(result); i++) {
        int64_t count = pg_get_int(result, i, 1);

        found.secrets += count;
        if (!ring || !key_ring_find(ring, pg_get_text(result, i, 0)))
            found.lost += count;
    }
    key_ring_free(ring);
    *out = found;
    return 0;
}

int doctor_tools_look(struct pg *pg, struct doctor_tools *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &tools, NULL, &result, err);

    if (r < 0)
        return r;
    *out = (struct doctor_tools){
        .declared = pg_get_int(result, 0, 0),
        .once = pg_get_int(result, 0, 1),
        .unknown = pg_get_int(result, 0, 2),
    };
    text_excerpt(pg_get_text(result, 0, 3), out->names, sizeof(out->names));
    return 0;
}

void doctor_groups_look(const char *groups, char out_bad[200])
{
    struct text rest = text_of(groups);

    out_bad[0] = '\0';
    while (rest.len > 0 && !out_bad[0]) {
        struct text one = rest;
        char folder[200];

        if (!text_cut(rest, ',', &one, &rest))
            rest = TEXT_NONE;
        text_excerpt(text_trim(one), folder, sizeof(folder));
        if (access(folder, W_OK | X_OK) < 0)
            (void)snprintf(out_bad, 200, "%s", folder);
    }
}

struct doctor_finding doctor_judge_secrets(const struct doctor_secrets *found)
{
    if (found->problem[0])
        return doctor_failed("%s", found->problem);
    if (!found->has_key && found->secrets > 0)
        return doctor_failed("there are %lld, and no master key here that opens them: set "
                             "PENSTOCK_MASTER_KEY_FILE as schedulers and workers have it",
                             (long long)found->secrets);
    if (!found->has_key)
        return doctor_ok("none; without a master key (PENSTOCK_MASTER_KEY_FILE) they are refused");
    if (found->lost > 0)
        return doctor_failed("%lld of %lld are sealed under a master key that is not here: put the "
                             "old key behind the new one, then `penstock secrets rotate`",
                             (long long)found->lost, (long long)found->secrets);
    if (found->is_open)
        return doctor_warning("others may read the master key: chmod 600 %.150s (it has mode %o)",
                              found->file, found->mode);
    if (!found->file[0])
        return doctor_ok("%lld; the master key is in the environment, where a file that is its "
                         "owner's alone is better",
                         (long long)found->secrets);
    return doctor_ok("%lld, and the master key opens them", (long long)found->secrets);
}

struct doctor_finding doctor_judge_tools(const struct doctor_tools *found)
{
    if (found->unknown > 0)
        return doctor_warning("%lld calls of the last day may or may not have had their effect, "
                              "since a worker died (%s): `penstock tools stats` counts them, and "
                              "their runs' steps say \"unknown\"",
                              (long long)found->unknown, found->names);
    return doctor_ok("%lld declared, calls of %lld may be made once only; the end of all calls of "
                     "the last day is known",
                     (long long)found->declared, (long long)found->once);
}

struct doctor_finding doctor_judge_groups(const char *groups, const char *bad)
{
    if (!*groups)
        return doctor_ok("none is named (code_interpreter.cgroups): the memory of programs is "
                         "watched every 50 ms");
    if (*bad)
        return doctor_warning("%.150s can't be written here: a worker of this user would run no "
                              "programs; delegate it, or name none",
                              bad);
    return doctor_ok("%.200s can be written", groups);
}
