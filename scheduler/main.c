/* penstock-scheduler: flags, configuration, signals. What it does is in scheduler.c. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/fiber/watchdog.h"

enum { WAIT_FOR_POSTGRES_MS = 60000 };

static const char usage[] =
    "Usage: penstock-scheduler [OPTION]...\n"
    "The API and the clock of Penstock: takes runs, hands them to workers, sweeps up after "
    "crashes.\n"
    "\n"
    "  --config FILE         YAML configuration (PENSTOCK_CONFIG)\n"
    "  --host ADDRESS        numeric address or unix socket to listen on (PENSTOCK_HOST)\n"
    "  --port PORT           0: any free one (PENSTOCK_PORT)\n"
    "  --roles LIST          of api, dispatch, reap; default all (PENSTOCK_ROLES)\n"
    "  --database-url URL    Postgres (DATABASE_URL)\n"
    "  --redis-url URL       Redis (REDIS_URL)\n"
    "  --log-level LEVEL     debug, info, warn, error or off (PENSTOCK_LOG_LEVEL)\n"
    "  --log-format FORMAT   logfmt or json (PENSTOCK_LOG_FORMAT)\n"
    "  --help                this text\n"
    "  --version             the version\n"
    "\n"
    "It needs a migrated database: see `penstock migrate`. SIGTERM and SIGINT let requests finish\n"
    "first; a second one ends it at once.\n";

struct program {
    const struct config *config;
    struct fiber *root;
    int status;
};

/* The first signal asks the root to end, the second one does not ask. */
static void watch_signals(void *arg)
{
    struct program *program = arg;
    struct error err;
    int number;

    if (loop_signal_wait(DEADLINE_NONE, &number, &err) < 0)
        return;
    log_info("shutting down", LOG_STR("signal", strsignal(number)));
    fiber_cancel(program->root);
    if (loop_signal_wait(DEADLINE_NONE, &number, &err) < 0)
        return;
    log_warn("ended by a second signal");
    _exit(128 + number);
}

static void run_scheduler(struct program *program)
{
    struct scheduler scheduler;
    struct error err;
    char url[160];
    bool is_path = program->config->scheduler.host[0] == '/';
    int r = scheduler_open(program->config, WAIT_FOR_POSTGRES_MS, &scheduler, &err);

    if (r == -E_CANCELED)
        return;
    if (r < 0) {
        log_error("can't start", LOG_ERROR(&err));
        program->status = 1;
        return;
    }
    if (is_path)
        snprintf(url, sizeof(url), "unix:%s", program->config->scheduler.host);
    else
        snprintf(url, sizeof(url), "http://%s:%d/v1", program->config->scheduler.host,
                 http_server_port(scheduler.server));
    log_info("scheduler ready", LOG_STR("url", url),
             LOG_STR("roles", program->config->scheduler.roles),
             LOG_STR("version", PENSTOCK_VERSION));
    while (fiber_wait("a signal", DEADLINE_NONE) != WAIT_CANCELED)
        continue;
    scheduler_close(&scheduler, deadline_in(program->config->scheduler.drain_ms));
    log_info("scheduler stopped");
}

static void root(void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct program *program = arg;
    struct fiber *watcher;

    program->root = fiber_self();
    loop_signals(signals, ARRAY_LENGTH(signals));
    watchdog_start(NULL);
    watcher = fiber_start("signals", watch_signals, program);
    run_scheduler(program);
    fiber_shield_enter();
    fiber_cancel(watcher);
    fiber_join(watcher);
    watchdog_stop();
    offload_stop();
    fiber_shield_leave();
}

enum flag {
    FLAG_CONFIG = 256,
    FLAG_HOST,
    FLAG_PORT,
    FLAG_ROLES,
    FLAG_DATABASE_URL,
    FLAG_REDIS_URL,
    FLAG_LOG_LEVEL,
    FLAG_LOG_FORMAT,
    FLAG_HELP,
    FLAG_VERSION,
};

static const struct option options[] = {
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"host", required_argument, NULL, FLAG_HOST},
    {"port", required_argument, NULL, FLAG_PORT},
    {"roles", required_argument, NULL, FLAG_ROLES},
    {"database-url", required_argument, NULL, FLAG_DATABASE_URL},
    {"redis-url", required_argument, NULL, FLAG_REDIS_URL},
    {"log-level", required_argument, NULL, FLAG_LOG_LEVEL},
    {"log-format", required_argument, NULL, FLAG_LOG_FORMAT},
    {"help", no_argument, NULL, FLAG_HELP},
    {"version", no_argument, NULL, FLAG_VERSION},
    {NULL, 0, NULL, 0},
};

static void read_port(const char *word, struct config_flags *flags)
{
    int64_t port;

    if (!text_to_int(text_of(word), &port) || port < 0 || port > 65535) {
        fprintf(stderr, "penstock-scheduler: --port %s: expected a number from 0 to 65535\n", word);
        exit(2);
    }
    flags->port = (int)port;
}

static void read_flags(int argc, char **argv, struct config_flags *flags)
{
    int flag;

    while ((flag = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (flag) {
        case FLAG_CONFIG:
            flags->file = optarg;
            break;
        case FLAG_HOST:
            flags->host = optarg;
            break;
        case FLAG_PORT:
            read_port(optarg, flags);
            break;
        case FLAG_ROLES:
            flags->roles = optarg;
            break;
        case FLAG_DATABASE_URL:
            flags->database_url = optarg;
            break;
        case FLAG_REDIS_URL:
            flags->redis_url = optarg;
            break;
        case FLAG_LOG_LEVEL:
            flags->log_level = optarg;
            break;
        case FLAG_LOG_FORMAT:
            flags->log_format = optarg;
            break;
        case FLAG_HELP:
            fputs(usage, stdout);
            exit(0);
        case FLAG_VERSION:
            puts("penstock-scheduler " PENSTOCK_VERSION);
            exit(0);
        default:
            fputs("Try 'penstock-scheduler --help'.\n", stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "penstock-scheduler: unexpected argument '%s'\n", argv[optind]);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    CLEANUP(config_freep) struct config *config = NULL;
    struct config_flags flags = {.port = -1};
    struct program program = {0};
    struct error err;

    read_flags(argc, argv, &flags);
    if (config_load(&flags, environ, &config, &err) < 0) {
        fprintf(stderr, "penstock-scheduler: %s\n", err.text);
        return 1;
    }
    log_init("scheduler", config->log_level, config->log_format);
    io_raise_descriptor_limit();
    program.config = config;
    loop_run(root, &program);
    return program.status;
}
