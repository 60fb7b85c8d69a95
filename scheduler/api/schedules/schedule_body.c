/* From a body to a schedule. What each run is to be asked with stays JSON: it is looked at here as
 * a run's request would be, and made into one each time. */

#include "scheduler/api/schedules/schedule_body.h"

#include <string.h>

#include "shared/agent/checks.h"
#include "shared/agent/spec.h"
#include "shared/base/backoff.h"
#include "shared/schedules/schedule_ask.h"
#include "shared/schedules/schedule_times.h"
#include "shared/store/threads/threads.h"
#include "shared/submit/bodies.h"
#include "shared/time/cron_parse.h"
#include "shared/time/rfc3339.h"
#include "shared/time/run_at.h"
#include "shared/time/zone.h"

#define JITTER_MAX_S      86400
#define WINDOW_MIN_S      60
#define WINDOW_MAX_S      (31 * 86400)
#define WINDOW_S          3600
#define FAILURES          10
#define FAILURES_MAX      1000
#define REQUEST_BYTES_MAX ((size_t)1 << 20)
#define REASON_MAX        500
#define TIME_MAX          64
#define NULLABLE          FIELD_NULLABLE

static const char *const priorities[] = {"high", "normal", "low", NULL};
static const char *const which_thread[] = {"new", "lasting", NULL};
static const char *const when_full[] = {"new_thread", "compact", NULL};

/* clang-format off */
/* Of the schedule itself. */
#define OWN                                                                                        \
    {"name", FIELD_STRING, NULLABLE, 1, SCHEDULE_NAME_MAX, NULL, NULL},                            \
    {"cron", FIELD_STRING, NULLABLE, 1, CRON_TEXT_MAX, NULL, NULL},                                \
    {"every", FIELD_STRING, NULLABLE, 1, TIME_MAX, NULL, NULL},                                    \
    {"run_at", FIELD_STRING, NULLABLE, 1, TIME_MAX, NULL, NULL},                                   \
    {"timezone", FIELD_STRING, NULLABLE, 1, ZONE_NAME_MAX, NULL, NULL},                            \
    {"start_at", FIELD_STRING, NULLABLE, 1, TIME_MAX, NULL, NULL},                                 \
    {"end_at", FIELD_STRING, NULLABLE, 1, TIME_MAX, NULL, NULL},                                   \
    {"jitter", FIELD_INTEGER, NULLABLE, 0, JITTER_MAX_S, NULL, NULL},                              \
    {"overlap", FIELD_STRING, NULLABLE, 0, 0, schedule_overlaps, NULL},                            \
    {"catch_up", FIELD_STRING, NULLABLE, 0, 0, schedule_catch_ups, NULL},                          \
    {"catch_up_window", FIELD_INTEGER, NULLABLE, WINDOW_MIN_S, WINDOW_MAX_S, NULL, NULL},          \
    {"thread", FIELD_STRING, NULLABLE, 0, 0, which_thread, NULL},                                  \
    {"thread_id", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL},                                       \
    {"on_full", FIELD_STRING, NULLABLE, 0, 0, when_full, NULL},                                    \
    {"max_failures", FIELD_INTEGER, NULLABLE, 0, FAILURES_MAX, NULL, NULL},                        \
    {"retention", FIELD_OBJECT, NULLABLE, 0, 0, NULL, check_retention},                            \
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL}

/* Of its runs. */
#define OF_RUNS                                                                                    \
    {"input", FIELD_STRING, NULLABLE, 1, INPUT_MAX, NULL, NULL},                                   \
    {"user", FIELD_STRING, NULLABLE, 1, USER_MAX, NULL, check_user},                               \
    {"if_pending", FIELD_BOOLEAN, NULLABLE, 0, 0, NULL, NULL},                                     \
    {"priority", FIELD_STRING, NULLABLE, 0, 0, priorities, NULL},                                  \
    {"additional_instructions", FIELD_STRING, NULLABLE, 0, 256000, NULL, NULL}

static const struct field create[] = {
    {"assistant_id", FIELD_STRING, FIELD_REQUIRED, 0, 0, NULL, NULL},
    OWN,
    OF_RUNS,
};

static const struct field update[] = {
    {"assistant_id", FIELD_STRING, 0, 0, 0, NULL, NULL},
    OWN,
    OF_RUNS,
};

static const struct field pause[] = {
    {"reason", FIELD_STRING, NULLABLE, 1, REASON_MAX, NULL, NULL},
};

