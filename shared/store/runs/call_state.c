/* The words, moves and properties of tool calls, as tables. A new class or state is a row in
 * each. */

#include "shared/store/runs/call_state.h"

static const struct {
    const char *name;
    bool has_effect;
    bool may_repeat;
} classes[CALL_CLASS_COUNT] = {
    [CALL_PURE] = {"pure", .has_effect = false, .may_repeat = true},
    [CALL_IDEMPOTENT] = {"idempotent", .has_effect = true, .may_repeat = true},
    [CALL_ONCE] = {"once", .has_effect = true, .may_repeat = false},
};

static const char *const states[CALL_STATE_COUNT] = {
    [CALL_INTENT] = "intent",     [CALL_OPEN] = "open",           [CALL_DONE] = "done",
    [CALL_UNKNOWN] = "unknown",   [CALL_CANCELLED] = "cancelled", [CALL_LEFT] = "left",
    [CALL_APPROVED] = "approved",
};

static const bool moves[CALL_STATE_COUNT][CALL_STATE_COUNT] = {
    [CALL_INTENT] =
        {[CALL_DONE] = true, [CALL_UNKNOWN] = true, [CALL_OPEN] = true, [CALL_LEFT] = true},
    [CALL_OPEN] = {[CALL_DONE] = true, [CALL_CANCELLED] = true, [CALL_APPROVED] = true},
    [CALL_CANCELLED] = {[CALL_INTENT] = true},
    [CALL_LEFT] = {[CALL_DONE] = true},
    [CALL_APPROVED] = {[CALL_INTENT] = true},
};

const char *call_class_name(enum call_class class)
{
    ASSERT((unsigned)class < CALL_CLASS_COUNT);
    return classes[class].name;
}

const char *call_state_name(enum call_state state)
{
    ASSERT((unsigned)state < CALL_STATE_COUNT);
    return states[state];
}

bool call_class_parse(struct text word, enum call_class *out)
{
    for (int i = 0; i < CALL_CLASS_COUNT; i++) {
        if (text_is(word, classes[i].name)) {
            *out = (enum call_class)i;
            return true;
        }
    }
    return false;
}

bool call_state_parse(struct text word, enum call_state *out)
{
    for (int i = 0; i < CALL_STATE_COUNT; i++) {
        if (text_is(word, states[i])) {
            *out = (enum call_state)i;
            return true;
        }
    }
    return false;
}

bool call_has_effect(enum call_class class)
{
    ASSERT((unsigned)class < CALL_CLASS_COUNT);
    return classes[class].has_effect;
}

bool call_may_repeat(enum call_class class)
{
    ASSERT((unsigned)class < CALL_CLASS_COUNT);
    return classes[class].may_repeat;
}

bool call_may_move(enum call_class class, enum call_state from, enum call_state to)
{
    ASSERT((unsigned)from < CALL_STATE_COUNT);
    ASSERT((unsigned)to < CALL_STATE_COUNT);
    return moves[from][to] && (to != CALL_UNKNOWN || !call_may_repeat(class));
}

void call_move(enum call_class class, enum call_state *state, enum call_state to)
{
    ASSERT(call_may_move(class, *state, to));
    *state = to;
}
