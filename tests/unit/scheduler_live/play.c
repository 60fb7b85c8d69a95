/* A reader that checks the order in which it is told. */

#include "play.h"

#define EVENTS_MAX 200

struct uuid play_id(uint8_t n)
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

void play_take(void *arg, const struct story_event *event)
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
        add(client->thoughts, sizeof(client->thoughts), event->text);
        break;
    }
    client->shown = *event->shown;
    client->events++;
    client->stopped = client->stop_after > 0 && client->events == client->stop_after;
}

static void add_piece(struct draft *draft, const struct scene *scene, enum frame_kind kind,
                      uint32_t number, const char *text)
{
    struct frame frame = {.kind = kind,
                          .reply = play_id(scene->draft.reply),
                          .number = number,
                          .text = text_of(text)};

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
                             .reply = play_id(scene->draft.reply),
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
    struct run run = {.id = play_id(200), .status = scene->status, .started_at = scene->started};

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
    struct story story = {.tell = play_take, .arg = client};
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, 0);
    shown_write(&client->shown, &text);
    cr_assert(shown_parse(buf_text(&text), &story.shown), "%s", buf_string(&text));
    client->stopped = false;
    client->stop_after = 0;
    return story;
}

void watch(const struct play *play, unsigned mask, size_t stop_after, struct client *client)
{
    struct story story = {.tell = play_take, .arg = client};

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

void watch_all(const struct play *play, judge_fn judge)
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
