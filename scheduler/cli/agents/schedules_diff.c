#include "scheduler/cli/agents/schedules_diff.h"

#include "shared/base/error.h"
#include "shared/time/interval.h"
#include "shared/time/rfc3339.h"

/* Members of a schedule that the server shows where nobody said them, as JSON; NULL: those that it
 * tells of by itself. A member that is not in this table is of its runs, and shown where it was
 * said. */
static const char *const otherwise[][2] = {
    {"name", "null"},
    {"jitter", "0"},
    {"overlap", "\"skip\""},
    {"catch_up", "\"latest\""},
    {"catch_up_window", "3600"},
    {"thread", "\"new\""},
    {"on_full", "\"new_thread\""},
    {"max_failures", "10"},
    {"timezone", "\"UTC\""},
    {"metadata", "{}"},
    {"retention", "null"},
    {"input", "null"},
    {"user", "null"},
    {"end_at", "null"},
    {"id", NULL},
    {"object", NULL},
    {"created_at", NULL},
    {"updated_at", NULL},
    {"assistant_id", NULL},
    {"next_fire_times", NULL},
    {"state", NULL},
    {"paused_reason", NULL},
    {"failures", NULL},
    {"fired", NULL},
    {"last_fire_time", NULL},
    {"last_run_id", NULL},
    {"last_outcome", NULL},
    {"thread_id", NULL},
    {"start_at", NULL},
    {"cron", NULL},
    {"every", NULL},
    {"run_at", NULL},
};

static bool same_every(struct text a, struct text b)
{
    int64_t a_s, b_s;
    struct error err;

    return interval_parse(a, &a_s, &err) == 0 && interval_parse(b, &b_s, &err) == 0 && a_s == b_s;
}

/* The server shows an offset, which the file may leave out. */
static bool same_time(struct text wanted, struct text have)
{
    int64_t wanted_s, have_s;

    if (rfc3339_parse(wanted, &wanted_s) && rfc3339_parse(have, &have_s))
        return wanted_s == have_s;
    return wanted.len > 0 && wanted.len <= have.len &&
           memcmp(wanted.ptr, have.ptr, wanted.len) == 0;
}

static bool same(const char *name, struct json_object *wanted, struct json_object *have)
{
    struct text a = json_string(wanted), b = json_string(have);

    if (agents_diff_same(wanted, have))
        return true;
    if (!a.ptr || !b.ptr)
        return false;
    if (strcmp(name, "every") == 0)
        return same_every(a, b);
    if (strcmp(name, "run_at") == 0 || strcmp(name, "start_at") == 0 || strcmp(name, "end_at") == 0)
        return same_time(a, b);
    return false;
}

/* Whether what the file does not say is as it would be if nobody had ever said it. */
static bool is_unset(const char *name, struct json_object *value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(otherwise); i++) {
        CLEANUP(json_freep) struct json_object *unsaid = NULL;

        if (strcmp(otherwise[i][0], name) != 0)
            continue;
        if (!otherwise[i][1])
            return true;
        return json_decode(text_of(otherwise[i][1]), 2, &unsaid, NULL) == 0 &&
               agents_diff_same(value, unsaid);
    }
    return !value;
}

/* "lasting" follows from a thread that is named. */
static bool follows(struct json_object *wanted, const char *name)
{
    return strcmp(name, "thread") == 0 && json_get(wanted, "thread_id");
}

enum agents_change schedules_diff(struct json_object *wanted, const char *agent_id,
                                  struct json_object *have, struct json_object **out_body)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    const char *had = json_get_string(have, "assistant_id");

    *out_body = NULL;
    json_object_object_foreach(wanted, name, value)
    {
        if (strcmp(name, "agent") != 0 && (!have || !same(name, value, json_get(have, name))))
            json_object_object_add(body, name, json_object_get(value));
    }
    if (have) {
        json_object_object_foreach(have, key, there)
        {
            if (!json_has(wanted, key) && !is_unset(key, there) && !follows(wanted, key))
                json_object_object_add(body, key, NULL);
        }
    }
    if (agent_id && (!had || strcmp(agent_id, had) != 0))
        json_object_object_add(body, "assistant_id", json_object_new_string(agent_id));
    if (have && agent_id && json_object_object_length(body) == 0)
        return AGENTS_SAME;
    *out_body = body;
    body = NULL;
    return have ? AGENTS_UPDATE : AGENTS_CREATE;
}
