/* What is left out of a conversation so that it fits: examples, and conversations at random. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/chat_tokens.h"
#include "providers/context/repair.h"
#include "providers/context/window.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

#define TEXT_WORD  "word "
#define TOOL_CALLS 2

static const struct chat_tool_call two_calls[TOOL_CALLS] = {
    {.id = {"a", 1}, .name = {"search", 6}, .arguments = {"{}", 2}},
    {.id = {"b", 1}, .name = {"search", 6}, .arguments = {"{}", 2}},
};

/* A conversation from letters: u user, a assistant, c assistant with a call, d with two, t result;
 * an upper-case letter is the same with a long text. */
struct talk {
    struct chat_message messages[64];
    struct chat_request request;
};

static struct text long_text(void)
{
    static char text[5 * 400];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = TEXT_WORD[i % 5];
    return (struct text){text, sizeof(text)};
}

static struct talk *talk(const char *letters)
{
    static struct talk talk;

    talk = (struct talk){.request.messages_count = strlen(letters)};
    talk.request.messages = talk.messages;
    for (size_t i = 0; letters[i]; i++) {
        char letter = (char)(letters[i] | 0x20);
        struct chat_message *message = &talk.messages[i];

        message->role = letter == 'u' ? CHAT_USER : letter == 't' ? CHAT_TOOL : CHAT_ASSISTANT;
        message->text = letter == letters[i] ? TEXT("short") : long_text();
        if (letter == 'c' || letter == 'd') {
            message->tool_calls = two_calls;
            message->tool_calls_count = letter == 'c' ? 1 : 2;
        }
    }
    return &talk;
}

static int64_t tokens_from(const struct talk *talk, size_t left_out)
{
    struct chat_request request = talk->request;

    request.messages += left_out;
    request.messages_count -= left_out;
    return chat_tokens(&request, TOKENS_O200K);
}

/* Room for what is left when so many are left out, and no token more. */
static struct window_limits room_for(const struct talk *talk, size_t left_out)
{
    int64_t tokens = tokens_from(talk, left_out);

    return (struct window_limits){.window_tokens = tokens + tokens / 31 + 2};
}

static void check(const char *letters, size_t room, int expected, size_t left_out)
{
    struct talk *made = talk(letters);
    struct window_limits limits = room_for(made, room);
    struct window window;

    cr_expect_eq(window_fit(&made->request, &limits, &window), expected, "%s %zu", letters, room);
    cr_expect_eq(window.left_out, left_out, "%s with room from %zu on: %zu are left out", letters,
                 room, window.left_out);
    cr_expect_eq(window.tokens, tokens_from(made, window.left_out), "%s", letters);
}

Test(window, all_is_sent_where_it_fits)
{
    check("UAUAU", 0, 0, 0);
    check("U", 0, 0, 0);
    check("", 0, 0, 0);
    check("A", 0, 0, 0);
    check("AUCTA", 0, 0, 0);
}

Test(window, whole_turns_are_left_out_the_oldest_first)
{
    check("UAUAU", 1, 0, 2);
    check("UAUAU", 2, 0, 2);
    check("UAUAU", 3, 0, 4);
    check("UAUAU", 4, 0, 4);
    check("UUUU", 1, 0, 1);
    check("UUUU", 3, 0, 3);
}

Test(window, what_stands_before_the_first_user_message_goes_first)
{
    check("AAUAU", 1, 0, 2);
    check("AAUAU", 2, 0, 2);
}

Test(window, the_last_user_message_and_all_behind_it_stay)
{
    check("UAUAUACT", 4, 0, 4);
    check("UAUAUACT", 5, WINDOW_FULL, 4);
    check("UACT", 0, 0, 0);
    check("UACT", 1, WINDOW_FULL, 0);
    check("U", 1, WINDOW_FULL, 0);
}

Test(window, without_a_user_message_all_stays)
{
    check("AAA", 1, WINDOW_FULL, 0);
    check("AAA", 0, 0, 0);
}

Test(window, a_call_and_its_result_are_not_parted)
{
    check("UCTAUCTA", 1, 0, 4);
    check("UDTTAU", 3, 0, 5);
    /* Not sound: a user message stands between a call and its result. */
    check("UACUTAU", 3, 0, 6);
    check("UDTUTAU", 3, 0, 6);
    check("UDTUTAU", 1, 0, 6);
    check("UDTUCTTAU", 3, 0, 8);
    check("UCUT", 1, WINDOW_FULL, 0);
}

