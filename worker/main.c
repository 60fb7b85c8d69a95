/* penstock-worker: takes runs from the queue and works on them, thousands at once. What a program
 * does is in shared/program, what this one does in worker.c. */

#include <curl/curl.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/net/guard.h"
#include "shared/program/program.h"
#include "worker/health.h"
#include "worker/tools/mcp/mcp_trial.h"
#include "worker/worker.h"

static const struct program_flag flags[] = {
    {"slots", "N", "worker.slots", "runs at once; default 1000 (PENSTOCK_SLOTS)"},
    {"host", "ADDRESS", "worker.host",
     "of health and metrics; default 127.0.0.1 (PENSTOCK_WORKER_HOST)"},
    {"port", "N", "worker.port",
     "of health and metrics; default any free one (PENSTOCK_WORKER_PORT)"},
};

/* What the guard would not understand would be no exception: better not to start. */
static int check_exceptions(const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->worker.private_addresses_count; i++)
        if (guard_check_exception(config->worker.private_addresses[i], err) < 0)
            return error_wrap(err, "worker.private_addresses");
    return 0;
}

static int open_worker(void *self, const struct config *config, struct error *err)
{
    struct worker *worker = self;
    int r = worker_open(worker, config, err);

    if (r < 0)
        return r;
    log_info("worker ready", LOG_STR("worker", worker->id_text),
             LOG_INT("port", health_port(worker->health)), LOG_STR("version", PENSTOCK_VERSION));
    return 0;
}

static void serve(void *self)
{
    worker_serve(self);
}

static int reload(void *self, struct config *config, struct buf *changed, struct error *err)
{
    return worker_reload(self, config, changed, err);
}

static void drain(void *self)
{
    worker_drain(self);
}

static void close_worker(void *self)
{
    worker_close(self);
}

/* Another task of this program, which opens none of a worker's connections. */
static bool takes_trial(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--try-mcp") != 0)
            continue;
        for (; i < *argc; i++)
            argv[i] = argv[i + 1];
        (*argc)--;
        return true;
    }
    return false;
}

static int keep_all(void *self, struct config *config, struct buf *changed, struct error *err)
{
    (void)self;
    (void)config;
    (void)changed;
    return error_set(err, E_INVALID, "it is about to end");
}

int main(int argc, char **argv)
{
    static struct worker worker;
    static struct mcp_trial trial;
    const struct program trial_program = {
        .name = "penstock-worker",
        .section = "worker",
        .summary = "Asks the servers of mcp_servers for their tools.",
        .notes = "",
        .flags = flags,
        .flags_count = ARRAY_LENGTH(flags),
        .metrics = worker_metrics,
        .metrics_count = worker_metrics_count,
        .check = check_exceptions,
        .open = mcp_trial_open,
        .serve = mcp_trial_serve,
        .reload = keep_all,
        .close = mcp_trial_close,
        .self = &trial,
    };
    const struct program program = {
        .name = "penstock-worker",
        .section = "worker",
        .summary = "Takes runs from the queue and works on them, thousands at once in one process.",
        .notes = "SIGTERM and SIGINT drain: runs stop at their next checkpoint and others go on "
                 "with them. A\nsecond signal ends the process at once, which is safe too. SIGHUP "
                 "reads the configuration\nagain. With --try-mcp it only asks the servers of "
                 "mcp_servers for their tools, prints what\n"
                 "came of it, and ends.\n",
        .flags = flags,
        .flags_count = ARRAY_LENGTH(flags),
        .metrics = worker_metrics,
        .metrics_count = worker_metrics_count,
        .check = check_exceptions,
        .open = open_worker,
        .serve = serve,
        .reload = reload,
        .drain = drain,
        .close = close_worker,
        .self = &worker,
    };
    bool tries = takes_trial(&argc, argv);
    int status;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    status = program_main(tries ? &trial_program : &program, argc, argv);
    curl_global_cleanup();
    return status;
}
