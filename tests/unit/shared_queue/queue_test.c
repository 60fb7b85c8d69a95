/* Dispatch, reading and removal, against a real server. */

#include "queue_support.h"

static const int shard_0[] = {0};

static void init(struct bench *bench, int shard)
{
    struct error err = {0};

    cr_assert_eq(queue_init(bench->queue, shard, &err), 0, "%s", err.text);
}

static int64_t total(const int64_t values[QUEUE_LANES])
{
    return values[0] + values[1] + values[2] + values[QUEUE_EXPRESS];
}

static struct queue_stats stats_of(struct bench *bench, int shard)
{
    struct queue_stats stats;
    struct error err = {0};

    cr_assert_eq(queue_stats(bench->queue, shard, &stats, &err), 0, "%s", err.text);
    return stats;
}

static void whole_way(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[8];
    struct queue_stats stats;
    size_t count = 0;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 1);
    init(&bench, 0);
    bench_add(&bench, 0, 1, 100, 3);
    reader = bench_reader(&bench, 42, shard_0, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){8, 8}, 100, &count, &err), 0, "%s",
                 err.text);
    cr_assert_eq(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(number_of_run(entries[i].hint.run), 100 + i);
        cr_assert_eq(entries[i].hint.fence, 3);
        cr_assert_eq(entries[i].hint.read, i % 2 == 1);
        cr_assert_eq(entries[i].shard, 0);
        cr_assert_eq(entries[i].lane, 1);
    }
    stats = stats_of(&bench, 0);
    cr_assert_eq(stats.length[1], 3);
    cr_assert_eq(stats.pending[1], 3);
    cr_assert_geq(stats.consumers, 1);
    queue_ack(bench.queue, entries, count);
    queue_ack(bench.queue, entries, count); /* again is no harm */
    stats = stats_of(&bench, 0);
    cr_assert_eq(total(stats.length), 0);
    cr_assert_eq(total(stats.pending), 0);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){8, 8}, 20, &count, &err),
                 QUEUE_EMPTY);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, a_hint_is_dispatched_read_and_removed)
{
    loop_run(whole_way, NULL);
}

static void window(void *arg)
{
    struct bench bench;
    size_t accepted = 99;

    (void)arg;
    bench_open(&bench, 2);
    init(&bench, 0);
    cr_assert_eq(bench_dispatch(&bench, 0, 0, 1, 4, 10, &accepted), 0);
    cr_assert_eq(accepted, 4);
    cr_assert_eq(bench_dispatch(&bench, 0, 2, 10, 600, 10, &accepted), 0);
    cr_assert_eq(accepted, 6, "all lanes share the window");
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 1, 1, 10, &accepted), 0);
    cr_assert_eq(accepted, 0);
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 1, 1, 5, &accepted), 0);
    cr_assert_eq(accepted, 0, "also when the window shrank below what is there");
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 1000, 1000, 900, &accepted), 0);
    cr_assert_eq(accepted, 890, "over several calls");
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 1, 0, 10, &accepted), 0);
    cr_assert_eq(accepted, 0);
    cr_assert_eq(total(stats_of(&bench, 0).length), 900);
    bench_close(&bench);
}

Test(queue, the_window_bounds_all_lanes_of_a_shard_together)
{
    loop_run(window, NULL);
}

/* As when the connection broke under a removal. */
static void never_removed(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[8];
    struct error err = {0};
    int shards[1] = {0};
    size_t count = 0;

    (void)arg;
    bench_open(&bench, 16);
    init(&bench, 0);
    bench_add(&bench, 0, 1, 1, 8);
    reader = bench_reader(&bench, 7, shards, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){8, 8}, 100, &count, &err), 0, "%s",
                 err.text);
    cr_assert(count > 0);
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 9, 8, 8, &count), 0);
    cr_assert_eq(count, (size_t)total(stats_of(&bench, 0).pending));
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, what_was_read_and_not_removed_takes_no_room)
{
    loop_run(never_removed, NULL);
}