Test(window, instructions_and_tools_are_counted_and_stay)
{
    struct talk *made = talk("UAUAU");
    struct chat_tool tool = {.name = TEXT("search"), .description = long_text()};
    struct window_limits limits;
    struct window window;

    limits = room_for(made, 0);
    made->request.instructions = long_text();
    cr_expect_eq(window_fit(&made->request, &limits, &window), 0);
    cr_expect_eq(window.left_out, 2);
    made->request.tools = &tool;
    made->request.tools_count = 1;
    cr_expect_eq(window_fit(&made->request, &limits, &window), 0);
    cr_expect_eq(window.left_out, 2 + 2);
    limits.window_tokens /= 4;
    cr_expect_eq(window_fit(&made->request, &limits, &window), WINDOW_FULL);
    cr_expect_gt(window.tokens, limits.window_tokens);
}

Test(window, room_is_kept_for_the_answer)
{
    struct talk *made = talk("UAUAU");
    struct window_limits limits = room_for(made, 0);
    struct window window;

    limits.answer_tokens = 100;
    cr_expect_eq(window_fit(&made->request, &limits, &window), 0);
    cr_expect_eq(window.left_out, 2);
    limits.answer_tokens = limits.window_tokens + 5;
    cr_expect_eq(window_fit(&made->request, &limits, &window), WINDOW_FULL);
    limits.answer_tokens = limits.window_tokens;
    cr_expect_eq(window_fit(&made->request, &limits, &window), WINDOW_FULL);
}

Test(window, a_window_that_is_not_known_takes_all_until_it_refuses)
{
    struct talk *made = talk("UAUAU");
    struct window_limits limits = {.answer_tokens = 1000};
    struct window first;
    struct window second;

    cr_expect_eq(window_fit(&made->request, &limits, &first), 0);
    cr_expect_eq(first.left_out, 0);
    limits.refused = &first;
    cr_expect_eq(window_fit(&made->request, &limits, &second), 0);
    cr_expect_eq(second.left_out, 2);
}

Test(window, each_refusal_takes_a_quarter_away_until_nothing_can_be)
{
    struct talk *made = talk("UAUAUAUAUAUAUAUAUAUAUAUAUAUAU");
    struct window_limits limits = room_for(made, 0);
    struct window sent[64];
    size_t tries = 0;

    cr_assert_eq(window_fit(&made->request, &limits, &sent[0]), 0);
    for (;;) {
        limits.refused = &sent[tries++];
        if (window_fit(&made->request, &limits, &sent[tries]) == WINDOW_FULL)
            break;
        cr_assert(sent[tries].tokens * 4 <= sent[tries - 1].tokens * 3);
        cr_assert_gt(sent[tries].left_out, sent[tries - 1].left_out);
    }
    cr_expect_eq(sent[tries - 1].left_out, made->request.messages_count - 1);
    cr_expect_geq(tries, 3);
    cr_expect_leq(tries, 12);
}

Test(window, a_refusal_of_what_can_not_be_less_is_the_end)
{
    struct talk *made = talk("U");
    struct window_limits limits = room_for(made, 0);
    struct window sent;
    struct window again;

    cr_assert_eq(window_fit(&made->request, &limits, &sent), 0);
    limits.refused = &sent;
    cr_expect_eq(window_fit(&made->request, &limits, &again), WINDOW_FULL);
    sent = (struct window){.tokens = 0};
    cr_expect_eq(window_fit(&made->request, &limits, &again), WINDOW_FULL);
}

Test(window, opaque_state_counts_behind_the_last_user_message)
{
    struct talk *made = talk("UCTUCT");
    struct window_limits limits = {.window_tokens = 0};
    struct window without;
    struct window with;

    cr_assert_eq(window_fit(&made->request, &limits, &without), 0);
    made->messages[1].opaque_state = long_text();
    cr_assert_eq(window_fit(&made->request, &limits, &with), 0);
    cr_expect_eq(with.tokens, without.tokens);
    made->messages[4].opaque_state = long_text();
    cr_assert_eq(window_fit(&made->request, &limits, &with), 0);
    cr_expect_gt(with.tokens, without.tokens);
    cr_expect_eq(with.tokens, tokens_from(made, 0));
}

/* ---- at random ---- */

