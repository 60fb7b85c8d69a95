/* Tests of stories: whatever a reader sees of what happens, and wherever its line breaks, the
 * events come in an order that OpenAI's clients take, and its texts are those that are stored.
 *
 * A play is a list of scenes: what there is at a moment, stored and drafted. A reader sees some of
 * them (each choice of scenes is tried, the last one always) and may come back behind any event. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "scheduler/live/story.h"

#define SCENES_MAX 10
#define STEPS_MAX  4
#define EVENTS_MAX 200

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
    size_t calls;
    char arguments[4][128];
    bool outputs[4];
    size_t steps_ended;
    bool ended;
};

static struct uuid id(uint8_t n)
{
    struct uuid uuid = {{n}};

    return uuid;
}

static void add(char *to, size_t size, struct text text)
{
    size_t len = strlen(to);

    cr_assert(len + text.len < size);
    memcpy(to + len, text.ptr, text.len);
    to[len + text.len] = '\0';
}

static void take_run(struct client *client, const struct story_event *event)
{
    enum run_status status = event->run->status;

    cr_assert_not(client->ended, "an event behind the end");
    if (client->events == 0)
        cr_assert_eq(event->shown->run, SHOWN_CREATED);
    if (run_status_terminal(status)) {
        cr_assert_not(client->step_open || client->message_open, "the run ends within a step");
        client->ended = true;
    } else {
        cr_assert_eq(event->run->completed_at, 0);
    }
    if (status == RUN_IN_PROGRESS)
        client->in_progress = true;
    if (status == RUN_REQUIRES_ACTION)
        cr_assert(client->step_open && client->type == STEP_TOOL_CALLS, "nothing is asked for");
    client->run = status;
}

static void take_step(struct client *client, const struct story_event *event)
{
    cr_assert(client->in_progress && !client->ended);
    if (event->kind == STORY_STEP_BEGINS) {
        cr_assert_not(client->step_open, "two steps are open");
        cr_assert_eq(event->step->status, STEP_IN_PROGRESS);
        client->step_open = true;
        client->step_works = false;
        client->step = event->step->id;
        client->type = event->step->type;
        if (client->type == STEP_MESSAGE_CREATION)
            return;
        client->calls = 0;
        memset(client->arguments, 0, sizeof(client->arguments));
        memset(client->outputs, 0, sizeof(client->outputs));
        return;
    }
    cr_assert(client->step_open && uuid_equal(client->step, event->step->id));
    if (event->kind == STORY_STEP_WORKS) {
        client->step_works = true;
        return;
    }
    cr_assert_not(client->message_open, "a step ends before its message");
    cr_assert_neq(event->step->status, STEP_IN_PROGRESS);
    client->step_open = false;
    client->steps_ended++;
}

static void take_message(struct client *client, const struct story_event *event)
{
    size_t last = client->messages_count - 1;

    cr_assert(client->step_open && client->type == STEP_MESSAGE_CREATION && !client->ended);
    if (event->kind == STORY_MESSAGE_BEGINS) {
        cr_assert_not(client->message_open);
        cr_assert(text_is(event->message->content, "[]"));
        cr_assert(client->step_works);
        client->message_open = true;
        client->message_works = false;
        client->message = event->message->id;
        client->messages[client->messages_count++] = event->message->id;
        return;
    }
    cr_assert(client->message_open, "a delta with no existing snapshot");
    cr_assert(uuid_equal(client->message, event->message->id));
    if (event->kind == STORY_MESSAGE_WORKS) {
        client->message_works = true;
        return;
    }
    cr_assert(client->message_works);
    if (event->kind == STORY_TEXT) {
        cr_assert(event->text.len > 0);
        add(client->text[last], sizeof(client->text[last]), event->text);
    } else if (event->kind == STORY_MESSAGE_ENDS) {
        client->incomplete[last] = text_is(event->message->status, "incomplete");
        client->message_open = false;
    }
}

static void take_call(struct client *client, const struct story_event *event)
{
    cr_assert(client->step_works && client->type == STEP_TOOL_CALLS && !client->ended);
    if (event->kind == STORY_CALL) {
        cr_assert_eq(event->number, client->calls++, "calls begin one after the other");
        cr_assert(event->call_id.len > 0);
        return;
    }
    cr_assert_eq(event->number + 1, client->calls, "only the last call goes on");
    if (event->kind == STORY_OUTPUT) {
        cr_assert_not(client->outputs[event->number], "an output twice");
        client->outputs[event->number] = true;
    } else {
        add(client->arguments[event->number], 128, event->text);
    }
}

static void take(void *arg, const struct story_event *event)
{
    struct client *client = arg;

    if (client->stopped)
        return;
    switch (event->kind) {
    case STORY_RUN:
        take_run(client, event);
        break;
    case STORY_STEP_BEGINS:
    case STORY_STEP_WORKS:
    case STORY_STEP_ENDS:
        take_step(client, event);
        break;
    case STORY_MESSAGE_BEGINS:
    case STORY_MESSAGE_WORKS:
    case STORY_MESSAGE_ENDS:
    case STORY_TEXT:
        take_message(client, event);
        break;
    case STORY_CALL:
    case STORY_ARGUMENTS:
    case STORY_OUTPUT:
        take_call(client, event);
        break;
    case STORY_THINKING:
        cr_assert_not(client->step_open);
        break;
    }
    client->shown = *event->shown;
    client->events++;
    client->stopped = client->stop_after > 0 && client->events == client->stop_after;
}

static void add_piece(struct draft *draft, const struct scene *scene, enum frame_kind kind,
                      uint32_t number, const char *text)
{
    struct frame frame = {
        .kind = kind, .reply = id(scene->draft.reply), .number = number, .text = text_of(text)};

    if (text)
        (void)draft_take(draft, &frame);
}

static void make_draft(const struct scene *scene, struct draft *draft)
{
    if (scene->draft.reply == 0)
        return;
    add_piece(draft, scene, FRAME_REASONING, 0, scene->draft.thinking);
    add_piece(draft, scene, FRAME_TEXT, 0, scene->draft.text);
    for (uint32_t i = 0; i < 2 && scene->draft.calls[i]; i++) {
        struct frame call = {.kind = FRAME_CALL,
                             .reply = id(scene->draft.reply),
                             .number = i,
                             .text = i == 0 ? TEXT("call_a") : TEXT("call_b"),
                             .name = TEXT("tool")};

        (void)draft_take(draft, &call);
        add_piece(draft, scene, FRAME_ARGUMENTS, i, scene->draft.calls[i]);
    }
}

static void show(struct story *story, const struct play *play, const struct scene *scene)
{
    struct draft draft = {.gap = false};
    struct run run = {.id = id(200), .status = scene->status, .started_at = scene->started};

    story_run(story, &run);
    for (size_t i = 0; i < scene->steps; i++) {
        struct run_step step = play->steps[i];

        if (i + 1 == scene->steps && scene->last)
            step.status = STEP_IN_PROGRESS;
        if (step.seq > story->shown.seq)
            story_step(story, &step,
                       step.type == STEP_MESSAGE_CREATION ? &play->messages[i] : NULL);
    }
    make_draft(scene, &draft);
    if (!run_status_terminal(scene->status))
        story_draft(story, &draft);
    story_standing(story);
    draft_drop(&draft);
}

/* The id of its last event is all that a client brings when it comes back. */
static struct story come_back(struct client *client)
{
    struct story story = {.tell = take, .arg = client};
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, 0);
    shown_write(&client->shown, &text);
    cr_assert(shown_parse(buf_text(&text), &story.shown), "%s", buf_string(&text));
    client->stopped = false;
    client->stop_after = 0;
    return story;
}

