/* Sorted copies of what was counted, and an open hash of what was noted since. The hash is at most
 * half full; when it is, tenants that are not in it count as busy, which only makes their hints
 * take the slower way. */

#include "scheduler/dispatch/loads.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

#define PLACES (2 * LOADS_NOTED_MAX) /* a power of 2 */

#define TURN_MS 2000

struct noted {
    struct uuid tenant;
    int64_t count; /* 0: a free place */
};

struct loads {
    struct tenant_running running[DISPATCH_SETTINGS_MAX]; /* by tenant */
    size_t running_count;
    struct tenant_setting settings[DISPATCH_SETTINGS_MAX];
    size_t settings_count;
    struct noted noted[PLACES];
    size_t noted_count;
};

struct loads *loads_new(void)
{
    return xcalloc(1, sizeof(struct loads));
}

void loads_free(struct loads *loads)
{
    free(loads);
}

/* Both kinds of rows begin with the tenant. */
static int by_tenant(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

_Static_assert(offsetof(struct tenant_running, tenant) == 0, "by_tenant");
_Static_assert(offsetof(struct tenant_setting, tenant) == 0, "by_tenant");

void loads_set(struct loads *loads, const struct dispatch_tenants *tenants)
{
    ASSERT(tenants->running_count <= DISPATCH_SETTINGS_MAX);
    ASSERT(tenants->settings_count <= DISPATCH_SETTINGS_MAX);
    loads->running_count = tenants->running_count;
    loads->settings_count = tenants->settings_count;
    for (size_t i = 0; i < tenants->running_count; i++)
        loads->running[i] = tenants->running[i];
    for (size_t i = 0; i < tenants->settings_count; i++)
        loads->settings[i] = tenants->settings[i];
    qsort(loads->running, loads->running_count, sizeof(*loads->running), by_tenant);
    qsort(loads->settings, loads->settings_count, sizeof(*loads->settings), by_tenant);
    memset(loads->noted, 0, sizeof(loads->noted));
    loads->noted_count = 0;
}

/* Its place, or the free one where it would be. The last bytes of an id are random. */
static size_t place_of(const struct loads *loads, struct uuid tenant)
{
    uint32_t hash;
    size_t at;

    memcpy(&hash, tenant.bytes + 12, sizeof(hash));
    at = hash % PLACES;
    while (loads->noted[at].count > 0 && !uuid_equal(loads->noted[at].tenant, tenant))
        at = (at + 1) % PLACES;
    return at;
}

void loads_note(struct loads *loads, struct uuid tenant)
{
    struct noted *noted = &loads->noted[place_of(loads, tenant)];

    if (noted->count == 0 && loads->noted_count == LOADS_NOTED_MAX)
        return;
    if (noted->count == 0)
        loads->noted_count++;
    noted->tenant = tenant;
    noted->count++;
}

static int64_t counted(const struct loads *loads, struct uuid tenant)
{
    const struct tenant_running *running =
        bsearch(&tenant, loads->running, loads->running_count, sizeof(*loads->running), by_tenant);

    return running ? running->running : 0;
}

bool loads_want_count(const struct loads *loads, struct uuid tenant, int64_t small)
{
    const struct noted *noted = &loads->noted[place_of(loads, tenant)];

    return counted(loads, tenant) < small && noted->count > 0 && 2 * noted->count >= small;
}

struct tenant_load loads_of(const struct loads *loads, struct uuid tenant)
{
    const struct noted *noted = &loads->noted[place_of(loads, tenant)];
    const struct tenant_setting *setting = bsearch(&tenant, loads->settings, loads->settings_count,
                                                   sizeof(*loads->settings), by_tenant);
    struct tenant_load load = {.busy = noted->count, .weight = 1};

    if (noted->count == 0 && loads->noted_count == LOADS_NOTED_MAX)
        load.busy = INT64_MAX;
    else
        load.busy += counted(loads, tenant);
    if (setting) {
        load.weight = setting->weight;
        load.max_running = setting->max_running;
    }
    return load;
}

int64_t cap_room(const struct cap_view *view)
{
    int64_t others = view->max_running * (view->shards - view->owned) / view->shards;
    int64_t part =
        view->turn ? view->max_running - others : view->max_running * view->owned / view->shards;
    int64_t here = part - view->running_here - view->hinted;
    int64_t all = view->max_running - view->running - view->hinted;
    int64_t room = here < all ? here : all;

    return room > 0 ? room : 0;
}

int cap_turn(struct uuid tenant, int shards, int64_t wall_ms)
{
    return (int)((tenant.bytes[15] + (uint64_t)wall_ms / TURN_MS) % (uint64_t)shards);
}
