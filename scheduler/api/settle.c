/* Giving claims of idempotency keys back
 *
 * A request that failed because the database went away can't give its claim back at that moment,
 * and its client shall not wait until the claim lapses. So a fiber tries again for as long as the
 * claim would live. It is an accelerator only: where it gives up, the claim lapses by itself.
 */

#include "scheduler/api/settle.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"

enum { SETTLING_MAX = 1000, FIRST_WAIT_MS = 20, WAIT_MS_MAX = 1000 };

struct settler {
    struct list settlings;
    size_t count;
    struct cond ended;
};

struct settling {
    struct list link;
    struct settler *settler;
    struct fiber *fiber;
    struct store store; /* without an arena: nothing is read */
    struct idempotency_request request;
    bool done_unknown;
    char key[IDEMPOTENCY_KEY_MAX];
};

struct settler *settler_new(void)
{
    struct settler *settler = xcalloc(1, sizeof(*settler));

    list_init(&settler->settlings);
    cond_init(&settler->ended);
    return settler;
}

void settler_free(struct settler *settler)
{
    struct error err;

    if (!settler)
        return;
    list_for_each (item, &settler->settlings)
        fiber_cancel(CONTAINER_OF(item, struct settling, link)->fiber);
    fiber_shield_enter();
    while (settler->count > 0 && cond_wait(&settler->ended, DEADLINE_NONE, &err) == 0)
        continue;
    fiber_shield_leave();
    free(settler);
}

static int settle(const struct settling *settling, struct error *err)
{
    int64_t deadline_ms = deadline_in(IDEMPOTENCY_CLAIM_MS);
    int64_t wait_ms = FIRST_WAIT_MS;

    for (;;) {
        int r = settling->done_unknown
                    ? idempotency_release(&settling->store, &settling->request, err)
                    : idempotency_abandon(&settling->store, &settling->request, err);

        if (r == 0 || r == -E_CANCELED || clock_ms() >= deadline_ms)
            return r;
        r = fiber_sleep(wait_ms / 2 + (int64_t)random_below((uint64_t)wait_ms), err);
        if (r < 0)
            return r;
        wait_ms = wait_ms * 2 < WAIT_MS_MAX ? wait_ms * 2 : WAIT_MS_MAX;
    }
}

static void settle_main(void *arg)
{
    struct settling *settling = arg;
    struct settler *settler = settling->settler;
    struct error err;
    int r = settle(settling, &err);

    if (r < 0 && r != -E_CANCELED)
        log_warn("could not give an idempotency key back", LOG_ERROR(&err));
    list_remove(&settling->link);
    settler->count--;
    cond_signal(&settler->ended);
    free(settling);
}

void settler_give_back(struct settler *settler, const struct store *store,
                       const struct idempotency_request *request, bool done_unknown)
{
    struct settling *settling;

    if (settler->count >= SETTLING_MAX)
        return;
    settling = xcalloc(1, sizeof(*settling));
    settling->settler = settler;
    settling->store = *store;
    settling->store.arena = NULL;
    settling->request = *request;
    settling->done_unknown = done_unknown;
    ASSERT(request->key.len <= sizeof(settling->key));
    memcpy(settling->key, request->key.ptr, request->key.len);
    settling->request.key.ptr = settling->key;
    settler->count++;
    list_add(&settler->settlings, &settling->link);
    settling->fiber = fiber_spawn("settle", settle_main, settling);
}
