/* Schedules: make, look, list, change, delete, pause and resume. */

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "scheduler/api/schedules/resources.h"
#include "scheduler/api/schedules/schedule_body.h"
#include "scheduler/api/schedules/schedule_render.h"
#include "shared/fiber/fiber.h"
#include "shared/schedules/schedule_times.h"

#define WRITES_MAX 40 /* of one that the clock, or somebody else, changes meanwhile */

static int missing(struct request *request)
{
    return request_missing(request, "schedule", request->exchange->params[0]);
}

static int show(struct request *request, const struct schedule *schedule)
{
    struct error err;
    int r = render_schedule(schedule, schedule->read_at, &request->reply, &err);

    return r < 0 ? request_failed(request, &err) : 0;
}

static int name_taken(struct request *request, struct text name)
{
    struct schedule other;
    char id[ID_TEXT_SIZE] = "another schedule";
    struct error err;
    int r = schedule_find(&request->store, name, &other, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0)
        id_format(ID_SCHEDULE, other.id, id);
    r = failure_param(&request->failure, 409, "name", "name_taken",
                      "The name '%.*s' is taken by %s.", TEXT_ARGS(name), id);
    request->failure.retry = RETRY_NO;
    return r;
}

static int too_many(struct request *request)
{
    return failure_param(&request->failure, 400, NULL, "schedules_quota_exceeded",
                         "There are %lld schedules already, and there may not be more. Delete "
                         "some, or have the limit raised (scheduler.tenant_schedules).",
                         (long long)request->api->schedules_max);
}

static int make(struct request *request, const struct schedule *draft, struct schedule *out)
{
    struct error err;
    int r =
        request->replaying ? schedule_get(&request->store, draft->id, out, &err) : SCHEDULE_MISSING;

    request->found = r == 0;
    if (r == SCHEDULE_MISSING)
        r = schedule_create(&request->store, draft, request->api->schedules_max, out, &err);
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS) {
        int tried = r;

        r = schedule_get(&request->store, draft->id, out, &err);
        request->found = r == 0 && tried == -E_CONFLICT;
        if (r == SCHEDULE_MISSING && tried == -E_CONFLICT)
            return name_taken(request, draft->name);
        if (r == SCHEDULE_MISSING)
            r = error_set(&err, E_AMBIGUOUS, "not known whether the schedule was created");
    }
    if (r == SCHEDULES_FULL)
        return too_many(request);
    return r < 0 ? request_failed(request, &err) : r;
}

static int create(struct request *request)
{
    struct schedule draft, made;
    int64_t now_s;
    struct error err;
    bool times;
    int r = schedules_now(&request->store, &now_s, &err);

    if (r < 0)
        return request_failed(request, &err);
    schedule_defaults(&draft, now_s);
    draft.id = request->object;
    r = schedule_body_read(request, &draft, &times);
    if (r == 0)
        r = make(request, &draft, &made);
    return r < 0 ? r : show(request, &made);
}

