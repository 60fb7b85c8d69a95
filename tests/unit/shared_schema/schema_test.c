/* JSON Schema: what fits, what doesn't and what is said about it. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/json/json.h"
#include "shared/schema/schema.h"

struct row {
    const char *schema;
    const char *value;
    const char *error; /* NULL: it fits; else a part of the text */
};

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(text_of(text), 200, &object, &err), 0, "%s: %s", text, err.text);
    return object;
}

static void expect(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct json_object *schema = parse(rows[i].schema), *value = parse(rows[i].value);
        struct error err = {0};
        int r;

        cr_assert_eq(schema_validate_schema(schema, &err), 0, "%s: %s", rows[i].schema, err.text);
        r = schema_check(schema, value, &err);
        cr_assert_eq(r, rows[i].error ? -E_INVALID : 0, "%s with %s: %d %s", rows[i].schema,
                     rows[i].value, r, err.text);
        if (rows[i].error)
            cr_assert(strstr(err.text, rows[i].error), "%s with %s: \"%s\", expected \"%s\"",
                      rows[i].schema, rows[i].value, err.text, rows[i].error);
        json_free(schema);
        json_free(value);
    }
}

Test(schema, booleans_and_empty_schemas)
{
    static const struct row rows[] = {
        {"true", "1", NULL},
        {"{}", "null", NULL},
        {"{}", "[1]", NULL},
        {"false", "1", "$: no value is allowed here"},
        {"{\"properties\":{\"a\":false}}", "{\"a\":1}", "$.a: no value is allowed here"},
        {"{\"title\":\"x\",\"format\":\"date\",\"x-own\":[]}", "1", NULL},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, type)
{
    static const struct row rows[] = {
        {"{\"type\":\"string\"}", "\"a\"", NULL},
        {"{\"type\":\"string\"}", "1", "$: expected a string, got a number"},
        {"{\"type\":\"number\"}", "1", NULL},
        {"{\"type\":\"number\"}", "1.5", NULL},
        {"{\"type\":\"number\"}", "\"1\"", "expected a number, got a string"},
        {"{\"type\":\"integer\"}", "1", NULL},
        {"{\"type\":\"integer\"}", "1.0", NULL},
        {"{\"type\":\"integer\"}", "1e3", NULL},
        {"{\"type\":\"integer\"}", "1.5", "expected an integer, got a number"},
        {"{\"type\":\"integer\"}", "18446744073709551615", NULL},
        {"{\"type\":\"boolean\"}", "false", NULL},
        {"{\"type\":\"boolean\"}", "0", "expected a boolean, got a number"},
        {"{\"type\":\"null\"}", "null", NULL},
        {"{\"type\":\"null\"}", "false", "expected null, got a boolean"},
        {"{\"type\":\"object\"}", "{}", NULL},
        {"{\"type\":\"object\"}", "[]", "expected an object, got an array"},
        {"{\"type\":\"array\"}", "[]", NULL},
        {"{\"type\":\"array\"}", "{}", "expected an array, got an object"},
        {"{\"type\":[\"string\",\"null\"]}", "null", NULL},
        {"{\"type\":[\"string\",\"integer\",\"null\"]}", "true",
         "expected a string, an integer or null, got a boolean"},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, enum_and_const)
{
    static const struct row rows[] = {
        {"{\"enum\":[\"a\",1,null]}", "1.0", NULL},
        {"{\"enum\":[\"a\",1,null]}", "null", NULL},
        {"{\"enum\":[\"a\",\"b\",\"c\"]}", "\"d\"", "$: expected \"a\", \"b\" or \"c\", got \"d\""},
        {"{\"enum\":[[1,{\"a\":2,\"b\":3}]]}", "[1,{\"b\":3,\"a\":2}]", NULL},
        {"{\"enum\":[{\"a\":1}]}", "{\"a\":1,\"b\":2}", "got an object"},
        {"{\"enum\":[\"1\"]}", "1", "expected \"1\", got 1"},
        {"{\"const\":5}", "5", NULL},
        {"{\"const\":null}", "null", NULL},
        {"{\"const\":null}", "0", "expected null, got 0"},
        {"{\"const\":[1,2]}", "[2,1]", "expected [1,2], got an array"},
        {"{\"const\":true}", "1", "expected true, got 1"},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, numbers)
{
    static const struct row rows[] = {
        {"{\"minimum\":3}", "3", NULL},
        {"{\"minimum\":3}", "2.9", "expected a number that is at least 3, got 2.9"},
        {"{\"maximum\":3}", "3", NULL},
        {"{\"maximum\":3}", "4", "at most 3, got 4"},
        {"{\"exclusiveMinimum\":3}", "3.1", NULL},
        {"{\"exclusiveMinimum\":3}", "3", "more than 3, got 3"},
        {"{\"exclusiveMaximum\":3}", "2", NULL},
        {"{\"exclusiveMaximum\":3}", "3", "less than 3"},
        {"{\"maximum\":9007199254740992}", "9007199254740993", "at most 9007199254740992"},
        {"{\"multipleOf\":5}", "15", NULL},
        {"{\"multipleOf\":5}", "0", NULL},
        {"{\"multipleOf\":5}", "7", "expected a multiple of 5, got 7"},
        {"{\"multipleOf\":0.1}", "0.3", NULL},
        {"{\"multipleOf\":0.01}", "19.99", NULL},
        {"{\"multipleOf\":0.01}", "19.995", "expected a multiple of 0.01"},
        {"{\"minimum\":3,\"multipleOf\":2}", "\"text\"", NULL},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, strings)
{
    static const struct row rows[] = {
        {"{\"minLength\":2}", "\"ab\"", NULL},
        {"{\"minLength\":2}", "\"\xc3\xa9\"", "expected at least 2 characters, got 1"},
        {"{\"maxLength\":2}", "\"\xc3\xa9\xf0\x9f\x98\x80\"", NULL},
        {"{\"maxLength\":2}", "\"abc\"", "expected at most 2 characters, got 3"},
        {"{\"maxLength\":2.0}", "\"ab\"", NULL},
        {"{\"pattern\":\"^[a-z]+$\"}", "\"abc\"", NULL},
        {"{\"pattern\":\"^[a-z]+$\"}", "\"abc1\"", "matches the pattern ^[a-z]+$"},
        {"{\"pattern\":\"b\"}", "\"abc\"", NULL},
        {"{\"pattern\":\"^.$\"}", "\"\xf0\x9f\x98\x80\"", NULL},
        {"{\"pattern\":\"^\\\\d{4}-\\\\d\\\\d$\"}", "\"2026-03\"", NULL},
        {"{\"pattern\":\"^a$\"}", "\"a\\n\"", "matches the pattern"},
        {"{\"pattern\":\"^\\\\u0041$\"}", "\"A\"", NULL},
        {"{\"pattern\":\"x\"}", "5", NULL},
        {"{\"pattern\":\"^$\"}", "\"\"", NULL},
        {"{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
         "takes too long on this string"},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, arrays)
{
    static const struct row rows[] = {
        {"{\"items\":{\"type\":\"string\"}}", "[\"a\",\"b\"]", NULL},
        {"{\"items\":{\"type\":\"string\"}}", "[\"a\",5]", "$[1]: expected a string"},
        {"{\"items\":false}", "[]", NULL},
        {"{\"items\":false}", "[1]", "$[0]: no value is allowed here"},
        {"{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"number\"}]}", "[\"a\",1,null]", NULL},
        {"{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"number\"}]}", "[\"a\"]", NULL},
        {"{\"prefixItems\":[{\"type\":\"string\"}]}", "[1]", "$[0]: expected a string"},
        {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"number\"}}",
         "[\"a\",1,\"b\"]", "$[2]: expected a number"},
        {"{\"minItems\":1}", "[]", "expected at least 1 elements, got 0"},
        {"{\"maxItems\":1}", "[1,2]", "expected at most 1 elements, got 2"},
        {"{\"uniqueItems\":true}", "[1,2,\"1\",[1],{\"a\":1}]", NULL},
        {"{\"uniqueItems\":true}", "[1,2,1.0]", "no duplicates, got the same at 0 and 2"},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "no duplicates"},
        {"{\"uniqueItems\":false}", "[1,1]", NULL},
        {"{\"contains\":{\"const\":2}}", "[1,2]", NULL},
        {"{\"contains\":{\"const\":2}}", "[1,3]", "\"contains\""},
        {"{\"contains\":{\"const\":2},\"minContains\":0}", "[]", NULL},
        {"{\"minItems\":1}", "{}", NULL},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, objects)
{
    static const struct row rows[] = {
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"x\",\"b\":1}", NULL},
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}",
         "$.a: expected a string, got a number"},
        {"{\"properties\":{\"a b\":{\"type\":\"string\"}}}", "{\"a b\":1}", "$[\"a b\"]: expected"},
        {"{\"properties\":{\"a\":{\"properties\":{\"b\":{\"items\":{\"type\":\"null\"}}}}}}",
         "{\"a\":{\"b\":[null,2]}}", "$.a.b[1]: expected null"},
        {"{\"required\":[\"a\"]}", "{\"a\":null}", NULL},
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "$: missing the property \"b\""},
        {"{\"additionalProperties\":false}", "{}", NULL},
        {"{\"additionalProperties\":false}", "{\"x\":1}",
         "$.x: unknown property, none is allowed here"},
        {"{\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", "{\"c\":1}",
         "$.c: unknown property, there are \"a\", \"b\""},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":{\"type\":\"number\"}}",
         "{\"a\":\"x\",\"b\":2}", NULL},
        {"{\"additionalProperties\":{\"type\":\"number\"}}", "{\"b\":\"x\"}",
         "$.b: expected a number"},
        {"{\"patternProperties\":{\"^x-\":{\"type\":\"number\"}},\"additionalProperties\":false}",
         "{\"x-a\":1}", NULL},
        {"{\"patternProperties\":{\"^x-\":{\"type\":\"number\"}}}", "{\"x-a\":\"1\"}",
         "$.x-a: expected a number"},
        {"{\"propertyNames\":{\"maxLength\":2}}", "{\"ab\":1}", NULL},
        {"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "$.abc: expected at most 2"},
        {"{\"minProperties\":1}", "{}", "at least 1 properties"},
        {"{\"maxProperties\":1}", "{\"a\":1,\"b\":2}", "at most 1 properties, got 2"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"c\":1}", NULL},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
         "missing the property \"b\", which goes with a"},
        {"{\"required\":[\"a\"]}", "[]", NULL},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, combinations)
{
    static const struct row rows[] = {
        {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "7", NULL},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "3",
         "$: fits none of the 2 alternatives of anyOf; the first says: $: expected a string"},
        {"{\"oneOf\":[{\"type\":\"number\"},{\"minimum\":5}]}", "3", NULL},
        {"{\"oneOf\":[{\"type\":\"number\"},{\"minimum\":5}]}", "7",
         "fits 2 alternatives of oneOf, expected exactly one"},
        {"{\"oneOf\":[{\"type\":\"null\"}]}", "7", "fits none of the 1 alternatives of oneOf"},
        {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2", NULL},
        {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "4", "at most 3"},
        {"{\"not\":{\"type\":\"string\"}}", "4", NULL},
        {"{\"not\":{\"type\":\"string\"}}", "\"x\"", "fits what \"not\" forbids"},
        {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},"
         "\"else\":{\"required\":[\"c\"]}}",
         "{\"a\":1,\"b\":1}", NULL},
        {"{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1}",
         "missing the property \"b\""},
        {"{\"if\":{\"required\":[\"a\"]},\"else\":{\"required\":[\"c\"]}}", "{}",
         "missing the property \"c\""},
        {"{\"properties\":{\"a\":{\"anyOf\":[{\"items\":{\"type\":\"null\"}}]},"
         "\"b\":{\"type\":\"string\"}}}",
         "{\"a\":[null],\"b\":3}", "$.b: expected a string"},
        {"{\"properties\":{\"a\":{\"not\":{\"items\":{\"type\":\"null\"}}},"
         "\"b\":{\"type\":\"string\"}}}",
         "{\"a\":[1],\"b\":3}", "$.b: expected a string"},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

Test(schema, references)
{
    static const struct row rows[] = {
        {"{\"$defs\":{\"s\":{\"type\":\"string\"}},\"items\":{\"$ref\":\"#/$defs/s\"}}",
         "[\"a\",1]", "$[1]: expected a string"},
        {"{\"definitions\":{\"a/b\":{\"type\":\"null\"}},\"$ref\":\"#/definitions/a~1b\"}", "1",
         "expected null"},
        {"{\"$defs\":{\"s\":{\"type\":\"string\"}},\"$ref\":\"#/$defs/s\",\"minLength\":2}",
         "\"a\"", "at least 2"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}],\"items\":{\"$ref\":\"#/anyOf/"
         "1\"}}",
         "null", NULL},
        {"{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
         "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}", NULL},
        {"{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
         "{\"v\":1,\"next\":{\"v\":2,\"next\":{}}}", "$.next.next: missing the property \"v\""},
    };

    expect(rows, ARRAY_LENGTH(rows));
}

