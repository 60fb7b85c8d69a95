/* The `penstock` command: what a person types. All of it is behind commands.c. */

#include "scheduler/cli/commands.h"

int main(int argc, char **argv)
{
    return commands_main(argc, argv);
}
