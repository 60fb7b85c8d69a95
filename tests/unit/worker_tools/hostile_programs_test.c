/* Programs that mean harm: none has an effect outside its sandbox, none gets beyond its limits, and
 * the next program runs as if there had been none.
 *
 * Each kind is a program with an '@' that stands for a number, so that there are as many programs
 * of a kind as one wants: PENSTOCK_HOSTILE_PROGRAMS=500 runs so many in all (some minutes). What
 * must not succeed prints ESCAPED when it does. */

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "worker/tools/sandbox/sandbox.h"

#define PATIENCE_MS 120000
#define AT_ONCE     2

/* What each program has: no(f) calls what must not succeed; sc() makes a system call. */
static const char preamble[] =
    "import os, sys, socket, ctypes, time, signal, errno\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "def no(f, *a):\n"
    "  try: r = f(*a)\n"
    "  except (OSError, ValueError, MemoryError, PermissionError): return\n"
    "  print('ESCAPED', f, a, r)\n"
    "def sc(n, *a):\n"
    "  if libc.syscall(ctypes.c_long(n), *[ctypes.c_long(x) for x in a]) >= 0:\n"
    "    print('ESCAPED syscall', n)\n"
    "def connect(*to):\n"
    "  s = socket.socket(); s.settimeout(2); s.connect(to)\n"
    "def write(path):\n"
    "  open(path, 'w').write('x')\n"
    "n = @\n";

