/* Lasting threads are their schedules' logs: what came to nothing is told there by a message of the
 * system. Its id is made of the firing's, so it is there once whoever tells it, however often. */

#include "scheduler/clock/clock_internal.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/schedules/schedule_clock.h"
#include "shared/store/threads/inputs.h"
#include "shared/store/threads/messages.h"
#include "shared/submit/new_messages.h"
#include "shared/time/rfc3339.h"
#include "shared/time/zone.h"

static void add_time(struct buf *out, struct text zone_name, int64_t at_s)
{
    char shown[RFC3339_SIZE];
    const struct zone *zone = NULL;
    struct error err;

    if (zone_get(zone_name, &zone, &err) < 0)
        zone = NULL;
    rfc3339_format(at_s, zone ? zone_offset(zone, at_s) : 0, shown);
    buf_add_string(out, shown);
}

/* The message of a run's last_error, {"code","message"}. */
static void add_error(struct buf *out, struct text json)
{
    CLEANUP(json_freep) struct json_object *error = NULL;
    struct text message;

    if (!json.ptr || json_decode(json, JSON_DEPTH_DEFAULT, &error, NULL) < 0)
        return;
    message = text_prefix(json_get_text(error, "message"), 1000);
    if (message.len > 0) {
        buf_add_string(out, ": ");
        buf_add_text(out, message);
    }
}

static void add_ended(struct buf *out, const struct firing_news *news)
{
    struct text outcome = news->firing.outcome;

    if (text_is(outcome, "incomplete")) {
        buf_add_string(out, " is incomplete");
        if (news->reason.ptr)
            buf_printf(out, ": %.*s", TEXT_ARGS(news->reason));
    } else if (text_is(outcome, "failed")) {
        buf_add_string(out, " failed");
        add_error(out, news->error);
    } else {
        buf_printf(out, text_is(outcome, "expired") ? " %.*s" : " was %.*s", TEXT_ARGS(outcome));
    }
}

static void write_news(struct buf *out, const struct firing_news *news)
{
    const struct firing *firing = &news->firing;
    char run[ID_TEXT_SIZE];

    id_format(ID_RUN, firing->id, run);
    buf_add_string(out, "Schedule: ");
    if (firing->state == FIRING_MISSED) {
        if (firing->until) {
            buf_printf(out, "%lld times from ", (long long)firing->times);
            add_time(out, news->zone, firing->nominal);
            buf_add_string(out, " to ");
            add_time(out, news->zone, firing->until);
            buf_add_string(out, " were missed.");
            return;
        }
        buf_add_string(out, "the time ");
        add_time(out, news->zone, firing->nominal);
        buf_add_string(out, " was missed.");
        return;
    }
    buf_add_string(out, "the run for ");
    add_time(out, news->zone, firing->nominal);
    if (firing->state == FIRING_ENDED) {
        buf_printf(out, " (%s)", run);
        add_ended(out, news);
    } else {
        buf_add_string(out,
                       firing->state == FIRING_SKIPPED ? " was skipped" : " could not be made");
        if (firing->detail.ptr)
            buf_printf(out, ": %.*s", TEXT_ARGS(firing->detail));
    }
    buf_add_char(out, '.');
}

SUSPENDS static int draft_of(const struct firing_news *news, struct arena *arena,
                             struct message_draft *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *message = json_object_new_object();
    CLEANUP(buf_deinit) struct buf text;
    int r;

    buf_init(&text, 0);
    write_news(&text, news);
    r = buf_check(&text, err);
    if (r < 0)
        return r;
    json_object_object_add(message, "role", json_object_new_string("system"));
    json_object_object_add(message, "content",
                           json_object_new_string_len(buf_text(&text).ptr, (int)text.len));
    r = new_message_read(message, uuid_derived(news->firing.id, 1), arena, out, err);
    out->metadata = TEXT_NONE;
    return r;
}

/* Returns 0 when nothing more is to be done; 1: later, since its runs come and go too fast. */
SUSPENDS static int tell_one(const struct store *store, const struct firing_news *news,
                             struct error *err)
{
    struct message_draft draft;
    struct message message;
    int r;

    if (uuid_is_zero(news->thread))
        return 0;
    r = draft_of(news, store->arena, &draft, err);
    if (r < 0)
        return r;
    r = messages_get(store, news->thread, draft.id, &message, err);
    if (r != MESSAGE_MISSING)
        return r < 0 ? r : 0;
    r = messages_create(store, news->thread, &draft, TEXT_NONE, &message, NULL, err);
    if (r == THREAD_BUSY)
        r = inputs_add(store, news->thread, &draft, false, &message, err);
    if (r == THREAD_IDLE)
        return 1;
    return r < 0 && r != -E_CONFLICT ? r : 0;
}

SUSPENDS static int tell_some(struct clockwork *clockwork, struct arena *arena, int64_t *out_count,
                              struct error *err)
{
    struct firing_news_list list;
    size_t count = 0;
    int r = firings_to_tell(clockwork->options.sweeps, arena, &list, err);

    if (r < 0 || list.count == 0)
        return r;
    for (size_t i = 0; i < list.count; i++) {
        struct store store = {.pg = clockwork->options.sweeps,
                              .tenant = list.items[i].firing.tenant,
                              .arena = arena,
                              .limits = &clockwork->options.limits};

        r = tell_one(&store, &list.items[i], err);
        if (r < 0)
            break;
        if (r == 0)
            list.items[count++] = list.items[i];
    }
    *out_count = (int64_t)count;
    clockwork->told += count;
    if (count > 0) {
        int told = firings_told(clockwork->options.sweeps, list.items, count, err);

        r = told < 0 ? told : r;
    }
    return r < 0 ? r : 0;
}

int clock_tell(struct clockwork *clockwork, int64_t *out_count, struct error *err)
{
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = tell_some(clockwork, &arena, out_count, err);
    arena_deinit(&arena);
    return r;
}
