/* Which calls may be repeated. */

#include <criterion/criterion.h>

#include "worker/tools/tool.h"

Test(tool_class, of_a_request_comes_from_its_method)
{
    static const struct {
        const char *arguments;
        enum tool_class class;
    } cases[] = {
        {"{\"method\":\"GET\"}", TOOL_IDEMPOTENT},
        {"{\"method\":\"HEAD\"}", TOOL_IDEMPOTENT},
        {"{\"method\":\"PUT\"}", TOOL_IDEMPOTENT},
        {"{\"method\":\"DELETE\"}", TOOL_IDEMPOTENT},
        {"{\"method\":\"POST\"}", TOOL_ONCE},
        {"{\"method\":\"PATCH\"}", TOOL_ONCE},
        /* Refused before anything is sent. */
        {"{\"method\":\"post\"}", TOOL_IDEMPOTENT},
        {"{\"method\":", TOOL_IDEMPOTENT},
        {"[]", TOOL_IDEMPOTENT},
        {"", TOOL_IDEMPOTENT},
    };
    const struct tool *tool = tool_find(TEXT("http_request"));

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(tool_class_of(tool, text_of(cases[i].arguments)), cases[i].class, "%s",
                     cases[i].arguments);
}

Test(tool_class, of_tools_without_effect_is_pure)
{
    cr_assert_eq(tool_class_of(tool_find(TEXT("calculator")), TEXT("{}")), TOOL_PURE);
    cr_assert_eq(tool_class_of(tool_find(TEXT("current_time")), TEXT("{")), TOOL_PURE);
}

Test(tool_class, has_a_name)
{
    enum tool_class class = TOOL_PURE;

    cr_assert(tool_class_parse(TEXT("once"), &class));
    cr_assert_eq(class, TOOL_ONCE);
    cr_assert(tool_class_parse(TEXT("idempotent"), &class));
    cr_assert_eq(class, TOOL_IDEMPOTENT);
    cr_assert_not(tool_class_parse(TEXT("twice"), &class));
    cr_assert_eq(class, TOOL_IDEMPOTENT);
}
