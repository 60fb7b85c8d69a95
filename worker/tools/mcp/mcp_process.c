/* Servers that are programs: how they begin and end.
 *
 * One program serves all runs of a tenant. A program that ends is started again with the next
 * request; one that ends soon after its start, and has answered nobody, only behind a pause, which
 * grows.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"
#include "shared/process/spawner.h"
#include "worker/tools/mcp/mcp_confinement.h"
#include "worker/tools/mcp/mcp_process.h"
#include "worker/tools/sandbox/filter.h"
#include "worker/tools/sandbox/sandbox_internal.h"

#define PROCESSES_MAX 32
#define PROBE_MS      2000
#define STEADY_MS     10000 /* who lived for so long did not end at its start */
#define PAUSE_MIN_MS  1000
#define PAUSE_MAX_MS  60000
#define LEAVE_MS      2000 /* behind the end of its input, before it is killed */
#define UIDS          1000
#define DESCRIPTORS   1024
#define PROCESSES     256
#define NICE          5

/* ---- which era ---- */

static int probe(struct mcp_process *process, struct error *err)
{
    struct mcp_server *server = process->server;
    CLEANUP(buf_deinit) struct buf line = {0};
    struct mcp_outgoing message = {.era = MCP_ERA_MODERN, .method = "server/discover"};
    struct mcp_incoming answer;
    int r;

    buf_init(&line, 0);
    message.id = (int64_t)++server->mcp->next_id;
    mcp_message_write(&message, &line);
    r = mcp_process_converse(process, &line, message.id, PROBE_MS, deadline_in(PROBE_MS), &answer,
                             err);
    if (r == -E_CANCELED)
        return r;
    if (r < 0) {
        server->era = MCP_ERA_LEGACY; /* it says nothing, or died of it */
        return r == -E_TIMEOUT ? 0 : r;
    }
    server->era = mcp_judge_discover(&answer) == MCP_OTHER_ERA ? MCP_ERA_LEGACY : MCP_ERA_MODERN;
    mcp_incoming_deinit(&answer);
    return 0;
}

static int initialize(struct mcp_process *process, struct error *err)
{
    struct mcp_server *server = process->server;
    CLEANUP(buf_deinit) struct buf line = {0};
    const struct mcp_outgoing ready = {.era = MCP_ERA_LEGACY,
                                       .method = "notifications/initialized"};
    int64_t id = (int64_t)++server->mcp->next_id;
    char version[MCP_VERSION_SIZE];
    struct mcp_incoming answer;
    int r;

    buf_init(&line, 0);
    mcp_initialize_write(id, &line);
    r = mcp_process_converse(process, &line, id, MCP_OPEN_MS, deadline_in(MCP_OPEN_MS), &answer,
                             err);
    if (r < 0)
        return r;
    if (answer.is_error || !mcp_version_chosen(answer.result, version))
        r = error_set(err, E_PROTOCOL, "the server opens no session in a version that is known");
    mcp_incoming_deinit(&answer);
    if (r < 0)
        return r;
    server->mcp->stats.sessions++;
    buf_reset(&line);
    mcp_message_write(&ready, &line);
    return mcp_process_write(process, &line, deadline_in(MCP_WRITE_MS), err);
}

/* ---- start and end ---- */

static int make_filter(struct mcp *mcp, int *out, struct error *err)
{
    int r = mcp->filter.len > 0 ? 0 : filter_build(&mcp->filter, err);
    int fd;

    if (r < 0)
        return r;
    fd = memfd_create("penstock-filter", MFD_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "memfd_create");
    if (write(fd, mcp->filter.ptr, mcp->filter.len) != (ssize_t)mcp->filter.len ||
        lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return error_set(err, E_SYSTEM, "a file in memory can't be written");
    }
    *out = fd;
    return 0;
}

/* *ours waits for nobody; *theirs is as a program expects it. */
static int open_pipe(bool ours_writes, int *ours, int *theirs, struct error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "pipe");
    *ours = fds[ours_writes];
    *theirs = fds[!ours_writes];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? error_set_errno(err, errno, "fcntl") : 0;
}

static void pass(struct spawn_order *order, int fd, int number)
{
    order->fds[order->fd_count] = fd;
    order->fd_numbers[order->fd_count++] = number;
}

static void limit(struct spawn_order *order, int resource, uint64_t value)
{
    order->limits[order->limit_count++] = (struct spawn_limit){resource, value};
}

