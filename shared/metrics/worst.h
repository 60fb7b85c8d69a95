#pragma once
/* The worst of what was noted lately: of the present window and the one before it, so of 15 to 30
 * seconds. Whoever reads it changes nothing, so that several may. Zeroed memory is an empty one. */

#include "shared/base/compiler.h"

#define WORST_WINDOW_MS 15000

struct worst {
    int64_t since_ms; /* when the present window began */
    int64_t now;
    int64_t before;
};

void worst_note(struct worst *worst, int64_t value, int64_t now_ms);
int64_t worst_of(const struct worst *worst, int64_t now_ms);
