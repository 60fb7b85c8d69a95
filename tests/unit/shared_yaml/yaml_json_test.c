#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/yaml/yaml_json.h"

static int convert(const char *yaml, struct json_object **out, struct error *err)
{
    yaml_document_t document;
    int r;

    cr_assert_eq(yaml_load("a.yaml", text_of(yaml), &document, err), 0, "%s", err->text);
    r = yaml_json("a.yaml", &document, out, err);
    yaml_document_delete(&document);
    return r;
}

static void becomes(const char *yaml, const char *expected)
{
    struct json_object *out;
    struct error err;
    struct text text;

    cr_assert_eq(convert(yaml, &out, &err), 0, "%s", err.text);
    text = out ? json_text(out) : TEXT("null");
    cr_assert(text_is(text, expected), "%s: %.*s", yaml, TEXT_ARGS(text));
    json_free(out);
}

static void refused(const char *yaml, const char *why)
{
    struct json_object *out;
    struct error err;

    cr_assert_eq(convert(yaml, &out, &err), -E_INVALID);
    cr_assert(out == NULL);
    cr_assert_str_eq(err.text, why);
}

Test(yaml_json, says_what_json_would)
{
    becomes("# nothing", "null");
    becomes("~", "null");
    becomes("a: [1, -0.5, 1e3, true, false, null, ~, ]",
            "{\"a\":[1,-0.5,1e3,true,false,null,null]}");
    becomes("[0.1.0, 010, 1_000, 0x1f, yes, .5, 5., +1, -, NaN, 1 2]",
            "[\"0.1.0\",\"010\",\"1_000\",\"0x1f\",\"yes\",\".5\",\"5.\",\"+1\",\"-\",\"NaN\",\"1 "
            "2\"]");
    becomes("['1', \"true\", 'null', \"\"]", "[\"1\",\"true\",\"null\",\"\"]");
    becomes("a: >\n  one\n  two\nb: |\n  1\n", "{\"a\":\"one two\\n\",\"b\":\"1\\n\"}");
    becomes("a: &x {b: [c]}\nd: *x\n", "{\"a\":{\"b\":[\"c\"]},\"d\":{\"b\":[\"c\"]}}");
    becomes("{'200': {}, true: 1}", "{\"200\":{},\"true\":1}");
    becomes("[{}, []]", "[{},[]]");
}

Test(yaml_json, refuses_what_json_can_not_say)
{
    refused("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: this key is there twice");
    refused("? [a]\n: 1\n", "a.yaml:1:3: a key is a text");
    refused("a: &x\n  b: *x\n", "a.yaml:1:4: this is nested too deep, or holds itself");
}

/* Nine lists of nine of the one before are half a billion values. */
Test(yaml_json, follows_anchors_only_so_far)
{
    refused("a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
            "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
            "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
            "a.yaml:1:16: the file has too many values, with anchors followed");
}
