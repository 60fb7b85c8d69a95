/* Tests of stories: whatever a reader sees of what happens, and wherever its line breaks, the
 * events come in an order that OpenAI's clients take, and its texts are those that are stored. */

#include "play.h"

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

/* Each thought leads to a step, and the second step is behind a text of the same reply. */
static const struct run_step thought_steps[] = {
    {.id = {{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
     .seq = 1,
     .type = STEP_MESSAGE_CREATION,
     .status = STEP_COMPLETED,
     .message_id = {{4}},
     .reasoning = TEXT("Hm, so. ")},
    CALLS_BEHIND(4, 2, "[" CALL("call_a", "{\\\"x\\\":1}", "\"one\"") "]"),
    {.id = {{5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
     .seq = 3,
     .type = STEP_TOOL_CALLS,
     .status = STEP_COMPLETED,
     .tool_calls = TEXT("[" CALL("call_b", "{}", "\"two\"") "]"),
     .reasoning = TEXT("Then this. ")},
    {.id = {{6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
     .seq = 4,
     .type = STEP_MESSAGE_CREATION,
     .status = STEP_COMPLETED,
     .message_id = {{6}},
     .reasoning = TEXT("Done.")},
};
static const struct message thought_messages[] = {
    MESSAGE(4, "Let me see."),
    {.status = TEXT("completed")},
    {.status = TEXT("completed")},
    MESSAGE(6, "Hello, world"),
};

static void judge_thoughts(const struct client *client)
{
    cr_assert(client->ended);
    cr_assert_str_eq(client->thoughts, "Hm, so. Then this. Done.");
    cr_assert_eq(client->messages_count, 2);
    cr_assert_str_eq(client->text[0], "Let me see.");
    cr_assert_str_eq(client->text[1], "Hello, world");
    cr_assert_eq(client->steps_ended, 4);
}

Test(story, thoughts_are_told_once_before_what_they_led_to_whoever_heard_them_made)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 0, 0, {4, NULL, "Hm", {NULL}}},
        {RUN_IN_PROGRESS, true, 0, 0, {4, "Let", "Hm, so. ", {NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 2, .last = 1},
        {RUN_IN_PROGRESS, true, 2, 0, {5, NULL, "Then", {NULL}}},
        {.status = RUN_IN_PROGRESS, .started = true, .steps = 3, .last = 1},
        {RUN_IN_PROGRESS, true, 3, 0, {6, NULL, "Do", {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 4},
    };
    struct play play = {thought_steps, thought_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_thoughts);
}

/* What was told of a reply that died is told, and no part of the next one. */
static void judge_thoughts_of_two(const struct client *client)
{
    size_t len = strlen(client->thoughts);

    cr_assert(client->ended);
    cr_assert_geq(len, 5);
    cr_assert_str_eq(client->thoughts + len - 5, "Done.");
    cr_assert_str_eq(client->text[client->messages_count - 1], "Hello, world");
}

Test(story, thoughts_of_a_reply_that_died_are_no_part_of_those_that_are_stored)
{
    static const struct scene scenes[] = {
        {RUN_IN_PROGRESS, true, 3, 0, {5, NULL, "Don't", {NULL}}},
        {.status = RUN_QUEUED, .started = true, .steps = 3},
        {RUN_IN_PROGRESS, true, 3, 0, {6, NULL, "D", {NULL}}},
        {.status = RUN_COMPLETED, .started = true, .steps = 4},
    };
    struct play play = {thought_steps, thought_messages, scenes, ARRAY_LENGTH(scenes)};

    watch_all(&play, judge_thoughts_of_two);
}

/* Of a step whose message was deleted nothing is told. */
Test(story, thoughts_that_led_to_a_message_which_is_gone_are_not_told)
{
    struct run run = {.id = play_id(200), .status = RUN_COMPLETED, .started_at = 1};
    struct client client = {.events = 0};
    struct story story = {.tell = play_take, .arg = &client};

    story_run(&story, &run);
    story_step(&story, &thought_steps[0], NULL);
    story_standing(&story);
    cr_assert(client.ended);
    cr_assert_str_eq(client.thoughts, "");
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