static const struct field backfill[] = {
    {"from", FIELD_STRING, FIELD_REQUIRED, 1, TIME_MAX, NULL, NULL},
    {"to", FIELD_STRING, FIELD_REQUIRED, 1, TIME_MAX, NULL, NULL},
};
/* clang-format on */

#define TABLE(name)        name, ARRAY_LENGTH(name), sizeof((name)[0]), NULL, 0
#define TABLE_OF_RUN(name) name, ARRAY_LENGTH(name), sizeof((name)[0]), &agent_fields, FIELD_OF_RUN

const struct fields body_create_schedule = {TABLE_OF_RUN(create)};
const struct fields body_update_schedule = {TABLE_OF_RUN(update)};
const struct fields body_pause_schedule = {TABLE(pause)};
const struct fields body_backfill_schedule = {TABLE(backfill)};

/* The members of a schedule that are not of its runs stand first in both. */
#define OWN_COUNT 18
_Static_assert(ARRAY_LENGTH(create) == OWN_COUNT + 5, "assistant_id and OWN");

void schedule_defaults(struct schedule *schedule, int64_t now_s)
{
    *schedule = (struct schedule){
        .zone = TEXT("UTC"),
        .catch_up = CATCH_UP_LATEST,
        .window_s = WINDOW_S,
        .max_failures = FAILURES,
        .request = TEXT("{}"),
        .metadata = TEXT("{}"),
        .created_at = now_s,
        .read_at = now_s,
    };
}

int64_t schedule_again_ms(int tries)
{
    static const struct backoff_policy apart = {.base_ms = 4, .cap_ms = 200};

    return backoff_wait_ms(&apart, tries - 1, (uint32_t)random_below(UINT32_MAX));
}

static int unfit(struct request *request, const char *name, const struct error *err)
{
    return failure_param(&request->failure, 400, name, "invalid_value", "Invalid '%s': %s.", name,
                         err->text);
}

int schedule_body_time(struct request *request, const struct schedule *schedule, const char *name,
                       int64_t *out_s)
{
    struct text said = json_get_text(request->body, name);
    const struct zone *zone;
    struct error err;

    if (!json_has(request->body, name))
        return 0;
    *out_s = 0;
    if (!said.ptr)
        return 0;
    if (zone_get(schedule->zone, &zone, &err) < 0)
        return unfit(request, "timezone", &err);
    if (run_at_parse(said, zone, out_s, &err) < 0)
        return unfit(request, name, &err);
    if (*out_s > RFC3339_LAST_S)
        return failure_param(&request->failure, 400, name, "invalid_value",
                             "Invalid '%s': it is after the end of the year 9999 (UTC).", name);
    if (*out_s > 0)
        return 0;
    /* 0 is none, and what an interval counts from has to be kept. */
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': it is not after the beginning of 1970.", name);
}

/* One of three, in place of what it was. */
static int read_when(struct request *request, struct schedule *schedule)
{
    struct text cron = json_get_text(request->body, "cron");
    struct text every = json_get_text(request->body, "every");
    struct text run_at = json_get_text(request->body, "run_at");
    struct error err;

    if (!!cron.ptr + !!every.ptr + !!run_at.ptr > 1)
        return failure_param(&request->failure, 400, cron.ptr ? "cron" : "every", "invalid_value",
                             "A schedule has one of 'cron', 'every' and 'run_at': say one of "
                             "them.");
    if (cron.ptr || every.ptr || run_at.ptr) {
        schedule->cron = cron;
        schedule->every_s = schedule->run_at = 0;
    }
    if (every.ptr && interval_parse(every, &schedule->every_s, &err) < 0)
        return unfit(request, "every", &err);
    if (run_at.ptr)
        return schedule_body_time(request, schedule, "run_at", &schedule->run_at);
    if (schedule->cron.ptr || schedule->every_s || schedule->run_at)
        return 0;
    return failure_param(&request->failure, 400, "cron", "missing_required_parameter",
                         "Missing required parameter: a schedule has one of 'cron', 'every' and "
                         "'run_at'.");
}

