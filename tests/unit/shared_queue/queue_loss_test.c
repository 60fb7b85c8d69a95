/* What happens when Redis forgets, at every step; dead consumers; nudges. */

#include "queue_support.h"

static const int shard_0[] = {0};

/* The steps of a hint's life; Redis forgets everything before the step `flush_at`. */
enum { AT_DISPATCH, AT_READ, AT_ACK, AT_STATS, AT_COLLECT, AT_END };

static void dispatch_until_known(struct bench *bench, uint32_t number)
{
    size_t accepted = 0;
    int r = bench_dispatch(bench, 0, 0, number, 1, 10, &accepted);

    if (r == QUEUE_FORGOTTEN) {
        cr_assert_eq(queue_init(bench->queue, 0, NULL), 0);
        r = bench_dispatch(bench, 0, 0, number, 1, 10, &accepted);
    }
    cr_assert_eq(r, 0);
    cr_assert_eq(accepted, 1);
}

static void live_through(struct bench *bench, struct queue_reader *reader, int flush_at)
{
    struct queue_entry entries[4];
    struct queue_stats stats;
    size_t count = 0, dropped;
    struct error err = {0};
    int r;

    for (int step = AT_DISPATCH; step < AT_END; step++) {
        if (step == flush_at)
            bench_flush(bench);
        switch (step) {
        case AT_DISPATCH:
            dispatch_until_known(bench, 77);
            break;
        case AT_READ:
            r = queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err);
            cr_assert_eq(r, flush_at == AT_READ ? QUEUE_FORGOTTEN : 0, "%s", err.text);
            if (r == QUEUE_FORGOTTEN) {
                dispatch_until_known(bench, 77);
                cr_assert_eq(
                    queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err), 0,
                    "%s", err.text);
            }
            cr_assert_eq(count, 1);
            cr_assert_eq(number_of_run(entries[0].hint.run), 77);
            break;
        case AT_ACK:
            queue_ack(bench->queue, entries, count);
            break;
        case AT_STATS:
            cr_assert_eq(queue_stats(bench->queue, 0, &stats, &err), 0, "%s", err.text);
            cr_assert_eq(stats.length[0], 0);
            break;
        default:
            cr_assert_eq(queue_collect(bench->queue, 0, 60000, &dropped, &err), 0, "%s", err.text);
            cr_assert_eq(dropped, 0);
        }
    }
}

static void flush_everywhere(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;

    (void)arg;
    bench_open(&bench, 8);
    cr_assert_eq(queue_init(bench.queue, 0, NULL), 0);
    reader = bench_reader(&bench, 1, shard_0, 1);
    for (int flush_at = AT_DISPATCH; flush_at <= AT_END; flush_at++)
        live_through(&bench, reader, flush_at);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue_loss, redis_may_forget_everything_between_any_two_steps)
{
    loop_run(flush_everywhere, NULL);
}

static void generations(void *arg)
{
    struct bench bench;
    struct queue *other;
    struct queue_hint hint = {run_number(1), 0, false};
    struct queue_batch batch = {0, 0, &hint, 1, 10};
    size_t accepted = 99;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 9);
    other = queue_new(bench.redis);
    cr_assert_eq(queue_dispatch(other, &batch, &accepted, &err), QUEUE_FORGOTTEN,
                 "who never initialised knows no generation");
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    bench_add(&bench, 0, 0, 1, 1);
    cr_assert_eq(queue_init(other, 0, &err), 0);
    cr_assert_eq(queue_dispatch(other, &batch, &accepted, &err), 0, "the generation is shared");
    bench_flush(&bench);
    cr_assert_eq(queue_init(other, 0, &err), 0);
    cr_assert_eq(queue_dispatch(other, &batch, &accepted, &err), 0);
    accepted = 99;
    cr_assert_eq(queue_dispatch(bench.queue, &batch, &accepted, &err), QUEUE_FORGOTTEN,
                 "another one initialised it: the loss must still be seen");
    cr_assert_eq(accepted, 99, "outputs are untouched");
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    cr_assert_eq(queue_dispatch(bench.queue, &batch, &accepted, &err), 0);
    queue_free(other);
    bench_close(&bench);
}

