#pragma once
/* Time. Intervals and deadlines are milliseconds of CLOCK_BOOTTIME, which goes on while the machine
 * sleeps; wall time (_wall_) is milliseconds since 1970 and only ever shown or put into ids:
 * Postgres now() and Redis TIME alone judge it. Time-dependent pure code takes `now_ms` as a
 * parameter; tests of the rest may freeze the clock. */

#include "shared/base/compiler.h"

#define DEADLINE_NONE INT64_MAX

int64_t clock_ms(void);
int64_t clock_wall_ms(void);
int64_t clock_us(void);      /* as clock_ms, in microseconds */
int64_t clock_wall_us(void); /* as clock_wall_ms */

/* clock_ms() + wait_ms, without overflow; wait_ms < 0 gives DEADLINE_NONE. */
int64_t deadline_in(int64_t wait_ms);

/* The earlier of two deadlines. */
int64_t deadline_min(int64_t a_ms, int64_t b_ms);

/* For tests: both clocks stand still at these values until clock_thaw(). */
void clock_freeze(int64_t now_ms, int64_t wall_ms);
void clock_thaw(void);