static const struct {
    const char *name;
    const char *code;
} kinds[] = {
    {"forks", "c = 0\ntry:\n while c < 5000:\n  if os.fork() == 0: time.sleep(100)\n  c += 1\n"
              "except OSError: pass\nprint('ESCAPED' if c > 64 else c)\n"},
    {"a bomb of shells", "os.system('b() { b | b & }; b; sleep 1')\n"},
    {"threads", "import threading\ntry:\n for i in range(1000 + n):\n"
                "  threading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n"
                " print('ESCAPED')\nexcept RuntimeError: pass\nos._exit(0)\n"},
    {"memory of one", "no(bytearray, (1100 + n) << 20)\n"},
    {"memory of many", "for i in range(40):\n if os.fork() == 0:\n"
                       "  x = bytearray(b'x' * (50 << 20)); time.sleep(100)\ntime.sleep(100)\n"},
    {"shared memory", "sc(29, n, 1 << 30, 0o1777)\nsc(64, n, 10, 0o1777)\nsc(68, n, 0o1777)\n"},
    {"files in memory", "no(os.memfd_create, 'x%d' % n)\n"},
    {"pipes that are full", "import fcntl\nfs = []\ntry:\n while True:\n  r, w = os.pipe()\n"
                            "  fs.append(w); fcntl.fcntl(w, 1031, 1 << 20)\n"
                            "except OSError: pass\nprint('ESCAPED' if len(fs) > 64 else '')\n"},
    {"the disk of its folder", "b = b'x' * (1 << 20)\nw = 0\ntry:\n for i in range(1000):\n"
                               "  f = open('/job/f%d' % i, 'wb')\n"
                               "  for k in range(15): f.write(b); f.flush(); w += 1\n"
                               "except OSError: pass\nprint('ESCAPED' if w > 65 else w)\n"},
    {"the disk of /tmp", "w = 0\ntry:\n for i in range(1000):\n"
                         "  open('/tmp/%d' % i, 'wb').write(b'x' * (1 << 20)); w += 1\n"
                         "except OSError: pass\nprint('ESCAPED' if w > 33 else w)\n"},
    {"the disk of /dev/shm", "w = 0\ntry:\n for i in range(1000):\n"
                             "  open('/dev/shm/%d' % i, 'wb').write(b'x' * 65536); w += 1\n"
                             "except OSError: pass\nprint('ESCAPED' if w > 17 else w)\n"},
    {"files without end", "for i in range(10000000): open('/tmp/%d' % i, 'w').close()\n"
                          "print('ESCAPED')\n"},
    {"a file without end", "f = open('big', 'wb')\nwhile True: f.write(b'x' * 65536)\n"},
    {"a hole of a terabyte", "no(os.truncate, open('hole', 'w').fileno(), 1 << 40)\n"
                             "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                             "no(os.truncate, open('hole2', 'w').fileno(), 1 << 40)\n"},
    {"folders in folders", "for i in range(500 + n):\n os.mkdir('d'); os.chdir('d')\n"
                           "open('x', 'w').write('deep')\n"},
    {"names that are none", "for x in (b'\\xff\\xfe', b'a\\nb', b'\\x1b[2J', b'x' * 255, b'..x'):\n"
                            " open(b'/job/out/' + x, 'w').write('x')\n"},
    {"links to the host",
     "for i, x in enumerate(['/etc/passwd', '/', '/proc/1/root', '../../..']):\n"
     " os.symlink(x, '/job/out/%d' % i); os.symlink(x, '/job/work/%d' % i)\n"},
    {"a hard link", "no(os.link, '/usr/bin/python3', '/job/out/python')\n"},
    {"devices", "no(os.mknod, '/job/out/sda', 0o60666, os.makedev(8, n))\n"
                "no(os.mknod, '/job/out/mem', 0o20666, os.makedev(1, 1))\n"
                "os.mkfifo('/job/out/fifo%d' % n)\n"},
    {"a socket among the results",
     "s = socket.socket(socket.AF_UNIX); s.bind('/job/out/s%d' % n)\n"},
    {"a gigabyte of output", "b = b'x' * (1 << 20)\nfor i in range(1024): os.write(1, b)\n"},
    {"a gigabyte of errors", "b = b'x' * (1 << 20)\nfor i in range(1024): os.write(2, b)\n"},
    {"output that is no text", "os.write(1, bytes(range(256)) * 200)\n"},
    {"a loop", "while True: pass\n"},
    {"a sleep", "time.sleep(1000000 + n)\n"},
    {"deaf ears", "for s in range(1, 64):\n try: signal.signal(s, signal.SIG_IGN)\n"
                  " except (OSError, ValueError): pass\nwhile True: time.sleep(1)\n"},
    {"a daemon", "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  time.sleep(1000)\n"
                 " os._exit(0)\nprint('left')\n"},
    {"a daemon that holds outputs",
     "if os.fork() == 0:\n os.setsid()\n while True: time.sleep(1)\n"},
    {"killing everybody", "no(os.kill, -1, 9)\nno(os.kill, -1, 19)\nno(os.kill, os.getppid(), 9)\n"
                          "no(os.kill, os.getppid(), 19)\nno(os.kill, -os.getppid(), 9)\n"
                          "sc(424, 0, 9, 0, 0)\nsc(234, os.getppid(), os.getppid(), 9)\n"},
    {"stopping itself", "os.kill(os.getpid(), signal.SIGSTOP)\n"},
    {"the network", "no(connect, '127.0.0.1', 1024 + n)\nno(connect, '10.0.0.1', 80)\n"
                    "no(connect, '192.168.0.1', 80)\nno(connect, '169.254.169.254', 80)\n"
                    "no(connect, '8.8.8.8', 53)\n"},
    {"names of hosts", "no(socket.getaddrinfo, 'example%d.com' % n, 80)\n"},
    {"datagrams",
     "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
     "no(s.sendto, b'x', ('8.8.8.8', 53))\nno(s.sendto, b'x', ('255.255.255.255', n))\n"},
    {"sockets of other kinds", "for f in range(3, 46):\n if f != 10: no(socket.socket, f, 3, n)\n"
                               "no(socket.socket, 2, 3, 1)\nno(socket.socket, 17, 3, 3)\n"
                               "no(socket.socket, 16, 3, 0)\n"},
    {"abstract sockets", "s = socket.socket(socket.AF_UNIX)\n"
                         "no(s.connect, '\\0penstock-hostile')\n"},
    {"sockets of the host", "for p in ('/run/docker.sock', '/var/run/docker.sock', '/run/dbus/x',\n"
                            " '/tmp/.s.PGSQL.5432', '/var/run/postgresql/.s.PGSQL.5432'):\n"
                            " no(socket.socket(socket.AF_UNIX).connect, p)\n"},
    {"processes of the host", "p = [x for x in os.listdir('/proc') if x.isdigit()]\n"
                              "print('ESCAPED' if len(p) > 8 else len(p))\n"},
    {"what the kernel lets be set",
     "for p in ('sysrq-trigger', 'sys/kernel/core_pattern', 'sys/kernel/modprobe',\n"
     " 'sys/vm/overcommit_memory', 'sys/kernel/hostname', 'sys/user/max_user_namespaces'):\n"
     " no(write, '/proc/' + p)\n"},
    {"the kernel's memory", "for p in ('/proc/kcore', '/dev/mem', '/dev/kmem', '/dev/kmsg',\n"
                            " '/dev/port', '/dev/sda', '/dev/vda', '/dev/console'):\n"
                            " no(lambda: open(p, 'rb').read(1))\n"},
    {"its parent's memory",
     "p = os.getppid()\nfor x in ('mem', 'environ', 'maps', 'fd/4', 'fd/3'):\n"
     " no(lambda: open('/proc/%d/%s' % (p, x), 'rb+').read(1))\n"
     "no(os.listdir, '/proc/%d/fd' % p)\n"},
    {"the first process", /* bubblewrap's, which has no more than the program itself */
     "if set(os.listdir('/proc/1/root/')) != set(os.listdir('/')): print('ESCAPED root')\n"
     "if b'=' in open('/proc/1/environ', 'rb').read().replace(b'PWD=', b''): print('ESCAPED env')\n"
     "for fd in (3, 4, 8, 9): no(os.stat, '/proc/1/fd/%d' % fd)\n"
     "s = open('/proc/1/status').read()\n"
     "for x in ('CapEff:\\t0000000000000000', 'CapBnd:\\t0000000000000000', 'Seccomp:\\t2'):\n"
     " if x not in s: print('ESCAPED', x)\n"},
    {"ptrace", "sc(101, 16, os.getppid(), 0, 0)\nsc(101, 0, 0, 0, 0)\n"
               "sc(310, os.getppid(), 0, 0, 0, 0, 0)\nsc(311, os.getppid(), 0, 0, 0, 0, 0)\n"},
    {"becoming root", "no(os.setuid, 0)\nno(os.setgid, 0)\nno(os.setgroups, [0])\n"
                      "no(os.setresuid, 0, 0, 0)\nno(os.seteuid, n + 1)\n"},
    {"programs of root", "for c in ('su -c id', 'sudo -n id', 'mount', 'newgrp'):\n"
                         " r = os.popen(c + ' 2>/dev/null </dev/null').read()\n"
                         " if 'uid=0' in r: print('ESCAPED', c)\n"},
    {"a program that is root's",
     "import shutil\nshutil.copy('/usr/bin/id', '/job/work/id')\n"
     "os.chmod('/job/work/id', 0o6755)\n"
     "if 'uid=0' in os.popen('/job/work/id').read(): print('ESCAPED')\n"},
    {"mounts",
     "sc(165, 0, 0, 0, 32, 0)\nsc(166, 0, 0)\nsc(155, 0, 0)\nsc(161, 0)\n"
     "sc(428, -100, 0, 0)\nsc(429, 0, 0, 0, 0, 0)\nsc(430, 0, 0)\nsc(442, 0, 0, 0, 0, 0)\n"},
    {"namespaces", "for f in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000):\n"
                   " sc(272, f)\nsc(308, 0, 0)\n"},
    {"a clone with namespaces", "sc(56, 0x10000000 | 17, 0, 0, 0, 0)\nsc(435, 0, 0)\n"},
    {"parts of the kernel",
     "for c in (321, 298, 323, 425, 426, 427, 248, 249, 250, 304, 303, 246,\n"
     " 320, 175, 313, 176, 169, 167, 168, 163, 103, 173, 172, 135, 312,\n"
     " 227, 305, 170, 171, 300, 447):\n"
     " sc(c, n, 0, 0, 0, 0, 0)\n"},
    {"what is typed", "import fcntl\nfor fd in (0, 1, 2):\n no(fcntl.ioctl, fd, 0x5412, b'x')\n"
                      " no(fcntl.ioctl, fd, 0x541c, b'\\3')\nno(open, '/dev/tty', 'r+')\n"},
    {"the host's files",
     "for p in ('/x', '/usr/x', '/dev/x', '/etc/x', '/proc/x', '/bin/x',\n"
     " '/penstock-inside', '/usr/bin/python3'): no(write, p)\n"
     "for p in ('/root', '/home', '/var', '/etc/shadow', '/work', '/boot', '/sys'):\n"
     " no(os.stat, p)\n"},
    {"inherited descriptors", "for fd in range(3, 300): no(os.fstat, fd)\n"},
    {"the environment",
     "print('ESCAPED' if set(os.environ) - {'PATH', 'HOME', 'LANG', 'MPLBACKEND',\n"
     " 'MPLCONFIGDIR', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'PWD',\n"
     " 'LC_CTYPE', 'OLDPWD'} else '')\n"},
    {"more than its limits", "import resource as r\nfor k in (r.RLIMIT_AS, r.RLIMIT_CPU,\n"
                             " r.RLIMIT_NPROC, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_CORE):\n"
                             " no(r.setrlimit, k, (r.getrlimit(k)[1] + 1 + n,) * 2)\n"},
    {"a higher priority", "no(os.nice, -1)\nno(os.setpriority, os.PRIO_PROCESS, 0, -n - 1)\n"
                          "no(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))\n"
                          "no(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))\n"},
    {"locked memory",
     "b = ctypes.create_string_buffer(1 << 20)\n"
     "if libc.mlock(b, 1 << 20) == 0 or libc.mlockall(3) == 0: print('ESCAPED')\n"},
    {"a crash", "ctypes.string_at(n)\n"},
    {"a stack without end", "sys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()\n"},
    {"a forged archive", "for fd in range(3, 20):\n try: os.write(fd, b'PAR1' * 1000)\n"
                         " except OSError: pass\n"},
    {"a name of its own", "no(socket.sethostname, 'x%d' % n)\n"},
    {"the clock", "no(time.clock_settime, time.CLOCK_REALTIME, n)\n"},
    {"leaving by chroot", "os.mkdir('r')\nno(os.chroot, 'r')\n"},
    {"a handle of a file", "sc(303, -100, 0, 0, 0, 0)\nsc(304, 0, 0, 0)\n"},
    {"a tracer of events", "sc(298, 0, 0, -1, -1, 0)\nsc(321, 0, 0, 72)\n"},
};

static struct sandbox *sandbox;
static size_t wanted;
static size_t next;
static size_t failures;

static const struct sandbox_options options = {
    .slots = AT_ONCE,
    .wall_ms = 6000,
    .cpu_seconds = 4,
    .memory_bytes = 768 << 20,
    .processes = 64,
    .disk_bytes = 64 << 20,
    .output_bytes = 65536,
    .first_uid = 59500,
    .groups = "",
};

static void write_program(size_t kind, size_t number, struct buf *out)
{
    const char *const parts[] = {preamble, kinds[kind].code};

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        for (const char *c = parts[i]; *c; c++)
            if (*c == '@')
                buf_add_int(out, (int64_t)number);
            else
                buf_add_char(out, *c);
}

static void complain(size_t kind, const char *what, const char *more)
{
    failures++;
    cr_log_error("%s: %s %s", kinds[kind].name, what, more);
}

/* Nothing came out that may not, and the limits held. */
static void judge(size_t kind, int r, const struct sandbox_outcome *outcome,
                  const struct error *err)
{
    CLEANUP(buf_deinit) struct buf said;
    struct text rest = buf_text(&outcome->archive);
    struct archive_entry entry;
    size_t files = 0;

    buf_init(&said, 0);
    capture_write(&outcome->out, &said);
    if (r < 0)
        complain(kind, "could not be run:", err->text);
    if (strstr(buf_string(&said), "ESCAPED"))
        complain(kind, "escaped:", buf_string(&said));
    if (outcome->elapsed_us > (options.wall_ms + 20000) * 1000)
        complain(kind, "ran for too long", "");
    while (archive_next(&rest, &entry, NULL) == 0)
        files += entry.kind == ARCHIVE_FILE;
    if (files > SANDBOX_OUT_FILES + 1000)
        complain(kind, "brought too many files", "");
}

static void run_one(size_t number)
{
    size_t kind = number % ARRAY_LENGTH(kinds);
    CLEANUP(buf_deinit) struct buf code;
    struct sandbox_outcome outcome;
    struct sandbox_job job = {.deadline_ms = deadline_in(PATIENCE_MS)};
    struct error err = {0};
    int r;

    buf_init(&code, 0);
    write_program(kind, number / ARRAY_LENGTH(kinds), &code);
    job.code = buf_text(&code);
    sandbox_outcome_init(&outcome);
    r = sandbox_run(sandbox, &job, &outcome, &err);
    judge(kind, r, &outcome, &err);
    sandbox_outcome_deinit(&outcome);
}

static void lane(void *arg)
{
    (void)arg;
    while (next < wanted)
        run_one(next++);
}

/* A socket of the host that a program must not reach. */
static int listen_abstract(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0penstock-hostile"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    cr_assert_eq(bind(fd, (const struct sockaddr *)&name,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 17)),
                 0);
    cr_assert_eq(listen(fd, 5), 0);
    return fd;
}

