/* Giving claims of idempotency keys back
 *
 * A request that failed because the database went away can't give its claim back at that moment,
 * and its client shall not wait until the claim lapses. So a fiber tries again for as long as the
 * claim would live. It is an accelerator only: where it gives up, the claim lapses by itself.
 */

#include "scheduler/api/access/claim_returns.h"

#include <stdlib.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"

#define RETURNS_MAX 1000

static const struct backoff_policy again = {.base_ms = 20, .cap_ms = 1000};

struct claim_returns {
    struct list items;
    size_t count;
    struct cond ended;
};

struct claim_return {
    struct list link;
    struct claim_returns *returns;
    struct fiber *fiber;
    struct store store; /* without an arena: nothing is read */
    struct idempotency_request request;
    bool done_unknown;
    char key[IDEMPOTENCY_KEY_MAX];
};

struct claim_returns *claim_returns_new(void)
{
    struct claim_returns *returns = xcalloc(1, sizeof(*returns));

    list_init(&returns->items);
    cond_init(&returns->ended);
    return returns;
}

void claim_returns_free(struct claim_returns *returns)
{
    struct error err;

    if (!returns)
        return;
    list_for_each (link, &returns->items)
        fiber_cancel(CONTAINER_OF(link, struct claim_return, link)->fiber);
    fiber_shield_enter();
    while (returns->count > 0 && cond_wait(&returns->ended, DEADLINE_NONE, &err) == 0)
        continue;
    fiber_shield_leave();
    free(returns);
}

static int give_back(const struct claim_return *item, struct error *err)
{
    int64_t deadline_ms = deadline_in(IDEMPOTENCY_CLAIM_MS);
    struct backoff backoff = {.policy = again};

    for (;;) {
        int r = item->done_unknown ? idempotency_release(&item->store, &item->request, err)
                                   : idempotency_abandon(&item->store, &item->request, err);

        if (r == 0 || r == -E_CANCELED || clock_ms() >= deadline_ms)
            return r;
        r = fiber_sleep(backoff_next_ms(&backoff), err);
        if (r < 0)
            return r;
    }
}

static void return_main(void *arg)
{
    struct claim_return *item = arg;
    struct claim_returns *returns = item->returns;
    struct error err;
    int r = give_back(item, &err);

    if (r < 0 && r != -E_CANCELED)
        log_warn("could not give an idempotency key back", LOG_ERROR(&err));
    list_remove(&item->link);
    returns->count--;
    cond_signal(&returns->ended);
    free(item);
}

void claim_returns_add(struct claim_returns *returns, const struct store *store,
                       const struct idempotency_request *request, bool done_unknown)
{
    struct claim_return *item;

    if (returns->count >= RETURNS_MAX)
        return;
    item = xcalloc(1, sizeof(*item));
    item->returns = returns;
    item->store = *store;
    item->store.arena = NULL;
    item->request = *request;
    item->done_unknown = done_unknown;
    ASSERT(request->key.len <= sizeof(item->key));
    memcpy(item->key, request->key.ptr, request->key.len);
    item->request.key.ptr = item->key;
    returns->count++;
    list_add(&returns->items, &item->link);
    item->fiber = fiber_spawn("claim return", return_main, item);
}
