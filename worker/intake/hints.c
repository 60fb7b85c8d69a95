/* Reading hints. */

#include "worker/intake/hints.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "worker/state.h"

#define BLOCK_MS     1000 /* of a read that finds nothing */
#define OPEN_WAIT_MS 2000

static const struct backoff_policy reopening = {.base_ms = 250, .cap_ms = 5000};

void hints_init(struct hints *hints, struct worker *worker)
{
    hints->worker = worker;
    hints->reader = NULL;
    hints->reopen = (struct backoff){.policy = reopening};
    hints->reopen_ms = 0;
    hints->count = 0;
}

void hints_close(struct hints *hints)
{
    queue_reader_close(hints->reader);
    hints->reader = NULL;
}

static int open_reader(struct hints *hints, struct error *err)
{
    const struct config *config = hints->worker->config;
    int shards[QUEUE_SHARDS_MAX];
    struct queue_reader_options options = {
        .url = config->redis_url,
        .worker_id = hints->worker->id,
        .shards = shards,
        .shards_count = (size_t)config->shards,
    };
    int r;

    if (clock_ms() < hints->reopen_ms)
        return error_set(err, E_UNAVAILABLE, "waiting before another connection to Redis");
    for (int i = 0; i < config->shards; i++)
        shards[i] = i;
    r = queue_reader_open(&options, deadline_in(OPEN_WAIT_MS), &hints->reader, err);
    if (r == 0)
        backoff_reset(&hints->reopen);
    else
        hints->reopen_ms = clock_ms() + backoff_next_ms(&hints->reopen);
    return r;
}

/* Redis has forgotten its streams: it was emptied, or is new. */
static int init_shards(const struct worker *worker, struct error *err)
{
    for (int i = 0; i < worker->config->shards; i++) {
        int r = queue_init(worker->queue, i, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int hints_open(struct hints *hints, struct error *err)
{
    hints->count = 0;
    return hints->reader ? 0 : open_reader(hints, err);
}

int hints_read(struct hints *hints, struct queue_room room, struct error *err)
{
    int r;

    hints->count = 0;
    r = queue_read(hints->reader, hints->entries, room, BLOCK_MS, &hints->count, err);
    if (r == QUEUE_FORGOTTEN)
        r = init_shards(hints->worker, err);
    if (r < 0)
        hints_close(hints);
    return r < 0 ? r : 0;
}

void hints_ack(struct hints *hints)
{
    queue_ack(hints->worker->queue, hints->entries, hints->count);
}
