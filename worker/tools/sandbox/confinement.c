/* The arguments
 *
 * Namespaces are named, each: "--unshare-all" means some of them if possible, and goes without a
 * word where it is not. There is no "--new-session": the helper's session, in which a sandbox is,
 * has no terminal, and priority counts within it (spawn_helper.c). The program's root is an empty
 * memory file system with /usr in it, to read alone; every place that can be written to has a size,
 * since memory is what it takes.
 */

#include "worker/tools/sandbox/confinement.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/compiler.h"

/* Of the host a program sees /usr, and what some of /usr are links to. */
/* clang-format off */
const char *const confinement_walls[] = {
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
    "--disable-userns", "--die-with-parent", "--cap-drop", "ALL", "--hostname", "sandbox",
    "--ro-bind", "/usr", "/usr",
    "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
    "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
    "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
    "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
    "--ro-bind-try", "/etc/localtime", "/etc/localtime",
    "--proc", "/proc", "--dev", "/dev",
    "--size", "1048576", "--tmpfs", "/dev/shm",
};
const size_t confinement_walls_count = ARRAY_LENGTH(confinement_walls);
static const char *const own[] = {"--unshare-net", "--size", "33554432", "--tmpfs", "/tmp"};
static const char *const behind[] = {
    "--tmpfs", "/job",
    "--perms", "0555", "--ro-bind-data", "8", "/penstock-inside",
    "--remount-ro", "/dev", "--remount-ro", "/",
    "--clearenv",
    "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8",
    "--setenv", "MPLBACKEND", "Agg", "--setenv", "MPLCONFIGDIR", "/tmp",
    /* a thread for each core of the host would take the memory that a program may have */
    "--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1",
    "--chdir", "/job", "--seccomp", "9", "--", "/penstock-inside",
};
/* clang-format on */

_Static_assert(CONFINED_INSIDE == 8 && CONFINED_FILTER == 9, "as the arguments name them");

static void add(struct confinement_arguments *to, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(to->count < CONFINEMENT_ARGUMENTS_MAX - 1);
        to->list[to->count++] = list[i];
    }
    to->list[to->count] = NULL;
}

void confinement_arguments(const struct confinement *confinement, const char *const *inside,
                           struct confinement_arguments *out)
{
    size_t count = 0;

    *out = (struct confinement_arguments){.count = 0};
    (void)snprintf(out->disk, sizeof(out->disk), "%" PRId64, confinement->disk_bytes);
    add(out, &confinement->bwrap, 1);
    add(out, confinement_walls, confinement_walls_count);
    add(out, own, ARRAY_LENGTH(own));
    add(out, (const char *const[]){"--size", out->disk}, 2);
    add(out, behind, ARRAY_LENGTH(behind));
    while (inside[count])
        count++;
    add(out, inside, count);
}
