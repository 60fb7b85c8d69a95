/* Where `penstock dev` lives: its data folder with a lock, the servers' user, sockets, ports. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "scheduler/cli/dev/dev.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

#define SERVERS_ELSEWHERE "/var/lib/penstock"
#define LONGEST_SOCKET    ".s.PGSQL.5432.lock"

bool dev_socket_fits(const char *folder, const char *name)
{
    struct sockaddr_un address;

    return strlen(folder) + 1 + strlen(name) < sizeof(address.sun_path);
}

static int make_folder(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "make the folder %s", path);
    return 0;
}

/* With parents; what is made is open to be entered by the servers' user. */
static int make_folders(const char *path, struct error *err)
{
    char part[DEV_PATH_SIZE];
    int r;

    if (strlen(path) >= sizeof(part) - 64)
        return error_set(err, E_INVALID, "the name of the data folder is too long");
    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        r = make_folder(part, 0755, err);
        if (r < 0)
            return r;
        *at = '/';
    }
    return make_folder(part, 0755, err);
}

static int choose_user(struct dev_place *place, struct error *err)
{
    const struct passwd *user;

    if (geteuid() != 0)
        return 0;
    user = getpwnam("postgres");
    if (!user)
        user = getpwnam("nobody");
    if (!user || user->pw_uid == 0)
        return error_set(err, E_NOT_FOUND,
                         "Postgres does not run as root, and there is no user postgres or nobody");
    place->as_user = true;
    place->uid = user->pw_uid;
    place->gid = user->pw_gid;
    return 0;
}

static bool may_enter(const struct dev_place *place, const struct stat *info)
{
    if (info->st_uid == place->uid)
        return info->st_mode & S_IXUSR;
    if (info->st_gid == place->gid)
        return info->st_mode & S_IXGRP;
    return info->st_mode & S_IXOTH;
}

/* Whether the servers' user can walk down to the data folder. */
static bool is_reachable(const struct dev_place *place)
{
    char part[DEV_PATH_SIZE + 1];
    struct stat info;

    if (!place->as_user)
        return true;
    (void)snprintf(part, sizeof(part), "%s/", place->data);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (stat(part, &info) < 0 || !may_enter(place, &info))
            return false;
        *at = '/';
    }
    return true;
}

/* Root's own folders are closed to the servers' user, so theirs is then elsewhere, and a link
 * in the data folder leads there. */
static int choose_servers(struct dev_place *place, struct error *err)
{
    CLEANUP(freep) char *link = xasprintf("%s/servers", place->data);
    char id[UUID_TEXT_SIZE];
    ssize_t len;
    int r;

    if (is_reachable(place)) {
        memcpy(place->servers, place->data, sizeof(place->servers));
        return 0;
    }
    len = readlink(link, place->servers, sizeof(place->servers) - 1);
    if (len > 0) {
        place->servers[len] = '\0';
        return make_folders(place->servers, err);
    }
    uuid_format(uuid_new(), id);
    (void)snprintf(place->servers, sizeof(place->servers), "%s/dev-%s", SERVERS_ELSEWHERE, id);
    r = make_folders(place->servers, err);
    if (r == 0 && symlink(place->servers, link) < 0)
        r = error_set_errno(err, errno, "make the link %s", link);
    return r;
}

