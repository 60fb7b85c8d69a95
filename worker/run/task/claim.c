/* What came with the claim of a run. */

#include "worker/run/task/claim.h"

#include "providers/context/context.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/store/threads/histories.h"

/* How many messages are to be copied; 0: what there is will not do. How many a run that was at work
 * before has written itself, and always sees, is not known yet; nor is where a summary ends. */
static size_t usable(const struct run_claim *row, const struct histories *histories,
                     const struct context_ask *ask)
{
    bool more;
    size_t count = histories_count(histories, row->place, &more);
    size_t wanted = (size_t)ask->newest;

    switch (ask->part) {
    case HISTORY_NEW:
    case HISTORY_FIRST:
        return 0;
    case HISTORY_AFTER:
        return count;
    case HISTORY_NEWEST:
        break;
    }
    if (wanted > 0 && row->lease.step == 0)
        return more && count < wanted ? 0 : wanted;
    return more && (wanted == 0 || count <= wanted) ? 0 : count;
}

void claim_take(struct claim *claim, const struct run_claim *row, const struct histories *histories,
                const struct context_ask *ask, struct arena *arena)
{
    struct error ignored;
    size_t count = histories ? usable(row, histories, ask) : 0;

    *claim = (struct claim){.row = *row};
    claim->row.spec = claim->row.kind = TEXT_NONE;
    if (count > 0)
        claim->history_known =
            histories_get(histories, row->place, count, arena, &claim->history, &ignored) == 0;
}

bool claim_history(const struct claim *claim, size_t wanted, struct message_list *out)
{
    struct message_list history = claim->history;

    if (!claim->history_known || (history.has_more && history.count < wanted))
        return false;
    if (history.count > wanted) {
        history.items += history.count - wanted;
        history.count = wanted;
        history.has_more = true;
    }
    *out = history;
    return true;
}

bool claim_history_after(const struct claim *claim, int64_t position, struct message_list *out)
{
    struct message_list history = claim->history;
    size_t before = 0;

    if (!claim->history_known)
        return false;
    while (before < history.count && history.items[before].position <= position)
        before++;
    if (before == 0 && history.has_more)
        return false;
    history.items += before;
    history.count -= before;
    history.has_more = false;
    *out = history;
    return true;
}

int64_t claim_deadline_ms(const struct claim *claim, int64_t timeout_ms)
{
    const struct run_claim *row = &claim->row;
    int64_t left_ms = row->expires_in_ms;
    int64_t now_ms = row->expires_at * 1000 - row->expires_in_ms; /* of the database */

    if (timeout_ms > 0) {
        int64_t of_timeout_ms = row->started_at * 1000 + row->parked_ms + timeout_ms - now_ms;

        left_ms = left_ms < of_timeout_ms ? left_ms : of_timeout_ms;
    }
    return deadline_in(left_ms > 0 ? left_ms : 0);
}
