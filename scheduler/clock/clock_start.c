/* From a firing to its run, by one submission or, where the lasting thread has no room or is gone,
 * a second one. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/clock/clock_internal.h"
#include "shared/base/backoff.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/json/json.h"
#include "shared/schedules/schedule_ask.h"
#include "shared/store/agents/agents.h"
#include "shared/store/runs/runs.h"
#include "shared/store/schedules/thread_compaction.h"
#include "shared/submit/submit.h"
#include "shared/trace/run_span.h"
#include "shared/trace/span.h"

#define CANCEL_MAX 16

static const struct backoff_policy retries = {.base_ms = 1000, .cap_ms = 60000};

struct starting {
    struct clockwork *clockwork;
    const struct firing_taken *taken;
    struct store store;
    struct json_object *request;
    bool tells_task;
    bool own_truncation; /* the schedule says none */
    struct firing_start *out;
};

static void fail(struct starting *starting, struct text why)
{
    char *copy = arena_copy(starting->store.arena, why);

    starting->out->state = FIRING_FAILED;
    starting->out->detail = copy ? (struct text){copy, why.len} : TEXT("there was no room");
}

/* Later: for about as long as the schedule's window. */
static void try_later(struct starting *starting, const char *why)
{
    const struct firing *firing = &starting->taken->firing;
    int64_t tries_max = 6 + starting->taken->schedule.window_s * 1000 / retries.cap_ms;

    if (firing->tries > tries_max) {
        fail(starting, text_of(why));
        return;
    }
    starting->out->state = FIRING_DUE;
    starting->out->retry_ms =
        backoff_wait_ms(&retries, (int)firing->tries - 1, (uint32_t)random_below(UINT32_MAX));
    if (firing->tries == 1)
        log_info("the run of a schedule can't be made for now", LOG_STR("why", why));
}

/* ---- what is asked ---- */

SUSPENDS static int prepare(struct starting *starting, struct error *err)
{
    const struct schedule *schedule = &starting->taken->schedule;
    struct text result = TEXT_NONE;
    int r = json_decode(schedule->request, JSON_DEPTH_DEFAULT, &starting->request, err);

    if (r == 0 && schedule_wants_result(starting->request) &&
        !uuid_is_zero(schedule->last_completed))
        r = schedule_last_result(&starting->store, schedule->last_completed, SCHEDULE_RESULT_MAX,
                                 &result, err);
    starting->own_truncation = !json_get(starting->request, "truncation_strategy");
    if (r == 0)
        r = schedule_ask(starting->taken, result, starting->request, err);
    starting->tells_task = schedule_tells_task(starting->request);
    return r;
}

static void add_message(struct json_object *array, const char *role, struct json_object *content)
{
    struct json_object *message = json_object_new_object();

    json_object_object_add(message, "role", json_object_new_string(role));
    json_object_object_add(message, "content", content);
    json_object_array_add(array, message);
}

/* What is said, behind a note of the system. */
static struct json_object *noted_messages(struct starting *starting, const char *note)
{
    struct json_object *array = json_object_new_array();
    struct json_object *input = json_get(starting->request, "input");

    add_message(array, "system", json_object_new_string(note));
    if (input)
        add_message(array, "user", json_object_get(input));
    json_object_object_del(starting->request, "input");
    return array;
}

/* ---- what is in the way ---- */

/* Those that can't be cancelled have ended. */
SUSPENDS static int cancel_others(struct starting *starting, struct error *err)
{
    const struct firing *firing = &starting->taken->firing;
    struct uuid runs[CANCEL_MAX];
    size_t count = 0;
    int r = firings_at_work(&starting->store, firing->schedule, firing->id, runs, CANCEL_MAX,
                            &count, err);

    for (size_t i = 0; r >= 0 && i < count; i++) {
        struct run run;

        r = runs_cancel(&starting->store, (struct uuid){{0}}, runs[i], &run, err);
        if (r == 0)
            run_events_cancelled(&starting->clockwork->options.events, &run);
    }
    return r < 0 ? r : 0;
}

/* ---- the run ---- */

SUSPENDS static int submit_to(struct starting *starting, struct uuid thread,
                              struct submitted *submitted, struct failure *failure)
{
    struct span *span = clock_span_begin(starting->clockwork->options.tracer, starting->taken);
    const struct submission submission = {
        .request = starting->request,
        .id = starting->taken->firing.id,
        .thread = thread,
        .tells_task = starting->tells_task,
        .own_truncation = starting->own_truncation,
        .replaying = starting->taken->firing.tries > 1,
        .made_in = span_context(span, NULL),
    };
    int r =
        submit(starting->clockwork->submitter, &starting->store, &submission, submitted, failure);

    run_span_end(span, r, r == 0 && submitted->found);
    return r;
}

static void add_text(struct json_object *object, const char *name, struct text text)
{
    if (text.ptr)
        json_object_object_add(object, name, json_object_new_string_len(text.ptr, (int)text.len));
}

/* Another thread of the same owner follows. */
SUSPENDS static int follow(struct starting *starting, const struct thread *former,
                           struct submitted *submitted, struct failure *failure)
{
    struct json_object *thread = json_object_new_object();
    char id[ID_TEXT_SIZE], note[160];

    id_format(ID_THREAD, former->id, id);
    (void)snprintf(note, sizeof(note), "This thread follows %s, which is full.", id);
    json_object_object_add(starting->request, "thread", thread);
    json_object_object_add(thread, "messages", noted_messages(starting, note));
    add_text(thread, "user_id", former->user);
    add_text(thread, "title", former->title);
    json_object_object_del(starting->request, "multitask_strategy");
    return submit_to(starting, (struct uuid){{0}}, submitted, failure);
}

