/* What is asked of a schedule: a run now, times that are past, and what became of all of them. */

#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "scheduler/api/schedules/resources.h"
#include "scheduler/api/schedules/schedule_body.h"
#include "scheduler/api/schedules/schedule_render.h"
#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_write.h"
#include "shared/schedules/schedule_plan.h"
#include "shared/schedules/schedule_times.h"

#define WRITES_MAX 40 /* of one that the clock, or somebody else, has in hand */

static int missing(struct request *request)
{
    return request_missing(request, "schedule", request->exchange->params[0]);
}

static int look(struct request *request, struct schedule_due *out)
{
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_SCHEDULE, "schedule", &id);

    if (r < 0)
        return r;
    r = schedule_look(&request->store, id, out, &err);
    if (r == SCHEDULE_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : 0;
}

/* Plans from what was looked at. Returns 0, or -E_INVALID with the failure. */
typedef int (*plan_fn)(struct request *request, const struct schedule_due *due,
                       struct schedule_plan *out);

/* The clock may have the schedule in hand at the same moment: then it is looked at anew. *out is
 * what it was planned from. */
static int plan_and_fire(struct request *request, plan_fn plan, struct schedule_due *out,
                         int64_t *out_firings)
{
    struct error err;
    int r;

    for (int i = 0; i < WRITES_MAX; i++) {
        struct schedule_plan planned;
        int64_t done = 0;

        r = i > 0 ? fiber_sleep(schedule_again_ms(i), &err) : 0;
        if (r < 0)
            return request_failed(request, &err);
        r = look(request, out);
        if (r == 0)
            r = plan(request, out, &planned);
        if (r < 0)
            return r;
        r = schedules_fire(request->store.pg, &planned, 1, &done, out_firings, &err);
        if (r < 0)
            return request_failed(request, &err);
        if (done > 0)
            return 0;
    }
    request->failure.retry = RETRY_YES;
    return failure_param(&request->failure, 503, NULL, "service_unavailable",
                         "The schedule changes at this moment. Please try again.");
}

/* ---- run now ---- */

static int show_firing(struct request *request, const struct schedule *schedule, struct uuid id)
{
    struct firing firing;
    struct error err;
    int r = firing_get(&request->store, schedule->id, id, &firing, &err);

    if (r == FIRING_MISSING)
        return request_missing(request, "schedule", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    render_firing(&firing, schedule->zone, &request->reply);
    return 0;
}

static int plan_run(struct request *request, const struct schedule_due *due,
                    struct schedule_plan *out)
{
    struct error err;
    int r = plan_manual(due, request->object, &request->exchange->arena, out, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (out->firings[0].state != FIRING_SKIPPED)
        return 0;
    r = failure_param(&request->failure, 409, NULL, "schedule_busy",
                      "The schedule has one run at a time (overlap '%s'): %.*s.",
                      schedule_overlaps[due->schedule.overlap], TEXT_ARGS(out->firings[0].detail));
    request->failure.retry = RETRY_NO;
    return r;
}

static int run_now(struct request *request)
{
    struct schedule_due due;
    struct firing firing;
    struct error err;
    int64_t firings;
    int r = look(request, &due);

    if (r == 0 && request->replaying) {
        r = firing_get(&request->store, due.schedule.id, request->object, &firing, &err);
        if (r < 0)
            return request_failed(request, &err);
        request->found = r == 0;
    }
    if (r >= 0 && !request->found)
        r = plan_and_fire(request, plan_run, &due, &firings);
    return r < 0 ? r : show_firing(request, &due.schedule, request->object);
}

/* ---- backfill ---- */

static int read_span(struct request *request, const struct schedule_due *due, int64_t out_s[2])
{
    int r = schedule_body_time(request, &due->schedule, "from", &out_s[0]);

    if (r == 0)
        r = schedule_body_time(request, &due->schedule, "to", &out_s[1]);
    if (r < 0)
        return r;
    if (out_s[1] > due->standing.now_s)
        return failure_param(&request->failure, 400, "to", "invalid_value",
                             "Invalid 'to': it is not in the past.");
    if (out_s[0] < out_s[1])
        return 0;
    return failure_param(&request->failure, 400, "from", "invalid_value",
                         "Invalid 'from': it is not before 'to'.");
}

static int plan_past(struct request *request, const struct schedule_due *due,
                     struct schedule_plan *out)
{
    struct timetable table;
    int64_t span_s[2] = {0, 0};
    struct error err;
    int r;

    if (due->schedule.state == SCHEDULE_PAUSED)
        return failure_param(&request->failure, 409, NULL, "schedule_paused",
                             "The schedule is paused. Resume it first.");
    r = read_span(request, due, span_s);
    if (r < 0)
        return r;
    r = schedule_timetable(&due->schedule, &table, &err);
    if (r == 0)
        r = plan_backfill(due, &table, span_s, &request->exchange->arena, out, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (r == PLAN_TOO_MANY)
        return failure_param(&request->failure, 400, "from", "invalid_value",
                             "There are more than %d times from 'from' to 'to'. Ask for fewer at "
                             "once.",
                             PLAN_TIMES_MAX);
    return 0;
}

static int backfill(struct request *request)
{
    struct json_write write;
    struct schedule_due due;
    char id[ID_TEXT_SIZE];
    int64_t firings = 0;
    int r = plan_and_fire(request, plan_past, &due, &firings);

    if (r < 0)
        return r;
    id_format(ID_SCHEDULE, due.schedule.id, id);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "schedule.backfill");
    json_write_string(&write, "schedule_id", id);
    json_write_int(&write, "firings", firings);
    json_write_close(&write);
    return 0;
}

/* ---- firings ---- */

static int firings(struct request *request)
{
    struct firing_list list;
    struct schedule schedule;
    struct listing page;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_SCHEDULE, "schedule", &id);

    if (r == 0)
        r = listing_begin(&page, request, ID_FIRING);
    if (r < 0)
        return r;
    r = schedule_get(&request->store, id, &schedule, &err);
    if (r == 0)
        r = firing_list(&request->store, id, &page.page, &list, &err);
    if (r == SCHEDULE_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < list.count; i++) {
        listing_add(&page, list.items[i].id);
        render_firing(&list.items[i], schedule.zone, &request->reply);
    }
    listing_end(&page, list.has_more);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}/run", .handle = run_now,
     .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/schedules/{schedule_id}/backfill",
     .handle = backfill, .takes = TAKES_JSON, .body = &body_backfill_schedule},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/schedules/{schedule_id}/firings",
     .handle = firings, .query = listing_query, .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table schedule_work_endpoints = ENDPOINT_TABLE(table);
