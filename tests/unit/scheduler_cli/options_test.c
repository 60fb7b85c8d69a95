#include <criterion/criterion.h>
#include <string.h>

#include "scheduler/cli/options.h"
#include "shared/base/error.h"
#include "shared/base/text.h"

static const struct option_spec specs[] = {
    {"file", 'f', "FILE", "a file", 0, 0},
    {"limit", 'n', "N", "a number", 1, 100},
    {"json", 0, NULL, "a switch", 0, 0},
    {"tag", 't', "TAG", "as often as you like", OPTION_REPEATS, 0},
};

static struct arguments args;
static struct error err;

static int parse(const char *const *argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    return arguments_parse(&args, specs, ARRAY_LENGTH(specs), argc, (char *const *)argv, &err);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

Test(options, are_read_in_every_form)
{
    cr_assert_eq(PARSE("--file", "a", "one", "--limit=7", "--json", "two"), 0);
    cr_assert_str_eq(arguments_get(&args, "file"), "a");
    cr_assert_eq(arguments_number(&args, "limit", 20), 7);
    cr_assert(arguments_has(&args, "json"));
    cr_assert_eq(args.positional_count, 2);
    cr_assert_str_eq(args.positional[1], "two");

    cr_assert_eq(PARSE("-f", "a", "-n9"), 0);
    cr_assert_str_eq(arguments_get(&args, "file"), "a");
    cr_assert_eq(arguments_number(&args, "limit", 20), 9);
}

Test(options, that_may_be_given_again_keep_all_their_values)
{
    cr_assert_eq(PARSE("--tag", "a", "x", "-tb", "--file", "f", "--tag=a"), 0);
    cr_assert(arguments_has(&args, "tag"));
    cr_assert_str_eq(arguments_each(&args, "tag", 0), "a");
    cr_assert_str_eq(arguments_each(&args, "tag", 1), "b");
    cr_assert_str_eq(arguments_each(&args, "tag", 2), "a");
    cr_assert(arguments_each(&args, "tag", 3) == NULL);
    cr_assert(arguments_each(&args, "file", 0) == NULL);
    cr_assert_eq(PARSE("--file", "f", "--file", "f"), -E_INVALID);
}

Test(options, that_are_absent_have_their_defaults)
{
    cr_assert_eq(PARSE("x"), 0);
    cr_assert(arguments_get(&args, "file") == NULL);
    cr_assert_eq(arguments_number(&args, "limit", 20), 20);
    cr_assert_not(arguments_has(&args, "json"));
}

Test(options, end_at_a_double_dash_and_a_dash_is_an_argument)
{
    cr_assert_eq(PARSE("-", "--", "--json", "-n"), 0);
    cr_assert_eq(args.positional_count, 3);
    cr_assert_str_eq(args.positional[0], "-");
    cr_assert_str_eq(args.positional[1], "--json");
    cr_assert_not(arguments_has(&args, "json"));
}

Test(options, leave_words_that_only_look_like_one)
{
    static const char *const words[] = {"-5+3?",        "-",       "-1", "- a list", "-- a list",
                                        "--really? so", "-x and y"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        cr_assert_eq(PARSE(words[i], "--json"), 0, "%s: %s", words[i], err.text);
        cr_assert_eq(args.positional_count, 1);
        cr_assert_str_eq(args.positional[0], words[i]);
        cr_assert(arguments_has(&args, "json"));
    }
    cr_assert_eq(PARSE("--file=a b"), 0);
    cr_assert_str_eq(arguments_get(&args, "file"), "a b");
    cr_assert_eq(PARSE("-fa b"), 0);
    cr_assert_str_eq(arguments_get(&args, "file"), "a b");
    cr_assert_eq(PARSE("--really?"), -E_INVALID);
    cr_assert_eq(PARSE("-x"), -E_INVALID);
}

Test(options, ask_for_help_before_all_else)
{
    cr_assert_eq(PARSE("--wrong", "--help"), 0);
    cr_assert(args.help);
    cr_assert_eq(PARSE("--", "-h"), 0);
    cr_assert_not(args.help);
}

Test(options, that_are_unknown_are_refused_with_a_suggestion)
{
    cr_assert_eq(PARSE("--fiel", "a"), -E_INVALID);
    cr_assert_str_eq(err.text, "there is no option --fiel; did you mean --file?");
    cr_assert_eq(PARSE("--zebra"), -E_INVALID);
    cr_assert_str_eq(
        err.text,
        "there is no option --zebra; put \"--\" in front of an argument that begins with a dash");
    cr_assert_eq(PARSE("-x"), -E_INVALID);
}

Test(options, that_are_long_are_repeated_in_whole_characters)
{
    char word[64] = "--";

    memset(word + 2, 'a', 39);
    strcpy(word + 41, "\xC3\xA4\xC3\xA4");
    cr_assert_eq(PARSE(word), -E_INVALID);
    cr_assert(text_is_utf8(text_of(err.text)), "%s", err.text);
    cr_assert(strstr(err.text, "a; put \"--\""), "%s", err.text);
    cr_assert_eq(PARSE("--limit", word + 2), -E_INVALID);
    cr_assert(text_is_utf8(text_of(err.text)), "%s", err.text);
    cr_assert(strstr(err.text, "not \"aaa"), "%s", err.text);
}

Test(options, that_are_wrong_are_refused)
{
    cr_assert_eq(PARSE("--file"), -E_INVALID);
    cr_assert(strstr(err.text, "needs a value"));
    cr_assert_eq(PARSE("--json=yes"), -E_INVALID);
    cr_assert(strstr(err.text, "takes no value"));
    cr_assert_eq(PARSE("--limit", "101"), -E_INVALID);
    cr_assert(strstr(err.text, "from 1 to 100, not \"101\""), "%s", err.text);
    cr_assert_eq(PARSE("--limit", "1x"), -E_INVALID);
    cr_assert_eq(PARSE("-f", "a", "-f", "b"), -E_INVALID);
    cr_assert(strstr(err.text, "given twice"));
}

Test(options, leave_room_for_a_hundred_arguments_and_no_more)
{
    const char *argv[ARGUMENTS_POSITIONAL_MAX + 2] = {NULL};

    for (size_t i = 0; i < ARGUMENTS_POSITIONAL_MAX; i++)
        argv[i] = "x";
    cr_assert_eq(parse(argv), 0);
    argv[ARGUMENTS_POSITIONAL_MAX] = "x";
    cr_assert_eq(parse(argv), -E_INVALID);
}

Test(suggest, finds_the_nearest_word_only_when_it_is_near)
{
    static const char *const words[] = {"run", "runs list", "doctor", "apply"};

    cr_assert_str_eq(suggest("docter", words, 4), "doctor");
    cr_assert_str_eq(suggest("aplpy", words, 4), "apply");
    cr_assert_str_eq(suggest("doc", words, 4), "doctor");
    cr_assert_str_eq(suggest("rn", words, 4), "run");
    cr_assert(suggest("zebra", words, 4) == NULL);
    cr_assert(suggest("", words, 4) == NULL);
}