static void room(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[64];
    static const int shards[] = {3, 4, 5, 6};
    static bool seen[100];
    size_t count, sum = 0;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 3);
    for (int i = 0; i < 4; i++) {
        init(&bench, shards[i]);
        for (int p = 0; p < QUEUE_PRIORITIES; p++)
            bench_add(&bench, shards[i], p, (uint32_t)(i * 15 + p * 5), 5);
    }
    reader = bench_reader(&bench, 1, shards, 4);
    for (size_t max = 1; sum < 60; max = max % 7 + 1) {
        cr_assert_eq(queue_read(reader, entries, (struct queue_room){max, max}, 10, &count, &err),
                     0, "%s", err.text);
        cr_assert(count >= 1 && count <= max, "%zu of %zu", count, max);
        for (size_t i = 0; i < count; i++) {
            uint32_t number = number_of_run(entries[i].hint.run);

            cr_assert(number < 60 && !seen[number]);
            seen[number] = true;
        }
        queue_ack(bench.queue, entries, count);
        sum += count;
    }
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){5, 5}, 10, &count, &err),
                 QUEUE_EMPTY);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(total(stats_of(&bench, shards[i]).length), 0);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, a_read_takes_no_more_than_there_is_room_for_and_misses_nothing)
{
    loop_run(room, NULL);
}

static void express(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[8];
    size_t count = 0;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 15);
    init(&bench, 0);
    bench_add(&bench, 0, 0, 100, 20);
    cr_assert_eq(bench_dispatch(&bench, 0, QUEUE_EXPRESS, 1, 5, 3, &count), 0);
    cr_assert_eq(count, 3, "its window is its own");
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 200, 5, 21, &count), 0);
    cr_assert_eq(count, 1, "and takes nothing from the others'");
    reader = bench_reader(&bench, 1, shard_0, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){2, 0}, 10, &count, &err), 0);
    cr_assert_eq(count, 2);
    cr_assert_eq(number_of_run(entries[0].hint.run), 1);
    cr_assert_eq(entries[1].lane, QUEUE_EXPRESS);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){8, 2}, 10, &count, &err), 0);
    cr_assert_eq(count, 3, "%zu", count);
    cr_assert_eq(entries[0].lane, QUEUE_EXPRESS);
    cr_assert_eq(entries[1].lane, 0);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){8, 0}, 10, &count, &err),
                 QUEUE_EMPTY, "only the express lane was wanted");
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){2, 2}, 10, &count, &err), 0);
    queue_ack(bench.queue, entries, count);
    cr_assert_eq(stats_of(&bench, 0).length[0], 18);
    cr_assert_eq(stats_of(&bench, 0).pending[QUEUE_EXPRESS], 3);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, the_express_lane_overtakes_the_others_and_has_a_window_of_its_own)
{
    loop_run(express, NULL);
}

static void lanes(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entry;
    size_t count, by_lane[QUEUE_LANES] = {0};
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 4);
    init(&bench, 0);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        bench_add(&bench, 0, p, (uint32_t)p * 100, 50);
    reader = bench_reader(&bench, 1, shard_0, 1);
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(queue_read(reader, &entry, (struct queue_room){1, 1}, 10, &count, &err), 0,
                     "%s", err.text);
        by_lane[entry.lane]++;
    }
    cr_assert_eq(by_lane[0], 32);
    cr_assert_eq(by_lane[1], 6);
    cr_assert_eq(by_lane[2], 2);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, urgent_lanes_go_first_and_none_starves)
{
    loop_run(lanes, NULL);
}

struct late {
    struct bench *bench;
    int64_t wait_ms;
    bool flush;
};

