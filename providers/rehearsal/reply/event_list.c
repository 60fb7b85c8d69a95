/* Framing of streams, the server's side. shared/sse frames, too, but copies the data line by line;
 * here the JSON is written where it stays. */

#include "providers/rehearsal/reply/event_list.h"

#include <stdlib.h>

#include "shared/base/memory.h"

#define BYTES_MAX ((size_t)64 << 20)

struct event_place {
    size_t begin; /* of the whole event */
    size_t data;  /* of its JSON */
    size_t tail;  /* behind its JSON */
    size_t end;
};

static const char *tail_of(enum event_framing framing)
{
    switch (framing) {
    case EVENTS_SSE:
        return "\n\n";
    case EVENTS_SSE_CRLF:
        return "\r\n\r\n";
    case EVENTS_NDJSON:
        return "\n";
    case EVENTS_JSON_LIST:
        break;
    }
    return "";
}

void event_list_init(struct event_list *events, enum event_framing framing)
{
    *events = (struct event_list){.framing = framing};
    buf_init(&events->bytes, BYTES_MAX);
}

void event_list_deinit(struct event_list *events)
{
    buf_deinit(&events->bytes);
    free(events->places);
    events->places = NULL;
    events->count = 0;
    events->room = 0;
}

static void begin_sse(struct event_list *events, const char *name)
{
    const char *line = events->framing == EVENTS_SSE ? "\n" : "\r\n";

    if (name) {
        buf_add_string(&events->bytes, "event: ");
        buf_add_string(&events->bytes, name);
        buf_add_string(&events->bytes, line);
    }
    buf_add_string(&events->bytes, "data: ");
}

void event_list_begin(struct event_list *events, const char *name)
{
    struct event_place *place;

    if (events->count == events->room) {
        events->room = events->room ? events->room * 2 : 16;
        events->places = xrealloc(events->places, events->room * sizeof(*events->places));
    }
    place = &events->places[events->count];
    place->begin = events->bytes.len;
    switch (events->framing) {
    case EVENTS_SSE:
    case EVENTS_SSE_CRLF:
        begin_sse(events, name);
        break;
    case EVENTS_JSON_LIST:
        buf_add_string(&events->bytes, events->count ? ",\r\n" : "[");
        break;
    case EVENTS_NDJSON:
        break;
    }
    place->data = events->bytes.len;
}

void event_list_end(struct event_list *events)
{
    struct event_place *place = &events->places[events->count++];

    place->tail = events->bytes.len;
    buf_add_string(&events->bytes, tail_of(events->framing));
    place->end = events->bytes.len;
}

static struct text piece(const struct event_list *events, size_t from, size_t to)
{
    return (struct text){events->bytes.ptr + from, to - from};
}

struct text event_list_at(const struct event_list *events, size_t i)
{
    return piece(events, events->places[i].begin, events->places[i].end);
}

void event_list_add_malformed(const struct event_list *events, size_t i, struct buf *out)
{
    const struct event_place *place = &events->places[i];
    size_t cut = place->data + (place->tail - place->data) * 2 / 3;

    buf_add_text(out, piece(events, place->begin, cut));
    buf_add_text(out, piece(events, place->tail, place->end));
}

struct text event_list_closing(const struct event_list *events)
{
    if (events->framing != EVENTS_JSON_LIST)
        return TEXT("");
    return events->count ? TEXT("]") : TEXT("[]");
}

const char *event_list_content_type(enum event_framing framing)
{
    switch (framing) {
    case EVENTS_SSE:
    case EVENTS_SSE_CRLF:
        return "text/event-stream; charset=utf-8";
    case EVENTS_NDJSON:
        return "application/x-ndjson";
    case EVENTS_JSON_LIST:
        break;
    }
    return "application/json; charset=UTF-8";
}
