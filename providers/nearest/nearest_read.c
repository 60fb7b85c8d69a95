/* From a choice to a history: what was chosen, in front of the newest messages. */

#include <string.h>

#include "providers/nearest/nearest.h"
#include "shared/base/error.h"
#include "shared/store/vectors/picked.h"

/* Which of the messages stand behind others that are not given. Some that were chosen may have been
 * deleted since. */
static size_t find_breaks(const struct nearest_choice *choice, const struct message_list *picked,
                          size_t *breaks)
{
    size_t count = 0;
    size_t at = 0;
    bool others = false;

    for (size_t i = 0; i < choice->count; i++) {
        if (choice->positions[i] == 0) {
            others = true;
            continue;
        }
        if (at == picked->count || picked->items[at].position != choice->positions[i])
            continue;
        if (others && at > 0)
            breaks[count++] = at;
        others = false;
        at++;
    }
    if (others && at > 0)
        breaks[count++] = at;
    return count;
}

int nearest_read(const struct store *store, struct uuid thread, const struct nearest_choice *choice,
                 struct message_list *history, struct nearest_breaks *out, struct error *err)
{
    struct message_list picked;
    struct message *joined;
    int r;

    *out = (struct nearest_breaks){.count = 0};
    if (choice->count == 0)
        return 0;
    r = messages_picked(store, thread, choice->positions, choice->count, &picked, err);
    if (r < 0)
        return r;
    joined = arena_calloc(store->arena, picked.count + history->count + 1, sizeof(*joined));
    out->items = arena_calloc(store->arena, choice->count + 1, sizeof(*out->items));
    if (!joined || !out->items)
        return error_set(err, E_LIMIT, "the conversation is too large for the run's memory");
    if (picked.count > 0)
        memcpy(joined, picked.items, picked.count * sizeof(*joined));
    if (history->count > 0)
        memcpy(joined + picked.count, history->items, history->count * sizeof(*joined));
    out->count = find_breaks(choice, &picked, out->items);
    out->near = picked.count;
    history->items = joined;
    history->count += picked.count;
    return 0;
}
