/* What requests look like in the format of OpenAI's Responses, compared as JSON values. JSON is
 * written with ' for ". */

#include <stdio.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "support.h"

static struct provider_target target(void)
{
    return support_target_of(&provider_openai_responses, "openai");
}

/* `input` and `more` (members behind it). */
static void encodes(const struct chat_request *request, const char *input, const char *more)
{
    struct provider_target openai = target();
    CLEANUP(buf_deinit) struct buf expected;

    buf_init(&expected, 0);
    buf_printf(&expected, "{'model':'m-1','input':[%s],'store':false%s%s}", input,
               request->stream ? ",'stream':true" : ",'stream':false", more);
    cr_assert(support_encodes_to(&openai, request, support_json(buf_string(&expected))));
}

#define HI "{'role':'user','content':'Hi'}"

static const struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};

/* With one message and these settings. */
static void settings_encode(struct chat_request request, const char *more)
{
    request.messages = &hello;
    request.messages_count = 1;
    encodes(&request, HI, more);
}

Test(openai_responses_encode, the_smallest_request_is_not_to_be_stored)
{
    settings_encode((struct chat_request){.stream = false}, "");
    settings_encode((struct chat_request){.stream = true}, "");
}

static struct chat_tool_call calls[] = {
    {.id = TEXT("call_a"), .name = TEXT("weather"), .arguments = TEXT("{\"city\":\"Oslo\"}")},
    {.id = TEXT("call_b"), .name = TEXT("clock")},
};

#define CALL_A                                                                                     \
    "{'type':'function_call','call_id':'call_a','name':'weather','arguments':"                     \
    "'{\\\"city\\\":\\\"Oslo\\\"}'}"
#define CALL_B "{'type':'function_call','call_id':'call_b','name':'clock','arguments':'{}'}"

Test(openai_responses_encode, a_conversation_with_tools_is_a_list_of_items)
{
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Oslo?")},
        {.role = CHAT_ASSISTANT,
         .text = TEXT("Let me see."),
         .tool_calls = calls,
         .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_TOOL, .tool_call_id = TEXT("call_b")},
        {.role = CHAT_ASSISTANT, .text = TEXT("Cold.")},
        {.role = CHAT_ASSISTANT, .text = TEXT("")},
        {.role = CHAT_USER, .text = TEXT("")},
    };
    struct chat_tool tools[] = {
        {TEXT("weather"), TEXT("The weather"), TEXT("{\"type\":\"object\",\"properties\":{}}"),
         CHAT_SWITCH_ON},
        {TEXT("clock"), TEXT_NONE, TEXT_NONE, CHAT_SWITCH_UNSET},
    };
    struct chat_request request = {
        .instructions = TEXT("Be brief"),
        .messages = messages,
        .messages_count = ARRAY_LENGTH(messages),
        .tools = tools,
        .tools_count = 2,
        .tool_choice = {CHAT_TOOL_CHOICE_REQUIRED, TEXT_NONE},
        .parallel_tool_calls = CHAT_SWITCH_OFF,
    };

    encodes(&request,
            "{'role':'user','content':'Oslo?'},{'role':'assistant','content':'Let me see.'}," CALL_A
            "," CALL_B ",{'type':'function_call_output','call_id':'call_a','output':'4 degrees'},"
            "{'type':'function_call_output','call_id':'call_b','output':''},"
            "{'role':'assistant','content':'Cold.'},{'role':'user','content':''}",
            ",'instructions':'Be brief','tools':[{'type':'function','name':'weather','description':"
            "'The weather','parameters':{'type':'object','properties':{}},'strict':true},"
            "{'type':'function','name':'clock','parameters':{'type':'object','properties':{}},"
            "'strict':false}],'tool_choice':'required','parallel_tool_calls':false");
}

Test(openai_responses_encode, instructions_alone_are_input)
{
    struct chat_request request = {.instructions = TEXT("Greet me")};

    encodes(&request, "{'role':'system','content':'Greet me'}", "");
}

