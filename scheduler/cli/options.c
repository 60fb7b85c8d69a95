/* Parsing of options by a table, and suggestions for what was mistyped. */

#include "scheduler/cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/check/nearest.h"

#define WORD_MAX 40

const char *suggest(const char *word, const char *const *words, size_t count)
{
    return nearest_word(word, words, count);
}

/* One that only looks like an option. */
static bool is_positional(const struct arguments *args, const char *word)
{
    size_t name = strcspn(word, "= \t\n");
    char c = word[0] == '-' ? word[1] : '\0';

    if (c != '-' && !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
        return true;
    if (c != '-')
        for (size_t i = 0; i < args->specs_count; i++)
            if (args->specs[i].letter == c)
                return false;
    return word[name] != '\0' && word[name] != '=';
}

static int unknown(const struct arguments *args, struct text name, struct error *err)
{
    const char *words[ARGUMENTS_OPTIONS_MAX + 1];
    char word[WORD_MAX + 1];
    const char *near;

    text_excerpt(name, word, sizeof(word));
    for (size_t i = 0; i < args->specs_count; i++)
        words[i] = args->specs[i].name;
    words[args->specs_count] = "help";
    near = suggest(word, words, args->specs_count + 1);
    if (near)
        return error_set(err, E_INVALID, "there is no option --%s; did you mean --%s?", word, near);
    return error_set(
        err, E_INVALID,
        "there is no option --%s; put \"--\" in front of an argument that begins with a dash",
        word);
}

static int take_value(struct arguments *out, size_t index, const char *value, struct error *err)
{
    const struct option_spec *spec = &out->specs[index];
    bool repeats = spec->max == 0 && spec->min == OPTION_REPEATS;
    int64_t number;

    if (out->values[index] && !repeats)
        return error_set(err, E_INVALID, "--%s is given twice", spec->name);
    if (repeats && out->repeated_count == ARGUMENTS_REPEATED_MAX)
        return error_set(err, E_INVALID, "there are too many options");
    if (spec->max > 0 &&
        (!text_to_int(text_of(value), &number) || number < spec->min || number > spec->max))
        return error_set(err, E_INVALID, "--%s must be a number from %lld to %lld, not \"%.40s\"",
                         spec->name, (long long)spec->min, (long long)spec->max, value);
    out->values[index] = value;
    if (repeats) {
        out->repeated[out->repeated_count].option = index;
        out->repeated[out->repeated_count++].value = value;
    }
    return 0;
}

/* One option, whose value may be attached or be the next argument. *at is advanced over what was
 * used. */
static int take_option(struct arguments *out, size_t index, const char *attached, char *const **at,
                       struct error *err)
{
    const struct option_spec *spec = &out->specs[index];

    if (!spec->value) {
        if (attached)
            return error_set(err, E_INVALID, "--%s takes no value", spec->name);
        out->values[index] = "";
        return 0;
    }
    if (!attached) {
        attached = (*at)[1];
        if (!attached)
            return error_set(err, E_INVALID, "--%s needs a value: --%s %s", spec->name, spec->name,
                             spec->value);
        (*at)++;
    }
    return take_value(out, index, attached, err);
}

static int parse_long(struct arguments *out, char *const **at, struct error *err)
{
    struct text name = text_of(**at + 2);
    struct text value = TEXT_NONE;
    bool attached = text_cut(name, '=', &name, &value);

    for (size_t i = 0; i < out->specs_count; i++)
        if (text_is(name, out->specs[i].name))
            return take_option(out, i, attached ? value.ptr : NULL, at, err);
    return unknown(out, name, err);
}

static int parse_short(struct arguments *out, char *const **at, struct error *err)
{
    const char *word = **at;

    for (size_t i = 0; i < out->specs_count; i++)
        if (out->specs[i].letter && out->specs[i].letter == word[1])
            return take_option(out, i, word[2] ? word + 2 : NULL, at, err);
    return error_set(
        err, E_INVALID,
        "there is no option -%c; put \"--\" in front of an argument that begins with a dash",
        word[1]);
}

static bool wants_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int arguments_parse(struct arguments *out, const struct option_spec *specs, size_t specs_count,
                    int argc, char *const *argv, struct error *err)
{
    bool only_positional = false;

    ASSERT(specs_count <= ARGUMENTS_OPTIONS_MAX);
    *out = (struct arguments){.specs = specs, .specs_count = specs_count};
    out->help = wants_help(argc, argv);
    if (out->help)
        return 0;
    for (char *const *at = argv; at < argv + argc; at++) {
        int r = 0;

        if (only_positional || is_positional(out, *at)) {
            if (out->positional_count == ARGUMENTS_POSITIONAL_MAX)
                return error_set(err, E_INVALID, "there are too many arguments");
            out->positional[out->positional_count++] = *at;
        } else if (strcmp(*at, "--") == 0) {
            only_positional = true;
        } else if ((*at)[1] == '-') {
            r = parse_long(out, &at, err);
        } else {
            r = parse_short(out, &at, err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static size_t index_of(const struct arguments *args, const char *name)
{
    for (size_t i = 0; i < args->specs_count; i++)
        if (strcmp(args->specs[i].name, name) == 0)
            return i;
    ASSERT(!"an option of the table");
    return 0;
}

const char *arguments_get(const struct arguments *args, const char *name)
{
    return args->values[index_of(args, name)];
}

bool arguments_has(const struct arguments *args, const char *name)
{
    return arguments_get(args, name) != NULL;
}

int64_t arguments_number(const struct arguments *args, const char *name, int64_t otherwise)
{
    const char *value = arguments_get(args, name);
    int64_t number = otherwise;

    if (value)
        ASSERT(text_to_int(text_of(value), &number)); /* checked when it was parsed */
    return number;
}

const char *arguments_each(const struct arguments *args, const char *name, size_t n)
{
    size_t option = index_of(args, name);

    for (size_t i = 0; i < args->repeated_count; i++)
        if (args->repeated[i].option == option && n-- == 0)
            return args->repeated[i].value;
    return NULL;
}
