/* The probe
 *
 * Each line of the table is a wall of the sandbox. One that does not hold is one too many: bwrap
 * goes without some namespaces where it can't have them and says nothing, a container's runtime may
 * mask or forbid this and that, and a kernel may be older than we think.
 */

#include "worker/tools/sandbox/inside/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const namespaces[] = {"user", "pid", "net", "mnt", "ipc"};
#define NAMESPACES ((int)(sizeof(namespaces) / sizeof(namespaces[0])))

static int wrong;

static void expect(bool holds, const char *what)
{
    if (!holds) {
        printf("%s\n", what);
        wrong = 1;
    }
}

static void check_namespaces(int count, char **own)
{
    char path[64];
    char link[64];
    char line[96];

    expect(count == NAMESPACES, "the probe was called wrongly");
    for (int i = 0; i < count && i < NAMESPACES; i++) {
        ssize_t length;

        (void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
        length = readlink(path, link, sizeof(link) - 1);
        link[length > 0 ? length : 0] = 0;
        (void)snprintf(line, sizeof(line), "it has the worker's %s namespace", namespaces[i]);
        expect(length > 0 && strcmp(link, own[i]) != 0, line);
    }
}

/* A line of /proc/self/status that begins so; "" when there is none. */
static void read_status(const char *name, char *value, size_t size)
{
    FILE *in = fopen("/proc/self/status", "r");
    char line[256];

    value[0] = 0;
    while (in && fgets(line, sizeof(line), in))
        if (strncmp(line, name, strlen(name)) == 0)
            (void)snprintf(value, size, "%s", line + strlen(name) + 1 + strspn(line, " \t"));
    if (in)
        (void)fclose(in);
}

static void check_privileges(void)
{
    char value[128];

    /* Which uid that is outside can't be seen from within: the helper process has given it one. */
    expect(getuid() != 0 && geteuid() != 0, "it runs as root");
    read_status("CapEff:", value, sizeof(value));
    expect(value[0] && strtoull(value, NULL, 16) == 0, "it has capabilities");
    read_status("CapBnd:", value, sizeof(value));
    expect(value[0] && strtoull(value, NULL, 16) == 0, "it may get capabilities");
    read_status("NoNewPrivs:", value, sizeof(value));
    expect(atoi(value) == 1, "it may get new privileges");
    read_status("Seccomp:", value, sizeof(value));
    expect(atoi(value) == 2, "its system calls are not filtered");
}

static bool connects_nowhere(uint32_t address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused;

    if (fd < 0)
        return true;
    to.sin_addr.s_addr = htonl(address);
    refused = connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
              (errno == ENETUNREACH || errno == ENETDOWN);
    close(fd);
    return refused;
}

static void check_network(void)
{
    struct if_nameindex *list = if_nameindex();
    bool alone = true;

    for (struct if_nameindex *one = list; one && one->if_name; one++)
        alone &= strcmp(one->if_name, "lo") == 0;
    if (list)
        if_freenameindex(list);
    expect(alone, "it has a network device");
    expect(connects_nowhere(0xa9fea9feU), "it reaches 169.254.169.254");
    expect(connects_nowhere(0x08080808U), "it reaches 8.8.8.8");
}

static bool can_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void check_files(void)
{
    expect(!can_write("/x"), "it writes to /");
    expect(!can_write("/usr/x"), "it writes to /usr");
    expect(!can_write("/dev/x"), "it writes to /dev");
    expect(access("/root", F_OK) < 0 && access("/home", F_OK) < 0 && access("/var", F_OK) < 0,
           "it sees folders of the host");
    expect(can_write("/job/x"), "it can't write to its own folder");
}

static void check_calls(void)
{
    expect(unshare(CLONE_NEWUSER) < 0, "it makes user namespaces");
    expect(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0, "it may use ptrace");
}

int probe(int count, char **own)
{
    check_namespaces(count, own);
    check_privileges();
    check_network();
    check_files();
    check_calls();
    (void)fflush(stdout);
    return wrong;
}
