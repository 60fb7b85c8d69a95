/* Each lane keeps the virtual present and, for tenants that are ahead of it, the time at which each
 * may start its next run. A tenant that is not ahead needs no entry, since it starts at the present
 * either way; so the memory is that of tenants served lately, and bounded: when it is full, the one
 * that is least ahead is forgotten, and is then merely served a little early.
 *
 * The next tenant of a lane is the top of a heap, so that a place costs a logarithm of the tenants:
 * at the limits (10,000 places, 100 tenants a priority) a tick must not hold the loop.
 *
 * Ties go to who was served longest ago, then by id, so that the order never depends on how the
 * offer was arranged.
 *
 * Lanes are interleaved by smooth weighted round robin: each lane that has work gains its share,
 * the richest is served and pays 100. That is exact over each 20 runs while all lanes have work. A
 * lane without work keeps no credit.
 */

#include "scheduler/dispatch/fair.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

#define QUANTUM ((int64_t)1 << 24) /* virtual time of a run of weight 1 */
#define NONE    SIZE_MAX

struct entry {
    struct uuid tenant;
    int64_t start;   /* of its next run */
    uint64_t served; /* number of its last run */
};

struct fair_lane {
    int64_t now;
    int64_t credit;
    struct entry *entries; /* by tenant */
    size_t count;
    size_t room;
};

struct fair {
    struct fair_lane lanes[FAIR_LANES];
    uint64_t served;
};

/* One call's view of a tenant in a lane. */
struct turn {
    int64_t start;
    uint64_t served;
    size_t next; /* its next run; NONE: no more */
};

/* The tenants of a lane that have runs, as a binary heap: the first is next. */
struct heap {
    size_t *tenants;
    size_t count;
};

struct round {
    struct fair *fair;
    struct fair_offer *offer;
    struct turn *turns[FAIR_LANES]; /* by tenant */
    struct heap heaps[FAIR_LANES];
    size_t *following; /* of each run: the next of its tenant and lane */
};

static const int64_t shares[FAIR_LANES] = {80, 15, 5};

struct fair *fair_new(void)
{
    return xcalloc(1, sizeof(struct fair));
}

void fair_free(struct fair *fair)
{
    if (!fair)
        return;
    for (int i = 0; i < FAIR_LANES; i++)
        free(fair->lanes[i].entries);
    free(fair);
}

