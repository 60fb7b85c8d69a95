/* penstock-rehearsal: a stand-in LLM that follows a script, for demos, tests and load tests. */

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/rehearsal/server.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"

#define DRAIN_MS 10000

static const char usage[] =
    "Usage: penstock-rehearsal [OPTION...]\n"
    "\n"
    "A stand-in for LLMs, with the APIs of OpenAI, Anthropic, Google Gemini and Ollama.\n"
    "\n"
    "  --script FILE     what to reply, as YAML; without it a small assistant that can use the\n"
    "                    tools calculator and current_time\n"
    "  --host ADDRESS    numeric address to listen at (default 127.0.0.1)\n"
    "  --port NUMBER     default 8081; 0 takes a free one\n"
    "  --delay-ms MS     wait before each reply for which the script says nothing (default 0)\n"
    "  --ledger FILE     append a line of JSON for each call\n"
    "  --bodies          keep requests and replies in the ledger, too\n"
    "  --log-level LEVEL debug, info, warn, error or off (default info)\n"
    "  --check           read the script, say what is wrong with it, and end\n"
    "  --print-script    print the script that is compiled in, as a beginning for one's own\n"
    "  --help\n"
    "\n"
    "Use it as any provider: OPENAI_BASE_URL=http://127.0.0.1:8081/v1\n";

struct program {
    struct rehearsal_options options;
    const char *script_file;
    enum log_level log_level;
    bool check;
    int exit_code;
};

PRINTF(1, 2)
static int fail_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("penstock-rehearsal: ", stderr);
    vfprintf(stderr, format, args);
    fputs("; see --help\n", stderr);
    va_end(args);
    return 2;
}

static void print_script(void)
{
    CLEANUP(buf_deinit) struct buf yaml = {0};

    buf_init(&yaml, 0);
    script_builtin(&yaml);
    fputs(buf_string(&yaml), stdout);
}

static bool to_number(const char *value, int64_t max, int64_t *out)
{
    return text_to_int(text_of(value), out) && *out >= 0 && *out <= max;
}

/* Returns -1 to go on, or the exit code. */
static int read_option(struct program *program, int option, const char *value)
{
    int64_t number = 0;

    switch (option) {
    case 's':
        program->script_file = value;
        return -1;
    case 'h':
        program->options.host = value;
        return -1;
    case 'p':
        if (!to_number(value, 65535, &number))
            return fail_usage("--port '%s' is no number from 0 to 65535", value);
        program->options.port = (int)number;
        return -1;
    case 'd':
        if (!to_number(value, 3600000, &program->options.delay_ms))
            return fail_usage("--delay-ms '%s' is no number from 0 to 3600000", value);
        return -1;
    case 'l':
        program->options.ledger = value;
        return -1;
    case 'v':
        if (!log_level_parse(value, &program->log_level))
            return fail_usage("--log-level '%s' is none of debug, info, warn, error, off", value);
        return -1;
    case 'b':
        program->options.bodies = true;
        return -1;
    case 'c':
        program->check = true;
        return -1;
    case 'P':
        print_script();
        return 0;
    case 'H':
        fputs(usage, stdout);
        return 0;
    default:
        return 2; /* getopt has said what is wrong */
    }
}

static int read_options(struct program *program, int argc, char **argv)
{
    static const struct option options[] = {
        {"script", required_argument, NULL, 's'},
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"delay-ms", required_argument, NULL, 'd'},
        {"ledger", required_argument, NULL, 'l'},
        {"log-level", required_argument, NULL, 'v'},
        {"bodies", no_argument, NULL, 'b'},
        {"check", no_argument, NULL, 'c'},
        {"print-script", no_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int code = read_option(program, option, optarg);

        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return fail_usage("'%s' is not an option", argv[optind]);
    return -1;
}

SUSPENDS static void run_server(void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct program *program = arg;
    struct rehearsal *rehearsal = NULL;
    struct error err;
    int signal;

    loop_signals(signals, ARRAY_LENGTH(signals));
    if (rehearsal_open(&program->options, &rehearsal, &err) < 0) {
        log_error("rehearsal LLM cannot start", LOG_ERROR(&err));
        program->exit_code = 1;
        return;
    }
    printf(strchr(program->options.host, ':') ? "rehearsal LLM ready at http://[%s]:%d/v1\n"
                                              : "rehearsal LLM ready at http://%s:%d/v1\n",
           program->options.host, rehearsal_port(rehearsal));
    fflush(stdout);
    (void)(loop_signal_wait(DEADLINE_NONE, &signal, &err) < 0);
    log_info("draining");
    rehearsal_close(rehearsal, deadline_in(DRAIN_MS));
}

int main(int argc, char **argv)
{
    CLEANUP(script_freep) struct script *script = NULL;
    struct program program = {.options = {.host = "127.0.0.1", .port = 8081},
                              .log_level = LOG_LEVEL_INFO};
    struct error err;
    int code = read_options(&program, argc, argv);
    int r;

    if (code >= 0)
        return code;
    log_init("penstock-rehearsal", program.log_level, LOG_FORMAT_LOGFMT);
    if (program.script_file)
        r = script_load(program.script_file, &script, &err);
    else
        r = script_parse_builtin(&script, &err);
    if (r < 0) {
        fprintf(stderr, "penstock-rehearsal: %s\n", err.text);
        return 2;
    }
    if (program.check) {
        printf("%zu rules, no errors\n", script->rules_count);
        return 0;
    }
    program.options.script = script;
    io_raise_descriptor_limit();
    loop_run(run_server, &program);
    return program.exit_code;
}
