/* Templates, and the addresses and bodies that are made of them. */

#include "shared/tools/template.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/tools/json_template.h"
#include "shared/tools/url_template.h"

static const struct known_secret secrets[] = {{{"KEY", 3}, {"s3cr\"et/%", 9}}};

static struct json_object *arguments(const char *json)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(json), JSON_DEPTH_DEFAULT, &object, &err), 0, "%s", err.text);
    return object;
}

static const char *keep(int r, struct buf *out, const struct error *err)
{
    static char kept[4096];

    snprintf(kept, sizeof(kept), "%s", r == 0 ? buf_string(out) : err->text);
    buf_deinit(out);
    return kept;
}

static const char *filled(const char *template, const char *json, enum template_place place)
{
    CLEANUP(json_freep) struct json_object *object = arguments(json);
    const struct template_values values = {object, secrets, 1};
    struct error err = {0};
    struct buf out;

    buf_init(&out, 0);
    return keep(template_write(text_of(template), &values, place, &out, &err), &out, &err);
}

static const char *url(const char *template, const char *json)
{
    CLEANUP(json_freep) struct json_object *object = arguments(json);
    const struct template_values values = {object, secrets, 1};
    struct url_template parts;
    struct error err = {0};
    struct buf out;
    int r = url_template_split(text_of(template), &parts, &err);

    buf_init(&out, 0);
    if (r == 0)
        r = url_template_check(&parts, &err);
    if (r == 0)
        r = url_template_write(&parts, &values, &out, &err);
    return keep(r, &out, &err);
}

static const char *body(const char *template, const char *json)
{
    CLEANUP(json_freep) struct json_object *object = arguments(json);
    CLEANUP(json_freep) struct json_object *tree = arguments(template);
    const struct template_values values = {object, secrets, 1};
    struct error err = {0};
    struct buf out;

    buf_init(&out, 0);
    return keep(json_template_write(tree, &values, &out, &err), &out, &err);
}

static const char *text_body(const char *template, const char *json)
{
    CLEANUP(json_freep) struct json_object *object = arguments(json);
    const struct template_values values = {object, secrets, 1};
    struct error err = {0};
    struct buf out;

    buf_init(&out, 0);
    return keep(json_text_write(text_of(template), &values, &out, &err), &out, &err);
}

Test(template, a_place_is_filled_as_its_surroundings_want_it)
{
    const char *json = "{\"a\":\"x \\\"y\\\"/\\u00e4\",\"n\":7,\"t\":true,\"l\":[1,\"2\"]}";

    cr_assert_str_eq(filled("<{{a}}>", json, PLACE_PLAIN), "<x \"y\"/\xc3\xa4>");
    cr_assert_str_eq(filled("<{{a}}>", json, PLACE_URL), "<x%20%22y%22%2F%C3%A4>");
    cr_assert_str_eq(filled("<{{a}}>", json, PLACE_JSON_STRING), "<x \\\"y\\\"/\xc3\xa4>");
    cr_assert_str_eq(filled("<{{a}}>", json, PLACE_JSON_VALUE), "<\"x \\\"y\\\"/\xc3\xa4\">");
    cr_assert_str_eq(filled("{{n}} {{t}} {{l}} {{none}}!", json, PLACE_PLAIN),
                     "7 true [1,\"2\"] !");
    cr_assert_str_eq(filled("{{n}},{{none}}", json, PLACE_JSON_VALUE), "7,null");
    cr_assert_str_eq(filled("${secret:KEY}", json, PLACE_PLAIN), "s3cr\"et/%");
    cr_assert_str_eq(filled("${secret:KEY}", json, PLACE_URL), "s3cr%22et%2F%25");
    cr_assert_str_eq(filled("${secret:KEY}", json, PLACE_JSON_STRING), "s3cr\\\"et/%");
    cr_assert_str_eq(filled("${secret:OTHER}", json, PLACE_PLAIN), "the secret OTHER is not there");
}