/* Plays the scenes of `mask`, with a break of the line behind `stop_after` events. */
static void watch(const struct play *play, unsigned mask, size_t stop_after, struct client *client)
{
    struct story story = {.tell = take, .arg = client};

    *client = (struct client){.stop_after = stop_after};
    for (size_t i = 0; i < play->scenes_count; i++) {
        if (i + 1 < play->scenes_count && !(mask >> i & 1))
            continue;
        show(&story, play, &play->scenes[i]);
        if (client->stopped) {
            story = come_back(client);
            show(&story, play, &play->scenes[i]);
        }
    }
}

typedef void (*judge_fn)(const struct client *client);

static void watch_all(const struct play *play, judge_fn judge)
{
    static struct client client;

    for (unsigned mask = 0; mask < 1U << (play->scenes_count - 1); mask++) {
        size_t events;

        watch(play, mask, 0, &client);
        judge(&client);
        events = client.events;
        cr_assert(events > 3 && events < EVENTS_MAX);
        for (size_t stop = 1; stop <= events; stop++) {
            watch(play, mask, stop, &client);
            judge(&client);
        }
    }
}

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

static const struct run_step one_step[] = {MESSAGE_STEP(5, 1)};
static const struct message one_message[] = {MESSAGE(5, "Hello, world")};

