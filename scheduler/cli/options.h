#pragma once
/* Options and arguments of a command line, by a table per command: "--name VALUE", "--name=VALUE",
 * "-n VALUE", switches, "--" and positional arguments. Pure.
 *
 * A word that begins with a dash and can be no option is positional, so that a prompt needs no
 * "--": "-", "-5+3?" (no letter follows the dash) and "--really? yes" (a blank before any "=").
 */

#include "shared/base/compiler.h"

struct error;

#define ARGUMENTS_OPTIONS_MAX    24
#define ARGUMENTS_POSITIONAL_MAX 100
#define ARGUMENTS_REPEATED_MAX   100

struct option_spec {
    const char *name;
    char letter;       /* 0: none */
    const char *value; /* what the help calls its value ("N"); NULL: a switch */
    const char *help;
    int64_t min; /* a number from min to max, when max > 0; else OPTION_ONCE or OPTION_REPEATS */
    int64_t max;
};

enum { OPTION_ONCE, OPTION_REPEATS };

/* What was given; borrows from argv. */
struct arguments {
    const struct option_spec *specs;
    size_t specs_count;
    const char *values[ARGUMENTS_OPTIONS_MAX]; /* of specs; a switch that is given has "" */
    struct {
        size_t option; /* of specs, one that may be given again */
        const char *value;
    } repeated[ARGUMENTS_REPEATED_MAX]; /* in their order */
    size_t repeated_count;
    const char *positional[ARGUMENTS_POSITIONAL_MAX];
    size_t positional_count;
    bool help; /* --help or -h was given; nothing else was looked at */
};

/* Parses argv[0..argc), which begins after the command's name. Returns 0 or -E_INVALID. */
MUSTCHECK int arguments_parse(struct arguments *out, const struct option_spec *specs,
                              size_t specs_count, int argc, char *const *argv, struct error *err);

/* Of an option in the table; anything else is a programmer error. */
const char *arguments_get(const struct arguments *args, const char *name); /* NULL: not given */
bool arguments_has(const struct arguments *args, const char *name);
int64_t arguments_number(const struct arguments *args, const char *name, int64_t otherwise);

/* The values of an option that may be given several times, from n = 0 on; NULL: there is no such
 * one. */
const char *arguments_each(const struct arguments *args, const char *name, size_t n);

/* The nearest of `count` words, or NULL when none is near. */
const char *suggest(const char *word, const char *const *words, size_t count);
