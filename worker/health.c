#include "worker/health.h"

#include "providers/gate/gate.h"
#include "shared/config/config.h"
#include "shared/http_client/http_client.h"
#include "shared/program/process.h"
#include "shared/program/servers.h"
#include "shared/store/leases/run_writer.h"
#include "shared/trace/tracer.h"
#include "worker/lease/heartbeat.h"
#include "worker/live/speaker.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"
#include "worker/tools/mcp/mcp.h"
#include "worker/tools/sandbox/sandbox.h"

static void judge(void *arg, struct readiness *out)
{
    const struct worker *worker = arg;

    if (worker->servers)
        servers_judge(worker->servers, out);
    if (worker->id == 0 || !heartbeat_trusted(worker->heartbeat))
        readiness_missing(out, "lease");
    out->draining = worker->draining;
}

static void add_ended(struct buf *out, const char *name, const void *from)
{
    const struct worker_counters *counters = &((const struct worker *)from)->counters;
    const struct {
        const char *status;
        uint64_t value;
    } rows[] = {
        {"completed", counters->completed},   {"failed", counters->failed},
        {"cancelled", counters->cancelled},   {"expired", counters->expired},
        {"incomplete", counters->incomplete},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        metric_sample(out, name, (int64_t)rows[i].value, "status", rows[i].status, NULL);
}

static void add_slots(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, ((const struct worker *)from)->config->worker.slots, NULL);
}

static void add_memory(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, (int64_t)((const struct worker *)from)->room.max, NULL);
}

static void add_memory_used(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, (int64_t)room_used(&((const struct worker *)from)->room), NULL);
}

#define COUNTS(member, name, help) METRIC_COUNTS(worker, METRIC_UINT64, counters.member, name, help)

static const struct metric run_rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_worker_slots", NULL, "Runs at once.", add_slots),
    METRIC_SHOWS(worker, METRIC_SIZE, busy, "penstock_worker_slots_busy", "Runs in work."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_worker_memory_bytes", NULL,
                    "Bytes that runs in work may hold beyond 256 KiB each.", add_memory),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_worker_memory_used_bytes", NULL,
                    "Bytes that they hold of these.", add_memory_used),
    METRIC_SHOWS(worker, METRIC_SIZE, room.waiting_count, "penstock_worker_memory_waiting",
                 "Runs that wait for memory in a slot."),
    METRIC_COUNTS(worker, METRIC_UINT64, room.waits, "penstock_worker_memory_waits_total",
                  "Runs that had to wait for memory in a slot."),
    METRIC_COUNTS(worker, METRIC_UINT64, room.turned_away,
                  "penstock_worker_memory_turned_away_total",
                  "Runs given back to the queue for a while since there was no memory for them."),
    COUNTS(claimed, "penstock_worker_runs_claimed_total", "Runs claimed."),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_runs_ended_total", "status",
                    "Runs that ended here, by status.", add_ended),
    COUNTS(handed_back, "penstock_worker_runs_handed_back_total", "Runs given back to the queue."),
    COUNTS(parked, "penstock_worker_runs_parked_total",
           "Runs that left to wait for tool outputs or for a time."),
    COUNTS(fenced, "penstock_worker_runs_fenced_total",
           "Runs dropped because their lease was lost."),
    COUNTS(suspended, "penstock_worker_runs_suspended_total",
           "Runs dropped for a while because their lease could not be renewed."),
    COUNTS(checkpoints, "penstock_worker_checkpoints_total", "Writes of runs."),
    COUNTS(histories_alone, "penstock_worker_histories_alone_total",
           "Histories that were read apart from their claim, most of them as they are long."),
    METRIC_SPREADS(worker, METRIC_TIMES, queue_wait_us, "penstock_worker_queue_wait_seconds",
                   "From when a run was due to its first claim, made here."),
};

static const struct metric write_rows[] = {
    METRIC_SPREADS(run_writer_stats, METRIC_TIMES, commit_us, "penstock_worker_checkpoint_seconds",
                   "From asking for a write of a run to knowing what came of it."),
    METRIC_SPREADS(run_writer_stats, METRIC_SIZES, size, "penstock_worker_group_size",
                   "Writes that were sent as one."),
    METRIC_COUNTS(run_writer_stats, METRIC_UINT64, fenced, "penstock_worker_fenced_writes_total",
                  "Writes refused because the lease was lost."),
    METRIC_COUNTS(run_writer_stats, METRIC_UINT64, ambiguous,
                  "penstock_worker_ambiguous_commits_total",
                  "Groups of writes that were sent again because the answer was lost."),
    METRIC_COUNTS(run_writer_stats, METRIC_UINT64, bisections,
                  "penstock_worker_group_bisections_total",
                  "Groups of writes that were halved to find a bad one."),
};

static const struct metric gate_rows[] = {
    METRIC_COUNTS(gate_stats, METRIC_UINT64, limits.shared, "penstock_worker_limits_asked_total",
                  "Times that limits were asked about in Redis."),
    METRIC_COUNTS(gate_stats, METRIC_UINT64, limits.local, "penstock_worker_limits_own_total",
                  "Times that this worker went by its own share of limits, since Redis was away."),
    METRIC_COUNTS(gate_stats, METRIC_UINT64, limits.later, "penstock_worker_limits_later_total",
                  "Times that a call had to wait before it could be given a time."),
    METRIC_SHOWS(gate_stats, METRIC_UINT64, left_alone, "penstock_worker_models_left_alone",
                 "Models that are left alone now, since they failed again and again."),
};

