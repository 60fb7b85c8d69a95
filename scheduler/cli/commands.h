#pragma once
/* All commands of `penstock`. */

/* Finds the command that the words name, parses the rest, runs it; returns the exit code. */
int commands_main(int argc, char **argv);