static void judge_one(const struct client *client)
{
    cr_assert(client->ended && client->run == RUN_COMPLETED);
    cr_assert_eq(client->messages_count, 1);
    cr_assert_str_eq(client->text[0], "Hello, world");
    cr_assert_not(client->incomplete[0]);
    cr_assert_eq(client->steps_ended, 1);
}

Test(story, an_answer_in_pieces)
{
    static const struct scene scenes[] = {
        {.status = RUN_QUEUED},
        {.status = RUN_IN_PROGRESS, .started = true},
        {RUN_IN_PROGRESS, true, 0, 0, {5, NULL, "Hm", {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hel", "Hm, so", {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hello, wo", "Hm, so", {NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true},
        {.status = RUN_COMPLETED, .started = true, .steps = 1},
    };
    struct play play = {one_step, one_message, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_one);
}

static void judge_died(const struct client *client)
{
    size_t last = client->messages_count - 1;

    cr_assert(client->ended);
    cr_assert_str_eq(client->text[last], "Hello, world");
    cr_assert_not(client->incomplete[last]);
    for (size_t i = 0; i < last; i++)
        cr_assert(client->incomplete[i], "message %zu was never stored", i);
}

Test(story, an_attempt_that_dies_in_its_message_is_followed_by_another)
{
    static const struct scene scenes[] = {
        {.status = RUN_IN_PROGRESS, .started = true},
        {RUN_IN_PROGRESS, true, 0, 0, {3, "Good d", NULL, {NULL}}},
        {.status = RUN_QUEUED, .started = true},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Hel", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hello", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 1},
    };
    struct play play = {one_step, one_message, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_died);
}

static const struct run_step tool_steps[] = {
    CALLS_STEP(4, 1, "[" CALL("call_a", "{\\\"x\\\":1}", "\"one\"") "]"),
    MESSAGE_STEP(5, 2),
};
static const struct message tool_messages[] = {{.status = TEXT("completed")},
                                               MESSAGE(5, "Hello, world")};

static void judge_tool(const struct client *client)
{
    judge_died(client);
    cr_assert_eq(client->steps_ended, 2);
}

Test(story, a_call_that_is_told_while_it_is_made)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, "Let me", {"{\"x", NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, "Let me", {"{\"x\":1}", NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1, .last = 1},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1},
        {RUN_IN_PROGRESS, true, 1, 0, {5, "Hello, w", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 2},
    };
    struct play play = {tool_steps, tool_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_tool);
}

static const struct run_step two_calls[] = {
    MESSAGE_STEP(4, 1),
    CALLS_BEHIND(
        4, 2,
        "[" CALL("call_a", "{\\\"x\\\":1}", "\"one\"") "," CALL("call_b", "{}", "\"two\"") "]"),
    MESSAGE_STEP(5, 3),
};
static const struct message two_calls_messages[] = {
    MESSAGE(4, "Let me see."), {.status = TEXT("completed")}, MESSAGE(5, "Hello, world")};

static void judge_two_calls(const struct client *client)
{
    cr_assert(client->ended);
    cr_assert_eq(client->messages_count, 2);
    cr_assert_str_eq(client->text[0], "Let me see.");
    cr_assert_str_eq(client->text[1], "Hello, world");
    cr_assert_eq(client->steps_ended, 3);
}

Test(story, a_text_with_calls_is_over_before_these_begin)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let me see.", NULL, {"{\"x\":", NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let me see.", NULL, {"{\"x\":1}", "{}"}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 2, .last = 1},
        {RUN_IN_PROGRESS, true, 2, 0, {5, "Hel", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 3},
    };
    struct play play = {two_calls, two_calls_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_two_calls);
}

static void judge_text_late(const struct client *client)
{
    size_t last = client->messages_count - 1;

    cr_assert(client->ended);
    cr_assert_eq(client->messages_count, 2);
    cr_assert_str_eq(client->text[0], "Let me see.");
    cr_assert_str_eq(client->text[last], "Hello, world");
    cr_assert_geq(client->steps_ended, 3); /* and calls that were told of too early */
}

