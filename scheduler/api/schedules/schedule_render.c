#include "scheduler/api/schedules/schedule_render.h"

#include <stdio.h>

#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/schedules/schedule_times.h"
#include "shared/time/rfc3339.h"
#include "shared/time/zone.h"

void render_time(struct json_write *write, const char *name, struct text zone, int64_t at_s)
{
    char shown[RFC3339_SIZE];
    const struct zone *found;
    int32_t offset_s = 0;
    struct error err;

    if (!at_s) {
        json_write_null(write, name);
        return;
    }
    if (zone_get(zone, &found, &err) == 0)
        offset_s = zone_offset(found, at_s);
    if (at_s + offset_s > RFC3339_LAST_S)
        offset_s = 0; /* a year of five digits is none */
    rfc3339_format(at_s, offset_s, shown);
    json_write_string(write, name, shown);
}

static void write_id(struct json_write *write, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    json_write_string(write, name, uuid_is_zero(id) ? NULL : text);
}

static void write_unix(struct json_write *write, const char *name, int64_t at_s)
{
    if (at_s)
        json_write_int(write, name, at_s);
    else
        json_write_null(write, name);
}

/* As interval_parse reads it. */
static void write_every(struct json_write *write, int64_t every_s)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    char text[128];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        int64_t count = every_s / units[i].seconds;

        if (count > 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%lld%c", (long long)count,
                                    units[i].letter);
        every_s %= units[i].seconds;
    }
    json_write_string(write, "every", len > 0 ? text : NULL);
}

static void write_times(struct json_write *write, const struct schedule *schedule, int64_t now_s)
{
    int64_t times[SCHEDULE_NEXT_TIMES];
    size_t count = schedule_next_times(schedule, now_s, times);

    json_write_text(write, "cron", schedule->cron);
    write_every(write, schedule->every_s);
    render_time(write, "run_at", schedule->zone, schedule->run_at);
    json_write_text(write, "timezone", schedule->zone);
    render_time(write, "start_at", schedule->zone, schedule->starts_at);
    render_time(write, "end_at", schedule->zone, schedule->ends_at);
    json_write_int(write, "jitter", schedule->jitter_s);
    json_write_open_array(write, "next_fire_times");
    for (size_t i = 0; i < count; i++)
        render_time(write, NULL, schedule->zone, times[i]);
    json_write_close(write);
}

static void write_policies(struct json_write *write, const struct schedule *schedule)
{
    json_write_string(write, "overlap", schedule_overlaps[schedule->overlap]);
    json_write_string(write, "catch_up", schedule_catch_ups[schedule->catch_up]);
    json_write_int(write, "catch_up_window", schedule->window_s);
    json_write_string(write, "thread", schedule->lasting ? "lasting" : "new");
    write_id(write, "thread_id", ID_THREAD, schedule->thread);
    json_write_string(write, "on_full", schedule->compacts ? "compact" : "new_thread");
    json_write_int(write, "max_failures", schedule->max_failures);
}

static void write_state(struct json_write *write, const struct schedule *schedule)
{
    json_write_string(write, "state", schedule_states[schedule->state]);
    if (schedule->state == SCHEDULE_PAUSED) {
        json_write_open_object(write, "paused_reason");
        json_write_text(write, "code", schedule->pause_code);
        json_write_text(write, "message", schedule->pause_message);
        json_write_close(write);
    } else {
        json_write_null(write, "paused_reason");
    }
    json_write_int(write, "failures", schedule->failures);
    json_write_int(write, "fired", schedule->fired);
    render_time(write, "last_fire_time", schedule->zone, schedule->last_fire);
    write_id(write, "last_run_id", ID_RUN, schedule->last_run);
    json_write_text(write, "last_outcome", schedule->last_outcome);
}

int render_schedule(const struct schedule *schedule, int64_t now_s, struct buf *out,
                    struct error *err)
{
    CLEANUP(json_freep) struct json_object *asked = NULL;
    struct json_write write;
    int r = json_decode(schedule->request, JSON_DEPTH_DEFAULT, &asked, err);

    if (r < 0)
        return r;
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_id(&write, "id", ID_SCHEDULE, schedule->id);
    json_write_string(&write, "object", "schedule");
    write_unix(&write, "created_at", schedule->created_at);
    write_unix(&write, "updated_at", schedule->updated_at);
    write_id(&write, "assistant_id", ID_ASSISTANT, schedule->agent);
    json_write_text(&write, "name", schedule->name);
    write_times(&write, schedule, now_s);
    write_policies(&write, schedule);
    write_state(&write, schedule);
    json_write_raw(&write, "metadata", schedule->metadata);
    if (schedule->retention.ptr)
        json_write_raw(&write, "retention", schedule->retention);
    else
        json_write_null(&write, "retention");
    if (!json_has(asked, "input"))
        json_write_null(&write, "input");
    if (!json_has(asked, "user"))
        json_write_text(&write, "user", schedule->user);
    json_object_object_foreach(asked, name, value) json_write_raw(&write, name, json_text(value));
    json_write_close(&write);
    return 0;
}

void render_firing(const struct firing *firing, struct text zone, struct buf *out)
{
    bool has_run = firing->state == FIRING_DUE || firing->state == FIRING_WAITING ||
                   firing->state == FIRING_STARTED || firing->state == FIRING_ENDED;
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_id(&write, "id", ID_FIRING, firing->id);
    json_write_string(&write, "object", "schedule.firing");
    write_unix(&write, "created_at", firing->created_at);
    write_id(&write, "schedule_id", ID_SCHEDULE, firing->schedule);
    json_write_string(&write, "cause", firing_causes[firing->cause]);
    render_time(&write, "fire_time", zone, firing->nominal);
    render_time(&write, "last_missed_time", zone, firing->until);
    json_write_int(&write, "times", firing->times);
    json_write_string(&write, "state", firing_states[firing->state]);
    json_write_text(&write, "detail", firing->detail);
    write_id(&write, "run_id", ID_RUN, has_run ? firing->id : (struct uuid){{0}});
    write_unix(&write, "started_at", firing->started_at);
    write_unix(&write, "ended_at", firing->ended_at);
    json_write_text(&write, "outcome", firing->outcome);
    json_write_close(&write);
}
