#include "scheduler/cli/agents/apply_schedules.h"

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/agents/schedules_diff.h"
#include "scheduler/cli/agents/show_change.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define LISTED_MAX     100000
#define COMPLAINTS_MAX 20

static size_t count_of(const struct apply_schedules *apply)
{
    return json_object_array_length(apply->file->schedules);
}

static struct json_object *wanted_at(const struct apply_schedules *apply, size_t i)
{
    return json_object_array_get_idx(apply->file->schedules, i);
}

static bool is_of_file_agent(const struct apply_schedules *apply, struct json_object *schedule)
{
    const char *agent = json_get_string(schedule, "assistant_id");

    json_object_object_foreach(apply->agents, name, there)
    {
        (void)name;
        if (agent && strcmp(json_get_string(there, "id"), agent) == 0)
            return true;
    }
    return false;
}

static int note(void *arg, struct json_object *item, struct error *err)
{
    struct apply_schedules *apply = arg;
    const char *name = json_get_string(item, "name");

    (void)err;
    for (size_t i = 0; name && i < count_of(apply); i++)
        if (strcmp(json_get_string(wanted_at(apply, i), "name"), name) == 0)
            json_object_object_add(apply->have, name, json_object_get(item));
    if (apply->prunes && name && !json_get(apply->have, name) && !json_get_string(item, "user") &&
        is_of_file_agent(apply, item))
        json_object_array_add(apply->gone, json_object_get(item));
    return 0;
}

int apply_schedules_look(struct apply_schedules *apply, struct error *err)
{
    const struct client_walk walk = {"/v1/schedules?order=asc", LISTED_MAX, note, apply};

    apply->have = json_object_new_object();
    apply->gone = json_object_new_array();
    return count_of(apply) > 0 || apply->prunes ? client_walk(apply->client, &walk, err) : 0;
}

static bool is_of_file(const struct apply_schedules *apply, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(apply->file->agents); i++)
        if (strcmp(json_get_string(json_object_array_get_idx(apply->file->agents, i), "name"),
                   name) == 0)
            return true;
    return false;
}

/* *out_id is the caller's; NULL: it is one of the file that is not there yet. */
static int agent_of(const struct apply_schedules *apply, size_t i, char **out_id, struct error *err)
{
    const struct agents_place *place = &apply->file->schedule_places[i];
    struct json_object *wanted = wanted_at(apply, i);
    const char *agent = json_get_string(wanted, "agent");
    const char *id = json_get_string(json_get(apply->agents, agent), "id");

    *out_id = id ? xstrdup(id) : NULL;
    if (id || is_of_file(apply, agent))
        return 0;
    if (find_agent(apply->client, agent, out_id, err) == 0)
        return 0;
    return error_wrap(err, "%s:%zu:%zu: schedule \"%.60s\"", apply->path, place->line,
                      place->column, json_get_string(wanted, "name"));
}

/* Without its agent where the file has that, which will be another one by then. */
static int check_one(struct apply_schedules *apply, size_t i, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    CLEANUP(freep) char *agent = NULL;
    CLEANUP(freep) char *path = NULL;
    struct json_object *wanted = wanted_at(apply, i);
    const char *name = json_get_string(wanted, "name");
    struct json_object *have = json_get(apply->have, name);
    struct client_reply reply = {0};
    int r = agent_of(apply, i, &agent, err);

    if (r < 0 || schedules_diff(wanted, agent, have, &body) == AGENTS_SAME)
        return r;
    if (is_of_file(apply, json_get_string(wanted, "agent")))
        json_object_object_del(body, "assistant_id");
    path = have ? xasprintf("/v1/schedules/%s/check", json_get_string(have, "id"))
                : xstrdup("/v1/schedules/check");
    r = client_post(apply->client, path, body, &reply, err);
    client_reply_deinit(&reply);
    return r == -E_NOT_FOUND ? -E_REJECTED : r; /* its thread, or the schedule itself */
}

