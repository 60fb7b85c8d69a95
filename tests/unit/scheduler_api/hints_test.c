/* Who is wrong is told what would be right. */

#include "fixture.h"

static void members(struct fixture *fixture)
{
    refused(fixture, 400, "instuctions", "unknown_parameter",
            "Unknown parameter: 'instuctions'. Did you mean 'instructions'?",
            (struct call){"POST", "/v1/assistants", "{\"model\":\"gpt-4o\",\"instuctions\":\"x\"}",
                          NULL, NULL});
    refused(fixture, 400, "tools[0].function.parameter", "unknown_parameter",
            "'tools[0].function.parameter'. Did you mean 'parameters'?",
            (struct call){"POST", "/v1/assistants",
                          "{\"model\":\"gpt-4o\",\"tools\":[{\"type\":\"function\",\"function\":{"
                          "\"name\":\"f\",\"parameter\":{}}}]}",
                          NULL, NULL});
    refused(
        fixture, 400, "hat", "unknown_parameter", "Unknown parameter: 'hat'.",
        (struct call){"POST", "/v1/assistants", "{\"model\":\"gpt-4o\",\"hat\":1}", NULL, NULL});
    cr_assert_null(strstr(json_text(fixture->body).ptr, "Did you mean"));
}

Test(hints, name_the_nearest_member_of_a_body)
{
    with_api(members);
}
