#pragma once
/* The largest value of a recent while: the worst of the present window and the one before it. It is
 * the same for whoever looks, and however often. Pure. */

#include "shared/base/compiler.h"

#define PEAK_WINDOW_MS 15000

struct peak {
    int64_t begun_ms; /* the present window; clock_ms */
    int64_t present;
    int64_t before;
};

/* Times never go back. Values are at least 0. */
void peak_note(struct peak *peak, int64_t now_ms, int64_t value);

/* The worst of the last PEAK_WINDOW_MS to twice as long; 0: nothing was noted then. */
int64_t peak_get(const struct peak *peak, int64_t now_ms);
