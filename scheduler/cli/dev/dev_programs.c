/* The programs of `penstock dev`: where they are, and how a Postgres data folder comes about. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "scheduler/cli/dev/dev.h"
#include "scheduler/cli/files.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define POSTGRES_MIN  15
#define STALE_WAIT_MS 20000

static const char *const postgres_roots[] = {"/usr/lib/postgresql", "/usr/local/pgsql",
                                             "/opt/postgresql"};

int dev_postgres_major(const char *folder)
{
    const char *at = strrchr(folder, '/');
    int64_t major;

    if (!at || strcmp(at, "/bin") != 0)
        return 0;
    while (at > folder && at[-1] != '/')
        at--;
    if (!text_to_int((struct text){at, strcspn(at, "/")}, &major) || major < 1 || major > 1000)
        return 0;
    return (int)major;
}

static bool has_program(const char *folder, const char *name, char out[DEV_PATH_SIZE])
{
    (void)snprintf(out, DEV_PATH_SIZE, "%.400s/%.60s", folder, name);
    return access(out, X_OK) == 0;
}

static bool find_in_path(const char *name, char out[DEV_PATH_SIZE])
{
    const char *path = getenv("PATH");
    CLEANUP(freep)
    char *all = xasprintf("%s:/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin", path ? path : "");
    char *rest = all;
    char *folder;

    while ((folder = strsep(&rest, ":")))
        if (*folder == '/' && has_program(folder, name, out))
            return true;
    return false;
}

/* The newest of ROOT/N/bin that has postgres and initdb; of version `only` when that is not 0. */
static void look_in_root(const char *root, int only, int *best, char out[DEV_PATH_SIZE])
{
    DIR *folder = opendir(root);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char bin[DEV_PATH_SIZE];
        char program[DEV_PATH_SIZE];
        int major;

        (void)snprintf(bin, sizeof(bin), "%.200s/%.200s/bin", root, entry->d_name);
        major = dev_postgres_major(bin);
        if (major < POSTGRES_MIN || major <= *best || (only && major != only) ||
            !has_program(bin, "postgres", program) || !has_program(bin, "initdb", program))
            continue;
        *best = major;
        (void)snprintf(out, DEV_PATH_SIZE, "%s", bin);
    }
    if (folder)
        (void)closedir(folder);
}

/* The version that the data folder is of, or 0. */
static int data_version(const struct dev_place *place)
{
    CLEANUP(freep) char *path = xasprintf("%s/postgres/PG_VERSION", place->servers);
    CLEANUP(buf_deinit) struct buf text = {0};
    int64_t version;

    buf_init(&text, 64);
    if (file_read(path, &text, NULL) < 0 || !text_to_int(text_trim(buf_text(&text)), &version))
        return 0;
    return (int)version;
}

static int find_postgres(const struct dev_place *place, struct dev_programs *out, struct error *err)
{
    int only = data_version(place);
    int best = 0;
    char program[DEV_PATH_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(postgres_roots); i++)
        look_in_root(postgres_roots[i], only, &best, out->postgres_bin);
    if (best > 0)
        return 0;
    if (find_in_path("initdb", program)) { /* of which version, initdb or the server will say */
        *strrchr(program, '/') = '\0';
        (void)snprintf(out->postgres_bin, sizeof(out->postgres_bin), "%s", program);
        return 0;
    }
    if (only)
        return error_set(err, E_NOT_FOUND,
                         "%s was made by PostgreSQL %d, which is not installed: apt-get install "
                         "postgresql-%d",
                         place->shown, only, only);
    return error_set(err, E_NOT_FOUND,
                     "PostgreSQL %d or later is not installed: apt-get install postgresql",
                     POSTGRES_MIN);
}

static int find_ours(const char *folder, const char *name, char out[DEV_PATH_SIZE],
                     struct error *err)
{
    if (has_program(folder, name, out))
        return 0;
    return error_set(err, E_NOT_FOUND,
                     "%s is not where penstock is (%.120s): build it, or install "
                     "all of Penstock",
                     name, folder);
}

int dev_programs_find(const struct dev_place *place, struct dev_programs *out, struct error *err)
{
    char folder[DEV_PATH_SIZE];
    ssize_t len = readlink("/proc/self/exe", out->penstock, sizeof(out->penstock) - 1);
    int r = find_postgres(place, out, err);

    if (r < 0)
        return r;
    if (!find_in_path("redis-server", out->redis) && !find_in_path("valkey-server", out->redis))
        return error_set(err, E_NOT_FOUND,
                         "redis-server is not installed: apt-get install redis-server");
    if (len <= 0)
        return error_set_errno(err, errno, "find our own program");
    out->penstock[len] = '\0';
    (void)snprintf(folder, sizeof(folder), "%s", out->penstock);
    *strrchr(folder, '/') = '\0';
    r = find_ours(folder, "penstock-scheduler", out->scheduler, err);
    if (r == 0)
        r = find_ours(folder, "penstock-worker", out->worker, err);
    if (r == 0)
        r = find_ours(folder, "penstock-rehearsal", out->rehearsal, err);
    return r;
}

