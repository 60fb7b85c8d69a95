/* Room for runs: three counters, and who may wait for the first. */

#include "worker/room/room.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"

#define PLACES_PART    16    /* of the slots: as many as are kept for express hints */
#define SMALL_PART     8     /* of the room: for middle sizes, for growth, and held by who waits */
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
    list_init(&room->waiting);
}

void room_share_init(struct room_share *share, struct room *room, struct uuid tenant)
{
    *share = (struct room_share){.room = room, .tenant = tenant};
}

size_t room_used(const struct room *room)
{
    return room->large + room->middle + room->grown;
}

static size_t taken_by(const struct room_share *share)
{
    return share->large + share->middle + share->grown;
}

static size_t beyond_slot(size_t bytes)
{
    return bytes > ROOM_PER_SLOT ? bytes - ROOM_PER_SLOT : 0;
}

static size_t large_max(const struct room *room)
{
    return room->max / 4 * 3;
}

/* Has the first of those who wait stood first for so long? */
static bool first_waits(const struct room *room, int64_t patience_ms)
{
    return !list_empty(&room->waiting) && clock_ms() - room->first_ms >= patience_ms;
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

/* One that is larger than all of its part needs as much as there is of it. */
static bool fits(const struct room *room, size_t amount)
{
    size_t part = large_max(room);
    size_t needed = amount < part ? amount : part;

    return room->large + needed <= part && room_used(room) + needed <= room->max;
}

static void begin_waiting(struct room_share *share, size_t amount, size_t held)
{
    struct room *room = share->room;

    if (list_empty(&room->waiting))
        room->first_ms = clock_ms();
    share->waiting = true;
    share->fiber = fiber_self();
    share->wanted = amount;
    share->held = held;
    list_add(&room->waiting, &share->link);
    room->waiting_count++;
    room->waiting_bytes += held;
}

static void end_waiting(struct room_share *share)
{
    struct room *room = share->room;

    if (room->waiting.next == &share->link)
        room->first_ms = clock_ms(); /* of the next one */
    list_remove(&share->link);
    share->waiting = false;
    room->waiting_count--;
    room->waiting_bytes -= share->held;
}

static void take_large(struct room_share *share, size_t amount)
{
    share->large += amount;
    share->room->large += amount;
}

/* Lets in who fits, in the order of arrival; nobody past a first one that has lost patience. */
static void let_in(struct room *room)
{
    list_for_each_safe (item, &room->waiting) {
        struct room_share *share = CONTAINER_OF(item, struct room_share, link);

        if (fits(room, share->wanted)) {
            end_waiting(share);
            take_large(share, share->wanted);
            fiber_wake(share->fiber);
        } else if (first_waits(room, ROOM_PATIENCE_MS)) {
            break;
        }
    }
    if (list_empty(&room->waiting)) {
        room->tight = false;
        room->return_ms = 0;
    }
}

static size_t reduce(size_t *of_share, size_t *of_room, size_t amount)
{
    size_t given = amount < *of_share ? amount : *of_share;

    *of_share -= given;
    *of_room -= given;
    return given;
}

/* What was taken last is given first. */
static void give(struct room_share *share, size_t amount)
{
    struct room *room = share->room;

    if (amount == 0)
        return;
    amount -= reduce(&share->grown, &room->grown, amount);
    amount -= reduce(&share->large, &room->large, amount);
    amount -= reduce(&share->middle, &room->middle, amount);
    ASSERT(amount == 0);
    let_in(room);
}

void room_leave(struct room_share *share)
{
    give(share, taken_by(share));
}

/* Without waiting. */
static bool take_at_once(struct room_share *share, size_t amount)
{
    struct room *room = share->room;

    if (fits(room, amount) && !first_waits(room, ROOM_PATIENCE_MS)) {
        take_large(share, amount);
        return true;
    }
    if (amount > room->max / MIDDLE_PART || room->middle + amount > room->max / SMALL_PART)
        return false;
    share->middle += amount;
    room->middle += amount;
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
           room->waiting_bytes + held <= room->max / SMALL_PART;
}

bool room_is_closed(const struct room_share *share, size_t bytes)
{
    const struct room *room = share->room;
    size_t want = beyond_slot(bytes);

    if (list_empty(&room->waiting) || may_wait(share, 0) || want <= room->max / MIDDLE_PART)
        return false;
    return !fits(room, want) || first_waits(room, ROOM_PATIENCE_MS);
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
    enum wait_result result = WAIT_WOKEN;

    note_tight(room);
    room->waits++;
    begin_waiting(share, amount, held);
    while (share->waiting && result == WAIT_WOKEN)
        result = fiber_wait("room", deadline_ms);
    if (!share->waiting && result != WAIT_CANCELED)
        return 0;
    if (share->waiting) {
        end_waiting(share);
        let_in(room); /* those behind it may be smaller */
    } else {
        give(share, amount);
    }
    if (result == WAIT_CANCELED)
        return error_set(err, E_CANCELED, "cancelled while waiting for memory");
    return error_set(err, E_TIMEOUT, "no memory came free in time");
}

int room_enter(struct room_share *share, size_t bytes, size_t held, int64_t deadline_ms,
               int64_t *out_return_ms, struct error *err)
{
    size_t want = beyond_slot(bytes);
    size_t taken = taken_by(share);

    if (want <= taken || take_at_once(share, want - taken))
        return 0;
    if (!may_wait(share, beyond_slot(held))) {
        *out_return_ms = room_turn_away(share->room);
        return ROOM_FULL;
    }
    return wait_for(share, want - taken, beyond_slot(held), deadline_ms, err);
}

void room_settle(struct room_share *share, size_t bytes)
{
    size_t want = beyond_slot(bytes);
    size_t taken = taken_by(share);

    if (want <= taken) {
        give(share, taken - want);
        return;
    }
    share->grown += want - taken;
    share->room->grown += want - taken;
}

/* Beside what others have. */
static bool grows_freely(const struct room_share *share, size_t want)
{
    const struct room *room = share->room;
    size_t others = room_used(room) - taken_by(share);

    return others == 0 || others + want <= room->max;
}

/* By how long somebody has waited first, as the header draws it. */
static bool may_grow(const struct room_share *share, size_t want, bool insists)
{
    const struct room *room = share->room;
    bool of_its_part = room->grown + want - taken_by(share) <= room->max / SMALL_PART;

    if (first_waits(room, ROOM_PATIENCE_MAX_MS))
        return of_its_part && (insists || share->large == 0);
    if (of_its_part)
        return true;
    return grows_freely(share, want) && (insists || !first_waits(room, ROOM_PATIENCE_MS));
}

static bool hold(struct room_share *share, size_t bytes, bool insists)
{
    size_t want = beyond_slot(bytes);

    if (want > taken_by(share) && !may_grow(share, want, insists)) {
        share->gave_way = grows_freely(share, want);
        return false;
    }
    room_settle(share, bytes);
    return true;
}

bool room_hold(struct room_share *share, size_t bytes)
{
    return hold(share, bytes, false);
}

bool room_insist(struct room_share *share, size_t bytes)
{
    return hold(share, bytes, true);
}

bool room_gives_way(const struct room_share *share)
{
    const struct room *room = share->room;

    return share->grown > 0 && room->grown > room->max / SMALL_PART &&
           first_waits(room, ROOM_PATIENCE_MS);
}
