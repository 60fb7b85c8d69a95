/* Control groups. A limit that a hierarchy does not have is passed over (pids of version 1 has no
 * memory); one that it has and refuses is an error, since the program would run without. */

#include "shared/process/spawn_groups.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/error.h"

#define REMOVE_TRIES 50
#define REMOVE_MS    4

static int open_file(const char *group, const char *name, int flags)
{
    char path[SPAWN_GROUP_PATH + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", group, name);
    return open(path, flags | O_CLOEXEC);
}

/* False: it is there and refuses. */
static bool write_limit(const char *group, const char *name, uint64_t value)
{
    int fd = open_file(group, name, O_WRONLY);
    char digits[24];
    bool done;

    if (fd < 0)
        return errno == ENOENT;
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    done = write(fd, digits, strlen(digits)) > 0;
    close(fd);
    return done;
}

static bool limit_group(const char *group, const struct spawn_order *order)
{
    uint64_t memory = order->group_memory_bytes;

    if (memory > 0 &&
        (!write_limit(group, "memory.max", memory) || !write_limit(group, "memory.swap.max", 0) ||
         !write_limit(group, "memory.limit_in_bytes", memory)))
        return false;
    return order->group_processes == 0 || write_limit(group, "pids.max", order->group_processes);
}

int spawn_groups_make(const struct spawn_order *order, struct spawn_groups *groups,
                      struct error *err)
{
    for (size_t i = 0; i < order->group_count; i++) {
        char *group = groups->paths[groups->count];
        int length = snprintf(group, SPAWN_GROUP_PATH, "%s/penstock-%d-%" PRIu64, order->groups[i],
                              (int)getpid(), order->id);

        if (length >= SPAWN_GROUP_PATH)
            return error_set(err, E_LIMIT, "the name of a control group is too long");
        if (mkdir(group, 0755) < 0)
            return error_set_errno(err, errno, "can't make the control group %s", group);
        groups->count++;
        if (!limit_group(group, order))
            return error_set_errno(err, errno, "can't limit the control group %s", group);
    }
    return 0;
}

bool spawn_groups_join(const struct spawn_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        int fd = open_file(groups->paths[i], "cgroup.procs", O_WRONLY);
        bool done = fd >= 0 && write(fd, "0", 1) == 1;
        int reason = errno;

        if (fd >= 0)
            close(fd);
        errno = reason;
        if (!done)
            return false;
    }
    return true;
}

/* Version 1 has no cgroup.kill: each process by its id. */
static void kill_each(const char *group)
{
    int fd = open_file(group, "cgroup.procs", O_RDONLY);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    char line[32];

    while (in && fgets(line, sizeof(line), in)) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);

        if (pid > 1 && pid != getpid())
            kill(pid, SIGKILL);
    }
    if (in)
        (void)fclose(in);
    else if (fd >= 0)
        close(fd);
}

void spawn_groups_kill(const struct spawn_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        int fd = open_file(groups->paths[i], "cgroup.kill", O_WRONLY);
        bool done = fd >= 0 && write(fd, "1", 1) == 1;

        if (fd >= 0)
            close(fd);
        if (!done)
            kill_each(groups->paths[i]);
    }
}

void spawn_groups_remove(struct spawn_groups *groups)
{
    const struct timespec pause = {.tv_nsec = REMOVE_MS * 1000000};

    for (size_t i = 0; i < groups->count; i++)
        for (int tries = 0; tries < REMOVE_TRIES && rmdir(groups->paths[i]) < 0; tries++) {
            if (errno == ENOENT)
                break;
            spawn_groups_kill(groups);
            clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
    groups->count = 0;
}
