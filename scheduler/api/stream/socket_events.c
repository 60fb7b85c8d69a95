/* The runs of a thread, one after the other: the one that the client is in, or else the next one,
 * as soon as there is one (shared/store/polls/thread_standings.h says which that is).
 *
 * An event's id is the place of its reader, so he goes on behind it at any scheduler. */

#include "scheduler/api/stream/socket.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/polls/thread_standings.h"
#include "shared/store/runs/runs.h"

enum {
    RUNS_AT_ONCE = 8,     /* then others have their turn */
    LOOK_AGAIN_MS = 1000, /* after a failure of the database */
};

#define CHUNK "chunk" /* an event that is a message of its own */

static void add_place(struct buf *out, const struct socket *socket, const struct shown *shown)
{
    const struct socket_place place = {.run = socket->telling.options.run, .shown = *shown};

    buf_add_string(out, ",\"event_id\":\"");
    socket_place_write(&place, out);
    buf_add_char(out, '"');
}

/* Where its data begins: the message of which it is a member is found by socket->event_begun. */
static size_t begin_event(struct event_sink *sink, const struct shown *shown, const char *family,
                          const char *name)
{
    struct socket *socket = sink->arg;
    bool chunk = strcmp(name, CHUNK) == 0;
    char run[ID_TEXT_SIZE];

    id_format(ID_RUN, socket->telling.options.run, run);
    socket->event_begun = socket_begin(socket, chunk ? CHUNK : "event");
    if (shown)
        add_place(sink->out, socket, shown);
    buf_add_string(sink->out, ",\"run_id\":\"");
    buf_add_string(sink->out, run);
    buf_add_string(sink->out, "\",");
    if (!chunk) { /* whose data are members */
        buf_add_string(sink->out, "\"event\":\"");
        buf_add_string(sink->out, family);
        buf_add_string(sink->out, name);
        buf_add_string(sink->out, "\",\"data\":");
    }
    return sink->out->len;
}

static void end_event(struct event_sink *sink, size_t data)
{
    struct socket *socket = sink->arg;
    struct buf *out = sink->out;

    if (!out->failed && text_is((struct text){out->ptr + data, out->len - data}, EVENT_DONE)) {
        out->len = data;
        buf_add_json(out, TEXT(EVENT_DONE));
    }
    socket_end(socket, socket->event_begun);
}

/* The simple vocabulary, but for the pieces of a text, which are all that there is many of. */
static void write_simple(void *memory, struct buf *out, const struct story_event *event)
{
    struct event_sink sink = event_sink(memory, out);
    char id[ID_TEXT_SIZE];
    size_t data;

    if (event->kind != STORY_TEXT) {
        simple_events.write(memory, out, event);
        return;
    }
    data = event_begin(&sink, event->shown, "", CHUNK);
    id_format(ID_MESSAGE, event->message->id, id);
    buf_add_string(out, "\"message_id\":\"");
    buf_add_string(out, id);
    buf_add_string(out, "\",\"text\":");
    buf_add_json(out, event->text);
    event_end(&sink, data);
}

static int end_simple(void *memory, struct buf *out, const struct run *run,
                      const struct shown *shown, struct error *err)
{
    return simple_events.end(memory, out, run, shown, err);
}

static void fail_simple(void *memory, struct buf *out, const char *code, const char *message)
{
    simple_events.error(memory, out, code, message);
}

static const struct event_format simple = {"simple", write_simple, end_simple, fail_simple, NULL};

bool socket_set_format(struct socket *socket, struct text name)
{
    if (!text_is(name, "openai") && !text_is(name, simple.name))
        return false;
    socket->format = text_is(name, simple.name) ? &simple : &assistants_events;
    if (socket->is_telling)
        socket->telling.options.format = socket->format;
    return true;
}

void socket_events_init(struct socket *socket)
{
    socket->sink = (struct event_sink){NULL, begin_event, end_event, socket};
    socket->format = &assistants_events;
    socket->look = true;
}

static bool flush(void *arg)
{
    return socket_flush(arg);
}

static void begin_telling(struct socket *socket, struct uuid run, const struct shown *shown)
{
    const struct telling_options options = {
        .api = socket->request->api,
        .store = &socket->request->store,
        .format = socket->format,
        .memory = &socket->sink,
        .out = &socket->out,
        .flush = flush,
        .arg = socket,
        .thread = socket->thread,
        .run = run,
        .shown = *shown,
    };

    telling_begin(&socket->telling, &options);
    socket->is_telling = true;
}

void socket_stop_telling(struct socket *socket)
{
    if (!socket->is_telling)
        return;
    socket->place.shown = socket->telling.story.shown;
    telling_end(&socket->telling);
    socket->is_telling = false;
}

