/* Users: a name that the client gives, of whom something may be known. A user is not made, and ends
 * when all that is known of him is deleted. */

#include "scheduler/api/assistants/users.h"

#include "scheduler/api/assistants/resources.h"
#include "shared/agent/memory.h"
#include "shared/base/clock.h"
#include "shared/json/json_write.h"
#include "shared/store/users/user_data.h"

/* A reply says so when more is left, and a client waits longer than that for a reply. */
#define DELETE_MS 10000

int request_user(struct request *request, struct text *out)
{
    static const struct path path = {NULL, "user", 0};

    *out = request->exchange->params[0];
    return memory_name_check(*out, USER_ID_MAX, &path, &request->failure);
}

void request_write_apart(struct request *request)
{
    request->store.pg = request->api->pg_large;
}

static void render(struct text user, const struct user_removed *removed, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "user.deleted");
    json_write_text(&write, "user_id", user);
    json_write_bool(&write, "deleted", removed->all);
    json_write_open_object(&write, "removed");
    for (enum user_thing i = 0; i < USER_THING_COUNT; i++)
        json_write_int(&write, user_thing_name(i), removed->counts[i]);
    json_write_close(&write);
    if (!removed->all)
        json_write_string(&write, "message", "More is left: ask again.");
    json_write_close(&write);
}

/* Its worker stops it at once, and not when its next write is refused. */
static void nudge(void *arg, const struct run_stopped *run)
{
    run_events_cancelling(arg, run->owner, run->id);
}

/* What is shown from memory, or waited for. */
static void thread_gone(void *arg, struct uuid thread)
{
    run_events_thread_gone(arg, thread);
}

static void run_gone(void *arg, struct uuid run)
{
    run_events_changed(arg, run);
    run_events_settled(arg, run);
}

static int user_delete(struct request *request)
{
    struct user_deleting how = {
        .stopped = nudge,
        .thread_gone = thread_gone,
        .run_gone = run_gone,
        .arg = &request->api->events,
    };
    struct user_removed removed;
    struct error err;
    int r = request_user(request, &how.user);

    if (r < 0)
        return r;
    request_write_apart(request);
    how.deadline_ms = deadline_in(DELETE_MS);
    r = users_delete(&request->store, &how, &removed, &err);
    if (r < 0)
        return request_failed(request, &err);
    render(how.user, &removed, &request->reply);
    return removed.all ? 0 : 202;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/users/{user}",
     .handle = user_delete},
};
/* clang-format on */

const struct endpoint_table user_endpoints = ENDPOINT_TABLE(table);
