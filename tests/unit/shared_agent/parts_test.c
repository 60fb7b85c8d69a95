/* What an agent's parts may be. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct failure failure;

/* NULL: accepted; else the member that is refused. */
static const char *refused(const char *body)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(body), 20, &object, &err), 0, "%s: %s", body, err.text);
    if (fields_check(agent_fields, object, NULL, &failure) == 0)
        return NULL;
    cr_assert_eq(failure.status, 400);
    return failure.param;
}

Test(parts, slugs)
{
    static const char *const right[] = {"a", "7", "support", "support-berlin-2"};
    static const char *const wrong[] = {"",    "-",   "a-",  "-a",     "a--b",     "A",
                                        "a_b", "a.b", "a/b", "asst_1", "\xC3\xA4", "a b"};
    char body[128];

    for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
        (void)snprintf(body, sizeof(body), "{\"slug\":\"%s\"}", right[i]);
        cr_assert_null(refused(body), "%s: %s", body, failure.message);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        (void)snprintf(body, sizeof(body), "{\"slug\":\"%s\"}", wrong[i]);
        cr_assert_str_eq(refused(body), "slug", "%s", body);
    }
    (void)snprintf(body, sizeof(body), "{\"slug\":\"%065d\"}", 1);
    cr_assert_str_eq(refused(body), "slug");
}

Test(parts, shapes)
{
    static const struct {
        const char *body;
        const char *param; /* NULL: accepted */
    } cases[] = {
        {"{\"constraints\":[\"a\",\"b\"]}", NULL},
        {"{\"constraints\":null}", NULL},
        {"{\"constraints\":\"a\"}", "constraints"},
        {"{\"constraints\":[\"\"]}", "constraints[0]"},
        {"{\"constraints\":[\"a\",7]}", "constraints[1]"},
        {"{\"personality\":{\"tone\":\"a\",\"style\":null}}", NULL},
        {"{\"personality\":{\"mood\":\"a\"}}", "personality.mood"},
        {"{\"personality\":{\"tone\":7}}", "personality.tone"},
        {"{\"examples\":[{\"user\":\"a\",\"assistant\":\"b\"}]}", NULL},
        {"{\"examples\":[{\"user\":\"a\"}]}", "examples[0].assistant"},
        {"{\"examples\":[{\"user\":\"\",\"assistant\":\"b\"}]}", "examples[0].user"},
        {"{\"examples\":[\"a\"]}", "examples[0]"},
        {"{\"config\":{\"a\":[1,null,\"x\"]}}", NULL},
        {"{\"config\":\"text\"}", NULL},
        {"{\"config\":null}", NULL},
        {"{\"config\":1e131071}", "config"},
        {"{\"template\":true,\"is_active\":false}", NULL},
        {"{\"template\":\"true\"}", "template"},
        {"{\"is_active\":0}", "is_active"},
        {"{\"max_output_tokens\":1}", NULL},
        {"{\"max_output_tokens\":0}", "max_output_tokens"},
        {"{\"variables\":{\"a\":\"x\",\"_b2\":7,\"c\":true,\"d\":1.5}}", NULL},
        {"{\"variables\":{\"2a\":\"x\"}}", "variables.2a"},
        {"{\"variables\":{\"a\":null}}", "variables.a"},
        {"{\"variables\":{\"a\":[]}}", "variables.a"},
        {"{\"variables\":[]}", "variables"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *param = refused(cases[i].body);

        if (cases[i].param)
            cr_assert_str_eq(param ? param : "", cases[i].param, "%s", cases[i].body);
        else
            cr_assert_null(param, "%s: %s", cases[i].body, failure.message);
    }
}

Test(parts, limits)
{
    struct buf body;

    buf_init(&body, 0);
    buf_printf(&body, "{\"config\":\"%0*d\"}", AGENT_CONFIG_MAX - 2, 0);
    cr_assert_null(refused(buf_string(&body)));
    buf_reset(&body);
    buf_printf(&body, "{\"config\":\"%0*d\"}", AGENT_CONFIG_MAX - 1, 0);
    cr_assert_str_eq(refused(buf_string(&body)), "config");
    buf_reset(&body);
    buf_add_string(&body, "{\"variables\":{\"a0\":1");
    for (int i = 1; i < 64; i++)
        buf_printf(&body, ",\"a%d\":1", i);
    buf_add_string(&body, "}}");
    cr_assert_null(refused(buf_string(&body)));
    body.len -= 2;
    buf_add_string(&body, ",\"more\":1}}");
    cr_assert_str_eq(refused(buf_string(&body)), "variables");
    buf_reset(&body);
    buf_printf(&body, "{\"variables\":{\"a\":\"%0*d\"}}", 16385, 0);
    cr_assert_str_eq(refused(buf_string(&body)), "variables.a");
    buf_deinit(&body);
}
