#pragma once
/* How bubblewrap is called: the walls of a sandbox, in one place. The probe is made with the same
 * arguments as the programs of models. Pure.
 *
 * Who changes something here reads docs/code-interpreter.md, and tests/hostile/sandbox.mjs after
 * it.
 */

#include "shared/base/compiler.h"

#define CONFINEMENT_ARGUMENTS_MAX 128
#define CONFINEMENT_NUMBER_SIZE   24

/* Descriptors as bubblewrap and what it starts see them. */
enum {
    CONFINED_IN = 3,
    CONFINED_OUT = 4,
    CONFINED_INSIDE = 8, /* the program penstock-inside */
    CONFINED_FILTER = 9,
};

/* The walls that every confined program has, to which whoever makes one adds its network, its
 * folders with their sizes, and its environment. */
extern const char *const confinement_walls[];
extern const size_t confinement_walls_count;

struct confinement {
    const char *bwrap;  /* its path */
    int64_t disk_bytes; /* of /job */
};

struct confinement_arguments {
    const char *list[CONFINEMENT_ARGUMENTS_MAX]; /* ended by NULL */
    size_t count;
    char disk[CONFINEMENT_NUMBER_SIZE];
};

/* The arguments up to the program that is to run inside, which `inside` names with its own,
 * ended by NULL. */
void confinement_arguments(const struct confinement *confinement, const char *const *inside,
                           struct confinement_arguments *out);
