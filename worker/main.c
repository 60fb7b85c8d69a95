/* penstock-worker: takes runs from the queue and works on them, thousands at once. What a program
 * does is in shared/program, what this one does in worker.c. */

#include <curl/curl.h>

#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/net/guard.h"
#include "shared/program/program.h"
#include "worker/health.h"
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

int main(int argc, char **argv)
{
    static struct worker worker;
    const struct program program = {
        .name = "penstock-worker",
        .section = "worker",
        .summary = "Takes runs from the queue and works on them, thousands at once in one process.",
        .notes = "SIGTERM and SIGINT drain: runs stop at their next checkpoint and others go on "
                 "with them. A\nsecond signal ends the process at once, which is safe too. SIGHUP "
                 "reads the configuration\nagain.\n",
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
    int status;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    status = program_main(&program, argc, argv);
    curl_global_cleanup();
    return status;
}