static int check(const char *schema_text, const char *value_text, struct error *err)
{
    struct json_object *schema = parse(schema_text), *value = parse(value_text);
    int r = schema_check(schema, value, err);

    json_free(schema);
    json_free(value);
    return r;
}

Test(schema, what_never_ends_is_cut_off)
{
    struct error err = {0};
    struct buf deep, many;
    int64_t start_ms = clock_ms();

    cr_assert_eq(check("{\"$ref\":\"#\"}", "1", &err), -E_LIMIT, "%s", err.text);
    cr_assert_eq(check("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}},"
                       "\"not\":{\"$ref\":\"#/$defs/a\"}}",
                       "1", &err),
                 -E_LIMIT, "also where it is only tried");
    cr_assert_eq(check("{\"anyOf\":[{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]},"
                       "{\"oneOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}]}",
                       "1", &err),
                 -E_LIMIT);
    buf_init(&deep, 0);
    for (int i = 0; i < 100; i++)
        buf_add_char(&deep, '[');
    for (int i = 0; i < 100; i++)
        buf_add_char(&deep, ']');
    cr_assert_eq(check("{\"items\":{\"$ref\":\"#\"}}", buf_string(&deep), &err), -E_LIMIT);
    buf_init(&many, 0);
    for (int i = 0; i < 1000; i++)
        buf_printf(&many, "%s%d", i ? "," : "[", i);
    buf_add_char(&many, ']');
    cr_assert_eq(check("{\"uniqueItems\":true}", buf_string(&many), &err), -E_LIMIT);
    cr_assert_lt(clock_ms() - start_ms, 2000);
    buf_deinit(&deep);
    buf_deinit(&many);
}

