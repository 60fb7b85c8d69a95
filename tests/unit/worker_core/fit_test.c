/* How much of a conversation is sent, over the tries of a step. */

#include <criterion/criterion.h>
#include <string.h>

#include "providers/chat_tokens.h"
#include "providers/context/context.h"

enum { TURNS = 100 };

static struct chat_message messages[2 * TURNS];
static char words[1200];
static const struct provider_target target = {.context_tokens = 8000, .output_tokens_max = 1000};

/* Of a run of which nobody says anything. */
static const struct context_settings none_said = {.strategy = CONTEXT_AUTO};
static const struct context_plan plain = {.settings = &none_said};

/* A hundred turns of some 400 tokens. */
static struct chat_request conversation(size_t turns)
{
    for (size_t i = 0; i < sizeof(words); i += 6)
        memcpy(words + i, "words ", 6);
    for (size_t i = 0; i < 2 * turns; i++)
        messages[i] = (struct chat_message){.role = i % 2 ? CHAT_ASSISTANT : CHAT_USER,
                                            .text = {words, sizeof(words)}};
    return (struct chat_request){
        .instructions = TEXT("Be brief."), .messages = messages, .messages_count = 2 * turns - 1};
}

Test(fit, what_fits_is_sent_as_it_is)
{
    struct chat_request request = conversation(2);
    struct context_fit fit = {0};

    context_fit(&target, &plain, &fit, &request);
    cr_assert_eq(request.messages_count, 3);
    cr_assert_geq(fit.tokens, chat_tokens(&request, TOKENS_O200K), "no fewer than it has");
}

Test(fit, a_model_whose_context_is_not_known_gets_all)
{
    const struct provider_target unknown = {.context_tokens = 0};
    struct chat_request request = conversation(TURNS);
    struct context_fit fit = {0};

    context_fit(&unknown, &plain, &fit, &request);
    cr_assert_eq(request.messages_count, 2 * TURNS - 1);
}

Test(fit, the_oldest_turns_are_left_out_and_the_answer_has_room)
{
    struct chat_request request = conversation(TURNS);
    struct context_fit fit = {0};

    context_fit(&target, &plain, &fit, &request);
    cr_assert_gt(fit.left_out, 0);
    cr_assert_eq(request.messages, messages + fit.left_out);
    cr_assert_eq(request.messages_count, 2 * TURNS - 1 - fit.left_out);
    cr_assert_eq(request.messages[0].role, CHAT_USER);
    cr_assert_leq(chat_tokens(&request, TOKENS_O200K), 7000);
    cr_assert_geq(chat_tokens(&request, TOKENS_O200K), 6000, "and no more than has to be");
}

Test(fit, what_was_too_long_is_shortened_once)
{
    struct chat_request request = conversation(TURNS);
    struct context_fit fit = {0};
    int64_t before;

    context_fit(&target, &plain, &fit, &request);
    before = chat_tokens(&request, TOKENS_O200K);
    request = conversation(TURNS);
    cr_assert(context_refused(&target, &plain, &fit, &request));
    context_fit(&target, &plain, &fit, &request);
    cr_assert_leq(chat_tokens(&request, TOKENS_O200K), before * 3 / 4);
    request = conversation(TURNS);
    cr_assert_not(context_refused(&target, &plain, &fit, &request), "and not again");
}

Test(fit, one_message_alone_is_not_shortened)
{
    struct chat_request request = conversation(1);
    struct context_fit fit = {0};

    context_fit(&target, &plain, &fit, &request);
    cr_assert_not(context_refused(&target, &plain, &fit, &request));
}
