/* Room for runs: two budgets, and who may wait for the first. */

#include "worker/room/room.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"

#define PLACES_PART    16    /* of the slots: as many as are kept for express hints */
#define MIDDLE_PART    64    /* of the room: what a run of middle size takes at most */
#define RETURN_MIN_MS  1000  /* a run that was turned away costs a claim and a write each time */
#define RETURN_STEP_MS 20    /* about what a large run costs a worker of CPU */
#define RETURN_MAX_MS  60000 /* within this a room that has come free is asked for again */
#define TELL_AGAIN_MS  60000

void room_init(struct room *room, size_t max, size_t slots)
{
    size_t places = slots / PLACES_PART;

    ASSERT(max >= MIDDLE_PART);
    *room = (struct room){.max = max, .places = places > 0 ? places : 1};
    budget_init(&room->large, max / 4 * 3);
    budget_init(&room->middle, max / 8);
    list_init(&room->waiting);
}

void room_share_init(struct room_share *share, struct room *room, struct uuid tenant)
{
    *share = (struct room_share){.room = room, .tenant = tenant};
}

size_t room_used(const struct room *room)
{
    return room->large.used + room->middle.used;
}

static size_t beyond_slot(size_t bytes)
{
    return bytes > ROOM_PER_SLOT ? bytes - ROOM_PER_SLOT : 0;
}

static void note_tight(struct room *room)
{
    int64_t now_ms = clock_ms();

    if (room->tight)
        return;
    room->tight = true;
    if (room->told_ms != 0 && now_ms < room->told_ms + TELL_AGAIN_MS)
        return;
    room->told_ms = now_ms;
    log_warn("runs wait for memory: what they hold has reached worker.memory_bytes",
             LOG_INT("used_bytes", (int64_t)room_used(room)),
             LOG_INT("memory_bytes", (int64_t)room->max));
}

static void give(struct room *room, struct budget *budget, size_t *taken, size_t amount)
{
    if (amount == 0)
        return;
    *taken -= amount;
    budget_give(budget, amount);
    if (list_empty(&room->waiting)) {
        room->tight = false;
        room->return_ms = 0;
    }
}

void room_leave(struct room_share *share)
{
    give(share->room, &share->room->large, &share->large, share->large);
    give(share->room, &share->room->middle, &share->middle, share->middle);
}

/* Without waiting. */
static bool take_at_once(struct room_share *share, size_t amount)
{
    struct room *room = share->room;

    if (budget_try(&room->large, amount)) {
        share->large += amount;
        return true;
    }
    if (amount > room->max / MIDDLE_PART || !budget_try(&room->middle, amount))
        return false;
    share->middle += amount;
    return true;
}

/* Half of the places for each tenant; and what those who wait hold is an eighth of the room. */
static bool may_wait(const struct room_share *share, size_t held)
{
    const struct room *room = share->room;
    size_t own_places = room->places > 1 ? room->places / 2 : 1;
    size_t own = 0;

    list_for_each (item, &room->waiting) {
        const struct room_share *other = CONTAINER_OF(item, struct room_share, link);

        own += uuid_equal(other->tenant, share->tenant);
    }
    if (room->waiting_count == 0)
        return true;
    return room->waiting_count < room->places && own < own_places &&
           room->waiting_bytes + held <= room->max / 8;
}

bool room_is_closed(const struct room_share *share, size_t bytes)
{
    const struct room *room = share->room;

    return !list_empty(&room->waiting) && !may_wait(share, 0) &&
           beyond_slot(bytes) > room->max / MIDDLE_PART;
}

int64_t room_turn_away(struct room *room)
{
    int64_t now_ms = clock_ms();
    int64_t next_ms = room->return_ms + RETURN_STEP_MS;

    note_tight(room);
    room->turned_away++;
    if (next_ms < now_ms + RETURN_MIN_MS)
        next_ms = now_ms + RETURN_MIN_MS;
    if (next_ms > now_ms + RETURN_MAX_MS)
        next_ms = now_ms + RETURN_MAX_MS;
    room->return_ms = next_ms;
    return next_ms - now_ms + (int64_t)random_below(RETURN_MIN_MS);
}

static int wait_for(struct room_share *share, size_t amount, size_t held, int64_t deadline_ms,
                    struct error *err)
{
    struct room *room = share->room;
    int r;

    note_tight(room);
    room->waits++;
    share->waiting = true;
    list_add(&room->waiting, &share->link);
    room->waiting_count++;
    room->waiting_bytes += held;
    r = budget_take(&room->large, amount, deadline_ms, err);
    room->waiting_bytes -= held;
    room->waiting_count--;
    list_remove(&share->link);
    share->waiting = false;
    if (r == 0)
        share->large += amount;
    return r;
}

int room_enter(struct room_share *share, size_t bytes, size_t held, int64_t deadline_ms,
               int64_t *out_return_ms, struct error *err)
{
    size_t want = beyond_slot(bytes);
    size_t taken = share->large + share->middle;

    if (want <= taken || take_at_once(share, want - taken))
        return 0;
    if (!may_wait(share, beyond_slot(held))) {
        *out_return_ms = room_turn_away(share->room);
        return ROOM_FULL;
    }
    return wait_for(share, want - taken, beyond_slot(held), deadline_ms, err);
}

static void shrink(struct room_share *share, size_t amount)
{
    size_t large = amount < share->large ? amount : share->large;

    give(share->room, &share->room->large, &share->large, large);
    give(share->room, &share->room->middle, &share->middle, amount - large);
}

void room_settle(struct room_share *share, size_t bytes)
{
    size_t want = beyond_slot(bytes);
    size_t taken = share->large + share->middle;

    if (want <= taken) {
        shrink(share, taken - want);
        return;
    }
    budget_charge(&share->room->large, want - taken);
    share->large += want - taken;
}

bool room_hold(struct room_share *share, size_t bytes)
{
    size_t want = beyond_slot(bytes);
    size_t taken = share->large + share->middle;
    size_t others = room_used(share->room) - taken;

    if (want > taken && others > 0 && others + want > share->room->max)
        return false;
    room_settle(share, bytes);
    return true;
}