/* `count` times `piece`, with commas between, in `open` and `close`. "%d" in it is a number. */
static char *repeated(const char *open, const char *piece, int count, const char *close)
{
    struct buf out;

    buf_init(&out, 0);
    buf_add_string(&out, open);
    for (int i = 0; i < count; i++) {
        const char *number = strstr(piece, "%d");

        if (i > 0)
            buf_add_char(&out, ',');
        if (number)
            buf_printf(&out, "%.*s%d%s", (int)(number - piece), piece, i, number + 2);
        else
            buf_add_string(&out, piece);
    }
    buf_add_string(&out, close);
    return buf_take(&out);
}

static char *text_of_a(size_t count)
{
    char *text = xmalloc(count + 3);

    memset(text, 'a', count + 2);
    text[0] = text[count + 1] = '"';
    text[count + 2] = '\0';
    return text;
}

/* Each of these took from seconds to hours. */
Test(schema, what_is_much_work_in_small_parts_is_cut_off, .timeout = 60)
{
    char *long_text = text_of_a(1000000);
    const struct {
        char *schema;
        char *value;
        int expected;
    } rows[] = {
        /* at each place of the text almost as much as one match may take */
        {xstrdup("{\"pattern\":\"(?:a|a){15}b\"}"), text_of_a(100000), -E_INVALID},
        {xstrdup("{\"pattern\":\"[^x]*y\"}"), xstrdup(long_text), -E_INVALID},
        {repeated("{\"patternProperties\":{", "\"^%d(b+)+c$\":{}", 2000, "}}"),
         repeated("{", "\"a%d\":1", 20000, "}"), -E_INVALID},
        {repeated("{\"items\":{\"required\":[", "\"a\"", 20000, "]}}"),
         repeated("[", "{\"a\":1}", 20000, "]"), -E_LIMIT},
        {repeated("{\"items\":{\"enum\":[", "-%d.5", 20000, "]}}"), repeated("[", "1", 1, "]"),
         -E_INVALID},
        {repeated("{\"items\":{\"not\":{\"enum\":[", "-%d.5", 20000, "]}}}"),
         repeated("[", "1", 20000, "]"), -E_LIMIT},
        {repeated("{\"anyOf\":[", "{\"minLength\":2000000}", 20000, "]}"), xstrdup(long_text),
         -E_LIMIT},
        {repeated("{\"anyOf\":[", "{\"const\":{\"a\":%d}}", 10000, "]}"), xstrdup(long_text),
         -E_LIMIT},
        {repeated("{\"allOf\":[", "{\"minProperties\":1}", 20000, "]}"),
         repeated("{", "\"a%d\":1", 20000, "}"), -E_LIMIT},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error err = {0};

        cr_assert_eq(check(rows[i].schema, rows[i].value, &err), rows[i].expected, "%zu: %s", i,
                     err.text);
        free(rows[i].schema);
        free(rows[i].value);
    }
    free(long_text);
}

