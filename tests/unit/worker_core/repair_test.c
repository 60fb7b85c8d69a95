/* Whatever a history looks like, what is sent is well formed: examples, and histories at random. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "providers/context/repair.h"
#include "shared/base/error.h"

#define IDS          4
#define MESSAGES_MAX 8
#define HISTORIES    20000

static const char *const ids[IDS] = {"a", "b", "c", "d"};
static uint32_t seed = 7;

static unsigned pick(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

struct history {
    struct chat_message messages[MESSAGES_MAX];
    struct chat_tool_call calls[MESSAGES_MAX][IDS];
    char texts[MESSAGES_MAX][8];
    size_t count;
};

static void make_message(struct history *history, size_t i)
{
    struct chat_message *message = &history->messages[i];

    snprintf(history->texts[i], sizeof(history->texts[i]), "%zu", i);
    *message = (struct chat_message){.role = (enum chat_role)pick(3)};
    if (message->role != CHAT_ASSISTANT || pick(2))
        message->text = text_of(history->texts[i]);
    if (message->role == CHAT_TOOL)
        message->tool_call_id = text_of(ids[pick(IDS)]);
    if (message->role != CHAT_ASSISTANT)
        return;
    message->tool_calls = history->calls[i];
    message->tool_calls_count = pick(IDS);
    for (size_t k = 0; k < message->tool_calls_count; k++)
        history->calls[i][k] = (struct chat_tool_call){.id = text_of(ids[pick(IDS)])};
}

static void make_history(struct history *history)
{
    history->count = pick(MESSAGES_MAX + 1);
    for (size_t i = 0; i < history->count; i++)
        make_message(history, i);
}

static bool is_repeated(const struct chat_message *message, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (text_equal(message->tool_calls[i].id, message->tool_calls[index].id))
            return true;
    return false;
}

/* The rule itself, written down another way than the code has it. */
static void check_well_formed(const struct chat_message *messages, size_t count)
{
    size_t owed = 0; /* results that must still come */
    const struct chat_message *caller = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct chat_message *message = &messages[i];

        if (owed > 0) {
            cr_assert_eq(message->role, CHAT_TOOL);
            cr_assert(text_equal(message->tool_call_id,
                                 caller->tool_calls[caller->tool_calls_count - owed].id));
            owed--;
            continue;
        }
        cr_assert_neq(message->role, CHAT_TOOL, "a result of no call");
        if (message->role != CHAT_ASSISTANT)
            continue;
        cr_assert(message->tool_calls_count > 0 || message->text.len > 0);
        for (size_t k = 0; k < message->tool_calls_count; k++)
            cr_assert_not(is_repeated(message, k));
        caller = message;
        owed = message->tool_calls_count;
    }
    cr_assert_eq(owed, 0, "a call without result");
}

/* Every user's message, and every assistant's that says something, is still there, in order. */
static void check_kept(const struct history *history, const struct chat_message *made, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < history->count; i++) {
        const struct chat_message *message = &history->messages[i];

        if (message->role == CHAT_TOOL ||
            (message->role == CHAT_ASSISTANT && !message->text.len && !message->tool_calls_count))
            continue;
        while (at < count && made[at].role == CHAT_TOOL)
            at++;
        cr_assert_lt(at, count);
        cr_assert_eq(made[at].role, message->role);
        cr_assert_eq(made[at].text.ptr, message->text.ptr);
        at++;
    }
}

/* Which result answers the call: the first behind it, before a call of the same id. */
static const struct chat_message *result_of(const struct history *history, size_t message,
                                            struct text id)
{
    for (size_t i = message + 1; i < history->count; i++) {
        const struct chat_message *at = &history->messages[i];

        if (at->role == CHAT_TOOL && text_equal(at->tool_call_id, id))
            return at;
        for (size_t k = 0; k < at->tool_calls_count; k++)
            if (text_equal(at->tool_calls[k].id, id))
                return NULL;
    }
    return NULL;
}

/* Each call that is kept is answered by its result, if there is one. */
static void check_results(const struct history *history, const struct chat_message *made,
                          size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < history->count; i++) {
        const struct chat_message *message = &history->messages[i];

        for (size_t k = 0; k < message->tool_calls_count; k++) {
            struct text id = message->tool_calls[k].id;
            const struct chat_message *result = result_of(history, i, id);

            if (is_repeated(message, k))
                continue;
            while (at < count && made[at].role != CHAT_TOOL)
                at++;
            cr_assert_lt(at, count);
            cr_assert(text_equal(made[at].text, result ? result->text : TEXT(REPAIR_UNANSWERED)));
            at++;
        }
    }
    while (at < count)
        cr_assert_neq(made[at++].role, CHAT_TOOL);
}

Test(repair, makes_any_history_well_formed_and_keeps_all_that_it_may)
{
    unsigned needed = 0;

    for (int i = 0; i < HISTORIES; i++) {
        struct history history = {0};
        struct arena arena;
        struct chat_message *made;
        size_t count;
        struct error err;

        make_history(&history);
        arena_init(&arena, 0);
        cr_assert_eq(repair_conversation(history.messages, history.count, REPAIR_NONE, &arena,
                                         &made, &count, &err),
                     0);
        check_well_formed(made, count);
        check_kept(&history, made, count);
        check_results(&history, made, count);
        cr_assert_not(repair_is_needed(made, count));
        if (repair_is_needed(history.messages, history.count))
            needed++;
        else
            check_well_formed(history.messages, history.count);
        arena_deinit(&arena);
    }
    cr_assert_gt(needed, HISTORIES / 2);
    cr_assert_lt(needed, HISTORIES);
}

Test(repair, leaves_the_calls_that_are_about_to_be_answered)
{
    struct chat_tool_call calls[] = {{.id = TEXT("a")}, {.id = TEXT("b")}};
    struct chat_message messages[] = {
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_USER, .text = TEXT("and?")},
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("b"), .text = TEXT("2")},
    };
    struct arena arena;
    struct chat_message *made;
    size_t count;
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(
        repair_conversation(messages, ARRAY_LENGTH(messages), 2, &arena, &made, &count, &err), 0);
    cr_assert_eq(count, 6);
    cr_assert(text_is(made[1].text, REPAIR_UNANSWERED));
    cr_assert(text_is(made[2].text, REPAIR_UNANSWERED));
    cr_assert_eq(made[4].tool_calls_count, 2);
    cr_assert(text_is(made[5].text, "2"));
    arena_deinit(&arena);
}

Test(repair, says_when_there_is_no_room)
{
    static struct chat_message messages[2000];
    struct arena arena;
    struct chat_message *made;
    size_t count;
    struct error err;

    arena_init(&arena, 1024);
    cr_assert_eq(repair_conversation(messages, ARRAY_LENGTH(messages), REPAIR_NONE, &arena, &made,
                                     &count, &err),
                 -E_LIMIT);
    arena_deinit(&arena);
}
