#pragma once
/* In what state Redis is for us, judged by what it answers: each answer that is no success is one
 * of a few states. Redis is disposable (docs/architecture.md), so all of them but the first have
 * the same behaviour: nobody counts on Redis, and work goes on from Postgres until it serves
 * again. */

enum redis_state {
    REDIS_SERVES,
    REDIS_AWAY,           /* no connection */
    REDIS_NOT_READY,      /* it loads its data, waits for its primary, or a script holds it up */
    REDIS_REFUSES_WRITES, /* out of memory, a replica, a disk that can't be written to */
    REDIS_REFUSES_US,     /* the password, the rights, too many clients */
    REDIS_SLOW,           /* connected, and no answer in time */
    REDIS_STRANGE, /* it does not know our commands, or holds something else under our keys */
    REDIS_STATES,
};

/* `code` is what a call of redis.h returned (0, or negative), `text` the error's text; NULL counts
 * as none. What only says that Redis lost its memory (NOSCRIPT, NOGROUP, …) is no state of it, and
 * a cancelled call says nothing: both are REDIS_SERVES. Pure. */
enum redis_state redis_state_of(int code, const char *text);

/* "serves", "away", "not ready", "refuses writes", … */
const char *redis_state_word(enum redis_state state);
