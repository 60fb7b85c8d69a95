/* The order of events, and what must hold after each. */

#include "world.h"

#include <string.h>

uint64_t world_random(struct world *world, uint64_t below)
{
    /* xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's xorshift generators") */
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (world->random * UINT64_C(2685821657736338717) >> 11) % below;
}

void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .faults = true};
    for (int i = 0; i < WORLD_THREADS; i++)
        world->active[i] = -1;
    for (int i = 0; i < WORLD_WORKERS; i++)
        worker_begin(world, &world->workers[i]);
    for (int i = 0; i < WORLD_SCHEDULERS; i++)
        world->fair[i] = fair_new();
}

void world_deinit(struct world *world)
{
    for (int i = 0; i < WORLD_SCHEDULERS; i++)
        fair_free(world->fair[i]);
}

static void redis_forgets(struct world *world)
{
    world->hint_count = 0;
    for (int i = 0; i < world->run_count; i++) /* the generation is another one: hint anew */
        for (int scheduler = 0; scheduler < WORLD_SCHEDULERS; scheduler++)
            world->runs[i].hinted_ms[scheduler] = -1;
}

static void scheduler_dies(struct world *world, int scheduler)
{
    fair_free(world->fair[scheduler]);
    world->fair[scheduler] = fair_new();
    memset(world->service[scheduler], 0, sizeof(world->service[scheduler]));
    for (int i = 0; i < world->run_count; i++)
        world->runs[i].hinted_ms[scheduler] = -1;
}

static void worker_suffers(struct world *world, struct world_worker *worker)
{
    switch (world_random(world, 12)) {
    case 0: /* killed; its row and its runs stay until the lease lapses */
        worker->up = false;
        break;
    case 1: /* stopped, perhaps for longer than its lease */
    case 3:
    case 4:
    case 5:
        if (worker->paused_until_ms <= world->now_ms)
            worker->paused_until_ms = world->now_ms + (int64_t)world_random(world, 30000);
        break;
    case 2:
        worker->draining = true;
        break;
    default:
        break;
    }
}

/* A killed worker is replaced once its row is dead, a drained one when it is empty. */
static void replace(struct world *world, struct world_worker *worker)
{
    bool empty = true;

    for (int i = 0; i < WORLD_SLOTS; i++)
        empty = empty && worker->holds[i].run < 0;
    if ((!worker->up && worker->dead_row) || (worker->up && worker->draining && empty))
        worker_begin(world, worker);
}

static void fault(struct world *world)
{
    switch (world_random(world, 40)) {
    case 0:
        redis_forgets(world);
        break;
    case 1:
        scheduler_dies(world, (int)world_random(world, WORLD_SCHEDULERS));
        break;
    case 2:
    case 3:
        worker_suffers(world, &world->workers[world_random(world, WORLD_WORKERS)]);
        break;
    case 4:
        if (world->run_count > 0)
            table_cancel(world, (int)world_random(world, (uint64_t)world->run_count));
        break;
    default:
        break;
    }
}

void world_step(struct world *world)
{
    world->now_ms += (int64_t)world_random(world, 40);
    if (world->faults)
        fault(world);
    switch (world_random(world, 7)) {
    case 0:
        if (world->faults)
            (void)table_submit(world);
        break;
    case 6:
        table_settle_due(world);
        if (world->run_count > 0)
            table_give_output(world, (int)world_random(world, (uint64_t)world->run_count));
        break;
    case 1:
        scheduler_tick(world, (int)world_random(world, WORLD_SCHEDULERS));
        break;
    case 2:
        table_expire_workers(world);
        table_reap(world);
        break;
    default:
        worker_turn(world, &world->workers[world_random(world, WORLD_WORKERS)]);
        break;
    }
    for (int i = 0; i < WORLD_WORKERS; i++)
        replace(world, &world->workers[i]);
    world_check(world);
}

bool world_settled(const struct world *world)
{
    return world->ended == world->run_count;
}

static void check_run(struct world *world, const struct world_run *run)
{
    int64_t fence = 0;

    for (int i = 0; i < run->message_count; i++) {
        if (run->messages[i].fence < fence)
            world->broken = "a message written under an older fence than the one before";
        fence = run->messages[i].fence;
        for (int j = 0; j < i; j++)
            if (run->messages[j].step == run->messages[i].step)
                world->broken = "two messages of one step";
    }
    if (run->status == RUN_COMPLETED && run->message_count != WORLD_STEPS)
        world->broken = "a completed run lacks messages or has too many";
    if (run->held && run->owner)
        world->broken = "a held run has an owner";
    if (run->open_calls != run->waits.client + run->waits.time)
        world->broken = "the number of open calls is not what is open";
    if (run->status == RUN_IN_PROGRESS && run->open_calls > 0)
        world->broken = "a run is worked on that waits for calls";
    if ((run->status == RUN_REQUIRES_ACTION) != run->waits.client &&
        !run_status_terminal(run->status))
        world->broken = "somebody must act, and the status does not say so";
    if (run->status == RUN_QUEUED && run->open_calls == 0 && run->due_ms == INT64_MAX)
        world->broken = "a run waits for nothing and is never due";
}

void world_check(struct world *world)
{
    for (int i = 0; i < world->run_count; i++) {
        const struct world_run *run = &world->runs[i];
        int active = world->active[run->thread];

        check_run(world, run);
        if (!run_status_terminal(run->status) && !run->held && active != i)
            world->broken = "a live run is neither active in its thread nor held";
        if (run->held && run->status == RUN_QUEUED && active < 0)
            world->broken = "a held run waits behind nobody";
        if (run->held && run->status == RUN_QUEUED && active > i)
            world->broken = "a later run of a thread overtook an earlier one";
    }
}