static int read_times(struct request *request, struct schedule *schedule, bool *out_times)
{
    static const char *const names[] = {"cron",     "every",  "run_at", "timezone",
                                        "start_at", "end_at", "jitter"};
    struct text zone = json_get_text(request->body, "timezone");
    const struct zone *found;
    struct error err;
    int r;

    *out_times = false;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        *out_times |= json_has(request->body, names[i]);
    if (json_has(request->body, "timezone"))
        schedule->zone = zone.ptr ? zone : TEXT("UTC");
    if (zone_get(schedule->zone, &found, &err) < 0)
        return unfit(request, "timezone", &err);
    schedule->jitter_s = json_has(request->body, "jitter")
                             ? json_get_int(request->body, "jitter", 0)
                             : schedule->jitter_s;
    r = read_when(request, schedule);
    if (r == 0)
        r = schedule_body_time(request, schedule, "start_at", &schedule->starts_at);
    if (r == 0)
        r = schedule_body_time(request, schedule, "end_at", &schedule->ends_at);
    return r;
}

/* Sets what fires next, and refuses what never will. An interval counts from its start. Who says
 * the same times once more takes none away that is due and has not fired yet. */
static int begin(struct request *request, const struct schedule *before, struct schedule *schedule,
                 int64_t now_s)
{
    enum schedule_state state = schedule->state;
    int64_t after_s = now_s;
    struct error err;

    if (schedule->every_s && !schedule->starts_at)
        schedule->starts_at = now_s;
    if (before->next && before->next <= now_s && schedule_same_times(before, schedule))
        after_s = before->next - 1;
    if (schedule->run_at && schedule->run_at <= after_s)
        return failure_param(&request->failure, 400, "run_at", "invalid_value",
                             "Invalid 'run_at': it is not in the future.");
    schedule->state = SCHEDULE_ACTIVE;
    if (schedule_begin(schedule, after_s, &err) < 0)
        return unfit(request, schedule->cron.ptr ? "cron" : "timezone", &err);
    if (schedule->state == SCHEDULE_ENDED)
        return failure_param(&request->failure, 400, schedule->ends_at ? "end_at" : "cron",
                             "invalid_value",
                             "Such a schedule never fires: no time of it is to come%s.",
                             schedule->ends_at ? " until 'end_at'" : "");
    if (state == SCHEDULE_PAUSED)
        schedule->state = SCHEDULE_PAUSED;
    return 0;
}

static void read_policies(struct json_object *body, struct schedule *schedule)
{
    struct text word = json_get_text(body, "overlap");

    if (json_has(body, "overlap"))
        schedule->overlap =
            word.ptr ? (enum schedule_overlap)schedule_word(schedule_overlaps, word) : OVERLAP_SKIP;
    word = json_get_text(body, "catch_up");
    if (json_has(body, "catch_up"))
        schedule->catch_up = word.ptr
                                 ? (enum schedule_catch_up)schedule_word(schedule_catch_ups, word)
                                 : CATCH_UP_LATEST;
    if (json_has(body, "catch_up_window"))
        schedule->window_s = json_get_int(body, "catch_up_window", WINDOW_S);
    if (json_has(body, "max_failures"))
        schedule->max_failures = json_get_int(body, "max_failures", FAILURES);
    if (json_has(body, "on_full"))
        schedule->compacts = text_is(json_get_text(body, "on_full"), "compact");
    if (json_has(body, "name"))
        schedule->name = json_get_text(body, "name");
    if (json_has(body, "retention"))
        schedule->retention =
            json_get(body, "retention") ? json_text(json_get(body, "retention")) : TEXT_NONE;
    if (json_has(body, "metadata"))
        schedule->metadata =
            json_get(body, "metadata") ? json_text(json_get(body, "metadata")) : TEXT("{}");
}

static int find_thread(struct request *request, struct text said, struct thread *out)
{
    struct uuid id;
    struct error err;
    int r = id_parse(ID_THREAD, said, &id) ? threads_get(&request->store, id, out, &err)
                                           : THREAD_MISSING;

    if (r == THREAD_MISSING)
        return request_missing(request, "thread", said);
    return r < 0 ? request_failed(request, &err) : 0;
}

