/* What an agent may say of the tools that read the web: of which domains, above all. */

#include "shared/agent/checks.h"
#include "shared/agent/tools/approval.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/net/domain.h"

#define DOMAINS_MAX 100

const char *const web_context_sizes[] = {"low", "medium", "high", NULL};

static int check_domain(struct json_object *value, const struct path *path, struct failure *failure)
{
    char shown[64];
    int r = fields_expect(FIELD_STRING, value, path, failure);

    if (r < 0 || domain_fits(json_string(value)))
        return r;
    text_excerpt(json_string(value), shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid domain: '%s'. Expected a name such as 'example.com', without a "
                       "scheme, a port or a path; its subdomains belong to it.",
                       shown);
}

static int check_domains(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    return fields_each(value, path, check_domain, failure);
}

int check_web_filters(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {.name = "allowed_domains",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .max = DOMAINS_MAX,
         .check = check_domains},
        {.name = "blocked_domains",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .max = DOMAINS_MAX,
         .check = check_domains},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

bool check_is_web(struct text type)
{
    return text_is(type, "web_search") || text_is(type, "read_page");
}

int check_web_tool(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const robots[] = {"obey", "ignore", NULL};
    static const struct field search[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "filters",
         .kind = FIELD_OBJECT,
         .flags = FIELD_NULLABLE,
         .check = check_web_filters},
        {.name = "search_context_size",
         .kind = FIELD_STRING,
         .flags = FIELD_NULLABLE,
         .words = web_context_sizes},
        APPROVAL_FIELDS,
    };
    static const struct field page[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "filters",
         .kind = FIELD_OBJECT,
         .flags = FIELD_NULLABLE,
         .check = check_web_filters},
        {.name = "robots", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = robots},
        APPROVAL_FIELDS,
    };

    return text_is(json_get_text(value, "type"), "web_search")
               ? fields_check(FIELDS(search), value, path, failure)
               : fields_check(FIELDS(page), value, path, failure);
}
