#pragma once
/* `penstock dev`: a whole Penstock on one machine, in the foreground. A plain blocking program, no
 * loop: it forks, waits for signals and children, and asks the rest of its own program in child
 * processes.
 *
 * dev_place.c     folders, the lock, the user that servers run as, where sockets go
 * dev_programs.c  finding programs; preparing a Postgres data folder
 * dev_environment.c  which variables children find
 * dev_children.c  starting, restarting, and stopping child processes
 * command_dev.c   the order of it all
 *
 * No process may outlive us: each child asks the kernel for a signal on our death, Postgres for a
 * fast shutdown, the others for SIGKILL.
 */

#include <sys/types.h>

#include "shared/base/backoff.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define DEV_PATH_SIZE   512
#define DEV_WORKERS_MAX 64

struct dev_place {
    char shown[DEV_PATH_SIZE];   /* the data folder as it was given */
    char data[DEV_PATH_SIZE];    /* the same, absolute */
    char servers[DEV_PATH_SIZE]; /* of postgres/ and redis/: `data`, where the servers' user can get
                                  * there, else a folder of its own in /var/lib/penstock */
    char sockets[DEV_PATH_SIZE]; /* short enough for a socket's address */
    int lock_fd;
    bool as_user; /* servers run as uid and gid, since we are root */
    uid_t uid;
    gid_t gid;
};

/* Makes the data folder with its parts, and takes its lock. Returns 0; -E_CONFLICT when another
 * `penstock dev` holds it; -E_SYSTEM. */
MUSTCHECK int dev_place_open(const char *data, struct dev_place *out, struct error *err);
void dev_place_close(struct dev_place *place);

/* Whether a socket `name` fits in a folder: addresses of unix sockets have 107 bytes. Pure. */
bool dev_socket_fits(const char *folder, const char *name);

/* Removes a folder with all that is in it. */
MUSTCHECK int dev_remove_folder(const char *path, struct error *err);

/* Returns 0, or -E_CONFLICT when something listens on 127.0.0.1:port. */
MUSTCHECK int dev_check_port(int port, struct error *err);

/* A free port of 127.0.0.1, or -E_SYSTEM. */
MUSTCHECK int dev_free_port(int *out, struct error *err);

struct dev_programs {
    char postgres_bin[DEV_PATH_SIZE]; /* the folder with postgres and initdb */
    char redis[DEV_PATH_SIZE];
    char penstock[DEV_PATH_SIZE]; /* ourselves */
    char scheduler[DEV_PATH_SIZE];
    char worker[DEV_PATH_SIZE];
    char rehearsal[DEV_PATH_SIZE];
};

/* Finds all of them; a Postgres that fits the data folder, where there is one. Returns 0 or
 * -E_NOT_FOUND with what to install. */
MUSTCHECK int dev_programs_find(const struct dev_place *place, struct dev_programs *out,
                                struct error *err);

/* The major version in ".../15/bin", or 0. Pure. */
int dev_postgres_major(const char *folder);

/* What a program needs of our environment: where programs are, language and time zone; or beside
 * these all that the configuration reads, keys included, and what libraries read that call
 * providers. */
enum dev_needs { DEV_NEEDS_BASE, DEV_NEEDS_SETTINGS };

/* Whether a variable is for such a program. config_text is that of the configuration file, whose
 * ${NAME} count; may be "". Pure. */
bool dev_environment_passes(enum dev_needs needs, const char *name, const char *config_text);

/* Our environment without what is not needed, ended by NULL. The caller frees the array alone. */
char **dev_environment_new(enum dev_needs needs);

/* One program to be run, in the data folder. Owns nothing. */
struct dev_command {
    const char *name; /* of its log */
    const char *argv[32];
    enum dev_needs needs;
    bool as_server_user;
    int death_signal; /* that it gets when we die; default SIGKILL */
};

/* Runs it to its end; its standard output into `out` (may be NULL), the rest into logs/NAME.log.
 * Returns 0 when it exits with 0, DEV_INTERRUPTED when we were told to end, else -E_REJECTED with
 * its exit code and last line. */
enum { DEV_INTERRUPTED = 1 };
MUSTCHECK int dev_run(const struct dev_place *place, const struct dev_command *command,
                      struct text input, struct buf *out, struct error *err);

/* Makes postgres/ when it is not there: initdb and a database `penstock`, under another name until
 * all is done. *out_new says whether. Returns 0, DEV_INTERRUPTED, or what dev_run returns. */
MUSTCHECK int dev_prepare_postgres(const struct dev_place *place,
                                   const struct dev_programs *programs, bool *out_new,
                                   struct error *err);

/* Ends a postmaster that is left from a dev that was killed. Returns 0 or -E_CONFLICT. */
MUSTCHECK int dev_end_stale_postgres(const struct dev_place *place, struct error *err);

/* A child that is kept alive. */
struct dev_child {
    struct dev_command command;
    int stop_signal;
    pid_t pid; /* 0: not running */
    int64_t started_ms;
    int64_t restart_at_ms; /* 0: not due */
    struct backoff restarts;
    int64_t reload_until_ms; /* its log is looked at for what came of SIGHUP; 0: it is not */
    int64_t reload_from;     /* where in the log that will stand */
};

struct dev_children {
    const struct dev_place *place;
    struct dev_child items[DEV_WORKERS_MAX + 8];
    size_t count;
    bool verbose; /* say when one ends */
};

/* Starts it in a process group of its own, its output into logs/NAME.log. Returns 0 or
 * -E_SYSTEM. */
MUSTCHECK int dev_child_start(struct dev_children *children, const struct dev_command *command,
                              int stop_signal, struct error *err);

/* Waits up to wait_ms (less when something happens), takes in children that ended and starts those
 * again whose time has come; on SIGHUP those with DEV_NEEDS_SETTINGS get it too. Returns 0, or
 * DEV_INTERRUPTED when we were told to end. */
int dev_children_watch(struct dev_children *children, int64_t wait_ms);

/* A child reads the configuration again: what its log says of that is told to the terminal. note()
 * comes before the signal; tell() returns whether somebody has said nothing yet. */
void dev_reload_note(const struct dev_place *place, struct dev_child *child);
bool dev_reload_tell(struct dev_children *children);

/* Stops children [first, count) at once by their signals, waits, then kills. A second signal to us
 * cuts the wait short. */
void dev_children_stop(struct dev_children *children, size_t first, int64_t wait_ms);

/* Puts what the log of a child ends with into the error. Returns -E_REJECTED. */
int dev_child_failed(const struct dev_children *children, const struct dev_child *child,
                     struct error *err);

/* Blocks the signals that we wait for, and notes whether there is a terminal; to be called first.
 */
void dev_signals_block(void);
