#pragma once
/* A circuit breaker: a server that fails again and again is left alone for a while. Pure.
 *
 *              BREAKER_FAILURES failures in a row              the time is over
 *     CLOSED ─────────────────────────────────────► OPEN ──────────────────────► TRIAL
 *        ▲                                           ▲                             │
 *        └────────────── a success ──────────────────┼──── a failure: longer ──────┘
 *                                                    └──── (no word for long: again)
 *
 * In TRIAL one call is let through, and what comes of it decides for all. A failure among successes
 * opens nothing: the retries of runs deal with those.
 */

#include "shared/base/compiler.h"

#define BREAKER_FAILURES 5
#define BREAKER_BASE_MS  5000
#define BREAKER_CAP_MS   60000
#define BREAKER_TRIAL_MS 60000 /* then another call is let through */

/* All zero is closed. */
struct breaker {
    int failures;           /* in a row */
    int opened;             /* times in a row */
    int64_t open_until_ms;  /* clock_ms; 0: closed */
    int64_t trial_until_ms; /* somebody tries until then */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRIAL };

/* Whether a call may be made: BREAKER_OPEN says no, and *out_wait_ms when to ask again.
 * BREAKER_TRIAL lets this one through, and for a while no other. */
enum breaker_state breaker_ask(struct breaker *breaker, int64_t now_ms, int64_t *out_wait_ms);

/* What came of a call. Each returns whether the breaker has changed: whoever shares it tells. */
bool breaker_succeeded(struct breaker *breaker);
bool breaker_failed(struct breaker *breaker, int64_t now_ms, uint32_t random);

/* A call of which nothing can be learned: another may try. */
void breaker_unknown(struct breaker *breaker);

/* Somebody else has found it open, until then; or (0) closed. */
void breaker_told(struct breaker *breaker, int64_t open_until_ms);
