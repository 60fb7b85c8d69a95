/* The life of a tool call. */

#include <criterion/criterion.h>

#include "shared/store/runs/call_state.h"

/* The arrows of the drawing. */
static bool drawn(int class, int from, int to)
{
    switch (from) {
    case CALL_INTENT:
        return to == CALL_DONE || to == CALL_OPEN || to == CALL_LEFT ||
               (to == CALL_UNKNOWN && class == CALL_ONCE);
    case CALL_OPEN:
        return to == CALL_DONE || to == CALL_CANCELLED || to == CALL_APPROVED;
    case CALL_APPROVED:
    case CALL_CANCELLED:
        return to == CALL_INTENT;
    case CALL_LEFT:
        return to == CALL_DONE;
    }
    return false;
}

Test(call_state, moves_as_it_is_drawn_and_unknown_is_for_what_may_be_made_once)
{
    for (int class = 0; class < CALL_CLASS_COUNT; class ++) {
        for (int from = 0; from < CALL_STATE_COUNT; from++) {
            for (int to = 0; to < CALL_STATE_COUNT; to++) {
                cr_assert_eq(call_may_move((enum call_class) class, (enum call_state)from,
                                           (enum call_state)to),
                             drawn(class, from, to), "%s: %s to %s",
                             call_class_name((enum call_class) class),
                             call_state_name((enum call_state)from),
                             call_state_name((enum call_state)to));
            }
        }
    }
}

Test(call_state, has_words_that_are_read_back)
{
    for (int i = 0; i < CALL_CLASS_COUNT; i++) {
        enum call_class class = CALL_CLASS_COUNT;

        cr_assert(call_class_parse(text_of(call_class_name((enum call_class)i)), &class));
        cr_assert_eq((int)class, i);
    }
    for (int i = 0; i < CALL_STATE_COUNT; i++) {
        enum call_state state = CALL_STATE_COUNT;

        cr_assert(call_state_parse(text_of(call_state_name((enum call_state)i)), &state));
        cr_assert_eq((int)state, i);
    }
}

Test(call_state, keeps_what_it_was_at_a_word_that_is_none)
{
    enum call_class class = CALL_ONCE;
    enum call_state state = CALL_DONE;

    cr_assert_not(call_class_parse(TEXT("twice"), &class));
    cr_assert_not(call_state_parse(TEXT(""), &state));
    cr_assert_eq(class, CALL_ONCE);
    cr_assert_eq(state, CALL_DONE);
}

Test(call_state, knows_what_may_be_seen_outside_and_what_may_be_repeated)
{
    cr_assert_not(call_has_effect(CALL_PURE));
    cr_assert(call_has_effect(CALL_IDEMPOTENT));
    cr_assert(call_has_effect(CALL_ONCE));
    cr_assert(call_may_repeat(CALL_PURE));
    cr_assert(call_may_repeat(CALL_IDEMPOTENT));
    cr_assert_not(call_may_repeat(CALL_ONCE));
}
