#include "scheduler/cli/doctor/doctor_mcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/io/io.h"
#include "shared/json/json.h"
#include "shared/process/spawner.h"

#define ASK_MS    20000
#define PATH_SIZE 600

/* Beside this program. */
static int find_worker(char out[PATH_SIZE], struct error *err)
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_SIZE - 32);
    char *slash;

    if (len <= 0)
        return error_set_errno(err, errno, "find our own program");
    out[len] = '\0';
    slash = strrchr(out, '/');
    (void)snprintf(slash + 1, 32, "penstock-worker");
    if (access(out, X_OK) < 0)
        return error_set(err, E_NOT_FOUND,
                         "not asked, since penstock-worker is not here: look on a machine that has "
                         "one");
    return 0;
}

static int read_all(int fd, int64_t deadline_ms, struct buf *out, struct error *err)
{
    char piece[4096];
    size_t count;
    int r;

    while ((r = io_read(fd, piece, sizeof(piece), deadline_ms, &count, err)) == 0)
        buf_add(out, piece, count);
    return r == IO_EOF ? buf_check(out, err) : r;
}

static int ask(struct spawner *spawner, const char *file, struct buf *out, struct error *err)
{
    char path[PATH_SIZE];
    const char *const argv[] = {path, "--try-mcp", file ? "--config" : NULL, file, NULL};
    struct spawn_order order = {.argv = argv, .envp = (const char *const *)environ};
    int64_t deadline_ms = deadline_in(ASK_MS);
    struct spawned *spawned = NULL;
    int ends[2];
    int r = find_worker(path, err);

    if (r < 0)
        return r;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "pipe");
    order.fds[0] = ends[1];
    order.fd_numbers[0] = STDOUT_FILENO;
    order.fd_count = 1;
    r = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? error_set_errno(err, errno, "fcntl") : 0;
    if (r == 0)
        r = spawn_start(spawner, &order, deadline_ms, &spawned, err);
    io_close(&ends[1]);
    if (r == 0)
        r = read_all(ends[0], deadline_ms, out, err);
    io_close(&ends[0]);
    spawn_close(spawned);
    return r;
}

int doctor_mcp_ask(const char *file, struct buf *out, struct error *err)
{
    struct spawner *spawner = NULL;
    int r = spawner_open(NULL, &spawner, err);

    if (r < 0)
        return r;
    r = ask(spawner, file, out, err);
    spawner_close(spawner);
    return r;
}

struct doctor_finding doctor_judge_mcp(struct text said, const char *label)
{
    struct text line;

    while (text_cut(said, '\n', &line, &said)) {
        CLEANUP(json_freep) struct json_object *one = NULL;
        const char *error;

        if (json_decode(line, 4, &one, NULL) < 0 || !text_is(json_get_text(one, "label"), label))
            continue;
        error = json_get_string(one, "error");
        if (error)
            return doctor_failed("%.200s: agents that name it have none of its tools", error);
        return doctor_ok("%lld tools", (long long)json_get_int(one, "tools", 0));
    }
    return doctor_failed("penstock-worker --try-mcp said nothing of it: look at what it prints");
}
