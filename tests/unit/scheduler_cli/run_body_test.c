/* The variables of runs, as a person says them. */

#include <criterion/criterion.h>

#include "scheduler/cli/runs/run_body.h"
#include "shared/base/error.h"
#include "shared/base/text.h"

static const struct option_spec specs[] = {OPTION_VARIABLES};
static struct error err;

static int parse(const char *first, const char *second, struct json_object **out)
{
    char *argv[] = {(char *)"--variables", (char *)first, (char *)"--variables", (char *)second};
    struct arguments args;

    *out = NULL;
    cr_assert_eq(arguments_parse(&args, specs, 1, second ? 4 : first ? 2 : 0, argv, &err), 0);
    return run_variables(&args, out, &err);
}

static void gives(const char *first, const char *second, const char *want)
{
    struct json_object *got;

    cr_assert_eq(parse(first, second, &got), 0, "%s", err.text);
    if (want)
        cr_assert_str_eq(json_text(got).ptr, want);
    else
        cr_assert(got == NULL);
    json_free(got);
}

static void refuses(const char *first, const char *second, const char *why)
{
    struct json_object *got;

    cr_assert_eq(parse(first, second, &got), -E_INVALID, "%s", first);
    cr_assert(strstr(err.text, why), "%s", err.text);
    cr_assert(got == NULL);
}

Test(run_body, has_the_variables_that_were_said)
{
    gives(NULL, NULL, NULL);
    gives("name=Ann", NULL, "{\"name\":\"Ann\"}");
    gives("name=", "sum=a=b", "{\"name\":\"\",\"sum\":\"a=b\"}");
    gives("{\"n\":2,\"yes\":true}", "name=Ann", "{\"n\":2,\"yes\":true,\"name\":\"Ann\"}");
    refuses("name", NULL, "NAME=VALUE or a JSON object, not \"name\"");
    refuses("=x", NULL, "NAME=VALUE");
    refuses("n=1", "{\"n\":2}", "\"n\" twice");
    refuses("{\"n\":", NULL, "no JSON object");
    refuses("a=\xff", NULL, "not UTF-8");
}

Test(run_body, keeps_a_variable_that_it_has)
{
    struct json_object *body = json_object_new_object();
    struct json_object *line;
    struct json_object *all;

    cr_assert_eq(parse("a=1", NULL, &line), 0);
    cr_assert_eq(parse("a=2", "b=2", &all), 0);
    run_add_variables(body, NULL);
    cr_assert_not(json_has(body, "variables"));
    run_add_variables(body, line);
    run_add_variables(body, all);
    cr_assert_str_eq(json_text(json_get(body, "variables")).ptr, "{\"a\":\"1\",\"b\":\"2\"}");
    cr_assert_eq(json_object_object_length(line), 1, "nor is what it came from changed");
    json_free(body);
    json_free(line);
    json_free(all);
}