Test(template, escapes_are_the_text_itself_and_values_are_not_looked_into)
{
    const char *json = "{\"a\":\"{{b}} ${secret:KEY} {{{{\",\"b\":\"no\"}";

    cr_assert_str_eq(filled("{{{{a}} $${secret:KEY} $5 ${HOME} {", json, PLACE_PLAIN),
                     "{{a}} ${secret:KEY} $5 ${HOME} {");
    cr_assert_str_eq(filled("{{a}}", json, PLACE_PLAIN), "{{b}} ${secret:KEY} {{{{",
                     "a value is no template");
}

Test(template, what_is_no_placeholder_is_refused)
{
    const char *wrong[] = {"{{}}",    "{{a",     "{{ a }}", "{{a b}}", "{{9}}",
                           "{{a-b}}", "{{a.b}}", "{{{a}}}", "{{a}}{{"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert(strstr(filled(wrong[i], "{\"a\":1}", PLACE_PLAIN), "a placeholder is {{name}}"),
                  "%s", wrong[i]);
}

Test(template, an_address_keeps_its_shape)
{
    const char *json = "{\"a\":\"x/y?z#w&v=%20\",\"n\":7,\"e\":\"eu\"}";

    cr_assert_str_eq(
        url("https://h.example/o/{{a}}/i?q={{a}}&n={{n}}", json),
        "https://h.example/o/x%2Fy%3Fz%23w%26v%3D%2520/i?q=x%2Fy%3Fz%23w%26v%3D%2520&n=7");
    cr_assert_str_eq(url("https://{{e}}.h.example:8443", json), "https://eu.h.example:8443");
    cr_assert_str_eq(url("http://h?{{n}}", json), "http://h?7");
    cr_assert_str_eq(url("https://h/bot${secret:KEY}/x", json), "https://h/bots3cr%22et%2F%25/x");
}

Test(template, no_value_climbs_or_makes_another_address_of_it)
{
    const char *values[] = {"..",   ".",      "../x",   "x/../y", "..\\\\x",
                            "x/..", "%2e%2e", "%2E./x", ".%2e",   "../../etc/passwd"};
    char json[128];

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        snprintf(json, sizeof(json), "{\"a\":\"%s\"}", values[i]);
        cr_assert(strstr(url("https://h/o/{{a}}", json), "as a part of a path"), "%s: %s",
                  values[i], url("https://h/o/{{a}}", json));
    }
    cr_assert(strstr(url("https://h/o/{{a}}/x", "{\"a\":\"\"}"), "is empty"));
    cr_assert(strstr(url("https://h/o/{{a}}/x", "{}"), "is empty"));
    cr_assert(strstr(url("https://h/o/.{{a}}/x", "{\"a\":\".\"}"), "part of a path"));
    cr_assert(strstr(url("https://h/o/{{a}}{{b}}/x", "{\"a\":\"%2e\",\"b\":\"x\"}"), "path"));
    cr_assert_str_eq(url("https://h/o/{{a}}", "{\"a\":\"a..b\"}"), "https://h/o/a..b");
    cr_assert_str_eq(url("https://h/o/{{a}}", "{\"a\":\"...\"}"), "https://h/o/...");
    cr_assert_str_eq(url("https://h/o?a={{a}}", "{\"a\":\"../x\"}"), "https://h/o?a=..%2Fx");
}

Test(template, a_host_takes_no_value_that_is_none)
{
    const char *values[] = {"evil.example/", "a@b",  "a:80", "a?b", "",
                            "a b",           "a..b", ".a",   "a.",  "\\u00e4"};
    char json[128];

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        snprintf(json, sizeof(json), "{\"a\":\"%s\"}", values[i]);
        cr_assert_str_eq(url("https://{{a}}.h/x", json),
                         "the parameter \"a\" is no part of a host");
    }
}