/* Whose it is: who asks, or the owner of its thread. */
static int read_thread(struct request *request, struct schedule *schedule)
{
    struct text said = json_get_text(request->body, "thread_id");
    struct text which = json_get_text(request->body, "thread");
    struct text user = json_get_text(request->body, "user");
    struct thread thread;
    int r;

    if (json_has(request->body, "user"))
        schedule->user = user;
    if (said.ptr && text_is(which, "new"))
        return failure_param(&request->failure, 400, "thread", "invalid_value",
                             "Invalid 'thread': the schedule names a thread with 'thread_id', too, "
                             "which is a lasting one.");
    if (which.ptr || json_has(request->body, "thread_id")) {
        schedule->lasting = said.ptr || text_is(which, "lasting");
        if (!schedule->lasting || json_has(request->body, "thread_id")) {
            schedule->thread = (struct uuid){{0}};
            schedule->thread_made = false;
        }
    }
    if (!said.ptr)
        return 0;
    r = find_thread(request, said, &thread);
    if (r < 0)
        return r;
    schedule->thread = thread.id;
    if (!schedule->user.ptr)
        schedule->user = thread.user;
    return 0;
}

static bool is_own(const char *name)
{
    for (size_t i = 0; i < OWN_COUNT; i++)
        if (strcmp(create[i].name, name) == 0)
            return true;
    return false;
}

/* What the body says of runs, over what there is. */
static int merge_request(struct request *request, struct schedule *schedule)
{
    CLEANUP(json_freep) struct json_object *merged = NULL;
    struct error err;
    struct text text;
    int r = json_decode(schedule->request, JSON_DEPTH_DEFAULT, &merged, &err);

    if (r < 0)
        return request_failed(request, &err);
    json_object_object_foreach(request->body, name, value)
    {
        if (is_own(name))
            continue;
        if (value)
            json_object_object_add(merged, name, json_object_get(value));
        else
            json_object_object_del(merged, name);
    }
    text = json_text(merged);
    if (text.len > REQUEST_BYTES_MAX)
        return failure_param(&request->failure, 400, NULL, "string_above_max_length",
                             "What the schedule's runs are asked with has %zu bytes as JSON. "
                             "Expected at most %zu.",
                             text.len, REQUEST_BYTES_MAX);
    schedule->request = (struct text){arena_copy(&request->exchange->arena, text), text.len};
    if (schedule->request.ptr)
        return 0;
    (void)error_set(&err, E_LIMIT, "the schedule is too large");
    return request_failed(request, &err);
}

static int make_room(void *arg, size_t bytes)
{
    return request_enlarge(arg, bytes);
}

/* As if it fired now. A lasting thread that its runs made may be gone, and is made anew then. */
static int try_run(struct request *request, const struct schedule *schedule)
{
    CLEANUP(json_freep) struct json_object *asked = NULL;
    struct firing_taken taken = {.schedule = *schedule,
                                 .firing = {.nominal = schedule->created_at}};
    struct submission submission = {
        .id = uuid_new(),
        .thread = schedule->thread_made ? (struct uuid){{0}} : schedule->thread,
        .make_room = make_room,
        .room_arg = request,
    };
    struct error err;
    int r = json_decode(schedule->request, JSON_DEPTH_DEFAULT, &asked, &err);

    if (r < 0)
        return request_failed(request, &err);
    r = schedule_input_check(json_get_text(asked, "input"), &request->failure);
    if (r < 0)
        return r;
    if (schedule_ask(&taken, TEXT_NONE, asked, &err) < 0)
        return unfit(request, "input", &err);
    submission.request = asked;
    submission.tells_task = schedule_tells_task(asked);
    submission.says_something = submission.tells_task && uuid_is_zero(schedule->thread);
    return submit_try(request->api->submitter, &request->store, &submission, &request->failure);
}

static int read_body(struct request *request, struct schedule *schedule, bool tries_run,
                     bool *out_times)
{
    struct text agent = json_get_text(request->body, "assistant_id");
    const struct schedule before = *schedule;
    int r = read_times(request, schedule, out_times);

    if (r < 0)
        return r;
    read_policies(request->body, schedule);
    if (agent.ptr)
        r = request_agent(request, "assistant_id", agent, AGENT_THERE, &schedule->agent);
    if (r == 0)
        r = read_thread(request, schedule);
    if (r == 0)
        r = request_check_models(request);
    if (r == 0)
        r = merge_request(request, schedule);
    if (r == 0 && tries_run)
        r = try_run(request, schedule);
    if (r == 0 && *out_times)
        r = begin(request, &before, schedule, before.read_at);
    return r;
}

int schedule_body_read(struct request *request, struct schedule *schedule, bool *out_times)
{
    return read_body(request, schedule, true, out_times);
}

int schedule_body_check(struct request *request, struct schedule *schedule)
{
    bool times;

    return read_body(request, schedule, json_get_text(request->body, "assistant_id").ptr != NULL,
                     &times);
}