static int init_database(const struct dev_place *place, const struct dev_programs *programs,
                         const char *folder, struct error *err)
{
    CLEANUP(freep) char *initdb = xasprintf("%s/initdb", programs->postgres_bin);
    CLEANUP(freep) char *postgres = xasprintf("%s/postgres", programs->postgres_bin);
    const struct dev_command init = {
        .name = "initdb",
        .argv = {initdb, "-D", folder, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C",
                 "--no-sync", NULL},
        .as_server_user = true,
    };
    const struct dev_command create = {
        .name = "initdb",
        .argv = {postgres, "--single", "-F", "-D", folder, "postgres", NULL},
        .as_server_user = true,
    };
    int r = dev_run(place, &init, TEXT_NONE, NULL, err);

    if (r == 0)
        r = dev_run(place, &create, TEXT("CREATE DATABASE penstock;\n"), NULL, err);
    return r;
}

int dev_prepare_postgres(const struct dev_place *place, const struct dev_programs *programs,
                         bool *out_new, struct error *err)
{
    CLEANUP(freep) char *final = xasprintf("%s/postgres", place->servers);
    CLEANUP(freep) char *version = xasprintf("%s/PG_VERSION", final);
    CLEANUP(freep) char *making = xasprintf("%s/postgres.new", place->servers);
    CLEANUP(freep) char *folder = xasprintf("%s/postgres", making);
    int r;

    *out_new = access(version, F_OK) < 0;
    if (!*out_new)
        return 0;
    r = dev_remove_folder(making, err);
    if (r == 0 && mkdir(making, 0700) < 0)
        r = error_set_errno(err, errno, "make the folder %s", making);
    if (r == 0 && place->as_user && chown(making, place->uid, place->gid) < 0)
        r = error_set_errno(err, errno, "give %s to the servers' user", making);
    if (r == 0)
        r = init_database(place, programs, folder, err);
    if (r == 0)
        r = dev_remove_folder(final, err);
    if (r == 0 && rename(folder, final) < 0)
        r = error_set_errno(err, errno, "rename %s", folder);
    if (r == 0)
        r = dev_remove_folder(making, err);
    return r;
}

/* The process in postmaster.pid, if it lives and works in this data folder; else 0. */
static pid_t postmaster(const struct dev_place *place)
{
    CLEANUP(freep) char *folder = xasprintf("%s/postgres", place->servers);
    CLEANUP(freep) char *path = xasprintf("%s/postmaster.pid", folder);
    CLEANUP(freep) char *link = NULL;
    CLEANUP(buf_deinit) struct buf text = {0};
    char cwd[DEV_PATH_SIZE] = "";
    struct text line;
    struct text rest;
    int64_t pid;

    buf_init(&text, 65536);
    if (file_read(path, &text, NULL) < 0 || !text_cut(buf_text(&text), '\n', &line, &rest) ||
        !text_to_int(text_trim(line), &pid) || pid < 2)
        return 0;
    link = xasprintf("/proc/%lld/cwd", (long long)pid);
    if (readlink(link, cwd, sizeof(cwd) - 1) < 0 || strcmp(cwd, folder) != 0)
        return 0;
    return (pid_t)pid;
}

int dev_end_stale_postgres(const struct dev_place *place, struct error *err)
{
    int64_t give_up_ms = deadline_in(STALE_WAIT_MS);
    int64_t hurry_ms = deadline_in(STALE_WAIT_MS / 2);
    pid_t pid = postmaster(place);

    if (pid != 0)
        (void)kill(pid, SIGINT);
    while (pid != 0 && clock_ms() < give_up_ms) {
        const struct timespec wait = {0, 50 * 1000 * 1000};

        (void)nanosleep(&wait, NULL);
        pid = postmaster(place);
        if (pid != 0 && clock_ms() > hurry_ms)
            (void)kill(pid, SIGQUIT);
    }
    if (pid != 0)
        return error_set(
            err, E_CONFLICT,
            "a Postgres of an earlier `penstock dev` (process %ld) does not end; end it",
            (long)pid);
    return 0;
}
