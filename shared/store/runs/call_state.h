#pragma once
/* The life of a tool call. Pure.
 *
 *   planned --> INTENT --- executed --------------------------------------> DONE
 *                 |  ^                                                        ^
 *                 |  |                                                        |
 *                 |  +--- redriven --- CANCELLED <-- its run ended --- OPEN --+ settled (waits.h)
 *                 |  |                                                  ^  |
 *                 |  +--- begun ------ APPROVED <----- allowed ---------|--+
 *                 |                                                     |
 *                 +------- the run is parked until others settle it ----+
 *                 |
 *                 +------- its worker was lost, of class ONCE --------------> UNKNOWN
 *                 |
 *                 +------- its run ends with it --> LEFT --- the run goes on after all ---> DONE
 *
 * A call is recorded as an intent before it may have an effect, or together with its result when it
 * has none. DONE and UNKNOWN have a result and are final. An intent whose worker was lost is
 * executed again, unless it may be made once only. A call whose result others bring has no effect
 * here: it is of class PURE. One that needs an approval is of the class that it has, and no intent
 * before it is allowed: whatever it is, what is OPEN or APPROVED was not begun. One that is LEFT
 * has no result in its run: who made the run answers it by a message of the thread, or nobody does.
 *
 * The class says what may happen when a call is made twice. It is decided when the call is planned
 * and stored with it; the agent's spec, the worker and the database use the same words.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum call_class {
    CALL_PURE,       /* nothing: it has no effect outside, and does not wait */
    CALL_IDEMPOTENT, /* nothing, or nothing thanks to the idempotency key that goes with it */
    CALL_ONCE,       /* harm: never again without being told */
    CALL_CLASS_COUNT,
};

enum call_state {
    CALL_INTENT,
    CALL_OPEN, /* the parked run waits for it */
    CALL_DONE,
    CALL_UNKNOWN,   /* whether it took effect is not known */
    CALL_CANCELLED, /* it was open when its run ended */
    CALL_LEFT,      /* whoever made the run answers it, when that has ended */
    CALL_APPROVED,  /* somebody allowed it: it may be begun */
    CALL_STATE_COUNT,
};

/* As the database and an agent's spec spell it: "pure", … and "intent", … */
const char *call_class_name(enum call_class class);
const char *call_state_name(enum call_state state);

/* False, output untouched, for another word. */
MUSTCHECK bool call_class_parse(struct text word, enum call_class *out);
MUSTCHECK bool call_state_parse(struct text word, enum call_state *out);

/* Whether the drawing above has this arrow for a call of that class. */
bool call_may_move(enum call_class class, enum call_state from, enum call_state to);

/* Moves a call; asserts that it may. */
void call_move(enum call_class class, enum call_state *state, enum call_state to);

/* Whether making it twice could be seen outside: its intent is recorded before it is executed. */
bool call_has_effect(enum call_class class);

/* Whether an intent of this class may be executed by a worker that did not plan it. */
bool call_may_repeat(enum call_class class);