/* Half of it goes, the oldest first. */
SUSPENDS static int compact(struct starting *starting, struct submitted *submitted,
                            struct failure *failure)
{
    const struct schedule *schedule = &starting->taken->schedule;
    char note[160];
    struct error err;
    int64_t count = 0;
    int r = thread_compact(&starting->store, schedule->thread,
                           starting->store.limits->thread_bytes / 2, &count, &err);

    if (r == THREAD_BUSY)
        return failure_param(failure, 503, NULL, "thread_busy",
                             "The thread is full, and a run is at work on it.");
    if (r < 0)
        return failure_from_error(failure, &err);
    (void)snprintf(note, sizeof(note),
                   "The thread was full: its oldest messages were deleted, %" PRId64 " of them.",
                   count);
    json_object_object_add(starting->request, "additional_messages",
                           noted_messages(starting, note));
    return submit_to(starting, schedule->thread, submitted, failure);
}

/* Something that the schedule is about is not there. */
SUSPENDS static void on_missing(struct starting *starting, const struct failure *failure)
{
    const struct schedule *schedule = &starting->taken->schedule;
    struct error err;
    int r = agents_exists(&starting->store, schedule->agent, false, &err);

    if (r < 0) {
        try_later(starting, err.text);
        return;
    }
    fail(starting, text_of(failure->message));
    if (r == AGENT_MISSING) {
        starting->out->pause_code = "assistant_deleted";
        starting->out->pause_message = TEXT("The assistant was deleted.");
    } else if (schedule->lasting && !uuid_is_zero(schedule->thread)) {
        starting->out->pause_code = "thread_deleted";
        starting->out->pause_message = TEXT("The thread was deleted.");
    }
}

static void on_failure(struct starting *starting, const struct failure *failure)
{
    if (failure->status >= 500 || failure->status == 429)
        try_later(starting, failure->message);
    else if (failure->status == 404)
        on_missing(starting, failure);
    else
        fail(starting, text_of(failure->message));
}

static void on_started(struct starting *starting, const struct submitted *submitted)
{
    const struct schedule *schedule = &starting->taken->schedule;

    starting->out->state = FIRING_STARTED;
    if (schedule->lasting && !uuid_equal(submitted->run.thread_id, schedule->thread))
        starting->out->thread = submitted->run.thread_id;
}

static bool is_full(const struct failure *failure)
{
    return failure->code && strcmp(failure->code, "thread_too_large") == 0;
}

/* Whether there may be too little room for another run: a tenth of what a thread may hold. */
static bool is_nearly_full(const struct starting *starting, const struct thread *thread)
{
    return starting->taken->no_room ||
           thread->counts.bytes >= starting->store.limits->thread_bytes / 10 * 9;
}

SUSPENDS static int make_room(struct starting *starting, const struct thread *thread,
                              struct submitted *submitted, struct failure *failure)
{
    return starting->taken->schedule.compacts ? compact(starting, submitted, failure)
                                              : follow(starting, thread, submitted, failure);
}

/* On the lasting thread. One that its runs made, and somebody deleted, is made anew. */
SUSPENDS static int go_on(struct starting *starting, struct submitted *submitted,
                          struct failure *failure)
{
    const struct schedule *schedule = &starting->taken->schedule;
    struct thread thread;
    struct error err;
    int r = threads_get(&starting->store, schedule->thread, &thread, &err);

    if (r < 0)
        return failure_from_error(failure, &err);
    if (r == THREAD_MISSING && schedule->thread_made)
        return submit_to(starting, (struct uuid){{0}}, submitted, failure);
    if (r == 0 && is_nearly_full(starting, &thread))
        return make_room(starting, &thread, submitted, failure);
    r = submit_to(starting, schedule->thread, submitted, failure);
    if (r == 0 || !is_full(failure))
        return r;
    *failure = (struct failure){0};
    return make_room(starting, &thread, submitted, failure);
}

SUSPENDS static void make(struct starting *starting)
{
    const struct schedule *schedule = &starting->taken->schedule;
    struct submitted submitted;
    struct failure failure = {0};
    int r = schedule->lasting && !uuid_is_zero(schedule->thread)
                ? go_on(starting, &submitted, &failure)
                : submit_to(starting, (struct uuid){{0}}, &submitted, &failure);

    if (r == 0)
        on_started(starting, &submitted);
    else
        on_failure(starting, &failure);
}

void clock_start_run(struct clockwork *clockwork, const struct firing_taken *taken,
                     struct arena *arena, struct firing_start *out)
{
    struct starting starting = {
        .clockwork = clockwork,
        .taken = taken,
        .store = {.pg = clockwork->options.pg,
                  .tenant = taken->firing.tenant,
                  .arena = arena,
                  .limits = &clockwork->options.limits},
        .out = out,
    };
    struct error err;
    int r = prepare(&starting, &err);

    *out = (struct firing_start){.schedule = taken->firing.schedule, .id = taken->firing.id};
    if (r == 0 && taken->schedule.overlap == OVERLAP_CANCEL)
        r = cancel_others(&starting, &err);
    if (r == 0)
        make(&starting);
    else if (r == -E_INVALID || r == -E_LIMIT)
        fail(&starting, text_of(err.text));
    else
        try_later(&starting, err.text);
    json_free(starting.request);
}
