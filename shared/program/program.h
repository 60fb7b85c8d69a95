#pragma once
/* A program: what every main does, once. Flags, configuration, log, signals, watchdog, exit codes.
 *
 *   0   it was told to end and did    1   it could not start
 *   2   wrong flags or settings       70  a part made no progress (shared/fiber/watchdog.h)
 *
 * The first SIGTERM or SIGINT asks it to end, a second one finds its default action. SIGHUP makes
 * it read its configuration again (reload.h).
 */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"

struct buf;
struct config;
struct error;

/* A flag of this program beside those that all have; it sets what `path` names in the file. */
struct program_flag {
    const char *name;     /* "port" */
    const char *argument; /* "PORT" */
    const char *path;     /* "scheduler.port" */
    const char *help;
};

struct program {
    const char *name;    /* "penstock-worker" */
    const char *section; /* of the configuration's settings that are its own: "worker" */
    const char *summary; /* what it does, for --help */
    const char *notes;   /* below the flags */
    const struct program_flag *flags;
    size_t flags_count;
    const struct metric_table *const *metrics; /* what its page shows, for --list-metrics */
    size_t metrics_count;

    /* Settings that only this program can judge. Returns 0 or -E_INVALID. NULL: none. */
    int (*check)(const struct config *config, struct error *err);
    /* Opens it; it says by a line of the log that it is ready. Returns 0, or the error that a
     * person must mend. */
    int (*open)(void *self, const struct config *config, struct error *err);
    /* Works until it is cancelled. */
    void (*serve)(void *self);
    /* Takes providers, models and their default from a configuration that was read again, which it
     * owns when this returns 0, and appends their names to `changed`. Returns 0 or -E_INVALID. Must
     * not suspend. */
    int (*reload)(void *self, struct config *config, struct buf *changed, struct error *err);
    /* Told to end: called before serve is cancelled; must not suspend. NULL: nothing to do. */
    void (*drain)(void *self);
    /* Closes what was opened, also after an open that failed. */
    void (*close)(void *self);
    void *self;
};

/* Does all of that and returns the exit code. */
int program_main(const struct program *program, int argc, char **argv);
