/* How calls of tools are counted: buckets of times, what a group of writes appends, and hours. */

#include "fixture.h"

#include "shared/store/runs/open_calls.h"
#include "shared/store/tools/call_report.h"
#include "shared/store/tools/tool_stats.h"

static struct tool_times times_of(const struct tool_times_row *rows, size_t count)
{
    struct tool_times times = {.calls = 0};

    for (size_t i = 0; i < count; i++)
        tool_times_add(&times, &rows[i]);
    return times;
}

Test(tool_times, of_no_calls_are_not_known)
{
    static const struct tool_times_row lost = {.bucket = -1, .calls = 2, .errors = 2};
    struct tool_times times = times_of(NULL, 0);

    cr_assert_eq(tool_times_percentile(&times, 50), -1);
    cr_assert_eq(tool_times_mean(&times), -1);
    times = times_of(&lost, 1);
    cr_assert_eq(times.unknown, 2);
    cr_assert_eq(tool_times_percentile(&times, 95), -1);
    cr_assert_eq(tool_times_mean(&times), -1);
}

Test(tool_times, lie_within_their_bucket)
{
    static const struct tool_times_row rows[] = {
        {.bucket = 0, .calls = 50, .took_ms = 0, .max_ms = 0},
        {.bucket = 7, .calls = 40, .errors = 3, .took_ms = 6000, .max_ms = 200},
        {.bucket = 17, .calls = 10, .errors = 10, .took_ms = 40000000, .max_ms = 5000000},
        {.bucket = -1, .calls = 5, .errors = 5},
    };
    struct tool_times times = times_of(rows, 3);

    cr_assert_eq(tool_times_percentile(&times, 1), 0);
    cr_assert_eq(tool_times_percentile(&times, 50), 1, "the end of the first one");
    cr_assert_eq(tool_times_percentile(&times, 70), 100 + 150 / 2);
    cr_assert_eq(tool_times_percentile(&times, 90), 250);
    cr_assert_eq(tool_times_percentile(&times, 95), 3600000 + 1400000 / 2);
    cr_assert_eq(tool_times_percentile(&times, 100), 5000000);
    cr_assert_eq(tool_times_mean(&times), 40006000 / 100);
    times = times_of(rows, 4);
    cr_assert_eq(times.calls, 105);
    cr_assert_eq(times.errors, 18);
    cr_assert_eq(tool_times_percentile(&times, 70), 100 + 150 / 2, "whose end nobody knows is out");
}

Test(tool_times, are_no_longer_than_the_longest)
{
    static const struct tool_times_row row = {
        .bucket = 6, .calls = 4, .took_ms = 240, .max_ms = 60};
    struct tool_times times = times_of(&row, 1);

    cr_assert_eq(tool_times_percentile(&times, 50), 55);
    cr_assert_eq(tool_times_percentile(&times, 95), 59);
}

Test(call_report, comes_back_from_the_ledger_as_it_was)
{
    static const struct call_report usual = {.made = true, .took_ms = 7, .tries = 1};
    static const struct call_report cut = {.made = true,
                                           .took_ms = 1200,
                                           .tries = 3,
                                           .bytes = 123456,
                                           .is_cut = true,
                                           .has_results = true,
                                           .results = 0};
    CLEANUP(buf_deinit) struct buf rest;
    struct call_report read;

    buf_init(&rest, 0);
    call_report_write_rest(&usual, &rest);
    cr_assert_eq(rest.len, 0, "most calls need no more than their time");
    call_report_write_rest(&cut, &rest);
    read = call_report_read(1200, buf_text(&rest));
    cr_assert(read.made && read.is_cut && read.has_results);
    cr_assert_eq(read.took_ms, 1200);
    cr_assert_eq(read.tries, 3);
    cr_assert_eq(read.bytes, 123456);
    cr_assert_eq(read.results, 0);
    read = call_report_read(-1, TEXT_NONE);
    cr_assert_not(read.made);
    read = call_report_read(3, TEXT("{\"tries\": -4}"));
    cr_assert(read.made && !read.is_cut && !read.has_results);
    cr_assert_eq(read.tries, 0);
}

/* ---- what is counted ---- */

static struct run_call call_of(int64_t number, struct text name, enum call_state state,
                               int64_t took_ms)
{
    return (struct run_call){
        .call_no = number,
        .call_id = TEXT("c"),
        .name = name,
        .arguments = TEXT("{}"),
        .class = CALL_ONCE,
        .state = state,
        .idempotency_key = TEXT("k"),
        .result = state == CALL_INTENT ? TEXT_NONE : TEXT("42"),
        .is_error = state == CALL_UNKNOWN,
        .report = {.made = took_ms >= 0, .took_ms = took_ms},
    };
}

static struct tool_stats_lines must_read(struct store *store, struct text tool, bool by_day)
{
    const struct tool_stats_query query = {
        .tool = tool, .from = 0, .until = INT32_MAX, .by_day = by_day};
    struct tool_stats_lines lines;

    MUST(tool_stats_read(store, &query, &lines, &test_err));
    return lines;
}

static void must_write(struct store *store, struct run_claim *claim, const struct run_call *calls,
                       size_t count)
{
    const struct run_changes changes = {.calls = calls, .call_count = count};

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim->lease, &changes, &test_err));
}

static void must_fold(struct store *store)
{
    bool more = true;

    MUST(tool_stats_fold(store->pg, &more, &test_err));
    cr_assert_not(more);
}

