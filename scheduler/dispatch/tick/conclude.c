/* What a tick leaves behind: whom it left runs of, who has a limit and how much of it is on its
 * way, where the next look at the tenants begins, and when that is. */

#include <stdlib.h>
#include <string.h>

#include "scheduler/dispatch/tick/tick.h"

/* Of what was left without a hint. */
struct rest {
    size_t left;  /* runs, and tenants that have more of them */
    bool limited; /* something waits for a limit */
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

bool dispatch_shard_waits(const struct dispatch_shard *shard, struct uuid tenant)
{
    const struct shard_memory *memory = &shard->memory;

    return bsearch(&tenant, memory->waiting, memory->waiting_count, sizeof(tenant), compare);
}

/* A tenant may be noted more than once. */
static void note_waiting(struct shard_memory *memory, struct uuid tenant)
{
    size_t count = memory->waiting_count;

    if (count > 0 && uuid_equal(memory->waiting[count - 1], tenant))
        return;
    if (count < ARRAY_LENGTH(memory->waiting))
        memory->waiting[memory->waiting_count++] = tenant;
}

static struct rest note_rest(struct tick *tick)
{
    struct shard_memory *memory = &tick->shard->memory;
    const struct wanted *wanted = &tick->wanted;
    struct rest rest = {0};

    memory->waiting_count = 0;
    for (size_t i = 0; i < wanted->run_count; i++) {
        const struct fair_tenant *tenant = &wanted->tenants[wanted->runs[i].tenant];

        if (wanted->runs[i].taken)
            continue;
        if (tenant->room == 0)
            rest.limited = true;
        else
            rest.left++;
        note_waiting(memory, tenant->id);
    }
    for (size_t i = 0; i < tick->offer.tenant_count; i++) {
        const struct ready_tenant *tenant = &tick->offer.tenants[i];

        if (!tenant->more)
            continue;
        if (wanted->tenants[places_of(&wanted->places, tenant->id)].room != 0)
            rest.left++;
        note_waiting(memory, tenant->id);
    }
    qsort(memory->waiting, memory->waiting_count, sizeof(*memory->waiting), compare);
    return rest;
}

static void note_capped(struct tick *tick)
{
    struct shard_memory *memory = &tick->shard->memory;
    const struct wanted *wanted = &tick->wanted;

    memory->capped_count = 0;
    for (size_t i = 0; i < wanted->tenant_count; i++)
        if (wanted->tenants[i].room != FAIR_NO_CAP)
            memory->capped[memory->capped_count++] =
                (struct capped){wanted->tenants[i].id, wanted->hinted[i]};
    memory->exact = memory->capped_count > 0;
}

/* Where the next offer goes on. Returns whether there are tenants that this one did not reach. */
static bool note_lanes(struct tick *tick)
{
    struct shard_memory *memory = &tick->shard->memory;
    bool work[FAIR_LANES] = {false};
    bool more = false;

    for (size_t i = 0; i < tick->offer.tenant_count; i++)
        work[tick->offer.tenants[i].priority] = true;
    for (int i = 0; i < FAIR_LANES; i++) {
        if (!work[i] && uuid_is_zero(memory->after[i]))
            fair_rest(memory->fair, i);
        memory->after[i] = tick->offer.after[i];
        more = more || !uuid_is_zero(memory->after[i]);
    }
    return more;
}

void tick_conclude(struct tick *tick)
{
    struct dispatch_shard *shard = tick->shard;
    struct rest rest = note_rest(tick);
    bool more;

    note_capped(tick);
    more = note_lanes(tick);
    shard->backlog = rest.left > 0;
    shard->window.filled = tick->room.unread;
    if (shard->window.eager && rest.left > 0)
        shard->wait_ms = TICK_EAGER_MS;
    else if (more || tick->sent || rest.left > 0 || (shard->memory.exact && !tick->counting))
        shard->wait_ms = TICK_BUSY_MS;
    else
        shard->wait_ms = rest.limited ? TICK_CAPPED_MS : TICK_IDLE_MS;
}
