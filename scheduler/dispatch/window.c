#include "scheduler/dispatch/window.h"

bool window_ran_dry(const struct window_look *look)
{
    return look->backlog && look->filled > 0 && look->left < look->filled / 4 + 1;
}

bool window_lasts(const struct window_look *look)
{
    return !look->backlog || look->left > look->filled / 2;
}

size_t window_follow(size_t size, const struct window_look *look)
{
    size_t most = look->most > look->least ? look->most : look->least;

    if (window_ran_dry(look))
        size *= 2;
    else if (window_lasts(look))
        size -= size / 8;
    if (size > most)
        size = most;
    return size < look->least ? look->least : size;
}
