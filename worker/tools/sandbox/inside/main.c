/* penstock-inside: what runs in a sandbox beside the program of a model. It is the program's
 * parent: it lays out the files, begins the program within its limits, ends it when its time is
 * over, kills whatever it has left, and sends what is to be kept.
 *
 * The program has the same uid. It may not stop or kill this one (watch.h), nor read or write its
 * memory and descriptors: it is not dumpable, and ptrace and its kin are refused (filter.h).
 *
 *   penstock-inside WALL_MS MEMORY CPU_S FILE_BYTES PROCESSES WORK_BYTES OUT_BYTES OUT_FILES
 *       -- PROGRAM…
 *   penstock-inside probe …                                                          (probe.c)
 *
 * Descriptors: 1 and 2 are the program's, 3 is an archive to read, 4 is one to write (archive.h).
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "worker/tools/sandbox/archive.h"
#include "worker/tools/sandbox/inside/pack.h"
#include "worker/tools/sandbox/inside/probe.h"
#include "worker/tools/sandbox/inside/watch.h"

#define IN_FD   3
#define OUT_FD  4
#define NUMBERS 8

static int say_end(const struct archive_end *end)
{
    pack_end(OUT_FD, end);
    return 0;
}

static int fail(const char *what)
{
    struct archive_end end = {.ending = ENDED_NEVER_BEGAN};
    char reason[64];

    (void)snprintf(end.text, sizeof(end.text), "%s: %s", what,
                   strerror_r(errno, reason, sizeof(reason)));
    return say_end(&end);
}

static bool make_folders(const char *path)
{
    char copy[ARCHIVE_PATH_MAX + 1];

    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

static bool write_all(int fd, struct text bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);

        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            bytes.ptr += put;
            bytes.len -= (size_t)put;
        }
    }
    return true;
}

static bool unpack_entry(const struct archive_entry *entry)
{
    char path[ARCHIVE_PATH_MAX + 1];
    bool done;
    int fd;

    (void)snprintf(path, sizeof(path), "%.*s", TEXT_ARGS(entry->path));
    if (!make_folders(path))
        return false;
    if (entry->kind == ARCHIVE_FOLDER)
        return mkdir(path, 0755) == 0 || errno == EEXIST;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              entry->executable ? 0755 : 0644);
    if (fd < 0)
        return false;
    done = write_all(fd, entry->bytes);
    close(fd);
    return done;
}

static bool unpack(void)
{
    struct archive_entry entry;
    struct stat info;
    struct text rest;
    void *bytes;

    if (fstat(IN_FD, &info) < 0)
        return false;
    bytes = mmap(NULL, (size_t)info.st_size + 1, PROT_READ, MAP_PRIVATE, IN_FD, 0);
    if (bytes == MAP_FAILED)
        return false;
    rest = (struct text){bytes, (size_t)info.st_size};
    while (archive_next(&rest, &entry, NULL) == 0)
        if (!unpack_entry(&entry))
            return false;
    munmap(bytes, (size_t)info.st_size + 1);
    return (mkdir("work", 0755) == 0 || errno == EEXIST) && mkdir("out", 0755) == 0;
}

static bool limit(__rlimit_resource_t resource, uint64_t value)
{
    const struct rlimit both = {.rlim_cur = value, .rlim_max = value};

    return value == 0 || setrlimit(resource, &both) == 0;
}

/* Of processes: set here, in the user namespace of the sandbox, a kernel of 5.14 or newer counts
 * those of this sandbox alone. */
static void begin(const uint64_t *numbers, char **program)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(IN_FD);
    close(OUT_FD);
    setpgid(0, 0);
    umask(022);
    if (!limit(RLIMIT_AS, numbers[1]) || !limit(RLIMIT_CPU, numbers[2]) ||
        !limit(RLIMIT_FSIZE, numbers[3]) || !limit(RLIMIT_NPROC, numbers[4]) ||
        watch_shield(getppid()) < 0 || chdir("work") < 0)
        _exit(126);
    execv(program[0], program);
    (void)fprintf(stderr, "%s can't start\n", program[0]);
    _exit(127);
}

/* Until it has ended or its time is over. */
static void watch(pid_t pid, int64_t deadline_ms, uint64_t memory_bytes, struct archive_end *end)
{
    sigset_t child;
    int status;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        const struct timespec wait = {.tv_nsec = WATCH_MS * 1000000};
        const char *excess;
        pid_t ended = waitpid(-1, &status, WNOHANG);

        if (ended == pid) {
            end->ending = WIFSIGNALED(status) ? ENDED_BY_SIGNAL : ENDED_BY_ITSELF;
            end->value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
            return;
        }
        if (ended > 0)
            continue; /* an orphan */
        if (clock_ms() >= deadline_ms) {
            end->ending = ENDED_BY_TIME;
            return;
        }
        excess = watch_excess(memory_bytes);
        if (excess) {
            end->ending = ENDED_BY_EXCESS;
            (void)snprintf(end->text, sizeof(end->text), "%s", excess);
            return;
        }
        IGNORE(sigtimedwait(&child, NULL, &wait));
    }
}

/* Nothing of it runs, so nothing changes while files are packed. Orphans become our children. */
static void kill_all(struct archive_end *end)
{
    struct rusage used;

    do
        kill(-1, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR);
    if (getrusage(RUSAGE_CHILDREN, &used) == 0) {
        end->cpu_us = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                      used.ru_utime.tv_usec + used.ru_stime.tv_usec;
        end->peak_bytes = (int64_t)used.ru_maxrss * 1024;
    }
}

static int run(const uint64_t *numbers, char **program)
{
    struct archive_end end = {.ending = ENDED_BY_ITSELF};
    int64_t deadline_ms = deadline_in((int64_t)numbers[0]);
    sigset_t child;
    pid_t pid;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0)
        return fail("the sandbox can't be watched");
    if (chdir("/job") < 0 || !unpack())
        return fail("the files can't be laid out");
    pid = fork();
    if (pid < 0)
        return fail("fork");
    if (pid == 0)
        begin(numbers, program);
    watch(pid, deadline_ms, numbers[1], &end);
    kill_all(&end);
    pack_folder(OUT_FD, "work", &(struct pack_limits){numbers[5], PACK_FILES_MAX});
    pack_folder(OUT_FD, "out", &(struct pack_limits){numbers[6], numbers[7]});
    return say_end(&end);
}

int main(int argc, char **argv)
{
    uint64_t numbers[NUMBERS];

    if (argc >= 2 && strcmp(argv[1], "probe") == 0) {
        int wrong = probe(argc - 2, argv + 2);

        write_all(OUT_FD, TEXT("probed"));
        _exit(wrong);
    }
    if (argc < NUMBERS + 3 || strcmp(argv[NUMBERS + 1], "--") != 0) {
        (void)fprintf(stderr, "penstock-inside is started in a sandbox by penstock-worker.\n");
        return 2;
    }
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = strtoull(argv[i + 1], NULL, 10);
    _exit(run(numbers, argv + NUMBERS + 2));
}
