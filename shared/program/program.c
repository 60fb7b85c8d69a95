#include "shared/program/program.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/fiber/watchdog.h"
#include "shared/io/io.h"
#include "shared/program/reload.h"

#define EXIT_CANNOT_START 1
#define EXIT_USAGE        2
#define FLAGS_MAX         24
#define GO_ON             (-1)

/* Those of every program. */
static const struct program_flag common[] = {
    {"database-url", "URL", "database_url", "Postgres (DATABASE_URL)"},
    {"redis-url", "URL", "redis_url", "Redis (REDIS_URL)"},
    {"log-level", "LEVEL", "log.level", "debug, info, warn, error or off (PENSTOCK_LOG_LEVEL)"},
    {"log-format", "FORMAT", "log.format", "logfmt or json (PENSTOCK_LOG_FORMAT)"},
};

static const struct program_flag plain[] = {
    {"config", "FILE", NULL, "settings in YAML (PENSTOCK_CONFIG)"},
    {"help", NULL, NULL, "this text"},
    {"version", NULL, NULL, "the version"},
    {"list-metrics", NULL, NULL, "the metrics of its page, as a table in Markdown"},
};

enum plain_flag { PLAIN_CONFIG, PLAIN_HELP, PLAIN_VERSION, PLAIN_METRICS };

struct run {
    const struct program *program;
    struct config *config;
    const struct config_flags *flags;
    struct fiber *serving;
    int status;
};

/* The flags of a program in one list: its own, the common ones, the plain ones. */
struct flag_list {
    const struct program_flag *items[FLAGS_MAX];
    size_t count;
    size_t plain_from;
};

static struct flag_list list_flags(const struct program *program)
{
    struct flag_list list = {.count = 0};

    ASSERT(program->flags_count + ARRAY_LENGTH(common) + ARRAY_LENGTH(plain) <= FLAGS_MAX);
    for (size_t i = 0; i < program->flags_count; i++)
        list.items[list.count++] = &program->flags[i];
    for (size_t i = 0; i < ARRAY_LENGTH(common); i++)
        list.items[list.count++] = &common[i];
    list.plain_from = list.count;
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        list.items[list.count++] = &plain[i];
    return list;
}

static void print_flag(const struct program_flag *flag)
{
    char words[64];

    (void)snprintf(words, sizeof(words), "--%s%s%s", flag->name, flag->argument ? " " : "",
                   flag->argument ? flag->argument : "");
    printf("  %-21s %s\n", words, flag->help);
}

static void print_help(const struct program *program)
{
    struct flag_list list = list_flags(program);

    printf("Usage: %s [OPTION]...\n%s\n\n", program->name, program->summary);
    print_flag(&plain[PLAIN_CONFIG]);
    for (size_t i = 0; i < list.count; i++)
        if (i != list.plain_from + PLAIN_CONFIG)
            print_flag(list.items[i]);
    printf("\n%s", program->notes);
}

static void print_metrics(const struct program *program)
{
    struct buf out;

    buf_init(&out, 0);
    buf_add_string(&out, "| Metric | Type | Labels | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < program->metrics_count; i++)
        metric_table_describe(program->metrics[i], &out);
    (void)fwrite(out.ptr, 1, out.len, stdout);
    buf_deinit(&out);
}

/* What one of the plain flags asks for. Returns an exit code, or GO_ON. */
static int take_plain(const struct program *program, size_t number, struct config_flags *flags)
{
    switch ((enum plain_flag)number) {
    case PLAIN_CONFIG:
        flags->file = optarg;
        return GO_ON;
    case PLAIN_HELP:
        print_help(program);
        return 0;
    case PLAIN_VERSION:
        printf("%s %s\n", program->name, PENSTOCK_VERSION);
        return 0;
    case PLAIN_METRICS:
        print_metrics(program);
        return 0;
    }
    return EXIT_USAGE;
}

/* Returns an exit code, or GO_ON. What was written must have gone out: /dev/full is a failure. */
static int read_flags(const struct program *program, int argc, char **argv,
                      struct config_flags *flags)
{
    struct flag_list list = list_flags(program);
    struct option options[FLAGS_MAX + 1] = {0};
    int status = GO_ON;
    int found;

    for (size_t i = 0; i < list.count; i++)
        options[i] = (struct option){list.items[i]->name,
                                     list.items[i]->argument ? required_argument : no_argument,
                                     NULL, (int)i + 1};
    while (status == GO_ON && (found = getopt_long(argc, argv, "", options, NULL)) != -1) {
        size_t at = (size_t)found - 1;

        if (found == '?') {
            fprintf(stderr, "Try '%s --help'.\n", program->name);
            return EXIT_USAGE;
        }
        if (at >= list.plain_from)
            status = take_plain(program, at - list.plain_from, flags);
        else
            config_flags_set(flags, list.items[at]->path, list.items[at]->name, optarg);
    }
    if (status == GO_ON && optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'; see --help\n", program->name, argv[optind]);
        return EXIT_USAGE;
    }
    if (status == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        return EXIT_CANNOT_START;
    return status;
}

static void serve_main(void *arg)
{
    struct run *run = arg;
    const struct program *program = run->program;
    struct error err = {0};
    int r = program->open(program->self, run->config, &err);

    if (r == -E_CANCELED)
        return; /* told to end while it opened */
    if (r < 0) {
        log_error("can't start", LOG_ERROR(&err));
        run->status = EXIT_CANNOT_START;
        return;
    }
    reload_start(&(struct reload_options){
        .name = program->name,
        .section = program->section,
        .flags = run->flags,
        .running = run->config,
        .check = program->check,
        .reload = program->reload,
        .self = program->self,
    });
    program->serve(program->self);
    reload_stop();
}

static void signals_main(void *arg)
{
    struct run *run = arg;
    int number;

    do {
        if (loop_signal_wait(DEADLINE_NONE, &number, NULL) < 0)
            return;
        if (number == SIGHUP)
            reload_ask();
    } while (number == SIGHUP);
    log_info(run->program->drain ? "draining" : "shutting down",
             LOG_STR("signal", strsignal(number)));
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (run->program->drain)
        run->program->drain(run->program->self);
    fiber_cancel(run->serving);
}

static void root(void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct run *run = arg;
    struct fiber *waiting;
    struct error err;

    loop_signals(signals, ARRAY_LENGTH(signals));
    if (watchdog_start(NULL, &err) < 0) {
        log_error("can't start", LOG_ERROR(&err));
        run->status = EXIT_CANNOT_START;
        return;
    }
    run->serving = fiber_start("serve", serve_main, run);
    waiting = fiber_start("signals", signals_main, run);
    fiber_join(run->serving);
    fiber_cancel(waiting);
    fiber_join(waiting);
    run->program->close(run->program->self);
    watchdog_stop();
    offload_stop();
}

int program_main(const struct program *program, int argc, char **argv)
{
    CLEANUP(config_freep) struct config *config = NULL;
    struct config_flags flags = {0};
    struct run run = {.program = program};
    struct error err;
    int status = read_flags(program, argc, argv, &flags);
    int r;

    if (status != GO_ON)
        return status;
    r = config_load(&flags, environ, &config, &err);
    if (r == 0 && program->check)
        r = program->check(config, &err);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return EXIT_USAGE;
    }
    log_init(program->name, config->log_level, config->log_format);
    io_raise_descriptor_limit();
    run.config = config;
    run.flags = &flags;
    loop_run(root, &run);
    return run.status;
}