Test(schema, an_honest_amount_of_patterns_is_checked)
{
    struct error err = {0};
    char *many = repeated("[", "\"2026-11-%d\"", 5000, "]");
    char *text = text_of_a(200000);

    cr_assert_eq(check("{\"items\":{\"pattern\":\"^\\\\d{4}-\\\\d{2}-\\\\d+$\"}}", many, &err), 0,
                 "%s", err.text);
    cr_assert_eq(check("{\"pattern\":\"^[a-z]{1,}$\"}", text, &err), 0, "%s", err.text);
    cr_assert_eq(check("{\"pattern\":\"^(?i)[A-Z ]+$\"}", text, &err), 0, "%s", err.text);
    free(many);
    free(text);
}

Test(schema, long_paths_and_values_are_cut_in_errors)
{
    struct error err = {0};
    struct buf value;

    buf_init(&value, 0);
    buf_add_string(&value, "{\"");
    for (int i = 0; i < 500; i++)
        buf_add_char(&value, 'k');
    buf_add_string(&value, "\":1}");
    cr_assert_eq(check("{\"additionalProperties\":{\"type\":\"null\"}}", buf_string(&value), &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "...: expected null, got a number"), "%s", err.text);
    buf_deinit(&value);
}

Test(schema, malformed_keywords_are_ignored_when_a_value_is_checked)
{
    static const char *const schemas[] = {
        "{\"type\":5}",
        "{\"type\":[5]}",
        "{\"enum\":1}",
        "{\"properties\":1}",
        "{\"required\":\"a\"}",
        "{\"required\":[1]}",
        "{\"minimum\":\"1\"}",
        "{\"multipleOf\":0}",
        "{\"multipleOf\":-1}",
        "{\"pattern\":\"(\"}",
        "{\"anyOf\":{}}",
        "{\"anyOf\":[]}",
        "{\"$ref\":\"#/nowhere\"}",
        "{\"$ref\":\"http://x\"}",
        "{\"items\":[]}",
        "{\"minItems\":[]}",
        "{\"patternProperties\":{\"(\":true}}",
        "{\"dependentRequired\":{\"a\":1}}",
        "5",
        "null",
        "{\"additionalProperties\":5}",
        "{\"not\":{\"not\":5}}",
        "{\"prefixItems\":{}}",
    };
    static const char *const values[] = {"{\"a\":1}", "[1]", "\"a\"", "1", "1.5", "null"};

    for (size_t i = 0; i < ARRAY_LENGTH(schemas); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(values); k++)
            cr_assert_eq(check(schemas[i], values[k], NULL), 0, "%s %s", schemas[i], values[k]);
}