static void counts_once(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_claim stale = claim;
    struct run_call calls[] = {
        call_of(1, TEXT("ticket"), CALL_INTENT, -1), call_of(2, TEXT("ticket"), CALL_DONE, 3),
        call_of(3, TEXT("ticket"), CALL_DONE, 1500), call_of(4, TEXT("look"), CALL_DONE, 0),
        call_of(5, TEXT("refused"), CALL_DONE, -1),
    };
    struct run_changes changes = {.calls = calls, .call_count = 5};
    struct tool_stats_lines lines;

    calls[2].is_error = true;
    stale.lease.fence--;
    must_write(store, &claim, calls, 5);
    cr_assert_eq(run_leases_checkpoint(writer_of(store->pg), &stale.lease, &changes, &test_err),
                 LEASE_FENCED);
    calls[0] = call_of(1, TEXT("ticket"), CALL_UNKNOWN, -1);
    must_write(store, &claim, calls, 1);

    for (int round = 0; round < 3; round++) {
        lines = must_read(store, TEXT("ticket"), round % 2 == 0);
        cr_assert_eq(lines.count, 1);
        cr_assert_eq(lines.items[0].times.calls, 3);
        cr_assert_eq(lines.items[0].times.errors, 2);
        cr_assert_eq(lines.items[0].times.unknown, 1);
        cr_assert_eq(lines.items[0].times.took_ms, 1503);
        cr_assert_eq(lines.items[0].times.max_ms, 1500);
        cr_assert_eq(lines.items[0].times.in_bucket[2], 1, "from 2 to 5 ms");
        cr_assert_eq(lines.items[0].times.in_bucket[10], 1, "from 1 s to 2.5 s");
        cr_assert_eq(must_read(store, TEXT("look"), true).items[0].times.in_bucket[0], 1);
        cr_assert_eq(must_read(store, TEXT("refused"), true).count, 0, "nobody made it");
        must_fold(store);
        cr_assert_eq(sql_int("SELECT count(*) FROM tool_deltas"), 0);
    }
    store->tenant = uuid_new();
    cr_assert_eq(must_read(store, TEXT("ticket"), true).count, 0);
}

Test(tool_stats, count_what_is_written_of_calls)
{
    with_store(counts_once);
}

static void adds_hours(struct store *store)
{
    const char *tenant = show(store->tenant);
    struct tool_stats_lines lines;

    sql_do("INSERT INTO tool_deltas VALUES"
           " ('%s', 't', '2026-11-29T23:00:00Z', 3, 2, 0, 12, 7),"
           " ('%s', 't', '2026-11-29T23:00:00Z', 3, 1, 1, 9, 9),"
           " ('%s', 't', '2026-11-30T00:00:00Z', 3, 1, 0, 5, 5),"
           " ('%s', 't', '2026-11-30T01:00:00Z', -1, 1, 1, 0, 0),"
           " ('%s', 't', '2020-01-01T00:00:00Z', 3, 9, 0, 5, 5)",
           tenant, tenant, tenant, tenant, tenant);
    must_fold(store);
    sql_do("INSERT INTO tool_deltas VALUES ('%s', 't', '2026-11-29T23:00:00Z', 3, 1, 0, 8, 8)",
           tenant);
    must_fold(store);
    must_fold(store);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_hourly WHERE hour < '2021-01-01'"), 0,
                 "what is old is forgotten");
    lines = must_read(store, TEXT("t"), false);
    cr_assert_eq(lines.count, 3);
    cr_assert_eq(lines.items[0].times.calls, 4);
    cr_assert_eq(lines.items[0].times.took_ms, 29);
    cr_assert_eq(lines.items[0].times.max_ms, 9);
    cr_assert_eq(lines.items[2].times.unknown, 1);
    lines = must_read(store, TEXT("t"), true);
    cr_assert_eq(lines.count, 2);
    cr_assert_eq(lines.items[1].begins, 1795996800);
    cr_assert_eq(lines.items[1].times.calls, 2);
}

Test(tool_stats, are_folded_into_hours_and_shown_by_the_day)
{
    with_store(adds_hours);
}

/* A time comes, and is a call of its tool. */
static void counts_settled(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_call call = call_of(1, TEXT("wait"), CALL_OPEN, -1);
    const struct run_step_write step = {
        .id = uuid_new(),
        .seq = 1,
        .type = STEP_TOOL_CALLS,
        .status = STEP_IN_PROGRESS,
        .tool_calls = TEXT("[{\"id\":\"c\",\"function\":{\"output\":null}}]")};
    const struct run_changes changes = {
        .calls = &call, .call_count = 1, .steps = &step, .step_count = 1};
    const struct run_parking parking = {.required_action = TEXT_NONE};
    struct tool_stats_lines lines;
    int64_t settled;
    bool more;

    call.class = CALL_PURE;
    call.kind = WAIT_TIME;
    call.result = TEXT_NONE;
    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &parking, &test_err));
    sql_do("UPDATE runs SET parked_at = now() - interval '61 s'");
    MUST(open_calls_sweep(store->pg, &settled, &more, &test_err));
    cr_assert_eq(settled, 1);
    lines = must_read(store, TEXT("wait"), true);
    cr_assert_eq(lines.count, 1);
    cr_assert_eq(lines.items[0].times.calls, 1);
    cr_assert_eq(lines.items[0].times.in_bucket[15], 1, "from 60 s to 300 s");
    cr_assert_eq(sql_int("SELECT (c ->> 'duration_ms')::int8 / 1000 FROM run_steps s,"
                         " jsonb_array_elements(s.tool_calls) c WHERE (c ->> 'bytes')::int8 > 10"
                         " AND NOT (c ->> 'is_error')::bool"),
                 61);
}

Test(tool_stats, count_what_others_settle)
{
    with_store(counts_settled);
}