Test(openai_responses_encode, calls_of_earlier_runs_need_no_tools)
{
    struct chat_message messages[] = {
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 1},
        {.role = CHAT_TOOL, .text = TEXT("r"), .tool_call_id = TEXT("call_a")},
    };
    struct chat_request request = {.messages = messages,
                                   .messages_count = 2,
                                   .tool_choice = {CHAT_TOOL_CHOICE_AUTO, TEXT_NONE},
                                   .parallel_tool_calls = CHAT_SWITCH_ON};

    encodes(&request, CALL_A ",{'type':'function_call_output','call_id':'call_a','output':'r'}",
            "");
}

Test(openai_responses_encode, images_stay_parts_in_their_place)
{
    struct chat_part parts[] = {
        {.kind = CHAT_PART_TEXT, .text = TEXT("a")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://x/y.png"), .detail = TEXT("low")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/png;base64,AA==")},
    };
    struct chat_message message = {
        .role = CHAT_USER, .parts = parts, .parts_count = ARRAY_LENGTH(parts)};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    encodes(&request,
            "{'role':'user','content':[{'type':'input_text','text':'a'},"
            "{'type':'input_image','image_url':'https://x/y.png','detail':'low'},"
            "{'type':'input_image','image_url':'data:image/png;base64,AA==','detail':'auto'}]}",
            "");
}

static void choice_encodes(struct chat_tool_choice choice, const char *more)
{
    static const struct chat_tool tool = {.name = TEXT("f")};
    struct chat_request request = {.tools = &tool, .tools_count = 1, .tool_choice = choice};
    CLEANUP(buf_deinit) struct buf all;

    buf_init(&all, 0);
    buf_printf(&all,
               ",'tools':[{'type':'function','name':'f','parameters':{'type':'object',"
               "'properties':{}},'strict':false}]%s",
               more);
    settings_encode(request, buf_string(&all));
}

Test(openai_responses_encode, tool_choice_is_flat)
{
    choice_encodes((struct chat_tool_choice){CHAT_TOOL_CHOICE_UNSET, TEXT_NONE}, "");
    choice_encodes((struct chat_tool_choice){CHAT_TOOL_CHOICE_AUTO, TEXT_NONE},
                   ",'tool_choice':'auto'");
    choice_encodes((struct chat_tool_choice){CHAT_TOOL_CHOICE_NONE, TEXT_NONE},
                   ",'tool_choice':'none'");
    choice_encodes((struct chat_tool_choice){CHAT_TOOL_CHOICE_FUNCTION, TEXT("f")},
                   ",'tool_choice':{'type':'function','name':'f'}");
}

Test(openai_responses_encode, settings_are_sent_under_their_names)
{
    struct chat_request request = {
        .has_temperature = true,
        .temperature = 0.1,
        .has_top_p = true,
        .top_p = 1,
        .max_completion_tokens = 300,
        .response_format = {.kind = CHAT_FORMAT_JSON_OBJECT},
        .reasoning_effort = TEXT("low"),
    };

    settings_encode(request, ",'temperature':0.1,'top_p':1,'max_output_tokens':300,"
                             "'text':{'format':{'type':'json_object'}},'reasoning':{'effort':'low'}"
                             ",'include':['reasoning.encrypted_content']");
    settings_encode((struct chat_request){.max_completion_tokens = 5}, ",'max_output_tokens':16");
    settings_encode((struct chat_request){.reasoning_effort = TEXT("none")},
                    ",'reasoning':{'effort':'none'}");
    settings_encode((struct chat_request){.response_format = {.kind = CHAT_FORMAT_TEXT}},
                    ",'text':{'format':{'type':'text'}}");
    settings_encode((struct chat_request){.verbosity = TEXT("high")},
                    ",'text':{'verbosity':'high'}");
    settings_encode((struct chat_request){.response_format = {.kind = CHAT_FORMAT_TEXT},
                                          .verbosity = TEXT("low")},
                    ",'text':{'format':{'type':'text'},'verbosity':'low'}");
}

Test(openai_responses_encode, a_schema_of_the_answer_is_flat_and_as_it_was_written)
{
    struct chat_request request = {
        .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                            .name = TEXT("n"),
                            .schema = TEXT("{\"z\":1,\"a\":18446744073709551616}"),
                            .strict = CHAT_SWITCH_ON}};

    settings_encode(request, ",'text':{'format':{'type':'json_schema','name':'n','schema':"
                             "{'z':1,'a':18446744073709551616},'strict':true}}");
    request.response_format.schema = TEXT_NONE;
    request.response_format.description = TEXT("d");
    request.response_format.strict = CHAT_SWITCH_UNSET;
    settings_encode(request, ",'text':{'format':{'type':'json_schema','name':'n','description':'d',"
                             "'schema':{}}}");
}

