/* Which calls may be repeated. */

#include <criterion/criterion.h>

#include "box.h"

Test(tool_class, of_a_request_comes_from_its_method)
{
    static const struct {
        const char *arguments;
        enum call_class class;
    } cases[] = {
        {"{\"method\":\"GET\"}", CALL_IDEMPOTENT},
        {"{\"method\":\"HEAD\"}", CALL_IDEMPOTENT},
        {"{\"method\":\"PUT\"}", CALL_IDEMPOTENT},
        {"{\"method\":\"DELETE\"}", CALL_IDEMPOTENT},
        {"{\"method\":\"POST\"}", CALL_ONCE},
        {"{\"method\":\"PATCH\"}", CALL_ONCE},
        /* Refused before anything is sent. */
        {"{\"method\":\"post\"}", CALL_IDEMPOTENT},
        {"{\"method\":", CALL_IDEMPOTENT},
        {"[]", CALL_IDEMPOTENT},
        {"", CALL_IDEMPOTENT},
    };
    struct box box;
    const struct tool *tool;

    box_open(&box, "{\"tools\":[{\"type\":\"http_request\"}]}");
    tool = toolbox_find(&box.tools, TEXT("http_request"));
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(tool_class_of(tool, text_of(cases[i].arguments)), cases[i].class, "%s",
                     cases[i].arguments);
    box_close(&box);
}

Test(tool_class, of_tools_without_effect_is_pure)
{
    struct box box;

    box_open(&box, "{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"current_time\"}]}");
    cr_assert_eq(tool_class_of(&box.tools.tools[0], TEXT("{}")), CALL_PURE);
    cr_assert_eq(tool_class_of(&box.tools.tools[1], TEXT("{")), CALL_PURE);
    box_close(&box);
}

Test(tool_class, is_what_the_agent_says_where_it_says_it)
{
    struct box box;

    box_open(&box, "{\"tools\":[{\"type\":\"http_request\",\"class\":\"idempotent\"}]}");
    cr_assert_eq(tool_class_of(&box.tools.tools[0], TEXT("{\"method\":\"POST\"}")),
                 CALL_IDEMPOTENT);
    box_close(&box);
}

Test(tool_class, of_a_function_is_pure_here_whatever_the_agent_says)
{
    struct box box;

    box_open(&box, "{\"tools\":[{\"type\":\"function\",\"class\":\"once\","
                   "\"function\":{\"name\":\"f\"}}]}");
    cr_assert_eq(tool_class_of(&box.tools.tools[0], TEXT("{}")), CALL_PURE);
    box_close(&box);
}

Test(tool_class, of_a_tool_that_is_not_there_is_pure)
{
    cr_assert_eq(tool_class_of(NULL, TEXT("{}")), CALL_PURE);
}