Test(queue_loss, each_dispatcher_notices_a_loss_by_the_generation)
{
    loop_run(generations, NULL);
}

static void parts_lost(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[4];
    size_t accepted = 0, count;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 10);
    reader = bench_reader(&bench, 1, shard_0, 1);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    bench_add(&bench, 0, 0, 1, 2);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0, "again, with entries there");
    bench_redis(&bench, "DEL q:{s00}:p1");
    cr_assert_eq(bench_dispatch(&bench, 0, 1, 9, 1, 10, &accepted), QUEUE_FORGOTTEN,
                 "a stream was evicted");
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    bench_redis(&bench, "XGROUP DESTROY q:{s00}:p0 w");
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err),
                 QUEUE_FORGOTTEN);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err), 0, "%s",
                 err.text);
    cr_assert_eq(count, 2, "a new group sees what was there before");
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue_loss, a_lost_stream_or_group_is_made_again_without_losing_the_rest)
{
    loop_run(parts_lost, NULL);
}

static void wrong_types(void *arg)
{
    struct bench bench;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 11);
    bench_redis(&bench, "SET q:{s00}:p2 oops");
    cr_assert_eq(queue_init(bench.queue, 0, &err), -E_REJECTED);
    cr_assert(strstr(err.text, "WRONGTYPE"), "%s", err.text);
    bench_close(&bench);
}

Test(queue_loss, a_key_of_another_kind_is_reported)
{
    loop_run(wrong_types, NULL);
}

static void collect(void *arg)
{
    struct bench bench;
    struct queue_reader *dead, *alive;
    struct queue_entry entries[200];
    struct queue_stats stats;
    size_t count, dropped = 99;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 12);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    bench_add(&bench, 0, 0, 0, 151);
    dead = bench_reader(&bench, 1, shard_0, 1);
    alive = bench_reader(&bench, 2, shard_0, 1);
    cr_assert_eq(queue_read(dead, entries, (struct queue_room){150, 150}, 10, &count, &err), 0);
    cr_assert_eq(count, 150);
    cr_assert_eq(queue_collect(bench.queue, 0, 60000, &dropped, &err), 0, "%s", err.text);
    cr_assert_eq(dropped, 0, "nobody was idle for so long");
    cr_assert_eq(fiber_sleep(120, &err), 0);
    cr_assert_eq(queue_read(alive, entries, (struct queue_room){150, 150}, 10, &count, &err), 0);
    cr_assert_eq(count, 1);
    cr_assert_eq(queue_collect(bench.queue, 0, 100, &dropped, &err), 0, "%s", err.text);
    cr_assert_eq(dropped, 0, "50 of its entries are left for the next call");
    cr_assert_eq(queue_collect(bench.queue, 0, 100, &dropped, &err), 0, "%s", err.text);
    cr_assert_eq(dropped, 1);
    cr_assert_eq(queue_stats(bench.queue, 0, &stats, &err), 0);
    cr_assert_eq(stats.pending[0], 1, "the living one keeps what it reads");
    cr_assert_eq(stats.length[0], 1);
    cr_assert_eq(stats.consumers, 1);
    bench_add(&bench, 0, 0, 500, 1);
    cr_assert_eq(queue_read(dead, entries, (struct queue_room){4, 4}, 10, &count, &err), 0,
                 "one that was dropped in error");
    cr_assert_eq(number_of_run(entries[0].hint.run), 500, "goes on");
    queue_reader_close(dead);
    queue_reader_close(alive);
    bench_close(&bench);
}

Test(queue_loss, dead_consumers_are_collected_with_what_is_pending)
{
    loop_run(collect, NULL);
}

/* Its reader is alive and reads on, and could not say that it was done with one. */
static void lost_ack(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[4];
    struct queue_stats stats;
    size_t count, dropped;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 17);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    bench_add(&bench, 0, 0, 1, 1);
    reader = bench_reader(&bench, 1, shard_0, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err), 0);
    cr_assert_eq(fiber_sleep(120, &err), 0);
    bench_add(&bench, 0, 0, 2, 1);
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err), 0);
    cr_assert_eq(queue_collect(bench.queue, 0, 100, &dropped, &err), 0, "%s", err.text);
    cr_assert_eq(dropped, 0, "the reader lives");
    cr_assert_eq(queue_stats(bench.queue, 0, &stats, &err), 0);
    cr_assert_eq(stats.length[0], 1, "what was just read is left to its reader");
    cr_assert_eq(stats.pending[0], 1);
    queue_reader_close(reader);
    bench_close(&bench);
}