static unsigned pick(unsigned below)
{
    static uint32_t seed = 11;

    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

/* Sound: each call has its result right behind it. */
static void make_letters(char *letters, size_t room)
{
    size_t len = 0;

    for (size_t want = pick((unsigned)room - 3); len < want;) {
        switch (pick(4)) {
        case 0:
            letters[len++] = pick(2) ? 'c' : 'C';
            letters[len++] = pick(2) ? 't' : 'T';
            break;
        case 1:
            letters[len++] = pick(2) ? 'd' : 'D';
            letters[len++] = 't';
            letters[len++] = pick(2) ? 't' : 'T';
            break;
        case 2:
            letters[len++] = pick(2) ? 'a' : 'A';
            break;
        default:
            letters[len++] = pick(2) ? 'u' : 'U';
        }
    }
    letters[len] = '\0';
}

static bool may_begin(const char *letters, size_t at)
{
    return at == 0 || (letters[at] | 0x20) == 'u';
}

/* The rules a second time, by trying each place. */
static int slowly(const struct talk *talk, const char *letters, int64_t room, size_t *out)
{
    size_t count = strlen(letters);
    size_t last = 0;

    for (size_t i = 0; i < count; i++)
        last = (letters[i] | 0x20) == 'u' ? i : last;
    for (size_t i = 0; i <= last; i++)
        if (may_begin(letters, i) && tokens_from(talk, i) <= room) {
            *out = i;
            return 0;
        }
    *out = last;
    return WINDOW_FULL;
}

Test(window, conversations_at_random_as_by_trying_each_place)
{
    for (int i = 0; i < 3000; i++) {
        char letters[32];
        struct talk *made;
        struct window_limits limits = {.vocabulary = TOKENS_O200K};
        struct window window;
        size_t expected;
        int64_t room;
        int r;

        make_letters(letters, sizeof(letters));
        made = talk(letters);
        limits.answer_tokens = pick(50);
        limits.window_tokens = 1 + pick(6000);
        room = limits.window_tokens - limits.answer_tokens;
        room -= room > 0 ? room / 32 : 0;
        r = window_fit(&made->request, &limits, &window);
        cr_assert_eq(r, slowly(made, letters, room, &expected), "%s", letters);
        cr_assert_eq(window.left_out, expected, "%s: %zu, not %zu", letters, window.left_out,
                     expected);
        cr_assert(!repair_is_needed(made->messages + window.left_out,
                                    made->request.messages_count - window.left_out) ||
                  repair_is_needed(made->messages, made->request.messages_count));
    }
}

/* ---- large ---- */

/* Only what the window holds is looked at: a thread of 10,000 messages with texts of 64 KiB, 640
 * MB, is done in the time of a few. */
Test(window, a_long_thread_costs_what_the_window_holds, .timeout = 20)
{
    size_t count = 10000;
    struct chat_message *messages = xmalloc(count * sizeof(*messages));
    char *text = xmalloc(1 << 16);
    struct chat_request request = {.messages = messages, .messages_count = count};
    struct window_limits limits = {.window_tokens = 100000};
    struct window window;
    int64_t start;

    for (size_t i = 0; i < 1 << 16; i++)
        text[i] = TEXT_WORD[i % 5];
    for (size_t i = 0; i < count; i++)
        messages[i] = (struct chat_message){.role = i % 2 ? CHAT_ASSISTANT : CHAT_USER,
                                            .text = {text, 1 << 16}};
    start = clock_ms();
    cr_expect_eq(window_fit(&request, &limits, &window), 0);
    cr_expect_gt(window.left_out, count - 100);
    cr_expect_lt(clock_ms() - start, 2000); /* it is some milliseconds; all would be many seconds */
    free(messages);
    free(text);
}

Test(window, ten_thousand_short_messages)
{
    size_t count = 10000;
    struct chat_message *messages = xmalloc(count * sizeof(*messages));
    struct chat_request request = {.messages = messages, .messages_count = count};
    struct window_limits limits = {.window_tokens = 1000000};
    struct window window;

    for (size_t i = 0; i < count; i++)
        messages[i] = (struct chat_message){.role = i % 2 ? CHAT_ASSISTANT : CHAT_USER,
                                            .text = TEXT("Hello there.")};
    cr_expect_eq(window_fit(&request, &limits, &window), 0);
    cr_expect_eq(window.left_out, 0);
    limits.window_tokens = 700;
    cr_expect_eq(window_fit(&request, &limits, &window), 0);
    cr_expect_gt(window.left_out, 9800);
    cr_expect_eq(window.left_out % 2, 0);
    free(messages);
}
