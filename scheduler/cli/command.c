/* The table of commands, finding one by its words, and help. */

#include "scheduler/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/cli/dev/environment_file.h"
#include "scheduler/cli/files.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"

static const struct command *const commands[] = {
    &command_dev,
    &command_apply,
    &command_run,
    &command_batch_run,
    &command_runs_list,
    &command_runs_show,
    &command_runs_cancel,
    &command_runs_redrive,
    &command_threads_show,
    &command_migrate,
    &command_tenants_list,
    &command_keys_list,
    &command_tenants_create,
    &command_tenants_set,
    &command_keys_create,
    &command_keys_revoke,
    &command_doctor,
};

static void print_usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage: penstock COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "Start Penstock, give it agents and prompts, and look after it.\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        (void)fprintf(out, "  %-16s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(
        out, "\nCommands that speak to a server read PENSTOCK_URL (http://127.0.0.1:8080) and\n"
             "PENSTOCK_API_KEY, else ./.penstock/dev.env, which `penstock dev` writes.\n"
             "`penstock COMMAND --help` tells more. `penstock --version` prints the version.\n");
}

static void print_help(const struct command *command)
{
    printf("Usage: penstock %s%s%s%s\n\n%s.\n", command->name,
           command->options_count ? " [OPTION...]" : "", *command->arguments ? " " : "",
           command->arguments, command->summary);
    if (command->details)
        printf("\n%s\n", command->details);
    if (command->options_count > 0)
        printf("\nOptions:\n");
    for (size_t i = 0; i < command->options_count; i++) {
        const struct option_spec *spec = &command->options[i];
        char letter[5] = "    ";
        char left[48];

        if (spec->letter)
            (void)snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
        (void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, spec->name, spec->value ? " " : "",
                       spec->value ? spec->value : "");
        printf("  %-28s %s\n", left, spec->help);
    }
}

/* Whether the words of `name` are those that argv begins with; *used is how many there are. */
static bool matches(const char *name, int argc, char **argv, int *used)
{
    struct text left = text_of(name);
    struct text word;
    bool more = true;

    for (*used = 0; more; (*used)++) {
        more = text_cut(left, ' ', &word, &left);
        if (!more)
            word = left;
        if (*used >= argc || !text_is(word, argv[*used]))
            return false;
    }
    return true;
}

static int unknown_command(int argc, char **argv)
{
    const char *names[ARRAY_LENGTH(commands)];
    char words[80];
    const char *near;
    size_t len = strlen(argv[0]);
    bool group = false;

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        names[i] = commands[i]->name;
        group = group || (strncmp(names[i], argv[0], len) == 0 && names[i][len] == ' ');
    }
    (void)snprintf(words, sizeof(words), "%.38s%s%.38s", argv[0], group && argc > 1 ? " " : "",
                   group && argc > 1 ? argv[1] : "");
    if (group) {
        if (argc > 1)
            (void)fprintf(stderr, "penstock: there is no command \"%s\"; there are:", words);
        else
            (void)fprintf(stderr, "penstock: \"%s\" needs one more word:", words);
        for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
            if (strncmp(names[i], argv[0], len) == 0 && names[i][len] == ' ')
                (void)fprintf(stderr, " \"%s\"", names[i]);
        (void)fprintf(stderr, "\n");
        return COMMAND_USAGE;
    }
    near = suggest(words, names, ARRAY_LENGTH(commands));
    if (near)
        (void)fprintf(stderr, "penstock: there is no command \"%s\"; did you mean \"%s\"?\n", words,
                      near);
    else
        (void)fprintf(stderr, "penstock: there is no command \"%s\"; see `penstock --help`\n",
                      words);
    return COMMAND_USAGE;
}

