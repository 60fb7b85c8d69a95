#pragma once
/* Plays: what a reader of a run may see, for tests of stories.
 *
 * A play is a list of scenes: what there is at a moment, stored and drafted. A reader sees some of
 * them (each choice of scenes is tried, the last one always) and may come back behind any event. */

#include <criterion/criterion.h>

#include "scheduler/live/story.h"

#define STEPS_MAX 4

struct scene {
    enum run_status status;
    bool started;
    size_t steps; /* of the play's, that are stored */
    uint8_t last; /* enum step_status of the last of them, where it is not completed */
    struct {
        uint8_t reply; /* 0: there is no draft */
        const char *text;
        const char *thinking;
        const char *calls[2]; /* arguments */
    } draft;
};

struct play {
    const struct run_step *steps;
    const struct message *messages; /* of the steps */
    const struct scene *scenes;
    size_t scenes_count;
};

/* What a client knows, and whether it was told in order. */
struct client {
    struct shown shown; /* of its last event */
    size_t events;
    size_t stop_after; /* its line breaks behind so many events; 0: never */
    bool stopped;
    enum run_status run;
    bool run_known;
    bool in_progress;
    bool step_open;
    struct uuid step;
    enum step_type type;
    bool step_works;
    bool message_open;
    bool message_works;
    struct uuid message;
    char text[STEPS_MAX + 4][256]; /* by the order in which messages began */
    struct uuid messages[STEPS_MAX + 4];
    bool incomplete[STEPS_MAX + 4];
    size_t messages_count;
    char thoughts[256];
    size_t calls;
    char arguments[4][128];
    bool outputs[4];
    size_t steps_ended;
    bool ended;
};

struct uuid play_id(uint8_t n);

/* The story's `tell`, of a client: checks that it may be told now. */
void play_take(void *arg, const struct story_event *event);

/* Plays the scenes of `mask`, with a break of the line behind `stop_after` events. */
void watch(const struct play *play, unsigned mask, size_t stop_after, struct client *client);

typedef void (*judge_fn)(const struct client *client);

/* All choices of scenes, each without a break and with one behind each event. */
void watch_all(const struct play *play, judge_fn judge);

#define MESSAGE_STEP(n, number)                                                                    \
    {                                                                                              \
        .id = {{n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, .seq = number,                   \
        .type = STEP_MESSAGE_CREATION, .status = STEP_COMPLETED, .message_id = {                   \
            {n}                                                                                    \
        }                                                                                          \
    }
#define CALLS_STEP(n, number, json)   CALLS_STEP_OF(n, 2, number, json)
#define CALLS_BEHIND(n, number, json) CALLS_STEP_OF(n, 3, number, json) /* a text */
#define CALLS_STEP_OF(n, kind, number, json)                                                       \
    {                                                                                              \
        .id = {{n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, kind}}, .seq = number,                \
        .type = STEP_TOOL_CALLS, .status = STEP_COMPLETED, .tool_calls = TEXT(json)                \
    }
#define MESSAGE(n, words)                                                                          \
    {                                                                                              \
        .id = {{n}}, .status = TEXT("completed"),                                                  \
        .content =                                                                                 \
            TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"" words "\",\"annotations\":[]}}]")    \
    }
#define CALL(id, arguments, output)                                                                \
    "{\"id\":\"" id                                                                                \
    "\",\"type\":\"function\",\"function\":{\"name\":\"tool\",\"arguments\":\"" arguments          \
    "\",\"output\":" output "}}"
