/* The programs of the model world: workers that claim, call and write, schedulers that hint. */

#include "world.h"

#include <string.h>

#include "shared/store/leases/run_verdict.h"
#include "worker/run/outcome.h"

static void let_go(struct world_hold *hold)
{
    *hold = (struct world_hold){.run = -1};
}

void worker_begin(struct world *world, struct world_worker *worker)
{
    *worker = (struct world_worker){
        .id = ++world->next_worker_id,
        .up = true,
        .lease_until_ms = world->now_ms + LEASE_MS,
        .trusted_until_ms = world->now_ms + LEASE_MS - TRUST_MARGIN_MS,
        .heartbeat_ms = world->now_ms,
    };
    for (int i = 0; i < WORLD_SLOTS; i++)
        let_go(&worker->holds[i]);
}

static void beat(struct world *world, struct world_worker *worker)
{
    if (world->now_ms - worker->heartbeat_ms < HEARTBEAT_MS)
        return;
    if (worker->dead_row) {
        worker_begin(world, worker); /* drops every run */
        return;
    }
    worker->heartbeat_ms = world->now_ms;
    worker->lease_until_ms = world->now_ms + LEASE_MS;
    worker->trusted_until_ms = world->now_ms + LEASE_MS - TRUST_MARGIN_MS;
}

/* Sends a write. Chance decides whether the connection breaks before or after it is applied. */
static void send(struct world *world, struct world_hold *hold)
{
    const struct world_run *run = &world->runs[hold->run];
    uint64_t fate = world->faults ? world_random(world, 10) : 9;
    int verdict = 0;

    if (fate == 0) { /* lost on the way there */
        hold->in_doubt = true;
        return;
    }
    if (table_write(world, hold)) {
        hold->applied = true;
    } else {
        struct run_standing standing = {run->owner, run->fence, run->step, run->status};

        verdict = run_verdict(&standing, &hold->lease, hold->leaves);
        world->fenced += verdict == LEASE_FENCED;
        world->replayed += verdict == 0;
        if (verdict == 0 && !hold->applied)
            world->broken = "a write that was refused is taken for applied";
        /* Once another has the run it makes no difference to who lost it. */
        if (verdict != 0 && hold->applied && run->fence == hold->lease.fence)
            world->broken = "a write that was applied is taken for refused";
    }
    if (fate == 1 && verdict == 0 && !hold->in_doubt) { /* applied, its answer lost */
        hold->in_doubt = true;
        return;
    }
    hold->in_doubt = false;
    if (verdict == LEASE_CANCELLING) {
        hold->to = hold->leaves = RUN_CANCELLED;
        hold->opens = (struct world_waits){0};
        return;
    }
    if (verdict != 0 || hold->to != RUN_IN_PROGRESS) {
        let_go(hold);
        return;
    }
    hold->lease.step++;
    hold->applied = false;
    hold->to = RUN_STATUS_COUNT;
}

static void decide(struct world_hold *hold, enum run_status to)
{
    hold->to = hold->leaves = to;
    hold->delay_ms = 0;
}

/* A model call that fails leads where outcome.h says. */
static void fail(struct world *world, struct world_hold *hold)
{
    static const enum provider_failure failures[] = {PROVIDER_RATE_LIMITED, PROVIDER_OVERLOADED,
                                                     PROVIDER_TIMED_OUT, PROVIDER_STREAM_CUT,
                                                     PROVIDER_MALFORMED_REPLY};
    struct outcome_input input = {
        .failure = failures[world_random(world, ARRAY_LENGTH(failures))],
        .retry_after_ms = world_random(world, 3) ? -1 : (int64_t)world_random(world, 8000),
        .left_ms = INT64_MAX,
        .attempts = hold->attempts,
        .random = (uint32_t)world_random(world, UINT32_MAX),
    };
    struct outcome outcome = outcome_decide(&input);

    hold->attempts += outcome.counts;
    if (hold->attempts > OUTCOME_ATTEMPTS_MAX)
        world->broken = "more counted failures than are allowed";
    if (outcome.wait_ms < input.retry_after_ms && outcome.action != OUTCOME_FAIL)
        world->broken = "a call again before the provider allows it";
    switch (outcome.action) {
    case OUTCOME_RETRY:
        hold->wait_until_ms = world->now_ms + outcome.wait_ms;
        if (outcome.wait_ms > SLEEP_MAX_MS)
            world->broken = "a long wait holds a slot";
        break;
    case OUTCOME_HAND_BACK:
        decide(hold, RUN_QUEUED);
        hold->delay_ms = outcome.wait_ms;
        break;
    case OUTCOME_FAIL:
        decide(hold, RUN_FAILED);
        break;
    case OUTCOME_INCOMPLETE:
        decide(hold, RUN_INCOMPLETE);
        break;
    }
}

/* The model called a function of the client, or waits for a time, or both. */
static void park(struct world *world, struct world_hold *hold)
{
    uint64_t what = 1 + world_random(world, 3);

    decide(hold, what & 1 ? RUN_REQUIRES_ACTION : RUN_QUEUED);
    hold->opens = (struct world_waits){
        .client = what & 1,
        .time = what & 2,
        .time_due_ms = world->now_ms + (int64_t)world_random(world, 10000),
    };
}

