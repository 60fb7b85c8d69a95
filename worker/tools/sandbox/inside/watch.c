/* The watch. It looks every WATCH_MS: a program gets as far beyond as it comes in that time. */

#include "worker/tools/sandbox/inside/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Pages of a process that are its own. */
static uint64_t own_pages(const char *process)
{
    char path[64];
    char line[128];
    uint64_t resident = 0;
    uint64_t shared = 0;
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/statm", process);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        close(fd);
    line[got > 0 ? got : 0] = 0;
    if (sscanf(line, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2)
        return 0;
    return resident > shared ? resident - shared : 0;
}

static uint64_t memory_of_all(void)
{
    DIR *list = opendir("/proc");
    struct dirent *entry;
    uint64_t pages = 0;

    while (list && (entry = readdir(list)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            pages += own_pages(entry->d_name);
    if (list)
        closedir(list);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

const char *watch_excess(uint64_t memory_bytes)
{
    static const char *const places[] = {"/job", "/tmp", "/dev/shm"};
    struct statvfs info;

    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (statvfs(places[i], &info) == 0 && info.f_files - info.f_ffree > WATCH_FILES_MAX)
            return "it made more files than it may";
    if (memory_bytes > 0 && memory_of_all() > memory_bytes)
        return "it took more memory than it may";
    return NULL;
}

#define LOAD(offset)                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define SKIP_UNLESS(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define REFUSE                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW                       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* To be refused with this first argument, of which the lower half counts. */
#define REFUSE_IF(call, value)                                                                     \
    LOAD(offsetof(struct seccomp_data, nr)), SKIP_UNLESS((call), 3),                               \
        LOAD(offsetof(struct seccomp_data, args[0])), SKIP_UNLESS((uint32_t)(value), 1), REFUSE

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "where the lower half of an argument is");

int watch_shield(int parent)
{
    struct sock_filter rules[] = {
        REFUSE_IF(__NR_kill, -1),
        REFUSE_IF(__NR_kill, parent),
        REFUSE_IF(__NR_kill, -parent),
        REFUSE_IF(__NR_tkill, parent),
        REFUSE_IF(__NR_tgkill, parent),
        REFUSE_IF(__NR_rt_sigqueueinfo, parent),
        REFUSE_IF(__NR_rt_sigqueueinfo, -1),
        REFUSE_IF(__NR_rt_tgsigqueueinfo, parent),
        /* by a descriptor anybody can be meant */
        LOAD(offsetof(struct seccomp_data, nr)),
        SKIP_UNLESS(__NR_pidfd_send_signal, 1),
        REFUSE,
        ALLOW,
    };
    const struct sock_fprog program = {ARRAY_LENGTH(rules), rules};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