Test(queue_loss, what_a_living_reader_never_removed_is_collected)
{
    loop_run(lost_ack, NULL);
}

static void broken_reader(void *arg)
{
    struct bench bench;
    struct queue_reader *reader;
    struct queue_entry entries[4];
    size_t count;
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 13);
    cr_assert_eq(queue_init(bench.queue, 0, &err), 0);
    reader = bench_reader(&bench, 1, shard_0, 1);
    bench_redis(&bench, "CLIENT NO-EVICT off");
    fiber_cancel(fiber_self());
    cr_assert_eq(queue_read(reader, entries, (struct queue_room){4, 4}, 1000, &count, &err),
                 -E_CANCELED);
    fiber_shield_enter();
    cr_assert_lt(queue_read(reader, entries, (struct queue_room){4, 4}, 10, &count, &err), 0,
                 "a cut read breaks it");
    queue_reader_close(reader);
    bench_close(&bench);
    fiber_shield_leave();
}

Test(queue_loss, a_read_that_was_cut_short_breaks_the_reader)
{
    loop_run(broken_reader, NULL);
}

/* Databases of Redis share their channels, so that another test's question for news comes here. */
static int next_nudge(struct queue_control *control, int64_t deadline_ms, struct uuid *out_run,
                      struct error *err)
{
    int r;

    do
        r = queue_control_next(control, deadline_ms, out_run, err);
    while (r == QUEUE_NEWS_WANTED);
    return r;
}

static void nudges(void *arg)
{
    struct bench bench;
    struct queue_control *control = NULL;
    struct uuid run = {{0}};
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 14);
    queue_nudge_cancel(bench.queue, 987654321, run_number(1));
    bench_redis(&bench, "PING"); /* answered after the nudge went out: nobody listened */
    cr_assert_eq(queue_control_open(bench.url, 987654321, deadline_in(2000), &control, &err), 0);
    cr_assert_eq(next_nudge(control, deadline_in(30), &run, &err), -E_TIMEOUT);
    bench_redis(&bench, "PUBLISH ctl:{987654321} shrug");
    bench_redis(&bench, "PUBLISH ctl:{987654321} cancel");
    queue_nudge_cancel(bench.queue, 987654322, run_number(2));
    queue_nudge_cancel(bench.queue, 987654321, run_number(3));
    cr_assert_eq(next_nudge(control, deadline_in(2000), &run, &err), 0, "%s", err.text);
    cr_assert_eq(number_of_run(run), 3);
    queue_control_close(control);
    queue_control_close(NULL);
    queue_reader_close(NULL);
    bench_close(&bench);
}

static void asks_for_news(void *arg)
{
    struct bench bench;
    struct queue_control *controls[2] = {NULL, NULL};
    struct uuid run = {{0}};
    struct error err = {0};

    (void)arg;
    bench_open(&bench, 18);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(queue_control_open(bench.url, 100 + i, deadline_in(2000), &controls[i], &err),
                     0);
    queue_ask_news(bench.queue);
    queue_nudge_cancel(bench.queue, 101, run_number(5));
    for (int i = 0; i < 2; i++)
        cr_assert_eq(queue_control_next(controls[i], deadline_in(2000), &run, &err),
                     QUEUE_NEWS_WANTED);
    cr_assert_eq(queue_control_next(controls[1], deadline_in(2000), &run, &err), 0);
    cr_assert_eq(number_of_run(run), 5);
    for (int i = 0; i < 2; i++)
        queue_control_close(controls[i]);
    bench_close(&bench);
}

Test(queue_loss, all_workers_are_asked_for_news)
{
    loop_run(asks_for_news, NULL);
}

Test(queue_loss, a_nudge_reaches_its_worker_and_nobody_else)
{
    loop_run(nudges, NULL);
}