static void succeed(struct world *world, struct world_hold *hold)
{
    bool last = world->runs[hold->run].message_count + 1 >= WORLD_STEPS;

    hold->attempts = 0;
    if (!last && world_random(world, 5) == 0)
        park(world, hold);
    else
        decide(hold, last ? RUN_COMPLETED : RUN_IN_PROGRESS);
}

static void work_on(struct world *world, struct world_worker *worker, struct world_hold *hold)
{
    if (hold->to != RUN_STATUS_COUNT) {
        send(world, hold);
        return;
    }
    if (hold->wait_until_ms > world->now_ms || world->now_ms >= worker->trusted_until_ms)
        return;
    /* A call begins: nobody may hold this worker for dead. */
    if (worker->dead_row)
        world->broken = "a call begins after the worker was declared dead";
    if (worker->draining)
        decide(hold, RUN_QUEUED);
    else if (world->faults && world_random(world, 6) == 0)
        fail(world, hold);
    else
        succeed(world, hold);
}

static void take_hint(struct world *world, struct world_worker *worker)
{
    struct world_hint hint = world->hints[0];
    struct world_hold *slot = NULL;

    for (int i = 0; i < WORLD_SLOTS && !slot; i++)
        if (worker->holds[i].run < 0)
            slot = &worker->holds[i];
    if (!slot || world->hint_count == 0)
        return;
    world->hint_count--;
    for (int i = 0; i < world->hint_count; i++)
        world->hints[i] = world->hints[i + 1];
    if (world->faults && world_random(world, 20) == 0)
        return; /* swallowed: a connection that was half open */
    *slot = (struct world_hold){.run = hint.run, .to = RUN_STATUS_COUNT};
    if (table_claim(world, hint.run, worker->id, &slot->lease))
        slot->attempts = world->runs[hint.run].errors;
    else
        let_go(slot);
}

void worker_turn(struct world *world, struct world_worker *worker)
{
    if (!worker->up || worker->paused_until_ms > world->now_ms)
        return;
    if (world_random(world, 3) == 0 || !world->faults)
        beat(world, worker);
    if (!worker->draining && world->now_ms < worker->trusted_until_ms)
        take_hint(world, worker);
    for (int i = 0; i < WORLD_SLOTS; i++)
        if (worker->holds[i].run >= 0 && world_random(world, 2))
            work_on(world, worker, &worker->holds[i]);
}

static bool wants_hint(const struct world *world, const struct world_run *run, int scheduler)
{
    int64_t hinted_ms = run->hinted_ms[scheduler];

    return run->status == RUN_QUEUED && !run->held && run->due_ms <= world->now_ms &&
           (hinted_ms < 0 || world->now_ms - hinted_ms >= HINT_AGAIN_MS);
}

/* Between tenants that both have more than they get, weighted service may differ by two runs of
 * each at most. */
static void check_fairness(struct world *world, int scheduler, int lane, const int *left)
{
    int *service = world->service[scheduler][lane];

    for (int i = 0; i < WORLD_TENANTS; i++) {
        if (left[i] > 0)
            continue;
        memset(service, 0, sizeof(world->service[scheduler][lane]));
        return;
    }
    for (int i = 0; i < WORLD_TENANTS; i++)
        for (int j = 0; j < WORLD_TENANTS; j++)
            if ((double)service[i] / (i + 1) - (double)service[j] / (j + 1) >
                2 * (1.0 / (i + 1) + 1.0 / (j + 1)))
                world->broken = "a tenant gets more than its share beside one that waits";
}

static void count_service(struct world *world, int scheduler, const struct fair_offer *offer,
                          const size_t *order, size_t served)
{
    int left[FAIR_LANES][WORLD_TENANTS] = {{0}};

    for (size_t i = 0; i < offer->run_count; i++)
        left[offer->runs[i].priority][offer->runs[i].tenant]++;
    for (size_t i = 0; i < served; i++) {
        const struct fair_run *run = &offer->runs[order[i]];

        left[run->priority][run->tenant]--;
        world->service[scheduler][run->priority][run->tenant]++;
    }
    for (int lane = 0; lane < FAIR_LANES; lane++)
        check_fairness(world, scheduler, lane, left[lane]);
}

void scheduler_tick(struct world *world, int scheduler)
{
    struct fair_tenant tenants[WORLD_TENANTS] = {0};
    struct fair_run offered[WORLD_RUNS];
    int at[WORLD_RUNS];
    size_t order[WORLD_RUNS];
    struct fair_offer offer = {tenants, WORLD_TENANTS, offered, 0};
    size_t served;

    for (int i = 0; i < WORLD_TENANTS; i++) {
        tenants[i] = (struct fair_tenant){.weight = i + 1, .room = FAIR_NO_CAP};
        tenants[i].id.bytes[15] = (uint8_t)(i + 1);
    }
    for (int i = 0; i < world->run_count; i++) {
        if (!wants_hint(world, &world->runs[i], scheduler))
            continue;
        offered[offer.run_count] =
            (struct fair_run){(size_t)world->runs[i].tenant, world->runs[i].priority};
        at[offer.run_count++] = i;
    }
    served = fair_order(world->fair[scheduler], &offer, (size_t)(WORLD_HINTS - world->hint_count),
                        order);
    count_service(world, scheduler, &offer, order, served);
    for (size_t i = 0; i < served; i++) {
        struct world_run *run = &world->runs[at[order[i]]];

        world->hints[world->hint_count++] = (struct world_hint){at[order[i]], run->fence};
        run->hinted_ms[scheduler] = world->now_ms;
    }
}