static int take_lock(struct dev_place *place, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/lock", place->data);
    char holder[16] = "?";

    place->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (place->lock_fd < 0)
        return error_set_errno(err, errno, "open %s", path);
    if (flock(place->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t len = read(place->lock_fd, holder, sizeof(holder) - 1);

        if (len > 0)
            holder[strspn(holder, "0123456789")] = '\0';
        (void)close(place->lock_fd);
        place->lock_fd = -1;
        return error_set(err, E_CONFLICT,
                         "another `penstock dev` (process %s) uses %s; stop it, or choose another "
                         "folder with --data",
                         holder, place->shown);
    }
    if (ftruncate(place->lock_fd, 0) < 0 || dprintf(place->lock_fd, "%ld\n", (long)getpid()) < 0)
        return error_set_errno(err, errno, "write %s", path);
    return 0;
}

static int make_owned(const struct dev_place *place, const char *path, struct error *err)
{
    struct stat info;
    uid_t wanted = place->as_user ? place->uid : geteuid();
    int r = make_folder(path, 0700, err);

    if (r < 0)
        return r;
    if (place->as_user && lchown(path, place->uid, place->gid) < 0)
        return error_set_errno(err, errno, "give %s to the servers' user", path);
    if (lstat(path, &info) < 0)
        return error_set_errno(err, errno, "look at %s", path);
    if (!S_ISDIR(info.st_mode) || info.st_uid != wanted || (info.st_mode & 077) != 0)
        return error_set(err, E_DENIED, "%s must be a folder of user %u that others may not enter",
                         path, wanted);
    return 0;
}

/* In the data folder where the address is short enough, else under a name made from it. */
static int make_sockets(struct dev_place *place, struct error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char digest[SHA256_TEXT_SIZE];
    const char *base = runtime && *runtime == '/' && !place->as_user ? runtime : "/tmp";

    (void)snprintf(place->sockets, sizeof(place->sockets), "%.*s/run",
                   (int)sizeof(place->sockets) - 8, place->servers);
    if (!dev_socket_fits(place->sockets, LONGEST_SOCKET)) {
        sha256_hex(text_of(place->data), digest);
        (void)snprintf(place->sockets, sizeof(place->sockets), "%.40s/penstock-%.16s", base,
                       digest);
    }
    return make_owned(place, place->sockets, err);
}

int dev_place_open(const char *data, struct dev_place *out, struct error *err)
{
    CLEANUP(freep) char *logs = NULL;
    CLEANUP(freep) char *redis = NULL;
    char absolute[PATH_MAX];
    int r;

    *out = (struct dev_place){.lock_fd = -1};
    r = make_folders(data, err);
    if (r < 0)
        return r;
    if (!realpath(data, absolute))
        return error_set_errno(err, errno, "find %s", data);
    if (strlen(absolute) >= sizeof(out->data) - 64)
        return error_set(err, E_INVALID, "the name of the data folder is too long");
    (void)snprintf(out->data, sizeof(out->data), "%.*s", (int)sizeof(out->data) - 1, absolute);
    (void)snprintf(out->shown, sizeof(out->shown), "%s", data);
    r = choose_user(out, err);
    if (r == 0)
        r = choose_servers(out, err);
    if (r < 0)
        return r;
    logs = xasprintf("%s/logs", out->data);
    redis = xasprintf("%s/redis", out->servers);
    r = take_lock(out, err);
    if (r == 0)
        r = make_folder(logs, 0755, err);
    if (r == 0)
        r = make_owned(out, redis, err);
    if (r == 0)
        r = make_sockets(out, err);
    if (r < 0)
        dev_place_close(out);
    return r;
}

void dev_place_close(struct dev_place *place)
{
    if (place->lock_fd >= 0)
        (void)close(place->lock_fd);
    place->lock_fd = -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int dev_remove_folder(const char *path, struct error *err)
{
    if (access(path, F_OK) < 0)
        return 0;
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return error_set_errno(err, errno, "remove %s", path);
    return 0;
}

/* Binds 127.0.0.1:port and lets go of it; *out_port is what it got. Returns 0 or -errno. */
static int try_port(int port, int *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(address);
    int on = 1;
    int r = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        r = -errno;
    (void)close(fd);
    *out_port = ntohs(address.sin_port);
    return r;
}

int dev_check_port(int port, struct error *err)
{
    int got;
    int r = try_port(port, &got);

    if (r == -EADDRINUSE)
        return error_set(
            err, E_CONFLICT,
            "port %d is in use; stop what listens there, or choose another with --port", port);
    if (r == -EACCES)
        return error_set(err, E_DENIED, "port %d is for root alone; choose another with --port",
                         port);
    return r < 0 ? error_set_errno(err, -r, "listen on port %d", port) : 0;
}

int dev_free_port(int *out, struct error *err)
{
    int r = try_port(0, out);

    return r < 0 ? error_set_errno(err, -r, "find a free port") : 0;
}
