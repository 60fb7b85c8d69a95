/* Ended runs by their id. */

#include "scheduler/waits/ended_runs.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/lru.h"
#include "shared/base/memory.h"

struct ended_run {
    struct lru_entry entry;
    struct uuid id;
    struct uuid tenant;
    struct uuid thread;
    int64_t until_ms;
    struct text json; /* behind the struct */
};

struct ended_runs {
    struct lru runs;
    uint64_t forgets;
};

static bool is_of(const struct lru_entry *entry, const void *key)
{
    return uuid_equal(CONTAINER_OF(entry, struct ended_run, entry)->id, *(const struct uuid *)key);
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct ended_run, entry));
}

struct ended_runs *ended_runs_new(void)
{
    struct ended_runs *ended = xcalloc(1, sizeof(*ended));

    lru_init(&ended->runs, ENDED_RUNS, is_of, drop);
    return ended;
}

void ended_runs_free(struct ended_runs *ended)
{
    if (!ended)
        return;
    lru_deinit(&ended->runs);
    free(ended);
}

static struct ended_run *find(struct ended_runs *ended, struct uuid id)
{
    struct lru_entry *entry =
        lru_find(&ended->runs, lru_hash_bytes(id.bytes, sizeof(id.bytes)), &id);

    return entry ? CONTAINER_OF(entry, struct ended_run, entry) : NULL;
}

static bool is_final(enum run_status status)
{
    return status == RUN_COMPLETED || status == RUN_INCOMPLETE || status == RUN_CANCELLED;
}

uint64_t ended_runs_stamp(const struct ended_runs *ended)
{
    return ended->forgets;
}

void ended_runs_keep(struct ended_runs *ended, uint64_t stamp, struct uuid tenant,
                     const struct run *run, struct text json, int64_t now_ms)
{
    struct ended_run *kept;

    if (!is_final(run->status) || stamp != ended->forgets || json.len > ENDED_RUN_BYTES_MAX)
        return;
    kept = find(ended, run->id);
    if (kept)
        lru_remove(&ended->runs, &kept->entry);
    kept = xcalloc(1, sizeof(*kept) + json.len);
    kept->id = run->id;
    kept->tenant = tenant;
    kept->thread = run->thread_id;
    kept->until_ms = now_ms + ENDED_RUN_MS;
    kept->json = (struct text){(char *)(kept + 1), json.len};
    memcpy(kept + 1, json.ptr, json.len);
    lru_add(&ended->runs, lru_hash_bytes(run->id.bytes, sizeof(run->id.bytes)), &kept->entry);
}

struct text ended_runs_find(struct ended_runs *ended, struct uuid tenant, struct uuid thread,
                            struct uuid run, int64_t now_ms)
{
    struct ended_run *kept = find(ended, run);

    if (!kept || !uuid_equal(kept->tenant, tenant) ||
        (!uuid_is_zero(thread) && !uuid_equal(kept->thread, thread)))
        return TEXT_NONE;
    if (now_ms >= kept->until_ms) {
        lru_remove(&ended->runs, &kept->entry);
        return TEXT_NONE;
    }
    return kept->json;
}

void ended_runs_forget(struct ended_runs *ended, struct uuid run)
{
    struct ended_run *kept = find(ended, run);

    ended->forgets++;
    if (kept)
        lru_remove(&ended->runs, &kept->entry);
}

void ended_runs_forget_thread(struct ended_runs *ended, struct uuid thread)
{
    ended->forgets++;
    list_for_each_safe (item, &ended->runs.uses) {
        struct ended_run *kept =
            CONTAINER_OF(CONTAINER_OF(item, struct lru_entry, use), struct ended_run, entry);

        if (uuid_equal(kept->thread, thread))
            lru_remove(&ended->runs, &kept->entry);
    }
}
