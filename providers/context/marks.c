#include "providers/context/marks.h"

#include "shared/base/error.h"

#define SAYS "Here lie other messages of this conversation, which are not shown."

static const struct chat_message mark = {
    .role = CHAT_USER,
    .text = {"Message of the system, not of the user: " SAYS,
             sizeof("Message of the system, not of the user: " SAYS) - 1},
    .system = {SAYS, sizeof(SAYS) - 1},
};

/* Whether a break lies between two messages of the thread. */
static bool is_between(const size_t *breaks, size_t count, size_t before, size_t behind)
{
    for (size_t i = 0; i < count; i++)
        if (breaks[i] >= before && breaks[i] < behind)
            return true;
    return false;
}

int marks_add(struct chat_message **messages, size_t *count, const size_t *breaks,
              size_t breaks_count, struct arena *arena, struct error *err)
{
    const struct chat_message *from = *messages;
    struct chat_message *made;
    size_t before = 0; /* the last message of the thread */
    size_t used = 0;

    if (breaks_count == 0)
        return 0;
    made = arena_calloc(arena, *count + breaks_count + 1, sizeof(*made));
    if (!made)
        return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    for (size_t i = 0; i < *count; i++) {
        size_t stored = from[i].stored;

        if (before > 0 && from[i].role != CHAT_TOOL &&
            is_between(breaks, breaks_count, before, stored))
            made[used++] = mark;
        made[used++] = from[i];
        before = stored > before ? stored : before;
    }
    *messages = made;
    *count = used;
    return 0;
}
