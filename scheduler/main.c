/* penstock-scheduler: what a program does is in shared/program, what this one does in scheduler.c.
 */

#include <stdio.h>

#include "scheduler/health.h"
#include "scheduler/scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/program/program.h"

enum { WAIT_FOR_POSTGRES_MS = 60000 };

static const struct program_flag flags[] = {
    {"host", "ADDRESS", "scheduler.host",
     "numeric address or unix socket to listen on (PENSTOCK_HOST)"},
    {"port", "PORT", "scheduler.port", "0: any free one (PENSTOCK_PORT)"},
    {"roles", "LIST", "scheduler.roles",
     "of api, dispatch, reap, batches, outbox; default all (PENSTOCK_ROLES)"},
    {"metrics", "WHERE", "scheduler.metrics",
     "on the API's port (on), off, or ADDRESS:PORT (PENSTOCK_METRICS)"},
};

static int open_scheduler(void *self, const struct config *config, struct error *err)
{
    struct scheduler *scheduler = self;
    char url[160];
    int r = scheduler_open(config, WAIT_FOR_POSTGRES_MS, scheduler, err);

    if (r < 0)
        return r;
    if (config->scheduler.host[0] == '/')
        snprintf(url, sizeof(url), "unix:%s", config->scheduler.host);
    else
        snprintf(url, sizeof(url), "http://%s:%d/v1", config->scheduler.host,
                 http_server_port(scheduler->server));
    log_info("scheduler ready", LOG_STR("url", url), LOG_STR("roles", config->scheduler.roles),
             LOG_STR("version", PENSTOCK_VERSION));
    return 0;
}

static void serve_scheduler(void *self)
{
    (void)self;
    while (fiber_wait("a signal", DEADLINE_NONE) != WAIT_CANCELED)
        continue;
}

static int reload_scheduler(void *self, struct config *config, struct buf *changed,
                            struct error *err)
{
    return scheduler_reload(self, config, changed, err);
}

static void close_scheduler(void *self)
{
    struct scheduler *scheduler = self;

    if (!scheduler->config)
        return;
    scheduler_close(scheduler, deadline_in(scheduler->config->scheduler.drain_ms));
    log_info("scheduler stopped");
}

int main(int argc, char **argv)
{
    static struct scheduler scheduler;
    const struct program program = {
        .name = "penstock-scheduler",
        .section = "scheduler",
        .summary =
            "The API and the clock of Penstock: takes runs, hands them to workers, sweeps up "
            "after crashes.",
        .notes = "It needs a migrated database: see `penstock migrate`. SIGTERM and SIGINT let "
                 "requests finish\nfirst; a second one ends it at once. SIGHUP reads the "
                 "configuration again.\n",
        .flags = flags,
        .flags_count = ARRAY_LENGTH(flags),
        .metrics = scheduler_metrics,
        .metrics_count = scheduler_metrics_count,
        .open = open_scheduler,
        .serve = serve_scheduler,
        .reload = reload_scheduler,
        .close = close_scheduler,
        .self = &scheduler,
    };

    return program_main(&program, argc, argv);
}
