#include "shared/schedules/schedule_ask.h"

#include "shared/agent/placeholders.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/time/rfc3339.h"
#include "shared/time/zone.h"

#define INPUT_BYTES_MAX ((size_t)1 << 20)

static const char *const known[] = {"fire_time", "last_fire_time", "schedule_name", "last_result"};

static bool is_known(void *arg, struct text name, struct buf *out)
{
    (void)arg;
    (void)out;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        if (text_is(name, known[i]))
            return true;
    return false;
}

int schedule_input_check(struct text input, struct failure *failure)
{
    CLEANUP(buf_deinit) struct buf filled;
    struct text unknown;
    char shown[PLACEHOLDER_NAME_MAX + 1];

    buf_init(&filled, 0);
    if (placeholders_fill(input, is_known, NULL, &filled, &unknown) == 0)
        return 0;
    text_excerpt(unknown, shown, sizeof(shown));
    return failure_param(failure, 400, "input", "invalid_value",
                         "Invalid 'input': it has a place for '%s', which nothing fills. There are "
                         "'fire_time', 'last_fire_time', 'last_result', and 'schedule_name'.",
                         shown);
}

static bool is_result(void *arg, struct text name, struct buf *out)
{
    bool *wanted = arg;

    (void)out;
    *wanted |= text_is(name, "last_result");
    return true;
}

bool schedule_wants_result(struct json_object *request)
{
    CLEANUP(buf_deinit) struct buf filled;
    struct text input = json_get_text(request, "input");
    struct text unknown;
    bool wanted = false;

    buf_init(&filled, 0);
    return input.ptr && placeholders_fill(input, is_result, &wanted, &filled, &unknown) == 0 &&
           wanted;
}

bool schedule_tells_task(struct json_object *request)
{
    return !json_get(request, "input") && !json_get_bool(request, "if_pending", false);
}

struct source {
    char fire_time[RFC3339_SIZE];
    char last_fire_time[RFC3339_SIZE];
    struct text name;
    struct text result;
};

static bool value_of(void *arg, struct text name, struct buf *out)
{
    const struct source *source = arg;

    if (text_is(name, "fire_time"))
        buf_add_string(out, source->fire_time);
    else if (text_is(name, "last_fire_time"))
        buf_add_string(out, source->last_fire_time);
    else if (text_is(name, "schedule_name"))
        buf_add_text(out, source->name);
    else if (text_is(name, "last_result"))
        buf_add_text(out, source->result);
    else
        return false;
    return true;
}

static struct json_object *string_of(struct text text)
{
    return json_object_new_string_len(text.ptr ? text.ptr : "", (int)text.len);
}

static int fill_input(struct source *source, struct json_object *request, struct error *err)
{
    CLEANUP(buf_deinit) struct buf filled;
    struct text input = json_get_text(request, "input");
    struct text unknown;
    int r;

    buf_init(&filled, INPUT_BYTES_MAX);
    if (!input.ptr)
        return 0;
    if (placeholders_fill(input, value_of, source, &filled, &unknown) < 0)
        return error_set(err, E_INVALID, "the input has a place for '%.*s', which nothing fills",
                         TEXT_ARGS(unknown));
    r = buf_check(&filled, err);
    if (r == 0)
        json_object_object_add(request, "input", string_of(buf_text(&filled)));
    return r;
}

static void set_if_absent(struct json_object *object, const char *name, struct json_object *value)
{
    if (json_get(object, name))
        json_free(value);
    else
        json_object_object_add(object, name, value);
}

static struct json_object *newest_messages(void)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "type", json_object_new_string("last_messages"));
    json_object_object_add(object, "last_messages", json_object_new_int(SCHEDULE_MESSAGES));
    return object;
}

static struct json_object *member_object(struct json_object *request, const char *name)
{
    struct json_object *object = json_get(request, name);

    if (!object) {
        object = json_object_new_object();
        json_object_object_add(request, name, object);
    }
    return object;
}

int schedule_ask(const struct firing_taken *taken, struct text last_result,
                 struct json_object *request, struct error *err)
{
    const struct schedule *schedule = &taken->schedule;
    struct source source = {.name = schedule->name, .result = last_result};
    char id[ID_TEXT_SIZE];
    struct json_object *object;
    const struct zone *zone;
    int r = zone_get(schedule->zone, &zone, err);

    if (r < 0)
        return r;
    rfc3339_format(taken->firing.nominal, zone_offset(zone, taken->firing.nominal),
                   source.fire_time);
    if (taken->last_fire)
        rfc3339_format(taken->last_fire, zone_offset(zone, taken->last_fire),
                       source.last_fire_time);
    r = fill_input(&source, request, err);
    if (r < 0)
        return r;
    id_format(ID_ASSISTANT, schedule->agent, id);
    json_object_object_add(request, "assistant_id", json_object_new_string(id));
    if (!uuid_is_zero(schedule->thread) && schedule->lasting)
        set_if_absent(request, "multitask_strategy", json_object_new_string("enqueue"));
    if (schedule->lasting)
        set_if_absent(request, "truncation_strategy", newest_messages());
    object = member_object(request, "variables");
    set_if_absent(object, "timezone", string_of(schedule->zone));
    set_if_absent(object, "fire_time", json_object_new_string(source.fire_time));
    set_if_absent(object, "last_fire_time", json_object_new_string(source.last_fire_time));
    set_if_absent(object, "schedule_name", string_of(schedule->name));
    object = NULL;
    r = json_decode(schedule->metadata, 2, &object, err);
    if (r < 0)
        return r;
    json_object_object_add(request, "metadata", object);
    id_format(ID_SCHEDULE, schedule->id, id);
    if (json_object_object_length(object) < METADATA_PAIRS_MAX)
        set_if_absent(object, "schedule_id", json_object_new_string(id));
    return 0;
}
