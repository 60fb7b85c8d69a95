#pragma once
/* Times and durations as lists show them. Pure but for the time zone of the machine. */

#include "shared/base/compiler.h"

#define WHEN_SIZE 32

/* "2026-11-21 12:48:17+01:00", or without the seconds; "-" for a time of 0 or less. */
void when_format(int64_t unix_seconds, bool with_seconds, char out[WHEN_SIZE]);

/* "7s", "1m05s", "2h03m", "4d07h"; "-" for what is negative. */
void when_format_span(int64_t seconds, char out[WHEN_SIZE]);