static int find_bwrap(struct mcp *mcp, struct error *err)
{
    if (!mcp->bwrap)
        mcp->bwrap = sandbox_find_program("bwrap");
    return mcp->bwrap ? 0
                      : error_set(err, E_NOT_FOUND,
                                  "there is no bwrap (package bubblewrap) to confine its program");
}

/* With descriptors `theirs` as its 0, 1 and 2, and a filter (-1: none). */
static int spawn(struct mcp_process *process, const int theirs[3], int filter, struct error *err)
{
    struct mcp *mcp = process->server->mcp;
    const struct config_mcp_server *configured = process->server->configured;
    struct mcp_command command;
    struct spawn_order order = {
        .argv = command.argv,
        .envp = command.envp,
        .first_uid = (uint32_t)mcp->options.first_uid,
        .uid_count = UIDS,
        .nice = NICE,
    };
    int r = mcp_command(configured, configured->sandbox ? mcp->bwrap : NULL, &command, err);

    if (r == 0 && access(configured->command, X_OK) < 0)
        r = error_set(err, E_NOT_FOUND, "there is no program %.100s, or it may not be started",
                      configured->command);
    if (r < 0)
        return r;
    for (int i = 0; i < 3; i++)
        pass(&order, theirs[i], i);
    if (filter >= 0)
        pass(&order, filter, MCP_FILTER_FD);
    limit(&order, RLIMIT_CORE, 0);
    limit(&order, RLIMIT_MEMLOCK, 0);
    limit(&order, RLIMIT_NOFILE, DESCRIPTORS);
    if (geteuid() == 0)
        limit(&order, RLIMIT_NPROC, PROCESSES);
    return spawn_start(mcp->spawner, &order, deadline_in(MCP_OPEN_MS), &process->spawned, err);
}

static int launch(struct mcp_process *process, struct error *err)
{
    struct mcp *mcp = process->server->mcp;
    bool confined = process->server->configured->sandbox;
    int theirs[3] = {-1, -1, -1};
    int filter = -1;
    int r = 0;

    if (!mcp->spawner)
        r = spawner_open(NULL, &mcp->spawner, err);
    if (r == 0 && confined)
        r = find_bwrap(mcp, err);
    if (r == 0 && confined)
        r = make_filter(mcp, &filter, err);
    if (r == 0)
        r = open_pipe(true, &process->in, &theirs[0], err);
    if (r == 0)
        r = open_pipe(false, &process->out, &theirs[1], err);
    if (r == 0)
        r = open_pipe(false, &process->error, &theirs[2], err);
    if (r == 0)
        r = spawn(process, theirs, filter, err);
    for (int i = 0; i < 3; i++)
        io_close(&theirs[i]);
    io_close(&filter);
    if (r < 0)
        return r;
    process->reader = fiber_start("mcp-out", mcp_process_read, process);
    process->listener = fiber_start("mcp-error", mcp_process_listen, process);
    mcp->stats.starts++;
    return 0;
}

/* Nobody uses it any more, and it is on no list. Its input ends first, which asks it to go. */
static void end(struct mcp_process *process)
{
    struct mcp_server *server = process->server;
    struct spawn_report report;

    fiber_shield_enter();
    io_close(&process->in);
    if (process->spawned) {
        IGNORE(spawn_wait(process->spawned, deadline_in(process->dead ? 200 : LEAVE_MS), &report,
                          NULL));
        spawn_close(process->spawned);
    }
    if (process->reader) {
        fiber_cancel(process->reader);
        fiber_join(process->reader);
        fiber_cancel(process->listener);
        fiber_join(process->listener);
    }
    fiber_shield_leave();
    io_close(&process->out);
    io_close(&process->error);
    server->mcp->stats.programs--;
    free(process);
    mcp_server_leave(server);
}

static struct mcp_process *add(struct mcp_server *server)
{
    struct mcp_process *process = xcalloc(1, sizeof(*process));

    process->server = server;
    process->in = process->out = process->error = -1;
    process->born_ms = process->used_ms = clock_ms();
    list_init(&process->pending);
    cond_init(&process->changed);
    server->users++;
    server->mcp->stats.programs++;
    return process;
}

static struct mcp_process *take_idle(struct mcp *mcp, int64_t idle_ms)
{
    int64_t before_ms = clock_ms() - idle_ms;

    list_for_each (item, &mcp->processes) {
        struct mcp_process *process = CONTAINER_OF(item, struct mcp_process, link);

        if (process->users > 0 || (!process->dead && process->used_ms > before_ms))
            continue;
        list_remove(&process->link);
        if (process->server->process == process)
            process->server->process = NULL;
        return process;
    }
    return NULL;
}