static void judge_attempts(const struct client *client)
{
    cr_assert(client->ended);
    cr_assert_str_eq(client->text[client->messages_count - 1], "Hello, world");
    for (size_t i = 0; i < client->messages_count; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_not(uuid_equal(client->messages[i], client->messages[j]), "begun twice");
}

Test(story, a_worker_that_has_lost_its_run_speaks_on)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Hel", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hello", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Help", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hello, w", NULL, {NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1},
        {RUN_IN_PROGRESS, true, 1, 0, {4, "Help me", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 1},
    };
    struct play play = {one_step, one_message, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_attempts);
}

Test(story, a_draft_that_has_lost_its_text_tells_no_calls_within_the_message)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let me", NULL, {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":1}", NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 2, .last = 1},
        {.status = RUN_COMPLETED, .started = true, .steps = 3},
    };
    struct play play = {two_calls, two_calls_messages, scenes, ARRAY_LENGTH(scenes)};
    struct client client;

    watch(&play, 15, 0, &client);
    judge_two_calls(&client);
}

Test(story, a_text_that_comes_behind_calls)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":", NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":1}", "{}"}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let me", NULL, {"{\"x\":1}", "{}"}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 2, .last = 1},
        {RUN_IN_PROGRESS, true, 2, 0, {5, "Hel", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 3},
    };
    struct play play = {two_calls, two_calls_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_text_late);
}

static const struct run_step calls_alone[] = {
    CALLS_STEP(
        4, 1,
        "[" CALL("call_a", "{\\\"x\\\":1}", "\"one\"") "," CALL("call_b", "{}", "\"two\"") "]"),
    MESSAGE_STEP(5, 2),
};
static const struct message calls_alone_messages[] = {{.status = TEXT("completed")},
                                                      MESSAGE(5, "Hello, world")};

static void judge_calls(const struct client *client)
{
    cr_assert(client->ended);
    cr_assert_eq(client->steps_ended, 2);
    cr_assert_str_eq(client->text[0], "Hello, world");
    cr_assert_str_eq(client->arguments[0], "{\"x\":1}");
    cr_assert_str_eq(client->arguments[1], "{}");
}

Test(story, a_call_that_goes_on_when_the_next_one_has_begun)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":", ""}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":", "{"}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":1}", "{"}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1, .last = 1},
        {.status = RUN_COMPLETED, .started = true, .steps = 2},
    };
    struct play play = {calls_alone, calls_alone_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_calls);
}

Test(story, a_run_that_waits_for_its_client_and_goes_on)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, NULL, {"{\"x\":1}", NULL}}},
        {.status = RUN_REQUIRES_ACTION, .started = true, .steps = 1, .last = 1},
        {.status = RUN_REQUIRES_ACTION, .started = true, .steps = 1}, /* as it was read before */
        {.status = RUN_QUEUED, .started = true, .steps = 1, .last = 1},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1},
        {RUN_IN_PROGRESS, true, 1, 0, {5, "Hello", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 2},
    };
    struct play play = {tool_steps, tool_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_tool);
}

static void judge_cancelled(const struct client *client)
{
    cr_assert(client->ended && client->run == RUN_CANCELLED);
    for (size_t i = 0; i < client->messages_count; i++)
        cr_assert(client->incomplete[i]);
}

Test(story, a_run_that_is_cancelled_in_its_message)
{
    static const struct scene scenes[] = {
        {.status = RUN_IN_PROGRESS, .started = true},
        {RUN_IN_PROGRESS, true, 0, 0, {5, "Hel", NULL, {NULL}}},
        {RUN_CANCELLING, true, 0, 0, {5, "Hello", NULL, {NULL}}},
        {.status = RUN_CANCELLED, .started = true},
    };
    struct play play = {one_step, one_message, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_cancelled);
}

Test(story, a_reply_that_is_stored_already_is_not_told_again_from_its_draft)
{
    static const struct scene scenes[] = {
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 1},
        {RUN_IN_PROGRESS, true, 1, 0, {5, "Hello, world", NULL, {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 1},
    };
    struct play play = {one_step, one_message, scenes, ARRAY_LENGTH(scenes)};
    struct client client;

    watch(&play, 3, 0, &client);
    judge_one(&client);
}