static void failed(struct socket *socket, const struct error *err)
{
    log_debug("a thread could not be looked at", LOG_ERROR(err));
    socket->look_at_ms = deadline_in(LOOK_AGAIN_MS);
}

/* While the database is away it is believed. */
static bool has_run(struct socket *socket, struct uuid run)
{
    struct store store = socket->request->store;
    struct arena arena;
    struct error err;
    size_t bytes;
    int r;

    arena_init(&arena, 0);
    store.arena = &arena;
    r = runs_size(&store, socket->thread, run, &bytes, &err);
    arena_deinit(&arena);
    return r != RUN_MISSING;
}

void socket_begin_at(struct socket *socket, const struct socket_place *place)
{
    int64_t present_us = socket->place.us;

    if (uuid_is_zero(place->run)) {
        if (place->us <= present_us)
            socket->place = *place;
    } else if (has_run(socket, place->run)) {
        socket->place = *place;
        socket->place.us = present_us; /* should the run be deleted, from when it came */
    }
}

/* What was shown of a run that comes once more: it has been given another chance. */
static struct shown shown_before(const struct socket *socket, struct uuid run)
{
    struct shown shown = {.run = SHOWN_NOTHING};

    if (uuid_equal(run, socket->place.run)) {
        shown = socket->place.shown;
        shown.run = SHOWN_CREATED;
    }
    return shown;
}

/* Reads it first, so that one which has ended needs no place among the readers. Returns whether it
 * can be told now. */
static bool join(struct socket *socket)
{
    struct telling *telling = &socket->telling;
    struct error err = {0};
    int r = telling_read(telling, &err);

    if (r == 0 && telling_join(telling))
        return true;
    telling_end(telling);
    socket->is_telling = false;
    if (r < 0)
        failed(socket, &err);
    if (r == RUN_MISSING) /* of another thread, or deleted: as if it had brought no id */
        socket->place = (struct socket_place){.us = -1};
    return false;
}

/* Where the client said that it is in the midst of a run, that one. */
static bool begin_told(struct socket *socket)
{
    const struct socket_place *place = &socket->place;

    if (uuid_is_zero(place->run) || place->shown.run == SHOWN_ENDED)
        return false;
    begin_telling(socket, place->run, &place->shown);
    return join(socket);
}

/* Returns whether there is one. */
static bool begin_next(struct socket *socket)
{
    const struct thread_place place = {socket->place.run, socket->place.us};
    struct store store = socket->request->store;
    uint64_t seen = live_stored(&socket->thread_reader);
    struct thread_next next;
    struct arena arena;
    struct shown shown;
    struct error err = {0};
    int r;

    arena_init(&arena, 0);
    store.arena = &arena;
    r = thread_next_run(&store, socket->thread, &place, &next, &err);
    arena_deinit(&arena);
    if (r == THREAD_MISSING)
        socket_close(socket, SOCKET_NOT_FOUND, "the thread was deleted");
    if (r < 0)
        failed(socket, &err);
    if (r != 0)
        return false;
    socket->seen = seen;
    socket->look = false;
    if (uuid_is_zero(place.run) && place.us < 0)
        socket->place.us = next.us;
    if (uuid_is_zero(next.run))
        return false;
    shown = shown_before(socket, next.run);
    begin_telling(socket, next.run, &shown);
    if (!join(socket)) {
        socket->look = true;
        return false;
    }
    socket->place = (struct socket_place){.run = next.run, .us = -1};
    return true;
}

static bool may_look(const struct socket *socket)
{
    return socket->look || live_stored(&socket->thread_reader) != socket->seen;
}

/* Returns whether there is a run to be told. */
static bool has_run_to_tell(struct socket *socket)
{
    if (socket->is_telling)
        return true;
    if (!may_look(socket) || clock_ms() < socket->look_at_ms)
        return false;
    if (begin_told(socket))
        return true;
    if (clock_ms() < socket->look_at_ms || !socket_is_open(socket))
        return false;
    return begin_next(socket);
}

void socket_tell(struct socket *socket)
{
    for (int runs = 0; runs < RUNS_AT_ONCE && socket_is_open(socket); runs++) {
        struct error err = {0};
        bool over;
        int r;

        if (!has_run_to_tell(socket) || clock_ms() < socket->look_at_ms)
            return;
        r = telling_tell(&socket->telling, &over, &err);
        if (r < 0)
            failed(socket, &err);
        if (r == RUN_MISSING)
            socket->place = (struct socket_place){.us = -1};
        if (!over)
            return;
        socket_stop_telling(socket);
        socket->look = true;
    }
}

bool socket_has_told(const struct socket *socket)
{
    return socket->is_telling ? telling_is_up_to_date(&socket->telling) : !may_look(socket);
}