static void act_later(void *arg)
{
    struct late *late = arg;
    struct error err = {0};

    cr_assert_eq(fiber_sleep(late->wait_ms, &err), 0);
    if (late->flush)
        bench_flush(late->bench);
    else
        bench_add(late->bench, 0, 2, 7, 1);
}

static void blocking(void *arg)
{
    struct bench bench;
    struct late late = {&bench, 50, false};
    struct queue_reader *reader;
    struct queue_entry entries[4];
    struct fiber *fiber;
    size_t count;
    struct error err = {0};
    int64_t start_ms = clock_ms();

    (void)arg;
    bench_open(&bench, 5);
    init(&bench, 0);
    reader = bench_reader(&bench, 1, shard_0, 1);
    fiber = fiber_start("later", act_later, &late);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 1000, &count, &err), 0,
                 "%s", err.text);
    cr_assert_eq(count, 1);
    cr_assert_eq(number_of_run(entries[0].hint.run), 7);
    cr_assert(clock_ms() - start_ms < 900, "it came at once");
    fiber_join(fiber);

    late.flush = true;
    fiber = fiber_start("later", act_later, &late);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 1000, &count, &err),
                 QUEUE_FORGOTTEN, "%s", err.text);
    fiber_join(fiber);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err),
                 QUEUE_FORGOTTEN);
    init(&bench, 0);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err),
                 QUEUE_EMPTY, "%s", err.text);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, a_blocked_read_notices_new_hints_and_a_flush)
{
    loop_run(blocking, NULL);
}

static void malformed(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[16];
    size_t count;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 6);
    init(&bench, 0);
    bench_redis(&bench, "XADD q:{s00}:p0 * hello world");
    bench_redis(&bench, "XADD q:{s00}:p0 * run not-a-uuid fence 1");
    bench_redis(&bench, "XADD q:{s00}:p0 * run 01020304-0506-7008-8000-000000000001 fence x");
    bench_redis(&bench, "XADD q:{s00}:p0 * run 01020304-0506-7008-8000-000000000001 fence -1");
    bench_redis(&bench, "XADD q:{s00}:p0 * run 01020304-0506-7008-8000-000000000001");
    bench_add(&bench, 0, 0, 5, 1);
    bench_redis(&bench, "XADD q:{s00}:p0 * fence 9 run 01020304-0506-7008-8000-000000000006 new 1");
    reader = bench_reader(&bench, 1, shard_0, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){16, 16}, 10, &count, &err), 0,
                 "%s", err.text);
    cr_assert_eq(count, 2);
    cr_assert_eq(number_of_run(entries[0].hint.run), 5);
    cr_assert_eq(number_of_run(entries[1].hint.run), 6, "unknown fields are passed over");
    cr_assert_eq(entries[1].hint.fence, 9);
    cr_assert_eq(queue_reader_malformed(reader), 5);
    cr_assert_eq(stats_of(&bench, 0).length[0], 2);
    cr_assert_eq(stats_of(&bench, 0).pending[0], 2);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue, entries_that_are_no_hints_are_removed)
{
    loop_run(malformed, NULL);
}

static void two_workers(void *arg)
{
    struct bench bench;
    struct queue_reader *readers[2];
    struct queue_entry entries[10];
    size_t count, sum = 0;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 7);
    init(&bench, 0);
    bench_add(&bench, 0, 0, 0, 20);
    for (int i = 0; i < 2; i++)
        readers[i] = bench_reader(&bench, i + 1, shard_0, 1);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(
            queue_read(readers[i % 2], entries, (struct queue_room){5, 5}, 10, &count, &err), 0,
            "%s", err.text);
        cr_assert_eq(number_of_run(entries[0].hint.run), sum);
        sum += count;
    }
    cr_assert_eq(sum, 20);
    for (int i = 0; i < 2; i++)
        queue_reader_close(readers[i]);
    bench_close(&bench);
}

Test(queue, a_hint_goes_to_one_worker_alone)
{
    loop_run(two_workers, NULL);
}