Test(template, addresses_that_are_none_are_refused)
{
    const struct {
        const char *url;
        const char *said;
    } cases[] = {
        {"ftp://h/", "must begin with https://"},
        {"//h/", "must begin with https://"},
        {"HTTPS://h/", "must begin"},
        {"https:///x", "no host"},
        {"https://?x", "no host"},
        {"https://h/#x", "no fragment"},
        {"https://h/a b", "character 3"},
        {"https://h/\\x", "of a URL"},
        {"https://h/%zz", "of a URL"},
        {"https://h/../x", "segment"},
        {"https://h/%2e%2E/x", "segment"},
        {"https://h/x/.", "segment"},
        {"https://u@h/", "in the host of a URL"},
        {"https://h/{{{{", "of a URL"},
        {"https://h/\xc3\xa4", "of a URL"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert(strstr(url(cases[i].url, "{}"), cases[i].said), "%s: %s", cases[i].url,
                  url(cases[i].url, "{}"));
}

Test(template, json_has_values_with_their_types_and_lacks_what_is_absent)
{
    const char *json = "{\"s\":\"q\\\"}{{n}}\",\"n\":7,\"o\":{\"k\":[1]},\"z\":null}";

    cr_assert_str_eq(
        body("{\"a\":\"{{s}}\",\"b\":\"{{n}}\",\"c\":\"{{o}}\",\"d\":\"<{{n}}>\"}", json),
        "{\"a\":\"q\\\"}{{n}}\",\"b\":7,\"c\":{\"k\":[1]},\"d\":\"<7>\"}");
    cr_assert_str_eq(
        body("{\"x\":\"{{none}}\",\"y\":{\"z\":\"{{none}}\"},\"l\":[\"{{none}}\",1]}", json),
        "{\"y\":{},\"l\":[null,1]}");
    cr_assert_str_eq(body("{\"x\":\"<{{none}}>\",\"n\":null,\"t\":true,\"f\":1.50}", json),
                     "{\"x\":\"<>\",\"n\":null,\"t\":true,\"f\":1.50}");
    cr_assert_str_eq(body("[\"Bearer ${secret:KEY}\",\"${secret:KEY}\"]", json),
                     "[\"Bearer s3cr\\\"et/%\",\"s3cr\\\"et/%\"]");
    cr_assert_str_eq(body("{\"a\":\"{{{{s}}\"}", json), "{\"a\":\"{{s}}\"}");
}

Test(template, the_text_of_a_document_knows_where_its_strings_are)
{
    const char *json = "{\"s\":\"a\\\"b\\nc\",\"n\":7}";

    cr_assert_str_eq(
        text_body("{\"a\": \"<{{s}}>\", \"b\": {{n}}, \"c\": {{s}}, \"d\": {{none}}}", json),
        "{\"a\": \"<a\\\"b\\nc>\", \"b\": 7, \"c\": \"a\\\"b\\nc\", \"d\": null}");
    cr_assert_str_eq(text_body("[\"\\\"{{n}}\\\\\", {{n}}]", json), "[\"\\\"7\\\\\", 7]");
    cr_assert(strstr(text_body("[\"\\{{s}}\"]", json), "a backslash right before a placeholder"));
}

Test(template, texts_that_are_no_documents_are_refused)
{
    struct error err;

    cr_assert_eq(json_text_check(TEXT("{\"a\": {{x}}, \"b\": \"${secret:S}\"}"), &err), 0, "%s",
                 err.text);
    cr_assert_eq(json_text_check(TEXT("{\"a\": {{x}}"), &err), -E_INVALID);
    cr_assert_eq(json_text_check(TEXT("a={{x}}"), &err), -E_INVALID);
    cr_assert_eq(json_text_check(TEXT("{\"a\": \"\\{{x}}\"}"), &err), -E_INVALID);
    cr_assert_eq(json_text_check(TEXT("{{{x}}: 1}"), &err), -E_INVALID);
}
