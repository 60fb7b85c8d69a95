#pragma once
/* The configuration of a program that runs, read again because somebody asked for it (SIGHUP).
 *
 * One that is wrong changes nothing and is told in the log, with what is wrong and where. Of a good
 * one the log names what has changed, and what differs but needs a new start. The file is read on a
 * thread, so a disk that does not answer delays nobody.
 *
 * One in a process, of the loop's thread.
 */

#include "shared/base/compiler.h"

struct buf;
struct config;
struct config_flags;
struct error;

struct reload_options {
    const char *name;                 /* of the program, for the log */
    const char *section;              /* of its own settings: "worker" */
    const struct config_flags *flags; /* those that it was started with */
    struct config *running;

    /* As struct program has them. */
    int (*check)(const struct config *config, struct error *err);
    int (*reload)(void *self, struct config *config, struct buf *changed, struct error *err);
    void *self;
};

/* May be asked for before it is started: then it begins with that. All that the options point to
 * outlives it. */
void reload_start(const struct reload_options *options);
void reload_ask(void);
SUSPENDS void reload_stop(void); /* does nothing to what was not started */

struct reload_counts {
    uint64_t done;    /* the configuration was read again, and holds */
    uint64_t refused; /* it was wrong, or could not be read */
};

struct reload_counts reload_counts(void);