/* Processes that run as one of our uids. */
static size_t count_left(void)
{
    FILE *list =
        popen("ps -eo uid=,stat= | awk '$1 >= 59500 && $1 < 60500 && $2 !~ /Z/' | wc -l", "r");
    size_t count = 0;

    cr_assert_eq(fscanf(list, "%zu", &count), 1);
    pclose(list);
    return count;
}

static void play(void *arg)
{
    struct fiber *fibers[AT_ONCE];
    struct stat before;
    struct stat after;
    int64_t deadline_ms;
    int abstract;

    (void)arg;
    sandbox = sandbox_open(&options);
    cr_assert_eq(sandbox_find_out(sandbox, NULL), 0);
    if (sandbox_trouble(sandbox)[0]) {
        cr_log_warn("no sandbox here: %s", sandbox_trouble(sandbox));
        sandbox_close(sandbox);
        return;
    }
    abstract = listen_abstract();
    cr_assert_eq(stat("/etc/passwd", &before), 0);
    for (size_t i = 0; i < AT_ONCE; i++)
        fibers[i] = fiber_start("hostile", lane, NULL);
    for (size_t i = 0; i < AT_ONCE; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(stat("/etc/passwd", &after), 0);
    cr_assert_eq(before.st_mtime, after.st_mtime);
    deadline_ms = deadline_in(PATIENCE_MS);
    while (geteuid() == 0 && count_left() > 0 && clock_ms() < deadline_ms)
        cr_assert_eq(fiber_sleep(100, NULL), 0);
    cr_expect(geteuid() != 0 || count_left() == 0, "a process was left");
    close(abstract);
    sandbox_close(sandbox);
}

Test(hostile_programs, have_no_effect_outside_and_stay_within_their_limits, .timeout = 3600)
{
    const char *asked = getenv("PENSTOCK_HOSTILE_PROGRAMS");

    wanted = asked ? (size_t)strtoul(asked, NULL, 10) : ARRAY_LENGTH(kinds);
    loop_run(play, NULL);
    cr_assert_eq(failures, 0, "%zu of %zu programs", failures, wanted);
}
