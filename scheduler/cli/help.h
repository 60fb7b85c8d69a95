#pragma once
/* What `--help` prints, made from the tables of commands. */

#include <stdio.h>

#include "scheduler/cli/command.h"

/* All commands, a line each. */
void help_print_all(FILE *out, const struct command *const *commands, size_t count);

/* One command: usage, what it does, its options. */
void help_print(const struct command *command);

/* The commands that begin with a word, as in `penstock runs --help`. False: there are none. */
bool help_print_group(const char *word, const struct command *const *commands, size_t count);

/* Say on standard error that there is no such command, and which may be meant. */
void help_complain(int argc, char **argv, const struct command *const *commands, size_t count);
