/* The filter
 *
 * A list of what is refused, not of what is allowed: a list of what Python, node and their
 * libraries call would be long, and wrong with their next version. What is refused are the parts of
 * the kernel that a program has no business with and where its defects are found. clone3 is said
 * not to be there, so that libraries fall back to clone, whose flags a filter can read.
 *
 * It is the second wall behind the namespaces and the missing privileges, and the only one before
 * calls that need none (io_uring, keyctl, userfaultfd).
 */

#include "worker/tools/sandbox/filter.h"

#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "shared/base/error.h"
#include "shared/base/text.h"

static const int refused[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_settime),
    SCMP_SYS(delete_module),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(finit_module),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fspick),
    SCMP_SYS(init_module),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(lookup_dcookie),
    /* Memory that no limit of a process counts. */
    SCMP_SYS(memfd_create),
    SCMP_SYS(memfd_secret),
    SCMP_SYS(msgget),
    SCMP_SYS(semget),
    SCMP_SYS(shmget),
    SCMP_SYS(mq_open),
    SCMP_SYS(mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(move_pages),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(personality),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pivot_root),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    SCMP_SYS(quotactl),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(setns),
    SCMP_SYS(settimeofday),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(syslog),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(vhangup),
};

/* A rule for a call that this machine does not have is none. */
static int refuse(scmp_filter_ctx filter, uint32_t action, int call, unsigned count,
                  const struct scmp_arg_cmp *arguments)
{
    int r = seccomp_rule_add_array(filter, action, call, count, arguments);

    return r == -EDOM || r == -EINVAL ? 0 : r;
}

static int refuse_arguments(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp new_user = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
    const struct scmp_arg_cmp type_ahead =
        SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, (scmp_datum_t)TIOCSTI);
    const struct scmp_arg_cmp console =
        SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, (scmp_datum_t)TIOCLINUX);
    /* Of AF_UNIX, AF_INET and AF_INET6 there is nobody to talk to, but libraries ask; those in
     * between are of networks that nobody has. */
    const struct scmp_arg_cmp others = SCMP_A0(SCMP_CMP_GT, AF_INET6, 0);
    const struct scmp_arg_cmp raw = SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW);
    uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
    uint32_t no_family = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    int r = refuse(filter, eperm, SCMP_SYS(clone), 1, &new_user);

    /* Said to be done: each session has a share of the processors of its own, where the kernel
     * groups by sessions, and none is to have more than one. */
    if (r == 0)
        r = refuse(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(setsid), 0, NULL);
    if (r == 0)
        r = refuse(filter, eperm, SCMP_SYS(ioctl), 1, &type_ahead);
    if (r == 0)
        r = refuse(filter, eperm, SCMP_SYS(ioctl), 1, &console);
    if (r == 0)
        r = refuse(filter, no_family, SCMP_SYS(socket), 1, &others);
    return r == 0 ? refuse(filter, eperm, SCMP_SYS(socket), 1, &raw) : r;
}

static int add_rules(scmp_filter_ctx filter)
{
    int r = refuse(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(refused); i++)
        r = refuse(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0, NULL);
    return r == 0 ? refuse_arguments(filter) : r;
}

/* By way of a file in memory, since the library writes to descriptors alone. */
static int export(scmp_filter_ctx filter, struct buf *out)
{
    int fd = memfd_create("penstock-filter", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
    char piece[4096];
    ssize_t got = 0;

    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    while (r == 0 && (got = read(fd, piece, sizeof(piece))) > 0)
        buf_add(out, piece, (size_t)got);
    if (got < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

int filter_build(struct buf *out, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int r = filter ? add_rules(filter) : -ENOMEM;

    if (r == 0)
        r = export(filter, out);
    seccomp_release(filter);
    return r == 0 ? 0 : error_set_errno(err, -r, "no filter of system calls can be made");
}
