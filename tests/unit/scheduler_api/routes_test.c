/* What stands in the routes where the name of an agent may stand is the name of none; and what is
 * said of a URL that stands in none. */

#include <stdio.h>

#include "fixture.h"
#include "scheduler/api/surfaces.h"
#include "shared/agent/checks.h"
#include "shared/check/failure.h"

#define PARAMETER "{assistant_id}"

/* The segment of `other` that stands where `pattern` has its agent; TEXT_NONE: the paths part
 * before it, or another name stands there. */
static struct text segment_beside(const char *pattern, const char *other)
{
    const char *at = strstr(pattern, PARAMETER);
    size_t prefix = at ? (size_t)(at - pattern) : 0;

    if (!at || strncmp(pattern, other, prefix) != 0 || other[prefix] == '{')
        return TEXT_NONE;
    return (struct text){other + prefix, strcspn(other + prefix, "/")};
}

static void must_be_reserved(struct text segment)
{
    CLEANUP(json_freep)
    struct json_object *slug = json_object_new_string_len(segment.ptr, (int)segment.len);
    const struct path path = {NULL, "slug", 0};
    struct failure failure = {0};

    cr_assert_lt(check_slug(slug, &path, &failure), 0,
                 "an agent may be called \"%.*s\", which is a path", TEXT_ARGS(segment));
    cr_assert_str_eq(failure.param, "slug");
    cr_assert(strstr(failure.message, "a part of a path"), "%s", failure.message);
}

Test(routes, hide_no_agent_that_has_the_name_of_a_path)
{
    struct endpoints endpoints;
    size_t found = 0;

    endpoints_init(&endpoints, surfaces, surfaces_count);
    for (size_t i = 0; i < endpoints.count; i++) {
        for (size_t k = 0; k < endpoints.count; k++) {
            struct text segment =
                segment_beside(endpoints.items[i]->pattern, endpoints.items[k]->pattern);

            if (!slug_fits(segment))
                continue;
            found++;
            must_be_reserved(segment);
        }
    }
    endpoints_deinit(&endpoints);
    cr_assert_gt(found, 0, "there is one at least: check");
}

/* ---- what is not offered ---- */

static void not_offered(struct fixture *fixture)
{
    static const struct {
        const char *method;
        const char *path;
        int status;
        const char *message;
    } cases[] = {
        {"GET", "/v1/chat/completions/x", 404, "Penstock does not offer stored chat completions."},
        {"POST", "/v1/completions", 404, "Ask /v1/chat/completions."},
        {"GET", "/v1/organization/users", 404, "the administration of organizations."},
        {"GET", "/v1/batches/x/y", 404, "Please check the URL for typos"},
        {"GET", "/v1/chat/x", 404, "Please check the URL for typos"},
        {"GET", "/v1/videosx", 404, "Please check the URL for typos"},
        {"GET", "/v1/chat/completions", 405,
         "Allowed: POST. Penstock does not offer stored chat completions."},
        {"DELETE", "/v1/models/x", 405, "they are those of its configuration."},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, cases[i].status, NULL,
                cases[i].status == 404 ? "unknown_url" : "method_not_supported", cases[i].message,
                (struct call){cases[i].method, cases[i].path, NULL, NULL, NULL});
}

Test(routes, say_what_of_openais_api_is_not_behind_a_url)
{
    with_api(not_offered);
}

/* Its SDKs have the responses a second time, under `beta`, with the same paths. */
static void beta(struct fixture *fixture)
{
    static const struct {
        const char *method;
        const char *path;
    } cases[] = {
        {"POST", "/v1/responses"},          {"POST", "/v1/responses/input_tokens"},
        {"GET", "/v1/responses/x"},         {"GET", "/v1/responses/x/input_items"},
        {"POST", "/v1/responses/x/cancel"}, {"DELETE", "/v1/responses/x"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char path[96];
        bool creates = strcmp(cases[i].path, "/v1/responses") == 0 || strstr(cases[i].path, "tok");

        snprintf(path, sizeof(path), "%s?beta=true", cases[i].path);
        refused(fixture, creates ? 400 : 404, creates ? "model" : NULL,
                creates ? "missing_required_parameter" : NULL,
                creates ? "'model'" : "'x' not found",
                (struct call){cases[i].method, path, creates ? "{}" : NULL, NULL, NULL});
    }
}

Test(routes, serve_the_responses_of_beta_sdks)
{
    with_api(beta);
}
