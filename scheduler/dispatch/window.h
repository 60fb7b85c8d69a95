#pragma once
/* How many hints a shard's lanes of priorities may hold. Pure.
 *
 * A small window keeps order: what is hinted can't be overtaken any more, by whatever is more
 * urgent or whoever's turn it is. But one that is empty before the next tick leaves slots idle. So
 * a window doubles when it was used up between two ticks while there was more to hint, and shrinks
 * by an eighth when half of it is left; it never holds more hints than there are slots, so a hint
 * waits for one run of each slot at most.
 */

#include <stdbool.h>
#include <stddef.h>

struct window_look {
    size_t least;  /* what idle slots alone are worth */
    size_t most;   /* slots */
    size_t filled; /* hints that waited to be read after the last tick */
    size_t left;   /* of them now */
    bool backlog;  /* that tick left ready runs without a hint */
};

/* Hints are taken faster than ticks bring them. */
bool window_ran_dry(const struct window_look *look);

/* There is no hurry: half of them are left, or there is nothing to add. */
bool window_lasts(const struct window_look *look);

/* The window's size from now on, where it was `size`. */
size_t window_follow(size_t size, const struct window_look *look);
