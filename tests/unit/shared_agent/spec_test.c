/* The table of an agent's members, and what must agree with it. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/agent/spec.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/text.h"

/* docs/openapi.yaml from a schema up to RunCreate. Tool comes first, then Sampling, with which the
 * members of agents and runs begin. */
static char *read_schemas(const char *from)
{
    const char *here = __FILE__;
    struct buf all;
    char path[512];
    char line[1024];
    bool inside = false;
    FILE *file = fopen("docs/openapi.yaml", "r");

    if (!file) {
        snprintf(path, sizeof(path), "%.*sdocs/openapi.yaml",
                 (int)(strstr(here, "tests/unit/") - here), here);
        file = fopen(path, "r");
    }
    cr_assert(file, "docs/openapi.yaml is not there");
    buf_init(&all, 0);
    while (fgets(line, sizeof(line), file)) {
        if (strcmp(line, from) == 0)
            inside = true;
        if (strcmp(line, "    RunCreate:\n") == 0)
            inside = false;
        if (inside)
            buf_add_string(&all, line);
    }
    fclose(file);
    return buf_take(&all);
}

/* The member's line of the document, from its name on. */
static const char *line_of(const char *schemas, const char *name)
{
    static char line[1024];
    char start[80];
    const char *at;

    snprintf(start, sizeof(start), " %s: {", name);
    at = strstr(schemas, start);
    cr_assert(at, "docs/openapi.yaml does not describe the member %s", name);
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static void line_has(const char *line, const char *limit, long long value)
{
    char wanted[64];

    snprintf(wanted, sizeof(wanted), "%s: %lld", limit, value);
    cr_assert(strstr(line, wanted), "docs/openapi.yaml:%s lacks %s", line, wanted);
}

Test(spec, document_describes_each_member_with_its_limits)
{
    char *schemas = read_schemas("    Sampling:\n");

    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++) {
        const struct field *field = &agent_members[i].field;
        const char *line = line_of(schemas, field->name);
        const char *limit = field->kind == FIELD_STRING  ? "maxLength"
                            : field->kind == FIELD_ARRAY ? "maxItems"
                                                         : "maximum";

        if (field->max > 0 && field->max != INT32_MAX)
            line_has(line, limit, (long long)field->max);
        if (field->max > 0 && (field->kind == FIELD_INTEGER || field->kind == FIELD_NUMBER))
            line_has(line, "minimum", (long long)field->min);
        for (size_t k = 0; field->words && field->words[k]; k++)
            cr_assert(strstr(line, field->words[k]), "%s lacks %s", line, field->words[k]);
    }
    free(schemas);
}

Test(spec, document_names_each_tool_that_is_offered)
{
    char *schemas = read_schemas("    Tool:\n");

    for (const char *const *type = tool_types_offered(); *type; type++)
        cr_assert(strstr(schemas, *type), "docs/openapi.yaml does not name the tool %s", *type);
    free(schemas);
}

Test(spec, permissions_and_budgets_are_what_may_only_be_narrowed)
{
    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++)
        cr_assert_eq(agent_members[i].rule == MEMBER_NARROWED,
                     i == SPEC_TOOLS || i == SPEC_HTTP_ALLOW || i == SPEC_BUDGET ||
                         i == SPEC_MEMORIES,
                     "%s", agent_members[i].field.name);
}
