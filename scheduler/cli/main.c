/* The `penstock` command: what a person types. All of it is in command.c. */

#include "scheduler/cli/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
