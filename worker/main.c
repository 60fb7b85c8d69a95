/* penstock-worker: takes runs from the queue and works on them, thousands at once. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <curl/curl.h>

#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/fiber/watchdog.h"
#include "shared/http_server/http_server.h"
#include "shared/io/io.h"
#include "shared/net/guard.h"
#include "worker/worker.h"

#define EXIT_USAGE 2

static const char help[] =
    "Usage: penstock-worker [OPTION...]\n"
    "\n"
    "Takes runs from the queue and works on them, thousands at once in one process.\n"
    "\n"
    "  --config FILE         settings (YAML); also PENSTOCK_CONFIG\n"
    "  --database-url URL    Postgres; also DATABASE_URL\n"
    "  --redis-url URL       Redis; also REDIS_URL\n"
    "  --slots N             runs at once; also PENSTOCK_SLOTS; default 1000\n"
    "  --host ADDRESS        of health and metrics; default 127.0.0.1\n"
    "  --port N              of health and metrics; also PENSTOCK_WORKER_PORT; default any free "
    "one\n"
    "  --log-level LEVEL     debug, info, warn, error, off; also PENSTOCK_LOG_LEVEL\n"
    "  --log-format FORMAT   logfmt or json; also PENSTOCK_LOG_FORMAT\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM and SIGINT drain: runs stop at their next checkpoint and others go on with them. A\n"
    "second signal ends the process at once, which is safe too.\n";

struct program {
    struct worker worker;
    struct config *config;
    struct fiber *serving;
    int exit_code;
};

static void serve_main(void *arg)
{
    struct program *program = arg;
    struct worker *worker = &program->worker;
    struct error err = {0};
    int r = worker_open(worker, program->config, &err);

    if (r == -E_CANCELED)
        return; /* told to end while it waited for Postgres */
    if (r < 0) {
        log_error("can't start", LOG_ERROR(&err));
        program->exit_code = EXIT_FAILURE;
        return;
    }
    log_info("worker ready", LOG_STR("worker", worker->id_text),
             LOG_INT("port", http_server_port(worker->health)));
    worker_serve(worker);
}

/* Drains on the first signal; the second one finds its default action and ends the process. */
static void signals_main(void *arg)
{
    struct program *program = arg;
    int number;

    if (loop_signal_wait(DEADLINE_NONE, &number, NULL) < 0)
        return;
    log_info("draining", LOG_STR("signal", strsignal(number)));
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    worker_drain(&program->worker);
    fiber_cancel(program->serving);
}

static void root(void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct program *program = arg;
    struct fiber *waiting;

    loop_signals(signals, ARRAY_LENGTH(signals));
    watchdog_start(NULL);
    program->serving = fiber_start("serve", serve_main, program);
    waiting = fiber_start("signals", signals_main, program);
    fiber_join(program->serving);
    fiber_cancel(waiting);
    fiber_join(waiting);
    worker_close(&program->worker);
    watchdog_stop();
    offload_stop();
}

static int parse_port(const char *text, int *out)
{
    int64_t value;

    if (!text_to_int(text_of(text), &value) || value < 0 || value > 65535) {
        fprintf(stderr, "penstock-worker: --port must be between 0 and 65535, not '%s'\n", text);
        return EXIT_USAGE;
    }
    *out = (int)value;
    return 0;
}

static int parse_slots(const char *text, int *out)
{
    int64_t value;

    if (!text_to_int(text_of(text), &value) || value < 1 || value > 1000000) {
        fprintf(stderr, "penstock-worker: --slots must be between 1 and 1000000, not '%s'\n", text);
        return EXIT_USAGE;
    }
    *out = (int)value;
    return 0;
}

struct worker_flags {
    struct config_flags config;
    const char *host;
    int port; /* -1: not given */
};

/* Returns 0 to go on, or an exit code + 1. */
static int parse_flags(int argc, char **argv, struct worker_flags *flags)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"database-url", required_argument, NULL, 'd'},
        {"redis-url", required_argument, NULL, 'r'},
        {"slots", required_argument, NULL, 's'},
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {"log-level", required_argument, NULL, 'l'},
        {"log-format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;
    int r = 0;

    while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            flags->config.file = optarg;
            break;
        case 'd':
            flags->config.database_url = optarg;
            break;
        case 'r':
            flags->config.redis_url = optarg;
            break;
        case 's':
            r = parse_slots(optarg, &flags->config.slots);
            break;
        case 'H':
            flags->host = optarg;
            break;
        case 'p':
            r = parse_port(optarg, &flags->port);
            break;
        case 'l':
            flags->config.log_level = optarg;
            break;
        case 'f':
            flags->config.log_format = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS + 1;
        case 'v':
            puts("penstock-worker " PENSTOCK_VERSION);
            return EXIT_SUCCESS + 1;
        default:
            r = EXIT_USAGE;
            break;
        }
    }
    if (r == 0 && optind < argc) {
        fprintf(stderr, "penstock-worker: unexpected argument '%s'; see --help\n", argv[optind]);
        r = EXIT_USAGE;
    }
    return r ? r + 1 : 0;
}

/* What the guard would not understand would be no exception: better not to start. */
static bool exceptions_are_good(const struct config *config)
{
    struct error err;

    for (size_t i = 0; i < config->worker.private_addresses_count; i++) {
        if (guard_check_exception(config->worker.private_addresses[i], &err) == 0)
            continue;
        fprintf(stderr, "penstock-worker: worker.private_addresses: %s\n", err.text);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct worker_flags flags = {.config = {.port = -1}, .port = -1};
    struct error err;
    int r = parse_flags(argc, argv, &flags);

    if (r != 0)
        return r - 1;
    if (config_load(&flags.config, environ, &program.config, &err) < 0) {
        fprintf(stderr, "penstock-worker: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (!exceptions_are_good(program.config))
        return EXIT_USAGE;
    if (flags.port >= 0)
        program.config->worker.port = flags.port;
    if (flags.host) {
        free(program.config->worker.host);
        program.config->worker.host = strdup(flags.host);
    }
    log_init("penstock-worker", program.config->log_level, program.config->log_format);
    io_raise_descriptor_limit();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    loop_run(root, &program);
    curl_global_cleanup();
    config_free(program.config);
    return program.exit_code;
}
