#pragma once
/* Vocabularies of event streams: how the story of a run (scheduler/live/story.h) is said. A
 * vocabulary is a struct of functions, and a row in the table of formats. */

#include "scheduler/live/story.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

/* `memory` is what a vocabulary keeps of one reader, given with it (follow.h); NULL: nothing. */
struct event_format {
    const char *name; /* format=NAME of a query; NULL: the default */
    /* Appends what the event is in this vocabulary, each as a frame of its own; or nothing. */
    void (*write)(void *memory, struct buf *out, const struct story_event *event);
    /* Appends the last frame: the stream is over. `run` as it was read last. May suspend. Returns
     * 0, or a failure of the store: then nothing was appended, and it is called again later. */
    int (*end)(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err);
    /* Appends a frame for what goes wrong while the stream is under way. */
    void (*error)(void *memory, struct buf *out, const char *code, const char *message);
    /* NULL, or appends a frame where nothing was told for a while; else that is a comment. */
    void (*idle)(void *memory, struct buf *out);
};

/* How the events of the vocabularies below are framed, each opened and closed in one place. */
struct event_sink {
    struct buf *out; /* where an event's data is appended */
    size_t (*begin)(struct event_sink *sink, const struct shown *shown, const char *family,
                    const char *name);
    void (*end)(struct event_sink *sink, size_t data);
    void *arg;
};

#define EVENT_DONE "[DONE]" /* data of the last event, where its vocabulary says nothing else */

/* Two vocabularies whose memory is a struct event_sink; NULL: events are framed as server-sent
 * events. */

/* OpenAI's, of Assistants: https://platform.openai.com/docs/api-reference/assistants-streaming */
extern const struct event_format assistants_events;

/* Ours, for who builds a page: run, thinking, tool_call, tool_result, ask_user, answer, error,
 * done. */
extern const struct event_format simple_events;

/* Appends the beginning of a frame: its id (what was shown with it; NULL: none) and its name, which
 * is that of its family and its own. Then its data is appended, as JSON (but for EVENT_DONE), and
 * the frame ended with what the beginning returned. */
MUSTCHECK static inline size_t event_begin(struct event_sink *sink, const struct shown *shown,
                                           const char *family, const char *name)
{
    return sink->begin(sink, shown, family, name);
}

static inline void event_end(struct event_sink *sink, size_t data)
{
    sink->end(sink, data);
}

/* The sink that is this memory, for `out`. */
struct event_sink event_sink(const void *memory, struct buf *out);
