/* The models that are configured, as a list and one by one. */

#include "fixture.h"

static void lists(struct fixture *f)
{
    struct json_object *list = expect(f, 200, "GET", "/v1/models", NULL);
    struct json_object *data = json_get(list, "data");

    cr_assert(text_is(json_get_text(list, "object"), "list"));
    cr_assert(json_object_is_type(data, json_type_array));
}

Test(models, are_listed)
{
    with_api(lists);
}

static void gets(struct fixture *f)
{
    static const char *const paths[] = {"/v1/models/openai/gpt-4o", "/v1/models/openai%2Fgpt-4o",
                                        "/v1/models/gpt-4o"};
    struct json_object *model;

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        model = expect(f, 200, "GET", paths[i], NULL);
        cr_assert(text_is(json_get_text(model, "object"), "model"), "%s", paths[i]);
        cr_assert(text_is(json_get_text(model, "id"), i < 2 ? "openai/gpt-4o" : "gpt-4o"));
        cr_assert(text_is(json_get_text(model, "owned_by"), "openai"));
        cr_assert_eq(json_object_get_int64(json_get(model, "context_tokens")), 128000);
        cr_assert_eq(json_object_get_int64(json_get(model, "input_price")), 2500000);
        cr_assert(json_object_get_boolean(json_get(model, "images")));
    }
    model = expect(f, 200, "GET", "/v1/models/openai/some/thing", NULL);
    cr_assert(text_is(json_get_text(model, "id"), "openai/some/thing"));
    cr_assert_null(json_get(model, "context_tokens"), "not known");
    refused(f, 404, "model", "model_not_found", "'never-heard-of' is not known",
            (struct call){.method = "GET", .path = "/v1/models/never-heard-of"});
}

Test(models, are_given_by_any_name_that_an_agent_may_use)
{
    with_api(gets);
}