int apply_schedules_check(struct apply_schedules *apply, struct error *err)
{
    int wrong = 0;

    for (size_t i = 0; i < count_of(apply); i++) {
        const struct agents_place *place = &apply->file->schedule_places[i];
        int r = check_one(apply, i, err);

        if (r < 0 && r != -E_REJECTED)
            return r;
        if (r < 0 && ++wrong <= COMPLAINTS_MAX)
            terminal_complain("%s:%zu:%zu: schedule \"%.60s\": %s", apply->path, place->line,
                              place->column, json_get_string(wanted_at(apply, i), "name"),
                              err->text);
    }
    return wrong;
}

int apply_schedules_show(struct apply_schedules *apply, struct error *err)
{
    for (size_t i = 0; i < count_of(apply); i++) {
        CLEANUP(json_freep) struct json_object *body = NULL;
        CLEANUP(freep) char *agent = NULL;
        struct json_object *wanted = wanted_at(apply, i);
        struct json_object *have = json_get(apply->have, json_get_string(wanted, "name"));
        enum agents_change change;
        int r = agent_of(apply, i, &agent, err);

        if (r < 0)
            return r;
        change = schedules_diff(wanted, agent, have, &body);
        apply->counts[change]++;
        show_change(change, "schedule ", json_get_text(wanted, "name"), have, body);
    }
    for (size_t i = 0; i < json_object_array_length(apply->gone); i++) {
        struct json_object *gone = json_object_array_get_idx(apply->gone, i);

        show_change(AGENTS_DELETE, "schedule ", json_get_text(gone, "name"), gone, NULL);
        apply->counts[AGENTS_DELETE]++;
    }
    return 0;
}

static int change_one(struct apply_schedules *apply, size_t i, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    CLEANUP(freep) char *agent = NULL;
    struct json_object *wanted = wanted_at(apply, i);
    const char *name = json_get_string(wanted, "name");
    struct json_object *have = json_get(apply->have, name);
    struct client_reply reply = {0};
    int r = agent_of(apply, i, &agent, err);

    if (r == 0 && !agent)
        r = find_agent(apply->client, json_get_string(wanted, "agent"), &agent, err);
    if (r < 0 || schedules_diff(wanted, agent, have, &body) == AGENTS_SAME)
        return r;
    if (have) {
        CLEANUP(freep) char *path = xasprintf("/v1/schedules/%s", json_get_string(have, "id"));

        r = client_post(apply->client, path, body, &reply, err);
    } else {
        r = client_post_once(apply->client, "/v1/schedules", body, &reply, err);
    }
    if (r < 0)
        return error_wrap(err, "schedule \"%.60s\"", name);
    printf("%s schedule ", have ? "updated" : "created");
    terminal_print(stdout, text_of(name));
    printf(" (%s)\n", json_get_string(reply.json, "id"));
    client_reply_deinit(&reply);
    return 0;
}

/* One that somebody else has deleted meanwhile is gone as well. */
static int delete_one(struct apply_schedules *apply, struct json_object *gone, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/schedules/%s", json_get_string(gone, "id"));
    const struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};
    struct client_reply reply = {0};
    int r = client_send(apply->client, &call, &reply, err);

    if (r < 0 && r != -E_NOT_FOUND)
        return error_wrap(err, "schedule \"%.60s\"", json_get_string(gone, "name"));
    printf("deleted schedule ");
    terminal_print(stdout, json_get_text(gone, "name"));
    printf(" (%s)\n", json_get_string(gone, "id"));
    client_reply_deinit(&reply);
    return 0;
}

int apply_schedules_change(struct apply_schedules *apply, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count_of(apply); i++)
        r = change_one(apply, i, err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(apply->gone); i++)
        r = delete_one(apply, json_object_array_get_idx(apply->gone, i), err);
    return r;
}