/* ---- reasoning that goes back ---- */

#define REASONING(id) "{'id':'" id "','type':'reasoning','summary':[],'encrypted_content':'gAAA'}"
#define PARTS                                                                                      \
    "[{'item':" REASONING("rs_1") "},{'text':4,'note':'commentary'},{'call':true},{'item'"         \
                                  ":" REASONING("rs_2") "},{'call':true}]"
#define STATE(parts) "{'provider':'openai','model':'m-1','message':" parts "}"

static void replays(const char *state, const char *input, const char *more)
{
    struct chat_message messages[] = {
        hello,
        {.role = CHAT_ASSISTANT,
         .text = TEXT("Hm. "),
         .tool_calls = calls,
         .tool_calls_count = 2,
         .opaque_state = text_of(support_json(state))},
    };
    struct chat_request request = {.messages = messages, .messages_count = 2};
    CLEANUP(buf_deinit) struct buf all;

    buf_init(&all, 0);
    buf_printf(&all, HI ",%s", input);
    encodes(&request, buf_string(&all), more);
}

Test(openai_responses_encode, reasoning_goes_back_where_it_stood)
{
    replays(STATE(PARTS),
            REASONING("rs_1") ",{'role':'assistant','content':'Hm. ','phase':'commentary'}," CALL_A
                              "," REASONING("rs_2") "," CALL_B,
            ",'include':['reasoning.encrypted_content']");
}

Test(openai_responses_encode, reasoning_of_another_model_or_that_does_not_fit_is_left_out)
{
    static const char without[] = "{'role':'assistant','content':'Hm. '}," CALL_A "," CALL_B;

    replays("", without, "");
    replays("{'provider':'openai','model':'m-2','message':" PARTS "}", without, "");
    replays("{'provider':'azure','model':'m-1','message':" PARTS "}", without, "");
    replays(STATE("{'reasoning_content':'of another format'}"), without, "");
    replays(STATE("[{'item':" REASONING("rs_1") "},{'text':4},{'call':true}]"), without,
            ",'include':['reasoning.encrypted_content']");
}

Test(openai_responses_encode, what_the_provider_has_kept_is_named_and_not_sent_again)
{
    struct provider_target openai = target();
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Hello")},
        {.role = CHAT_ASSISTANT, .text = TEXT("Yes?")},
        {.role = CHAT_USER, .text = TEXT("Hi")},
    };
    struct chat_tool tool = {.name = TEXT("clock")};
    struct chat_request request = {
        .instructions = TEXT("Be brief"),
        .messages = messages,
        .messages_count = 3,
        .tools = &tool,
        .tools_count = 1,
        .store = true,
        .previous = TEXT("resp_1"),
        .known = 2,
    };

    cr_assert(support_encodes_to(
        &openai, &request,
        support_json("{'model':'m-1','instructions':'Be brief','input':[" HI "],'tools':["
                     "{'type':'function','name':'clock','parameters':{'type':'object',"
                     "'properties':{}},'strict':false}],'store':true,"
                     "'previous_response_id':'resp_1','stream':false}")));
}

/* ---- url and headers ---- */

Test(openai_responses_encode, url_key_and_idempotency_key_are_set)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target openai = target();
    struct chat_request request = {.idempotency_key = TEXT("run_1:3")};
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(openai.provider->encode(&openai, &request, &wire, &err), 0);
    cr_assert_str_eq(wire.url, "https://llm.example/v1/responses");
    cr_assert_str_eq(support_header(&wire, "authorization"), "Bearer sk-test-1234567890");
    cr_assert_str_eq(support_header(&wire, "idempotency-key"), "run_1:3");
    request.has_temperature = true;
    request.temperature = -1e308 * 10;
    cr_assert_eq(openai.provider->encode(&openai, &request, &wire, &err), -E_INVALID);
}
