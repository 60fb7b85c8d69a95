/* What each strategy gives a run, of threads at random: the rules a second time, slowly. The reads
 * of the database are played here on an array; histories_test.c in shared_store compares those. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "providers/chat_tokens.h"
#include "providers/context/context.h"
#include "providers/context/repair.h"
#include "shared/base/error.h"
#include "shared/store/summaries/summaries.h"

enum { THREAD_MAX = 48, THREADS = 20000 };

#define SHORT "[{\"type\":\"text\",\"text\":{\"value\":\"some words\",\"annotations\":[]}}]"

static const struct uuid before = {{1}};
static const struct uuid present = {{2}}; /* the run that is given them */

static unsigned pick(unsigned below)
{
    static uint32_t seed = 23;

    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

/* ---- threads ---- */

struct thread {
    struct message items[THREAD_MAX];
    char calls[THREAD_MAX][160];
    char ids[THREAD_MAX][16];
    size_t count;
    size_t own; /* that the present run wrote: the last ones */
    bool sound; /* each call has its results right behind it, and no id comes twice */
};

static struct text words(void)
{
    static char long_words[4000];

    if (!long_words[0]) {
        memcpy(long_words, SHORT, sizeof(SHORT));
        (void)snprintf(long_words, sizeof(long_words),
                       "[{\"type\":\"text\",\"text\":{\"value\":\"%0600d\",\"annotations\":[]}}]",
                       7);
    }
    return pick(3) ? TEXT(SHORT) : text_of(long_words);
}

static struct message *add(struct thread *thread, enum message_role role, struct uuid run)
{
    struct message *message = &thread->items[thread->count];

    *message = (struct message){.role = role,
                                .run_id = role == MESSAGE_USER ? (struct uuid){{0}} : run,
                                .position = (int64_t)(thread->count * 3 + 1),
                                .content = words()};
    thread->count++;
    return message;
}

/* A reply that calls, and what came of it; of an odd one, not all, or later, or under an id that
 * was used. */
static void add_exchange(struct thread *thread, struct uuid run, bool odd)
{
    size_t at = thread->count;
    unsigned calls = 1 + pick(2);
    struct message *message = add(thread, MESSAGE_ASSISTANT, run);
    int used = 0;

    for (unsigned k = 0; k < calls; k++) {
        if (odd && pick(4) == 0)
            (void)snprintf(thread->ids[at + k], sizeof(thread->ids[0]), "same%u", k);
        else
            (void)snprintf(thread->ids[at + k], sizeof(thread->ids[0]), "c%zu-%u", at, k);
        used += snprintf(thread->calls[at] + used, sizeof(thread->calls[0]) - (size_t)used,
                         "%s{\"id\":\"%s\",\"name\":\"f\",\"arguments\":\"{}\"}", k ? "," : "[",
                         thread->ids[at + k]);
    }
    (void)snprintf(thread->calls[at] + used, sizeof(thread->calls[0]) - (size_t)used, "]");
    message->tool_calls = text_of(thread->calls[at]);
    if (odd && pick(3) == 0)
        add(thread, MESSAGE_USER, run);
    for (unsigned k = 0; k < calls; k++)
        if (!odd || pick(3))
            add(thread, MESSAGE_TOOL, run)->tool_call_id = text_of(thread->ids[at + k]);
}

static void add_any(struct thread *thread, struct uuid run, bool odd)
{
    switch (pick(3)) {
    case 0:
        add_exchange(thread, run, odd);
        return;
    case 1:
        add(thread, MESSAGE_USER, run);
        return;
    default:
        add(thread, MESSAGE_ASSISTANT, run);
    }
}

static void make_thread(struct thread *thread)
{
    size_t want = pick(THREAD_MAX - 16);
    size_t own = pick(3) ? 0 : pick(8);
    size_t begin;

    thread->count = 0;
    thread->sound = pick(4) > 0;
    while (thread->count < want)
        add_any(thread, before, !thread->sound);
    add(thread, MESSAGE_USER, before);
    begin = thread->count;
    while (thread->count - begin < own) {
        add_exchange(thread, present, !thread->sound);
        if (pick(3) == 0)
            add(thread, MESSAGE_ASSISTANT, present);
    }
    thread->own = thread->count - begin;
}

/* ---- what is read of them ---- */

struct given {
    struct message items[THREAD_MAX];
    struct message_list list;
    struct context_history history;
    size_t from;           /* the first of the newest that were read */
    size_t first;          /* how many were read before these */
    bool near[THREAD_MAX]; /* of those before these, that were chosen */
    size_t breaks[THREAD_MAX];
    size_t breaks_count;
    struct thread_summary summary;
};

static size_t newest_from(const struct thread *thread, const struct context_ask *ask)
{
    size_t from = thread->count;

    if (ask->part == HISTORY_NEW) {
        while (from > 0 && (thread->items[from - 1].role == MESSAGE_USER ||
                            uuid_equal(thread->items[from - 1].run_id, present)))
            from--;
        return from;
    }
    if (ask->part == HISTORY_AFTER)
        return pick((unsigned)(thread->count - thread->own));
    if (ask->newest == 0 || (size_t)ask->newest + thread->own >= thread->count)
        return 0;
    return thread->count - thread->own - (size_t)ask->newest;
}

/* Turns at random, as providers/nearest gives them, in front of the newest. */
static void choose_turns(const struct thread *thread, struct given *out)
{
    size_t count = 0;
    bool chosen = false;

    for (size_t i = 0; i < out->from; i++) {
        if (thread->items[i].role == MESSAGE_USER || i == 0)
            chosen = pick(3) == 0;
        out->near[i] = chosen;
        if (!chosen)
            continue;
        if (count > 0 && !out->near[i - 1])
            out->breaks[out->breaks_count++] = count;
        out->items[count++] = thread->items[i];
    }
    if (count > 0 && !chosen)
        out->breaks[out->breaks_count++] = count;
    out->first = count;
}

/* As worker/run/resume.c. */
static void read_thread(const struct thread *thread, const struct context_ask *ask,
                        struct given *out)
{
    size_t wanted = (size_t)ask->first;

    memset(out->near, 0, sizeof(out->near));
    out->breaks_count = 0;
    out->from = newest_from(thread, ask);
    out->summary = (struct thread_summary){.messages = (int64_t)out->from};
    if (ask->part == HISTORY_AFTER && out->from > 0)
        out->summary.text = TEXT("They talked\nof this and that.");
    out->first = out->from < wanted ? out->from : wanted;
    memcpy(out->items, thread->items, out->first * sizeof(out->items[0]));
    if (ask->near > 0)
        choose_turns(thread, out);
    memcpy(out->items + out->first, thread->items + out->from,
           (thread->count - out->from) * sizeof(out->items[0]));
    out->list =
        (struct message_list){.items = out->items, .count = out->first + thread->count - out->from};
    out->history = (struct context_history){
        .history = &out->list,
        .first = ask->near > 0    ? 0
                 : out->from == 0 ? wanted
                                  : out->first,
        .gap = out->first < out->from && wanted > 0 ? out->first : 0,
        .pending_run = present,
        .breaks = out->breaks,
        .breaks_count = out->breaks_count,
        .summary = &out->summary,
    };
}

/* ---- the rules, slowly ---- */

static bool has_near(const struct given *given)
{
    for (size_t i = 0; i < given->from; i++)
        if (given->near[i])
            return true;
    return false;
}

/* A mark that others lie between. */
static bool is_mark(const struct chat_message *message)
{
    return message->stored == 0 && message->role == CHAT_USER && message->system.len > 0;
}

/* Which of a sound thread are given: those that were read, without exchanges of which a part was
 * not. */
static void expect(const struct thread *thread, const struct given *given, bool *out)
{
    for (size_t i = 0; i < thread->count; i++)
        out[i] = given->near[i] || i >= given->from ||
                 (i < given->first && given->breaks_count == 0 && !has_near(given));
    for (size_t i = 0; i < thread->count; i++) {
        size_t end = i + 1;
        bool whole = out[i];

        if (!thread->items[i].tool_calls.ptr)
            continue;
        for (; end < thread->count && thread->items[end].role == MESSAGE_TOOL; end++)
            whole = whole && out[end];
        for (size_t k = i; k < end; k++)
            out[k] = whole;
        i = end - 1;
    }
}

static void check_given(const struct thread *thread, const struct given *given,
                        const struct context *context, const char *strategy)
{
    bool expected[THREAD_MAX];
    size_t marks = 0;
    size_t at = given->summary.text.ptr ? 1 : 0;

    if (at > 0)
        cr_assert(context->first == 1 && context->messages[0].stored == 0, "%s", strategy);
    expect(thread, given, expected);
    for (size_t i = 0; i < thread->count; i++) {
        const struct message *message;

        if (!expected[i])
            continue;
        if (at < context->count && is_mark(&context->messages[at])) {
            cr_assert_gt(at, 0, "%s: a mark in front", strategy);
            cr_assert(!is_mark(&context->messages[at - 1]), "%s: two marks", strategy);
            cr_assert(!expected[i - 1] || thread->items[i].role != MESSAGE_TOOL, "%s", strategy);
            marks++;
            at++;
        }
        cr_assert_lt(at, context->count, "%s: message %zu is missing", strategy, i);
        cr_assert_gt(context->messages[at].stored, 0, "%s: nothing is made up", strategy);
        message = &given->items[context->messages[at].stored - 1];
        cr_assert_eq(message->position, thread->items[i].position,
                     "%s: message %zu stands where %zu is to", strategy,
                     (size_t)message->position / 3, i);
        at++;
    }
    cr_assert_eq(at, context->count, "%s: %zu more are given", strategy, context->count - at);
    cr_assert_leq(marks, given->breaks_count, "%s", strategy);
}

static int64_t tokens_without(const struct chat_request *whole, size_t first, size_t left_out)
{
    struct chat_message joined[THREAD_MAX * 2];
    struct chat_request sent = *whole;

    memcpy(joined, whole->messages, first * sizeof(joined[0]));
    sent.messages_count = whole->messages_count - left_out;
    memcpy(joined + first, whole->messages + first + left_out,
           (sent.messages_count - first) * sizeof(joined[0]));
    sent.messages = joined;
    return chat_tokens(&sent, TOKENS_O200K);
}

static size_t last_user(const struct chat_request *request)
{
    for (size_t i = request->messages_count; i > 0; i--)
        if (request->messages[i - 1].role == CHAT_USER)
            return i - 1;
    return 0;
}

/* Of a sound conversation the least that may be left out, behind `first`. */
static bool find_cut(const struct chat_request *whole, size_t first, int64_t room, size_t *out)
{
    size_t last = last_user(whole);

    for (size_t i = first; i <= last; i++)
        if ((i == first || whole->messages[i].role == CHAT_USER) &&
            tokens_without(whole, first, i - first) <= room) {
            *out = i - first;
            return true;
        }
    return false;
}

static void check_order(const struct chat_request *sent, const char *strategy)
{
    size_t before_it = 0;
    bool record = sent->messages_count > 0 && sent->messages[0].stored == 0;

    for (size_t i = record ? 1 : 0; i < sent->messages_count; i++) {
        const struct chat_message *message = &sent->messages[i];

        if (message->role == CHAT_TOOL || is_mark(message))
            continue;
        cr_assert_gt(message->stored, before_it, "%s", strategy);
        before_it = message->stored;
    }
}

static void check_fit(const struct thread *thread, const struct context *context,
                      const struct context_settings *settings, struct arena *arena)
{
    const char *strategy = context_strategy_name(settings->strategy);
    const struct provider_target target = {.context_tokens = pick(4) ? 200 + pick(12000) : 0,
                                           .output_tokens_max = 100};
    const struct chat_request whole = {.instructions = TEXT("Be brief."),
                                       .messages = context->messages,
                                       .messages_count = context->count};
    struct context_joined joined = {.arena = arena};
    const struct context_plan plan = {settings, context->first, &joined};
    struct chat_request sent = whole;
    struct context_fit fit = {0};
    int64_t budget = context_budget(&target, &plan, &whole);
    int64_t room = budget + chat_frame_tokens(&whole, TOKENS_O200K);
    size_t cut;

    context_fit(&target, &plan, &fit, &sent);
    /* Calls that are about to be made are still open. */
    cr_assert(!repair_is_needed(sent.messages, sent.messages_count) ||
                  repair_is_needed(whole.messages, whole.messages_count),
              "%s", strategy);
    check_order(&sent, strategy);
    cr_assert_eq(sent.messages_count, whole.messages_count - fit.left_out, "%s", strategy);
    if (budget == 0) {
        cr_assert_eq(fit.left_out, 0, "%s: nothing is in the way", strategy);
        return;
    }
    if (settings->max_tokens > 0)
        cr_assert_leq(budget, settings->max_tokens);
    if (!thread->sound)
        return;
    if (fit.left_out == 0 && chat_tokens(&sent, TOKENS_O200K) <= room)
        return;
    if (context->first > 0 && context->first <= last_user(&whole) &&
        (settings->strategy == CONTEXT_FIRST_LAST || settings->strategy == CONTEXT_SUMMARIZE)) {
        if (find_cut(&whole, context->first, room, &cut)) {
            cr_assert_eq(fit.first, context->first, "%s: the first ones stay", strategy);
            cr_assert_eq(fit.left_out, cut, "%s: %zu, not %zu", strategy, fit.left_out, cut);
        } else {
            cr_assert_lt(fit.first, context->first, "%s: the last turn goes before", strategy);
            cr_assert_eq(fit.first + fit.left_out, last_user(&whole), "%s", strategy);
        }
    } else if (find_cut(&whole, 0, room, &cut)) {
        cr_assert_eq(fit.left_out, cut, "%s: %zu, not %zu", strategy, fit.left_out, cut);
    } else {
        cr_assert_eq(fit.left_out, last_user(&whole), "%s: the last turn stays", strategy);
    }
    cr_assert(chat_tokens(&sent, TOKENS_O200K) <= room ||
                  sent.messages_count - fit.first == whole.messages_count - last_user(&whole),
              "%s: what is over the budget is the last turn alone", strategy);
}

static void check_thread(const struct thread *thread, const struct context_settings *settings)
{
    struct context_ask ask;
    struct context context;
    struct given given;
    struct arena arena;
    struct error err;

    arena_init(&arena, 0);
    context_ask(settings, &ask);
    read_thread(thread, &ask, &given);
    cr_assert_eq(context_build(&given.history, &arena, &context, &err), 0, "%s", err.text);
    if (thread->sound)
        check_given(thread, &given, &context, context_strategy_name(settings->strategy));
    cr_assert_leq(context.first, given.summary.text.ptr ? 1 : (size_t)settings->preserve_first);
    check_fit(thread, &context, settings, &arena);
    arena_deinit(&arena);
}

Test(strategies, twenty_thousand_threads_at_random_by_trying_each_message, .timeout = 300)
{
    static struct thread thread;

    for (int i = 0; i < THREADS; i++) {
        enum context_strategy strategy = (enum context_strategy)pick(CONTEXT_VECTOR + 1);
        bool counts = strategy == CONTEXT_LAST_MESSAGES || strategy == CONTEXT_FIRST_LAST ||
                      strategy == CONTEXT_VECTOR;

        make_thread(&thread);
        check_thread(&thread, &(struct context_settings){
                                  .strategy = strategy,
                                  .max_messages = counts ? 1 + pick(20) : 0,
                                  .max_tokens = pick(3) ? 0 : 256 + pick(3000),
                                  .preserve_first = strategy == CONTEXT_FIRST_LAST ? pick(8) : 0,
                                  .top_k = strategy == CONTEXT_VECTOR ? 5 : 0,
                              });
    }
}

/* ---- what is asked of the database ---- */

static void asks(enum context_strategy strategy, enum history_part part, int64_t newest,
                 int64_t first)
{
    const struct context_settings settings = {
        .strategy = strategy, .max_messages = 20, .preserve_first = 3};
    struct context_ask ask;

    context_ask(&settings, &ask);
    cr_expect_eq(ask.part, part);
    cr_expect_eq(ask.newest, newest);
    cr_expect_eq(ask.first, first);
}

Test(strategies, ask_for_no_more_than_they_give)
{
    asks(CONTEXT_AUTO, HISTORY_NEWEST, 0, 0);
    asks(CONTEXT_NONE, HISTORY_NEW, 0, 0);
    asks(CONTEXT_LAST_MESSAGES, HISTORY_NEWEST, 20, 0);
    asks(CONTEXT_FIRST_LAST, HISTORY_NEWEST, 20, 3);
    asks(CONTEXT_SUMMARIZE, HISTORY_AFTER, 0, 0);
    asks(CONTEXT_VECTOR, HISTORY_NEWEST, 20, 0);
}
