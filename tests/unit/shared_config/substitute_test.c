#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

static char *environment[] = {"HOST=db.example", "EMPTY=", "HOSTNAME=other", "LINES=a\nb", NULL};

static void check(const char *in, const char *expected)
{
    CLEANUP(freep) char *out = NULL;
    struct error err;
    int r = config_substitute(in, environment, &out, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert_str_eq(out, expected);
}

static void check_refused(const char *in, const char *text)
{
    char *out = NULL;
    struct error err;

    cr_assert_eq(config_substitute(in, environment, &out, &err), -E_INVALID);
    cr_assert(strstr(err.text, text), "%s", err.text);
    cr_assert(out == NULL);
}

Test(substitute, puts_the_value_of_a_variable_in_place)
{
    check("url: http://${HOST}/x", "url: http://db.example/x");
    check("${HOST}${HOST}", "db.exampledb.example");
    check("a: '${EMPTY}'", "a: ''");
}

Test(substitute, takes_the_default_when_the_variable_is_unset_or_empty)
{
    check("a: ${NOPE:-x y}", "a: x y");
    check("a: ${EMPTY:-x}", "a: x");
    check("a: ${HOST:-x}", "a: db.example");
    check("a: ${NOPE:-}", "a: ");
}

Test(substitute, leaves_other_dollars_alone)
{
    check("a: $$HOST $HOST $", "a: $HOST $HOST $");
    check("a: $${HOST}", "a: ${HOST}");
    check("", "");
}

Test(substitute, leaves_comments_alone)
{
    check("  # key: ${NOPE}\nb: ${HOST}", "  # key: ${NOPE}\nb: db.example");
}

Test(substitute, names_the_place_of_a_variable_that_is_not_set)
{
    check_refused("a: 1\nb: \"\xC3\xA4${NOPE}\"", "2:6: the environment variable NOPE is not set");
    check_refused("${HOST} ${NOPE}", "1:9:");
}

Test(substitute, refuses_what_is_malformed)
{
    check_refused("a: ${HOST\nb: }", "1:4: \"${\" is not closed");
    check_refused("a: ${1X}", "1:4: \"${\" must be followed by the name");
    check_refused("a: ${}", "must be followed by the name");
    check_refused("a: ${HO ST}", "must be followed by the name");
}

Test(substitute, refuses_a_value_with_a_line_break)
{
    check_refused("a: ${LINES}", "LINES has a line break");
}