static int compare(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

/* The first entry that is not before the tenant. */
static size_t place_of(const struct fair_lane *lane, struct uuid tenant)
{
    size_t low = 0, high = lane->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(lane->entries[middle].tenant, tenant) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find(const struct fair_lane *lane, struct uuid tenant)
{
    size_t at = place_of(lane, tenant);

    if (at == lane->count || compare(lane->entries[at].tenant, tenant) != 0)
        return NULL;
    return &lane->entries[at];
}

static void drop(struct fair_lane *lane, size_t at)
{
    lane->count--;
    memmove(lane->entries + at, lane->entries + at + 1,
            (lane->count - at) * sizeof(*lane->entries));
}

static void forget_one(struct fair_lane *lane)
{
    size_t least = 0;

    for (size_t i = 1; i < lane->count; i++)
        if (lane->entries[i].start < lane->entries[least].start)
            least = i;
    drop(lane, least);
}

static void remember(struct fair_lane *lane, const struct entry *entry)
{
    struct entry *known = find(lane, entry->tenant);
    size_t at;

    if (known) {
        *known = *entry;
        return;
    }
    if (lane->count == FAIR_MEMORY_MAX)
        forget_one(lane);
    if (lane->count == lane->room) {
        lane->room = lane->room ? 2 * lane->room : 16;
        lane->entries = xrealloc(lane->entries, lane->room * sizeof(*lane->entries));
    }
    at = place_of(lane, entry->tenant);
    memmove(lane->entries + at + 1, lane->entries + at,
            (lane->count - at) * sizeof(*lane->entries));
    lane->entries[at] = *entry;
    lane->count++;
}

/* Those whom the present has caught up with are newcomers. */
static void forget_past(struct fair_lane *lane)
{
    size_t kept = 0;

    for (size_t i = 0; i < lane->count; i++)
        if (lane->entries[i].start > lane->now)
            lane->entries[kept++] = lane->entries[i];
    lane->count = kept;
}

static int64_t cost(int64_t weight)
{
    if (weight < 1)
        weight = 1;
    return QUANTUM / (weight < FAIR_WEIGHT_MAX ? weight : FAIR_WEIGHT_MAX);
}

static struct turn turn_of(const struct fair_lane *lane, struct uuid tenant)
{
    const struct entry *entry = find(lane, tenant);
    struct turn turn = {.start = lane->now, .next = NONE};

    if (entry) {
        turn.served = entry->served;
        if (entry->start > turn.start)
            turn.start = entry->start;
    }
    return turn;
}

static void serve(struct fair *fair, struct fair_lane *lane, struct turn *turn, int64_t weight)
{
    if (turn->start > lane->now)
        lane->now = turn->start;
    turn->start += cost(weight);
    turn->served = ++fair->served;
}

void fair_charge(struct fair *fair, int priority, struct uuid tenant, int64_t weight)
{
    struct fair_lane *lane = &fair->lanes[priority];
    struct turn turn = turn_of(lane, tenant);

    turn.start += cost(weight);
    remember(lane, &(struct entry){tenant, turn.start, ++fair->served});
}

void fair_rest(struct fair *fair, int priority)
{
    struct fair_lane *lane = &fair->lanes[priority];

    lane->count = 0;
    lane->now = 0;
    lane->credit = 0;
}

static bool earlier(const struct round *round, int priority, size_t a, size_t b)
{
    const struct turn *left = &round->turns[priority][a], *right = &round->turns[priority][b];

    if (left->start != right->start)
        return left->start < right->start;
    if (left->served != right->served)
        return left->served < right->served;
    return compare(round->offer->tenants[a].id, round->offer->tenants[b].id) < 0;
}

/* Moves the tenant at this place of the heap down to where it belongs. */
static void sink(struct round *round, int priority, size_t at)
{
    struct heap *heap = &round->heaps[priority];
    size_t tenant = heap->tenants[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < heap->count &&
            earlier(round, priority, heap->tenants[child + 1], heap->tenants[child]))
            child++;
        if (child >= heap->count || !earlier(round, priority, heap->tenants[child], tenant))
            break;
        heap->tenants[at] = heap->tenants[child];
        at = child;
    }
    heap->tenants[at] = tenant;
}

static void fill_heap(struct round *round, int priority)
{
    struct heap *heap = &round->heaps[priority];

    heap->tenants = xcalloc(round->offer->tenant_count + 1, sizeof(*heap->tenants));
    for (size_t i = 0; i < round->offer->tenant_count; i++)
        if (round->turns[priority][i].next != NONE)
            heap->tenants[heap->count++] = i;
    for (size_t i = heap->count / 2; i-- > 0;)
        sink(round, priority, i);
}

/* The tenant whose turn it is, or NONE. One without runs or without room leaves the heap when it
 * comes to the top: its room may have gone to another lane. */
static size_t next_tenant(struct round *round, int priority)
{
    struct heap *heap = &round->heaps[priority];

    while (heap->count > 0) {
        size_t first = heap->tenants[0];

        if (round->turns[priority][first].next != NONE && round->offer->tenants[first].room > 0)
            return first;
        heap->tenants[0] = heap->tenants[--heap->count];
        sink(round, priority, 0);
    }
    return NONE;
}

static void round_open(struct round *round, struct fair *fair, struct fair_offer *offer)
{
    *round = (struct round){.fair = fair, .offer = offer};
    round->following = xcalloc(offer->run_count + 1, sizeof(*round->following));
    for (int i = 0; i < FAIR_LANES; i++) {
        forget_past(&fair->lanes[i]);
        round->turns[i] = xcalloc(offer->tenant_count + 1, sizeof(*round->turns[i]));
        for (size_t k = 0; k < offer->tenant_count; k++)
            round->turns[i][k] = turn_of(&fair->lanes[i], offer->tenants[k].id);
    }
    for (size_t i = offer->run_count; i-- > 0;) {
        const struct fair_run *run = &offer->runs[i];
        struct turn *turn;

        ASSERT(run->priority >= 0 && run->priority < FAIR_LANES);
        ASSERT(run->tenant < offer->tenant_count);
        turn = &round->turns[run->priority][run->tenant];
        round->following[i] = turn->next;
        turn->next = i;
    }
    for (int i = 0; i < FAIR_LANES; i++)
        fill_heap(round, i);
}

static void round_close(struct round *round)
{
    for (int i = 0; i < FAIR_LANES; i++) {
        struct fair_lane *lane = &round->fair->lanes[i];

        for (size_t k = 0; k < round->offer->tenant_count; k++) {
            const struct turn *turn = &round->turns[i][k];

            if (turn->start > lane->now)
                remember(lane,
                         &(struct entry){round->offer->tenants[k].id, turn->start, turn->served});
        }
        free(round->turns[i]);
        free(round->heaps[i].tenants);
    }
    free(round->following);
}

/* The lane that is served now, of those that have somebody; -1: none has. */
static int next_lane(struct fair *fair, const size_t next[FAIR_LANES])
{
    int first = -1;
    int best = -1;

    for (int i = FAIR_LANES - 1; i >= 0; i--)
        if (next[i] != NONE)
            first = i;
    if (first < 0)
        return -1;
    for (int i = 0; i < FAIR_LANES; i++) {
        if (next[i] == NONE)
            fair->lanes[i].credit = 0;
        fair->lanes[next[i] == NONE ? first : i].credit += shares[i];
    }
    for (int i = 0; i < FAIR_LANES; i++)
        if (next[i] != NONE && (best < 0 || fair->lanes[i].credit > fair->lanes[best].credit))
            best = i;
    fair->lanes[best].credit -= 100;
    return best;
}

/* Serves one run of this lane's next tenant; returns the run. */
static size_t serve_next(struct round *round, int priority, size_t next[FAIR_LANES])
{
    struct fair_tenant *tenant = &round->offer->tenants[next[priority]];
    struct turn *turn = &round->turns[priority][next[priority]];
    size_t run = turn->next;

    turn->next = round->following[run];
    serve(round->fair, &round->fair->lanes[priority], turn, tenant->weight);
    if (tenant->room != FAIR_NO_CAP)
        tenant->room--;
    sink(round, priority, 0);
    for (int i = 0; i < FAIR_LANES; i++)
        if (i == priority || tenant->room == 0)
            next[i] = next_tenant(round, i);
    return run;
}

size_t fair_order(struct fair *fair, struct fair_offer *offer, size_t places, size_t *out_order)
{
    struct round round;
    size_t next[FAIR_LANES];
    size_t count = 0;

    round_open(&round, fair, offer);
    for (int i = 0; i < FAIR_LANES; i++)
        next[i] = next_tenant(&round, i);
    while (count < places) {
        int priority = next_lane(fair, next);

        if (priority < 0)
            break;
        out_order[count++] = serve_next(&round, priority, next);
    }
    round_close(&round);
    return count;
}
