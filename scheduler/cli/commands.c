/* The table of commands, and finding one by its words. A new command is a file with a struct
 * command, a line in command.h and a row here.
 */

#include "scheduler/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/cli/help.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/text.h"

#define COMMAND_WORDS_MAX 3 /* of a command's name */

static const struct command command_help;
static const struct command command_version;

static const struct command *const commands[] = {
    &command_dev,
    &command_env,
    &command_apply,
    &command_run,
    &command_batch_run,
    &command_batches_list,
    &command_batches_show,
    &command_batches_cancel,
    &command_batches_wait,
    &command_files_list,
    &command_files_upload,
    &command_files_show,
    &command_files_content,
    &command_files_delete,
    &command_webhooks_list,
    &command_webhooks_create,
    &command_webhooks_show,
    &command_webhooks_enable,
    &command_webhooks_delete,
    &command_webhooks_rotate,
    &command_webhooks_test,
    &command_webhooks_deliveries,
    &command_webhooks_redeliver,
    &command_webhooks_listen,
    &command_runs_list,
    &command_runs_show,
    &command_runs_cancel,
    &command_runs_redrive,
    &command_runs_approve,
    &command_runs_deny,
    &command_threads_list,
    &command_threads_show,
    &command_threads_context,
    &command_threads_compact,
    &command_threads_chat,
    &command_threads_search,
    &command_threads_fork,
    &command_threads_archive,
    &command_schedules_list,
    &command_schedules_show,
    &command_schedules_create,
    &command_schedules_update,
    &command_schedules_pause,
    &command_schedules_resume,
    &command_schedules_run,
    &command_schedules_backfill,
    &command_schedules_firings,
    &command_schedules_delete,
    &command_schedules_next,
    &command_usage,
    &command_budgets_list,
    &command_budgets_show,
    &command_budgets_set,
    &command_budgets_delete,
    &command_retention_show,
    &command_retention_set,
    &command_retention_unset,
    &command_retention_preview,
    &command_tools_list,
    &command_tools_show,
    &command_tools_stats,
    &command_tools_test,
    &command_tools_delete,
    &command_secrets_list,
    &command_secrets_set,
    &command_secrets_delete,
    &command_secrets_rotate,
    &command_users_memory_list,
    &command_users_memory_get,
    &command_users_memory_set,
    &command_users_memory_delete,
    &command_users_memories_list,
    &command_users_memories_add,
    &command_users_memories_search,
    &command_users_memories_show,
    &command_users_memories_update,
    &command_users_memories_delete,
    &command_users_delete,
    &command_migrate,
    &command_tenants_list,
    &command_keys_list,
    &command_tenants_create,
    &command_tenants_set,
    &command_keys_create,
    &command_keys_revoke,
    &command_providers_list,
    &command_providers_test,
    &command_doctor,
    &command_top,
    &command_help,
    &command_version,
};

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

static int run(const struct command *command, int argc, char **argv)
{
    struct arguments args;
    struct error err;

    if (arguments_parse(&args, command->options, command->options_count, argc, argv, &err) < 0) {
        terminal_complain("%s: %s", command->name, err.text);
        return COMMAND_USAGE;
    }
    if (args.help) {
        help_print(command);
        return COMMAND_OK;
    }
    if (args.positional_count < command->positional_min ||
        args.positional_count > command->positional_max) {
        bool few = args.positional_count < command->positional_min;
        bool hint = !few && command->instead;

        terminal_complain("%s: %s arguments; usage: penstock %s %s%s%s", command->name,
                          few ? "missing" : "too many", command->name, command->arguments,
                          hint ? "; " : "", hint ? command->instead : "");
        return COMMAND_USAGE;
    }
    return command->run(&args);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Returns the command that the words begin with, or NULL. */
static const struct command *find(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (matches(commands[i]->name, argc, argv, used))
            return commands[i];
    return NULL;
}

/* `penstock help [COMMAND...]`; also `penstock runs --help`. */
static int help(int argc, char **argv)
{
    const struct command *command;
    int used = 0;

    if (argc == 0) {
        help_print_all(stdout, commands, ARRAY_LENGTH(commands));
        return COMMAND_OK;
    }
    command = find(argc, argv, &used);
    if (command && used == argc) {
        help_print(command);
        return COMMAND_OK;
    }
    if (argc == 1 && help_print_group(argv[0], commands, ARRAY_LENGTH(commands)))
        return COMMAND_OK;
    help_complain(argc, argv, commands, ARRAY_LENGTH(commands));
    return COMMAND_USAGE;
}

static int run_help(const struct arguments *args)
{
    char *words[ARGUMENTS_POSITIONAL_MAX];

    for (size_t i = 0; i < args->positional_count; i++)
        words[i] = (char *)args->positional[i];
    return help((int)args->positional_count, words);
}

static int run_version(const struct arguments *args)
{
    (void)args;
    printf("penstock %s\n", PENSTOCK_VERSION);
    return COMMAND_OK;
}

static const struct command command_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "Tell what there is, or what a command does",
    .positional_max = COMMAND_WORDS_MAX,
    .run = run_help,
};

static const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "Print the version",
    .run = run_version,
};

static int dispatch(int argc, char **argv)
{
    const struct command *command;
    int used = 0;

    if (argc == 0) {
        help_print_all(stderr, commands, ARRAY_LENGTH(commands));
        return COMMAND_USAGE;
    }
    if (is_help(argv[0]))
        return help(argc - 1, argv + 1);
    if (strcmp(argv[0], "--version") == 0)
        return run_version(NULL);
    command = find(argc, argv, &used);
    if (command)
        return run(command, argc - used, argv + used);
    if (argc == 2 && is_help(argv[1]))
        return help(1, argv);
    help_complain(argc, argv, commands, ARRAY_LENGTH(commands));
    return COMMAND_USAGE;
}

int commands_main(int argc, char **argv)
{
    log_init("penstock", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    output_open();
    return output_close(dispatch(argc - 1, argv + 1));
}