/* `penstock runs --help`: the commands that begin so. */
static bool print_group_help(const char *word)
{
    size_t len = strlen(word);
    bool found = false;

    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (strncmp(commands[i]->name, word, len) == 0 && commands[i]->name[len] == ' ') {
            printf("  penstock %s %s\n      %s\n", commands[i]->name, commands[i]->arguments,
                   commands[i]->summary);
            found = true;
        }
    return found;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct arguments args;
    struct error err;

    if (arguments_parse(&args, command->options, command->options_count, argc, argv, &err) < 0) {
        (void)fprintf(stderr, "penstock %s: %s\n", command->name, err.text);
        return COMMAND_USAGE;
    }
    if (args.help) {
        print_help(command);
        return COMMAND_OK;
    }
    if (args.positional_count < command->positional_min ||
        args.positional_count > command->positional_max) {
        (void)fprintf(stderr, "penstock %s: %s arguments; usage: penstock %s %s\n", command->name,
                      args.positional_count < command->positional_min ? "missing" : "too many",
                      command->name, command->arguments);
        return COMMAND_USAGE;
    }
    return command->run(&args);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int command_main(int argc, char **argv)
{
    log_init("penstock", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    if (argc < 2) {
        print_usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("penstock %s\n", PENSTOCK_VERSION);
        return COMMAND_OK;
    }
    if (is_help(argv[1]) && argc == 2) {
        print_usage(stdout);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        int used;

        if (matches(commands[i]->name, argc - 1, argv + 1, &used))
            return run(commands[i], argc - 1 - used, argv + 1 + used);
    }
    if (argc == 3 && is_help(argv[2]) && print_group_help(argv[1]))
        return COMMAND_OK;
    return unknown_command(argc - 1, argv + 1);
}

int command_fail(const struct error *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "penstock: %s\n", err->text);
    switch ((enum error_code)err->code) {
    case E_UNAVAILABLE:
    case E_DENIED:
    case E_TIMEOUT:
    case E_CLOSED:
    case E_AMBIGUOUS:
        return COMMAND_UNREACHABLE;
    case E_INVALID:
    case E_LIMIT:
        return COMMAND_USAGE;
    case E_NONE:
    case E_CANCELED:
    case E_SYSTEM:
    case E_PROTOCOL:
    case E_CONFLICT:
    case E_NOT_FOUND:
    case E_REJECTED:
    case E_INTERNAL:
        break;
    }
    return COMMAND_FAILED;
}

struct loop_call {
    int (*fn)(void *arg);
    void *arg;
    int result;
};

static void call(void *arg)
{
    struct loop_call *loop_call = arg;

    loop_call->result = loop_call->fn(loop_call->arg);
    offload_stop();
}

int command_on_loop(int (*fn)(void *arg), void *arg)
{
    struct loop_call loop_call = {fn, arg, COMMAND_FAILED};

    loop_run(call, &loop_call);
    return loop_call.result;
}

/* In a folder with a dev environment, what is not said elsewhere is meant to be that of `penstock
 * dev`.
 */
static void use_dev_environment(void)
{
    static const char *const names[] = {"DATABASE_URL", "REDIS_URL"};
    CLEANUP(buf_deinit) struct buf file = {0};

    buf_init(&file, 1 << 20);
    if (file_read(".penstock/dev.env", &file, NULL) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CLEANUP(buf_deinit) struct buf value = {0};
        const char *set = getenv(names[i]);

        buf_init(&value, 4096);
        if ((set && *set) || !environment_find(buf_text(&file), names[i], &value))
            continue;
        (void)setenv(names[i], buf_string(&value), 1);
        (void)fprintf(stderr, "%s is that of .penstock/dev.env\n", names[i]);
    }
}

int command_load_config(const char *file, struct config **out)
{
    struct config_flags flags = {.file = file};
    const char *other = getenv("PENSTOCK_CONFIG");
    struct error err;

    if (!file && (!other || !*other))
        use_dev_environment();

    return config_load(&flags, environ, out, &err) < 0 ? command_fail(&err) : COMMAND_OK;
}