static int find(struct request *request, struct schedule *out)
{
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_SCHEDULE, "schedule", &id);

    if (r < 0)
        return r;
    r = schedule_get(&request->store, id, out, &err);
    if (r == SCHEDULE_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int get(struct request *request)
{
    struct schedule schedule;
    int r = find(request, &schedule);

    return r < 0 ? r : show(request, &schedule);
}

static int read_filter(struct request *request, struct schedule_filter *out)
{
    int r = request_query_agent(request, "assistant_id", AGENT_EVER, &out->agent);

    if (r == 0)
        r = request_query_user(request, "user", &out->user);
    if (r == 0)
        r = request_query_word(request, "state", schedule_states, &out->state);
    if (r == 0)
        r = request_query_metadata(request, &out->metadata);
    out->name = http_query_get(request->exchange, "name", 0);
    return r;
}

static int list(struct request *request)
{
    struct schedule_filter filter = {.name = TEXT_NONE};
    struct schedule_list schedules;
    struct listing page;
    struct error err;
    int r = listing_begin(&page, request, ID_SCHEDULE);

    if (r == 0)
        r = read_filter(request, &filter);
    if (r < 0)
        return r;
    r = schedule_list(&request->store, &filter, &page.page, &schedules, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; r == 0 && i < schedules.count; i++) {
        listing_add(&page, schedules.items[i].id);
        r = show(request, &schedules.items[i]);
    }
    listing_end(&page, schedules.has_more);
    return r;
}

/* Changes what was read; the clock may have it changed since then. Returns 0, or -E_INVALID with
 * the failure. */
typedef int (*change_fn)(struct request *request, struct schedule *schedule);

static int change(struct request *request, change_fn fn)
{
    for (int i = 0; i < WRITES_MAX; i++) {
        struct schedule schedule, written;
        struct error err;
        int r = i > 0 ? fiber_sleep(schedule_again_ms(i), &err) : 0;

        if (r < 0)
            return request_failed(request, &err);
        r = find(request, &schedule);

        if (r == 0)
            r = fn(request, &schedule);
        if (r < 0)
            return r;
        r = schedule_put(&request->store, &schedule, &written, &err);
        if (r == -E_CONFLICT)
            return name_taken(request, schedule.name);
        if (r < 0)
            return request_failed(request, &err);
        if (r == 0)
            return show(request, &written);
    }
    request->failure.retry = RETRY_YES;
    return failure_param(&request->failure, 503, NULL, "service_unavailable",
                         "The schedule changes at this moment. Please try again.");
}

static int update_it(struct request *request, struct schedule *schedule)
{
    bool times;

    return schedule_body_read(request, schedule, &times);
}

/* ---- all that would be refused is refused, and nothing is written ---- */

static int check_it(struct request *request, struct schedule *schedule)
{
    int r = schedule_body_check(request, schedule);

    if (r == 0)
        buf_add_string(&request->reply, "{\"object\":\"schedule.check\",\"valid\":true}");
    return r;
}

static int check_new(struct request *request)
{
    struct schedule draft;
    int64_t now_s;
    struct error err;

    if (schedules_now(&request->store, &now_s, &err) < 0)
        return request_failed(request, &err);
    schedule_defaults(&draft, now_s);
    return check_it(request, &draft);
}

static int check_change(struct request *request)
{
    struct schedule schedule;
    int r = find(request, &schedule);

    return r < 0 ? r : check_it(request, &schedule);
}

static int pause_it(struct request *request, struct schedule *schedule)
{
    struct text reason = json_get_text(request->body, "reason");

    if (schedule->state == SCHEDULE_ENDED)
        return failure_param(&request->failure, 409, NULL, "schedule_ended",
                             "The schedule has ended: no time of it is to come.");
    if (schedule->state == SCHEDULE_PAUSED && !reason.ptr)
        return 0;
    schedule->state = SCHEDULE_PAUSED;
    schedule->pause_code = TEXT("requested");
    schedule->pause_message = reason;
    return 0;
}

/* What it missed meanwhile is what it would have missed if nobody had been there. */
static int resume_it(struct request *request, struct schedule *schedule)
{
    if (schedule->state == SCHEDULE_ENDED)
        return failure_param(&request->failure, 409, NULL, "schedule_ended",
                             "The schedule has ended: no time of it is to come. Give it a new "
                             "time.");
    if (text_is(schedule->pause_code, "thread_deleted")) {
        schedule->thread = (struct uuid){{0}};
        schedule->thread_made = false;
    }
    schedule->state = schedule->next ? SCHEDULE_ACTIVE : SCHEDULE_ENDED;
    schedule->pause_code = schedule->pause_message = TEXT_NONE;
    return 0;
}

static int update(struct request *request)
{
    return change(request, update_it);
}

static int pause(struct request *request)
{
    return change(request, pause_it);
}

static int resume(struct request *request)
{
    return change(request, resume_it);
}

static int delete (struct request *request)
{
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_SCHEDULE, "schedule", &id);

    if (r < 0)
        return r;
    r = schedule_delete(&request->store, id, &err);
    if (r == SCHEDULE_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_SCHEDULE, id, "schedule.deleted");
    return 0;
}

static const char *const list_query[] = {LISTING_QUERY, "assistant_id",  "user", "state",
                                         "name",        "metadata[KEY]", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules", .handle = create,
     .takes = TAKES_JSON, .body = &body_create_schedule,
     .flags = ENDPOINT_CREATES | ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/schedules", .handle = list,
     .query = list_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/check", .handle = check_new,
     .takes = TAKES_JSON, .body = &body_update_schedule, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}/check",
     .handle = check_change, .takes = TAKES_JSON, .body = &body_update_schedule,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/schedules/{schedule_id}", .handle = get,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}", .handle = update,
     .takes = TAKES_JSON, .body = &body_update_schedule, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/schedules/{schedule_id}", .handle = delete},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}/pause", .handle = pause,
     .takes = TAKES_JSON, .body = &body_pause_schedule, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}/resume",
     .handle = resume, .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table schedule_endpoints = ENDPOINT_TABLE(table);
