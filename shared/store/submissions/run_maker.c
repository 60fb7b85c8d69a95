/* One statement for the runs of a batch.
 *
 * What can't be made as one of many is left to its asker: a run whose thread is in use, one that is
 * large, one whose thread is to be its person's active one, or a new one that says something of
 * memory, one that is to stand behind a certain message, one that is the only one of its batch (a
 * statement for one costs less), and all of a batch of which one could not be stored, since nobody
 * knows which.
 * */

#include "shared/store/submissions/run_maker.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/gather.h"

#define LANES           2 /* one batch is written down while another is stored */
#define BATCH_MAX_BYTES ((size_t)1024 * 1024)

struct run_maker {
    struct pg *pg;
    const struct thread_limits *limits;
    struct gather *gather;
    struct run_maker_stats stats;
};

struct run_ask {
    struct gather_item item;
    const struct run_making *making;
    struct run *out;
    int result;
    struct error error;
};

/* Nothing was made, and maybe for the sake of one: each may try alone. */
static bool is_refusal(int r)
{
    return r == -E_CONFLICT || r == -E_CONTENT || r == -E_LIMIT || r == -E_REJECTED;
}

/* The makings are copies: who asked may give up while the statement is out. */
static void make_batch(void *arg, struct gather_batch *batch)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct run_maker *maker = arg;
    struct run_making makings[RUN_BATCH_MAX];
    size_t asked[RUN_BATCH_MAX];
    struct error err = {0};
    struct run_ask *ask;
    size_t count = 0;
    size_t made;
    int r;

    ASSERT(batch->count <= RUN_BATCH_MAX);
    for (size_t i = 0; i < batch->count; i++) {
        ask = GATHER_ASK(batch, i, struct run_ask);
        if (!ask)
            continue;
        makings[count] = *ask->making;
        asked[count++] = i;
    }
    if (count < 2)
        return;
    maker->stats.statements++;
    r = run_batch_make(maker->pg, maker->limits, makings, count, &result, &err);
    if (is_refusal(r))
        return;
    for (size_t i = 0; r < 0 && i < count; i++) {
        ask = GATHER_ASK(batch, asked[i], struct run_ask);
        if (ask) {
            ask->result = r;
            ask->error = err;
        }
    }
    made = r < 0 ? 0 : run_batch_made_count(result);
    maker->stats.made += made;
    for (size_t n = 0; n < made; n++) {
        size_t place = run_batch_made_place(result, n);

        ASSERT(place < count);
        ask = GATHER_ASK(batch, asked[place], struct run_ask);
        if (!ask)
            continue;
        ask->result = run_batch_made(result, n, &makings[place], ask->out, &ask->error);
    }
}

static void await_turn(void *arg)
{
    struct run_maker *maker = arg;

    pg_await_turn(maker->pg);
}

struct run_maker *run_maker_new(struct pg *pg, const struct thread_limits *limits)
{
    struct run_maker *maker = xcalloc(1, sizeof(*maker));
    struct gather_options options = {
        .name = "run_maker",
        .fn = make_batch,
        .await = await_turn,
        .arg = maker,
        .lanes = LANES,
        .batch_max = RUN_BATCH_MAX,
        .batch_max_bytes = BATCH_MAX_BYTES,
    };

    maker->pg = pg;
    maker->limits = limits;
    maker->gather = gather_new(&options);
    return maker;
}

void run_maker_free(struct run_maker *maker)
{
    if (!maker)
        return;
    gather_free(maker->gather);
    free(maker);
}

int run_maker_make(struct run_maker *maker, const struct run_making *making, struct run *out,
                   struct error *err)
{
    struct run_ask ask = {.making = making, .out = out, .result = RUN_NOT_MADE};
    int r;

    ask.item.bytes = run_making_bytes(making);
    if (!run_making_is_plain(making))
        return RUN_NOT_MADE;
    r = gather_ask(maker->gather, &ask.item, err);
    if (r < 0)
        return r;
    if (ask.result < 0 && err)
        *err = ask.error;
    return ask.result;
}

struct run_maker_stats run_maker_stats(const struct run_maker *maker)
{
    return maker->stats;
}