void mcp_processes_sweep(struct mcp *mcp, int64_t idle_ms)
{
    struct mcp_process *process;

    while ((process = take_idle(mcp, idle_ms)))
        end(process);
}

/* ---- a program that is ready ---- */

static void note_end(struct mcp_server *server, const struct mcp_process *process)
{
    if (process->useful || clock_ms() - process->born_ms >= STEADY_MS) {
        server->pause_ms = 0;
        return;
    }
    server->pause_ms = server->pause_ms ? server->pause_ms * 2 : PAUSE_MIN_MS;
    if (server->pause_ms > PAUSE_MAX_MS)
        server->pause_ms = PAUSE_MAX_MS;
    server->next_start_ms = clock_ms() + server->pause_ms;
}

/* What it said before it ended, all of it, is for whoever wrote or configured it. */
static void log_end(const struct mcp_process *process, const struct error *err)
{
    char said[MCP_TAIL_BYTES + 1];

    text_excerpt(text_trim((struct text){process->tail, process->tail_len}), said, sizeof(said));
    log_warn("the program of a server could not be started, or ended at once",
             LOG_STR("server", process->server->configured->label), LOG_STR("said", said),
             LOG_ERROR(err));
}

static int start_once(struct mcp_server *server, struct error *err)
{
    struct mcp_process *process = add(server);
    int r = launch(process, err);

    process->users++;
    if (r == 0 && server->era == MCP_ERA_UNKNOWN)
        r = probe(process, err);
    if (r == 0 && server->era == MCP_ERA_LEGACY)
        r = initialize(process, err);
    process->users--;
    if (r < 0) {
        if (r != -E_CANCELED)
            log_end(process, err);
        end(process);
        return r;
    }
    list_add(&server->mcp->processes, &process->link);
    server->process = process;
    return 0;
}

static int start(struct mcp_server *server, struct error *err)
{
    bool known = server->era != MCP_ERA_UNKNOWN;
    int64_t since_ms = clock_ms();
    int r;

    if (clock_ms() < server->next_start_ms)
        return error_set(err, E_UNAVAILABLE, "%.150s; it is started again later",
                         server->ended.text);
    if (server->mcp->stats.programs >= PROCESSES_MAX)
        mcp_processes_sweep(server->mcp, 1000);
    if (server->mcp->stats.programs >= PROCESSES_MAX)
        return error_set(err, E_UNAVAILABLE, "too many servers run as programs");
    r = start_once(server, err);
    if (r == -E_CLOSED && !known && server->era == MCP_ERA_LEGACY)
        r = start_once(server, err); /* it died of the probe */
    if (r < 0 && r != -E_CANCELED) {
        const struct mcp_process ended = {.born_ms = since_ms};

        note_end(server, &ended);
        server->ended = *err;
    }
    return r;
}

/* Returns 0: server->process is one that lives. */
static int have_process(struct mcp_asking *asking, struct error *err)
{
    struct mcp_server *server = asking->server;
    int r = 0;

    while (r == 0 && server->starting)
        r = cond_wait(&server->changed, asking->deadline_ms, err);
    if (r < 0)
        return r;
    if (server->process && server->process->dead) {
        note_end(server, server->process);
        (void)mcp_process_died(server->process, &server->ended);
        server->process = NULL; /* the sweep ends it */
    }
    if (server->process)
        return 0;
    server->configured = asking->reach->configured;
    server->starting = true;
    r = start(server, err);
    server->starting = false;
    cond_broadcast(&server->changed);
    return r;
}

static int ask_once(struct mcp_asking *asking, struct error *err)
{
    CLEANUP(buf_deinit) struct buf line = {0};
    struct mcp_server *server = asking->server;
    struct mcp_process *process;
    struct mcp_outgoing message = {
        .method = asking->method,
        .members = asking->members,
        .progress = asking->progress,
        .traceparent = asking->traceparent,
    };
    int r = have_process(asking, err);

    if (r < 0)
        return r;
    process = server->process;
    message.era = server->era;
    message.id = (int64_t)++server->mcp->next_id;
    buf_init(&line, (size_t)4 << 20);
    mcp_message_write(&message, &line);
    process->users++;
    asking->sent = true;
    r = mcp_process_converse(process, &line, message.id, asking->idle_ms, asking->deadline_ms,
                             &asking->answer, err);
    process->users--;
    process->used_ms = clock_ms();
    process->useful |= r == 0;
    return r;
}

int mcp_process_ask(struct mcp_asking *asking, struct error *err)
{
    int r = ask_once(asking, err);

    if (r == -E_CLOSED && asking->may_repeat)
        r = ask_once(asking, err);
    return r;
}