Test(schema_validation, malformed_schemas_are_refused_with_the_place)
{
    static const struct row rows[] = {
        {"5", "", "$: expected a schema (an object, true or false), got a number"},
        {"null", "", "got null"},
        {"{\"type\":\"text\"}", "", "$.type: expected \"string\", \"number\""},
        {"{\"type\":[]}", "", "$.type: expected a type or a list of 1 to 7 types"},
        {"{\"type\":[\"string\",1]}", "", "$.type: expected \"string\""},
        {"{\"properties\":{\"a\":{\"type\":\"strin\"}}}", "", "$.properties.a.type: expected"},
        {"{\"properties\":[]}", "", "$.properties: expected an object of schemas, got an array"},
        {"{\"properties\":{\"a\":\"string\"}}", "", "$.properties.a: expected a schema"},
        {"{\"required\":true}", "", "$.required: expected a list of strings, got a boolean"},
        {"{\"required\":[1]}", "", "$.required: expected a list of strings, got a number"},
        {"{\"enum\":[]}", "", "$.enum: expected a list of values that is not empty"},
        {"{\"enum\":{}}", "", "$.enum: expected a list of values"},
        {"{\"items\":[{}]}", "", "$.items: expected a schema"},
        {"{\"prefixItems\":[]}", "", "$.prefixItems: expected a list of schemas"},
        {"{\"minItems\":-1}", "", "$.minItems: expected an integer of 0 or more"},
        {"{\"minLength\":1.5}", "", "$.minLength: expected an integer of 0 or more"},
        {"{\"minLength\":\"1\"}", "", "$.minLength: expected a number, got a string"},
        {"{\"multipleOf\":0}", "", "$.multipleOf: expected a number above 0"},
        {"{\"exclusiveMinimum\":true}", "", "$.exclusiveMinimum: expected a number, got a boolean"},
        {"{\"uniqueItems\":1}", "", "$.uniqueItems: expected true or false"},
        {"{\"pattern\":\"a(\"}", "", "$.pattern: not a pattern: missing closing parenthesis"},
        {"{\"pattern\":1}", "", "$.pattern: expected a string"},
        {"{\"pattern\":\"(?i)[\xC4\x80-\xF4\x8F\xBF\xBF]\"}", "", "ASCII characters alone"},
        {"{\"pattern\":\"a(?x-s^i:[a-\\\\x{10ffff}])\"}", "", "ASCII characters alone"},
        {"{\"pattern\":\"(?i)[\\\\p{L}]\"}", "", "ASCII characters alone"},
        {"{\"pattern\":\"(*UCP)a\"}", "", "not a pattern"},
        {"{\"patternProperties\":{\"[\":{}}}", "", "not a pattern"},
        {"{\"anyOf\":[]}", "", "$.anyOf: expected a list of schemas that is not empty"},
        {"{\"allOf\":[{\"type\":\"x\"}]}", "", "$.allOf[0].type: expected"},
        {"{\"not\":[]}", "", "$.not: expected a schema"},
        {"{\"$ref\":\"#/$defs/a\"}", "", "$.$ref: \"#/$defs/a\" leads nowhere"},
        {"{\"$ref\":\"other.json\"}", "", "leads nowhere"},
        {"{\"$ref\":\"#/type\",\"type\":\"string\"}", "", "leads to a string, not to a schema"},
        {"{\"$ref\":\"#x\"}", "", "leads nowhere"},
        {"{\"$ref\":\"#/$defs/a~2\",\"$defs\":{\"a~2\":{}}}", "", "leads nowhere"},
        {"{\"$defs\":{\"a\":1}}", "", "$.$defs.a: expected a schema"},
        {"{\"dependentRequired\":{\"a\":\"b\"}}", "", "$.dependentRequired.a: expected a list"},
        {"{\"additionalProperties\":\"no\"}", "", "$.additionalProperties: expected a schema"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct json_object *schema = parse(rows[i].schema);
        struct error err = {0};

        cr_assert_eq(schema_validate_schema(schema, &err), -E_INVALID, "%s", rows[i].schema);
        cr_assert(strstr(err.text, rows[i].error), "%s: \"%s\", expected \"%s\"", rows[i].schema,
                  err.text, rows[i].error);
        json_free(schema);
    }
}

Test(schema_validation, schemas_that_are_too_deep_are_refused)
{
    struct error err = {0};
    struct json_object *schema;
    struct buf deep;

    buf_init(&deep, 0);
    for (int i = 0; i < 80; i++)
        buf_add_string(&deep, "{\"not\":");
    buf_add_string(&deep, "true");
    for (int i = 0; i < 80; i++)
        buf_add_char(&deep, '}');
    schema = parse(buf_string(&deep));
    cr_assert_eq(schema_validate_schema(schema, &err), -E_LIMIT, "%s", err.text);
    json_free(schema);
    buf_deinit(&deep);
}

Test(schema_validation, the_schema_of_a_real_tool_is_accepted)
{
    static const struct row rows[] = {
        {"{\"type\":\"object\",\"properties\":{\"expression\":{\"type\":\"string\",\"minLength\":1,"
         "\"maxLength\":4096,\"description\":\"e.g. 2 + 2\"}},\"required\":[\"expression\"],"
         "\"additionalProperties\":false}",
         "{\"expression\":7}", "$.expression: expected a string, got a number"},
    };

    expect(rows, ARRAY_LENGTH(rows));
}
