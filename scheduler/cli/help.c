/* Help, and what is said of commands that are not there. */

#include "scheduler/cli/help.h"

#include <string.h>

#include "scheduler/cli/terminal.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"

#define COMMANDS_MAX 128

void help_print_all(FILE *out, const struct command *const *commands, size_t count)
{
    (void)fprintf(out,
                  "Usage: penstock COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "Start Penstock, give it agents and prompts, and look after it.\n\nCommands:\n");
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "  %-22s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(
        out, "\nCommands that speak to a server read PENSTOCK_URL (http://127.0.0.1:8080) and\n"
             "PENSTOCK_API_KEY, else ./.penstock/dev.env, which `penstock dev` writes.\n"
             "`penstock help COMMAND` or `penstock COMMAND --help` tells more.\n");
}

void help_print(const struct command *command)
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

static bool is_of_group(const struct command *command, const char *word)
{
    size_t len = strlen(word);

    return strncmp(command->name, word, len) == 0 && command->name[len] == ' ';
}

bool help_print_group(const char *word, const struct command *const *commands, size_t count)
{
    bool found = false;

    for (size_t i = 0; i < count; i++)
        if (is_of_group(commands[i], word)) {
            printf("  penstock %s %s\n      %s\n", commands[i]->name, commands[i]->arguments,
                   commands[i]->summary);
            found = true;
        }
    return found;
}

/* "runs" without a second word, or with one that is none of its. */
static bool complain_of_group(int argc, char **argv, const struct command *const *commands,
                              size_t count)
{
    CLEANUP(buf_deinit) struct buf names = {0};

    buf_init(&names, 4096);
    for (size_t i = 0; i < count; i++)
        if (is_of_group(commands[i], argv[0]))
            buf_printf(&names, " \"%s\"", commands[i]->name);
    if (names.len == 0)
        return false;
    if (argc > 1)
        terminal_complain("there is no command \"%.38s %.38s\"; there are:%s", argv[0], argv[1],
                          buf_string(&names));
    else
        terminal_complain("\"%.38s\" needs one more word:%s", argv[0], buf_string(&names));
    return true;
}

void help_complain(int argc, char **argv, const struct command *const *commands, size_t count)
{
    const char *names[COMMANDS_MAX];
    const char *near;

    ASSERT(count <= COMMANDS_MAX);
    if (complain_of_group(argc, argv, commands, count))
        return;
    for (size_t i = 0; i < count; i++)
        names[i] = commands[i]->name;
    near = suggest(argv[0], names, count);
    if (near)
        terminal_complain("there is no command \"%.38s\"; did you mean \"%s\"?", argv[0], near);
    else
        terminal_complain("there is no command \"%.38s\"; see `penstock --help`", argv[0]);
}
