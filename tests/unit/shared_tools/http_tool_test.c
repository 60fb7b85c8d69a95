/* Definitions of tools, and the requests that are made of them. */

#include "shared/tools/http_tool.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/check/failure.h"
#include "shared/tools/http_tool_request.h"

#define PARAMETERS                                                                                 \
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},"            \
    "\"n\":{\"type\":\"integer\"},\"tags\":{\"type\":\"array\"},"                                  \
    "\"region\":{\"type\":\"string\",\"enum\":[\"eu\",\"us-1\"]},"                                 \
    "\"page\":{\"type\":\"integer\",\"default\":1},"                                               \
    "\"action\":{\"type\":\"string\"}},\"required\":[\"id\",\"region\"]}"
#define TOOL "{\"type\":\"http\"," PARAMETERS

static struct json_object *decode(const char *text)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(text), JSON_DEPTH_DEFAULT, &object, &err), 0, "%s: %s", text,
                 err.text);
    return object;
}

/* "" where it is right. */
static const char *refused(const char *members)
{
    static struct failure failure;
    char text[2048];
    struct json_object *definition;

    snprintf(text, sizeof(text), TOOL ",%s}", members);
    failure = (struct failure){0};
    definition = decode(text);
    if (fields_check(http_tool_fields, definition, NULL, &failure) == 0 &&
        http_tool_check(definition, NULL, &failure) == 0)
        failure.message[0] = '\0';
    json_free(definition);
    return failure.message;
}

