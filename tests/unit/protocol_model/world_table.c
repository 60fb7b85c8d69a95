/* The database of the model world. Each function is one statement of the real one: it happens at
 * once, checks the same conditions, and moves states only as run_state.h allows. */

#include "world.h"

#include "shared/base/compiler.h"

void table_move(struct world *world, struct world_run *run, enum run_status to)
{
    int waiting = -1;

    if (!run_transition_allowed(run->status, to))
        world->broken = "a move between states that is not allowed";
    run->status = to;
    if (!run_status_terminal(to))
        return;
    world->ended++;
    if (world->active[run->thread] != (int)(run - world->runs))
        return;
    /* The end releases the thread; the next statement promotes who was held longest. */
    world->active[run->thread] = -1;
    for (int i = 0; i < world->run_count && waiting < 0; i++)
        if (world->runs[i].held && world->runs[i].thread == run->thread &&
            world->runs[i].status == RUN_QUEUED)
            waiting = i;
    if (waiting < 0)
        return;
    world->active[run->thread] = waiting;
    world->runs[waiting].held = false;
    world->runs[waiting].due_ms = world->now_ms;
}

int table_submit(struct world *world)
{
    struct world_run *run;
    int at = world->run_count;

    if (at == WORLD_RUNS)
        return -1;
    world->run_count++;
    run = &world->runs[at];
    *run = (struct world_run){
        .status = RUN_QUEUED,
        .tenant = (int)world_random(world, WORLD_TENANTS),
        .thread = (int)world_random(world, WORLD_THREADS),
        .priority = (int)world_random(world, FAIR_LANES),
        .due_ms = world->now_ms,
    };
    run->id.bytes[14] = (uint8_t)(at >> 8);
    run->id.bytes[15] = (uint8_t)at;
    run->id.bytes[0] = 1;
    if (world_random(world, 8) == 0)
        run->due_ms = world->now_ms + (int64_t)world_random(world, 5000);
    for (int i = 0; i < WORLD_SCHEDULERS; i++)
        run->hinted_ms[i] = -1;
    run->held = world->active[run->thread] >= 0;
    if (!run->held)
        world->active[run->thread] = at;
    return at;
}

struct world_worker *table_worker(struct world *world, int64_t id)
{
    for (int i = 0; i < WORLD_WORKERS; i++)
        if (world->workers[i].id == id)
            return &world->workers[i];
    return NULL;
}

bool table_claim(struct world *world, int at, int64_t owner, struct run_lease *out)
{
    struct world_run *run = &world->runs[at];
    const struct world_worker *worker = table_worker(world, owner);

    if (run->status != RUN_QUEUED || run->held || run->due_ms > world->now_ms || !worker ||
        worker->dead_row || worker->draining || worker->lease_until_ms <= world->now_ms)
        return false;
    table_move(world, run, RUN_IN_PROGRESS);
    run->owner = owner;
    run->fence++;
    *out = (struct run_lease){run->id, owner, run->fence, run->step, false};
    return true;
}

static bool is_parking(const struct world_hold *hold)
{
    return hold->opens.client || hold->opens.time;
}

/* Checkpoint, finish, hand back and park: a compare-and-set. */
bool table_write(struct world *world, const struct world_hold *hold)
{
    struct world_run *run = &world->runs[hold->run];
    bool source = run->status == RUN_IN_PROGRESS ||
                  (run->status == RUN_CANCELLING && run_status_terminal(hold->to) &&
                   run_transition_allowed(RUN_CANCELLING, hold->to));

    if (run->owner != hold->lease.owner || run->fence != hold->lease.fence ||
        run->step != hold->lease.step || !source)
        return false;
    if (hold->to == RUN_CANCELLED && run->status != RUN_CANCELLING)
        return false;
    if (hold->to == RUN_IN_PROGRESS || hold->to == RUN_COMPLETED || is_parking(hold)) {
        if (run->message_count > WORLD_STEPS)
            world->broken = "a run has more messages than steps";
        else
            run->messages[run->message_count++] =
                (struct world_message){hold->lease.fence, hold->lease.step};
    }
    run->step++;
    if (hold->to == RUN_IN_PROGRESS)
        return true;
    table_move(world, run, hold->to);
    if (hold->to == RUN_QUEUED || hold->to == RUN_REQUIRES_ACTION) {
        run->owner = 0;
        run->errors = hold->attempts;
        run->due_ms = is_parking(hold) ? INT64_MAX : world->now_ms + hold->delay_ms;
        run->waits = hold->opens;
        run->open_calls = hold->opens.client + hold->opens.time;
    }
    return true;
}

/* One call is settled. The last one makes the run ready. */
static void settled(struct world *world, struct world_run *run)
{
    world->settled++;
    run->fence++;
    run->open_calls--;
    if (run->open_calls == 0)
        run->due_ms = world->now_ms;
}

void table_give_output(struct world *world, int at)
{
    struct world_run *run = &world->runs[at];

    if (run->status != RUN_REQUIRES_ACTION || !run->waits.client)
        return;
    run->waits.client = false;
    table_move(world, run, RUN_QUEUED);
    settled(world, run);
}

void table_settle_due(struct world *world)
{
    for (int i = 0; i < world->run_count; i++) {
        struct world_run *run = &world->runs[i];

        if ((run->status != RUN_REQUIRES_ACTION && run->status != RUN_QUEUED) || !run->waits.time ||
            run->waits.time_due_ms > world->now_ms)
            continue;
        run->waits.time = false;
        settled(world, run);
    }
}

void table_expire_workers(struct world *world)
{
    for (int i = 0; i < WORLD_WORKERS; i++) {
        struct world_worker *worker = &world->workers[i];

        if (!worker->dead_row && worker->lease_until_ms < world->now_ms) {
            worker->dead_row = true;
            world->dead++;
        }
    }
}

void table_reap(struct world *world)
{
    for (int i = 0; i < world->run_count; i++) {
        struct world_run *run = &world->runs[i];
        const struct world_worker *owner = table_worker(world, run->owner);

        if ((run->status != RUN_IN_PROGRESS && run->status != RUN_CANCELLING) ||
            (owner && !owner->dead_row))
            continue;
        run->fence++;
        run->owner = 0;
        run->crashes++;
        run->due_ms = world->now_ms + (int64_t)world_random(world, 1000);
        if (run->status == RUN_CANCELLING)
            table_move(world, run, RUN_CANCELLED);
        else
            table_move(world, run, run->crashes >= CRASHES_UNTIL_POISON ? RUN_FAILED : RUN_QUEUED);
    }
}

void table_cancel(struct world *world, int at)
{
    struct world_run *run = &world->runs[at];

    if (run->status == RUN_QUEUED || run->status == RUN_REQUIRES_ACTION)
        table_move(world, run, RUN_CANCELLED);
    else if (run->status == RUN_IN_PROGRESS)
        table_move(world, run, RUN_CANCELLING);
}