static void add_hears(struct buf *out, const char *name, const void *from)
{
    metric_sample(out, name, ((const struct speaker_stats *)from)->hears, NULL);
}

static const struct metric live_rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_worker_live_hears", NULL,
                    "Whether it is heard which runs are read (1), or Redis is away (0).",
                    add_hears),
    METRIC_COUNTS(speaker_stats, METRIC_UINT64, bytes, "penstock_worker_live_told_bytes_total",
                  "Bytes told of runs that are read while they work."),
    METRIC_COUNTS(speaker_stats, METRIC_UINT64, messages, "penstock_worker_live_messages_total",
                  "Messages in which they were told."),
};

static const struct metric http_rows[] = {
    METRIC_SHOWS(http_client_stats, METRIC_SIZE, active, "penstock_worker_http_active",
                 "Transfers under way."),
    METRIC_COUNTS(http_client_stats, METRIC_UINT64, connections_opened,
                  "penstock_worker_http_connections_total", "Connections opened."),
};

static const struct metric sandbox_rows[] = {
    METRIC_COUNTS(sandbox_stats, METRIC_UINT64, runs, "penstock_worker_programs_total",
                  "Programs of models that were run."),
    METRIC_COUNTS(sandbox_stats, METRIC_UINT64, killed, "penstock_worker_programs_killed_total",
                  "Of these, ended since their time was over or they printed too much."),
    METRIC_COUNTS(sandbox_stats, METRIC_UINT64, refused, "penstock_worker_programs_refused_total",
                  "Programs that were not run since there is no sandbox."),
    METRIC_SHOWS(sandbox_stats, METRIC_SIZE, busy, "penstock_worker_programs_running",
                 "Programs that run now."),
    METRIC_SHOWS(sandbox_stats, METRIC_SIZE, waiting, "penstock_worker_programs_waiting",
                 "Programs that wait for a place."),
    METRIC_COUNTS(sandbox_stats, METRIC_UINT64, restarts, "penstock_worker_spawn_restarts_total",
                  "Helper processes that were started again, since one had died."),
};

static const struct metric mcp_rows[] = {
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, calls, "penstock_worker_mcp_calls_total",
                  "Calls of tools of servers (MCP)."),
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, lists, "penstock_worker_mcp_lists_total",
                  "Times that a server was asked for its tools."),
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, away, "penstock_worker_mcp_lists_failed_total",
                  "Of these, without an answer that could be used."),
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, sessions, "penstock_worker_mcp_sessions_total",
                  "Sessions that were opened with servers."),
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, lost, "penstock_worker_mcp_sessions_lost_total",
                  "Sessions that a server did not know any more."),
    METRIC_COUNTS(mcp_stats, METRIC_UINT64, starts, "penstock_worker_mcp_starts_total",
                  "Servers that were started as programs."),
    METRIC_SHOWS(mcp_stats, METRIC_SIZE, servers, "penstock_worker_mcp_servers",
                 "Servers that are known."),
    METRIC_SHOWS(mcp_stats, METRIC_SIZE, programs, "penstock_worker_mcp_programs",
                 "Servers that run as programs."),
};

static const struct metric_table runs_table = METRIC_TABLE(run_rows);
static const struct metric_table writes_table = METRIC_TABLE(write_rows);
static const struct metric_table gate_table = METRIC_TABLE(gate_rows);
static const struct metric_table live_table = METRIC_TABLE(live_rows);
static const struct metric_table http_table = METRIC_TABLE(http_rows);
static const struct metric_table sandbox_table = METRIC_TABLE(sandbox_rows);
static const struct metric_table mcp_table = METRIC_TABLE(mcp_rows);

const struct metric_table *const worker_metrics[] = {
    &runs_table,     &call_stats_table, &gate_table,      &writes_table,
    &live_table,     &http_table,       &sandbox_table,   &mcp_table,
    &tracer_metrics, &servers_metrics,  &process_metrics,
};
const size_t worker_metrics_count = ARRAY_LENGTH(worker_metrics);

static void render(void *arg, struct buf *out)
{
    struct worker *worker = arg;
    struct http_client_stats http;
    struct speaker_stats live;
    struct gate_stats gate;
    struct sandbox_stats programs = {.runs = 0};
    struct mcp_stats mcp;

    if (worker->sandbox)
        sandbox_stats_get(worker->sandbox, &programs);
    mcp_stats_get(worker->tools.mcp, &mcp);
    gate_stats_get(worker->gate, &gate);
    speaker_stats_get(worker->speaker, &live);
    http_client_stats_get(worker->http, &http);
    metric_table_render(&runs_table, worker, out);
    metric_table_render(&call_stats_table, worker->calls, out);
    metric_table_render(&gate_table, &gate, out);
    metric_table_render(&writes_table, run_writer_stats(worker->writer), out);
    metric_table_render(&live_table, &live, out);
    metric_table_render(&http_table, &http, out);
    metric_table_render(&sandbox_table, &programs, out);
    metric_table_render(&mcp_table, &mcp, out);
    tracer_metrics_render(worker->tracer, out);
    servers_metrics_render(worker->servers, out);
    process_metrics_render(out);
}

struct health_pages worker_pages(struct worker *worker)
{
    return (struct health_pages){judge, render, worker};
}