Test(http_tool, definitions_that_are_right_pass)
{
    const char *right[] = {
        "\"url\":\"https://h.example/o/{{id}}\"",
        "\"url\":\"https://{{region}}.h.example:8443/o?x={{n}}\",\"method\":\"DELETE\"",
        "\"url\":\"https://h/p/{{page}}\",\"query\":{\"a\":\"{{n}}\",\"b\":1,\"c\":true}",
        "\"url\":\"https://h/\",\"headers\":{\"Authorization\":\"Bearer ${secret:K}\"}",
        "\"url\":\"https://h/\",\"method\":\"POST\",\"body\":{\"a\":[\"{{id}}\"],\"b\":\"x{{n}}\"}",
        "\"url\":\"https://h/\",\"method\":\"POST\",\"body\":\"{\\\"a\\\": {{n}}}\"",
        "\"url\":\"https://h/\",\"method\":\"POST\",\"headers\":{\"Content-Type\":\"text/xml\"},"
        "\"body\":\"<a/>\"",
        "\"url\":\"https://h/\",\"result_pointer\":\"/a~1b/0\",\"class\":\"pure\","
        "\"timeout_ms\":500,\"max_result_bytes\":1000,\"allowed_actions\":[\"find\"]",
        "\"url\":\"http://127.0.0.1:9000/x\"",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        cr_assert_str_eq(refused(right[i]), "", "%s: %s", right[i], refused(right[i]));
}

Test(http_tool, definitions_that_are_wrong_say_where)
{
    const struct {
        const char *members;
        const char *said;
    } cases[] = {
        {"\"url\":\"https://h/{{nobody}}\"", "Invalid 'url': {{nobody}} is none of the properties"},
        {"\"url\":\"https://h/{{n}}\"", "{{n}} stands in the path, so it must be required"},
        {"\"url\":\"https://{{id}}.h/\"", "{{id}} stands in the host"},
        {"\"url\":\"https://{{region}}@h/\"", "Invalid 'url'"},
        {"\"url\":\"https://${secret:K}.h/\"", "a secret can't stand in the host"},
        {"\"url\":\"{{id}}\"", "must begin with https://"},
        {"\"url\":\"http{{id}}://h\"", "must begin with https://"},
        {"\"url\":\"https://h/x y\"", "must not stand in the path"},
        {"\"url\":\"https://h:99999/\"", "Port"},
        {"\"url\":\"https://h/${secret:K\"", "a reference to a secret is"},
        {"\"url\":\"https://h/\",\"query\":{\"a\":{}}", "Invalid 'query'"},
        {"\"url\":\"https://h/\",\"query\":{\"a\":\"{{x}}\"}", "Invalid 'query': {{x}}"},
        {"\"url\":\"https://h/\",\"headers\":{\"Host\":\"x\"}", "is not a tool's to set"},
        {"\"url\":\"https://h/\",\"headers\":{\"idempotency-key\":\"x\"}", "not a tool's to set"},
        {"\"url\":\"https://h/\",\"headers\":{\"A B\":\"x\"}", "no header name"},
        {"\"url\":\"https://h/\",\"headers\":{\"A\":\"x\\r\\nB: y\"}", "line break"},
        {"\"url\":\"https://h/\",\"headers\":{\"A\":1}", "must be a string"},
        {"\"url\":\"https://h/\",\"headers\":{\"Content-Type\":\"{{id}}\"}", "can't be a template"},
        {"\"url\":\"https://h/\",\"body\":{}", "a GET request has no body"},
        {"\"url\":\"https://h/\",\"method\":\"POST\",\"body\":7", "expected an object"},
        {"\"url\":\"https://h/\",\"method\":\"POST\",\"body\":\"a={{id}}\"", "it is no JSON"},
        {"\"url\":\"https://h/\",\"method\":\"POST\",\"headers\":{\"content-type\":\"text/xml\"},"
         "\"body\":\"<a>{{id}}</a>\"",
         "values can't be put into a body of the type text/xml"},
        {"\"url\":\"https://h/\",\"result_pointer\":\"a\"", "JSON pointer"},
        {"\"url\":\"https://h/\",\"result_pointer\":\"/~2\"", "JSON pointer"},
        {"\"url\":\"https://h/\",\"class\":\"twice\"", "Supported values are"},
        {"\"url\":\"https://h/\",\"method\":\"TRACE\"", "Supported values are"},
        {"\"url\":\"https://h/\",\"timeout_ms\":1", "timeout_ms"},
        {"\"url\":\"https://h/\",\"what\":1", "what"},
        {"\"method\":\"GET\"", "url"},
        {"\"url\":\"https://h/?${secret:A}${secret:B}${secret:C}${secret:D}${secret:E}${secret:F}"
         "${secret:G}${secret:H}${secret:I}\"",
         "at most 8 secrets"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert(strstr(refused(cases[i].members), cases[i].said), "%s: %s", cases[i].members,
                  refused(cases[i].members));
}

Test(http_tool, classes_follow_the_method_unless_they_are_said)
{
    const struct {
        const char *text;
        enum call_class class;
    } cases[] = {
        {"{}", CALL_IDEMPOTENT},
        {"{\"method\":\"PUT\"}", CALL_IDEMPOTENT},
        {"{\"method\":\"POST\"}", CALL_ONCE},
        {"{\"method\":\"PATCH\"}", CALL_ONCE},
        {"{\"method\":\"POST\",\"class\":\"idempotent\"}", CALL_IDEMPOTENT},
        {"{\"class\":\"pure\"}", CALL_PURE},
        {"{\"class\":\"once\"}", CALL_ONCE},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(json_freep) struct json_object *definition = decode(cases[i].text);

        cr_assert_eq(http_tool_class(definition), cases[i].class, "%s", cases[i].text);
    }
}

/* "METHOD URL|Name: value|…|body", or what a model is told. */
static const char *made(const char *members, const char *arguments)
{
    static char said[8192];
    static const struct known_secret secrets[] = {{{"K", 1}, {"key-0123456789", 14}}};
    char text[4096];
    CLEANUP(json_freep) struct json_object *definition = NULL;
    CLEANUP(json_freep) struct json_object *read = NULL;
    struct template_values values = {.secrets = secrets, .secrets_count = 1};
    struct http_tool_request request;
    struct http_tool tool;
    struct error err = {0};
    size_t used;
    int r;

    cr_assert_str_eq(refused(members), "");
    snprintf(text, sizeof(text), TOOL ",%s}", members);
    definition = decode(text);
    http_tool_read(definition, &tool);
    r = http_tool_arguments(&tool, text_of(arguments), &read, &err);
    if (r < 0) {
        snprintf(said, sizeof(said), "%s", err.text);
        return said;
    }
    values.arguments = read;
    r = http_tool_request_make(&tool, &values, &request, &err);
    used = (size_t)snprintf(said, sizeof(said), "%s %s", request.method, buf_string(&request.url));
    for (size_t i = 0; i < request.headers_count; i++)
        used += (size_t)snprintf(said + used, sizeof(said) - used, "|%.*s: %.*s",
                                 TEXT_ARGS(request.headers[i].name),
                                 TEXT_ARGS(request.headers[i].value));
    snprintf(said + used, sizeof(said) - used, "|%s", buf_string(&request.body));
    http_tool_request_deinit(&request);
    if (r < 0)
        snprintf(said, sizeof(said), "%s", err.text);
    return said;
}

#define ID "\"id\":\"7\",\"region\":\"eu\""

Test(http_tool, a_request_has_all_in_its_place)
{
    cr_assert_str_eq(
        made("\"url\":\"https://{{region}}.h/o/{{id}}?v=1\","
             "\"query\":{\"n\":\"{{n}}\",\"t\":\"{{tags}}\",\"p\":\"{{page}}\",\"w\":\"a b\"},"
             "\"headers\":{\"Authorization\":\"Bearer ${secret:K}\",\"X-N\":\"{{n}}\"}",
             "{" ID ",\"tags\":[\"a&b\",2],\"n\":null}"),
        "GET https://eu.h/o/7?v=1&t=a%26b&t=2&p=1&w=a%20b"
        "|Authorization: Bearer key-0123456789|");
    cr_assert_str_eq(
        made("\"url\":\"https://h/\",\"method\":\"POST\","
             "\"body\":{\"id\":\"{{id}}\",\"n\":\"{{n}}\",\"note\":\"no. {{id}}\"}",
             "{" ID "}"),
        "POST https://h/|Content-Type: application/json|{\"id\":\"7\",\"note\":\"no. 7\"}");
    cr_assert_str_eq(
        made("\"url\":\"https://h/\",\"method\":\"POST\",\"headers\":{\"Content-Type\":"
             "\"application/x-www-form-urlencoded\"},"
             "\"body\":{\"id\":\"{{id}}\",\"n\":\"{{n}}\",\"a b\":\"x=${secret:K}\"}",
             "{" ID ",\"n\":5}"),
        "POST https://h/|Content-Type: application/x-www-form-urlencoded"
        "|id=7&n=5&a%20b=x%3Dkey-0123456789");
}

Test(http_tool, arguments_that_do_not_fit_are_told)
{
    const char *tool = "\"url\":\"https://h/{{id}}\",\"allowed_actions\":[\"find\",\"list\"]";

    cr_assert(strstr(made(tool, "{}"), "the arguments do not fit"));
    cr_assert(strstr(made(tool, "[1]"), "must be a JSON object"));
    cr_assert(strstr(made(tool, "{"), "not valid JSON"));
    cr_assert(strstr(made(tool, "{" ID ",\"n\":\"x\"}"), "$.n"));
    cr_assert(strstr(made(tool, "{\"id\":\"7\",\"region\":\"evil.example\"}"), "$.region"));
    cr_assert(strstr(made(tool, "{" ID ",\"action\":\"delete\"}"), "$.action"));
    cr_assert(strstr(made(tool, "{" ID ",\"action\":\"find\"}"), "GET https://h/7"));
    cr_assert(strstr(made("\"url\":\"https://h/\",\"headers\":{\"X\":\"{{id}}\"}",
                          "{\"id\":\"a\\r\\nEvil: 1\",\"region\":\"eu\"}"),
                     "would hold a line break"));
}

Test(http_tool, an_agent_is_told_of_the_actions_that_are_allowed)
{
    CLEANUP(json_freep)
    struct json_object *definition =
        decode(TOOL ",\"url\":\"https://h/\",\"allowed_actions\":[\"find\"]}");
    CLEANUP(json_freep) struct json_object *schema = NULL;
    struct http_tool tool;

    http_tool_read(definition, &tool);
    schema = http_tool_schema(&tool);
    cr_assert_str_eq(json_text(json_path(schema, "properties", "action", NULL)).ptr,
                     "{\"type\":\"string\",\"enum\":[\"find\"]}");
    cr_assert_null(
        json_get(json_path(definition, "parameters", "properties", "action", NULL), "enum"));
}

/* Whatever a value is, what is around it stays, and it can be read back as it was. */
Test(http_tool, values_stay_in_their_places)
{
    const char *parts[] = {"../",
                           "..",
                           "/",
                           "\\",
                           "?",
                           "#",
                           "&",
                           "=",
                           "%",
                           "%2e",
                           "%0d%0a",
                           "\r\n",
                           "\"",
                           "'",
                           "{{n}}",
                           "${secret:K}",
                           "}}",
                           "{{{{",
                           "\xc3\xa4",
                           "\xf0\x9f\x98\x80",
                           "@evil.example",
                           ":80",
                           " ",
                           "x",
                           "\\u0000",
                           "</script>",
                           "; rm -rf",
                           "\t"};

    for (int round = 0; round < 2000; round++) {
        CLEANUP(json_freep) struct json_object *arguments = json_object_new_object();
        CLEANUP(json_freep) struct json_object *sent = NULL;
        char value[256] = "";
        const char *said;
        const char *body;

        for (uint64_t left = 1 + random_below(6); left > 0; left--)
            strcat(value, parts[random_below(ARRAY_LENGTH(parts))]);
        json_object_object_add(arguments, "id", json_object_new_string(value));
        json_object_object_add(arguments, "region", json_object_new_string("eu"));
        said = made("\"url\":\"https://h/a/"
                    "b?q={{id}}&end=1\",\"method\":\"POST\",\"query\":{\"k\":\"<{{id}}>\"},"
                    "\"body\":{\"v\":\"{{id}}\",\"w\":\"<{{id}}>\",\"end\":true}",
                    json_text(arguments).ptr);
        cr_assert(strncmp(said, "POST https://h/a/b?q=", 21) == 0, "%s", said);
        cr_assert_eq(strcspn(said + 21, "|#/?\\\"' \r\n\t<>"), strcspn(said + 21, "|"), "%s", said);
        cr_assert(strstr(said, "&end=1&k=%3C"), "%s", said);
        cr_assert_null(strstr(said, "key-0123456789"), "a value is no template");
        body = strrchr(said, '|');
        sent = decode(strstr(said, "application/json|") + 17);
        cr_assert(body);
        cr_assert_eq(json_object_object_length(sent), 3);
        cr_assert_str_eq(json_get_string(sent, "v"), value);
        cr_assert(strncmp(json_get_string(sent, "w") + 1, value, strlen(value)) == 0);
    }
}
