/* What requests look like in Anthropic's format, compared as JSON values. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "support.h"

static struct provider_target target(void)
{
    return support_target_of(&provider_anthropic, "anthropic");
}

/* `messages` and `more` (members behind it) are JSON with ' for ". */
static void encodes_for(const struct provider_target *anthropic, const struct chat_request *request,
                        const char *max_tokens, const char *messages, const char *more)
{
    CLEANUP(buf_deinit) struct buf expected;

    buf_init(&expected, 0);
    buf_printf(&expected, "{'model':'m-1','max_tokens':%s,'messages':[%s]%s}", max_tokens, messages,
               more);
    cr_assert(support_encodes_to(anthropic, request, support_json(buf_string(&expected))));
}

static void encodes(const struct chat_request *request, const char *messages, const char *more)
{
    struct provider_target anthropic = target();

    encodes_for(&anthropic, request, "4096", messages, more);
}

#define HI "{'role':'user','content':[{'type':'text','text':'Hi'}]}"

static const struct chat_message hello = {.role = CHAT_USER, .text = TEXT("Hi")};

/* With one message and these settings. */
static void settings_encode(struct chat_request request, const char *more)
{
    request.messages = &hello;
    request.messages_count = 1;
    encodes(&request, HI, more);
}

Test(anthropic_encode, the_smallest_request_has_a_limit_of_tokens)
{
    struct chat_message message = {.role = CHAT_USER, .text = TEXT("Hello \"you\"\n\xE2\x82\xAC")};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    encodes(&request,
            "{'role':'user','content':[{'type':'text','text':'Hello \\\"you\\\"\\n\xE2\x82\xAC'}]}",
            "");
    request.stream = true;
    encodes(&request,
            "{'role':'user','content':[{'type':'text','text':'Hello \\\"you\\\"\\n\xE2\x82\xAC'}]}",
            ",'stream':true");
}

Test(anthropic_encode, the_limit_of_tokens_is_the_requests_or_the_models)
{
    struct provider_target anthropic = target();
    struct chat_request request = {.messages = &hello, .messages_count = 1};

    anthropic.output_tokens_max = 64000;
    encodes_for(&anthropic, &request, "64000", HI, "");
    request.max_completion_tokens = 100000;
    encodes_for(&anthropic, &request, "64000", HI, "");
    request.max_completion_tokens = 7;
    encodes_for(&anthropic, &request, "7", HI, "");
}

/* ---- the conversation ---- */

static struct chat_tool_call calls[] = {
    {.id = TEXT("call_a"), .name = TEXT("weather"), .arguments = TEXT("{\"city\":\"Oslo\"}")},
    {.id = TEXT("call_b"), .name = TEXT("clock")},
};

#define CALL_A "{'type':'tool_use','id':'call_a','name':'weather','input':{'city':'Oslo'}}"
#define CALL_B "{'type':'tool_use','id':'call_b','name':'clock','input':{}}"

Test(anthropic_encode, a_conversation_with_tools_keeps_ids_order_and_arguments)
{
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("Oslo?")},
        {.role = CHAT_ASSISTANT,
         .text = TEXT("Let me see."),
         .tool_calls = calls,
         .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_TOOL, .text = TEXT(""), .tool_call_id = TEXT("call_b")},
        {.role = CHAT_ASSISTANT, .text = TEXT("Cold.")},
        {.role = CHAT_USER, .text = TEXT("Thanks")},
    };
    struct chat_tool tools[] = {
        {TEXT("weather"), TEXT("The weather"),
         TEXT("{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}"),
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
            "{'role':'user','content':[{'type':'text','text':'Oslo?'}]},"
            "{'role':'assistant','content':[{'type':'text','text':'Let me see.'}," CALL_A "," CALL_B
            "]},"
            "{'role':'user','content':["
            "{'type':'tool_result','tool_use_id':'call_a','content':'4 degrees'},"
            "{'type':'tool_result','tool_use_id':'call_b'}]},"
            "{'role':'assistant','content':[{'type':'text','text':'Cold.'}]},"
            "{'role':'user','content':[{'type':'text','text':'Thanks'}]}",
            ",'system':'Be brief',"
            "'tools':[{'name':'weather','description':'The weather','input_schema':{'type':'object'"
            ",'properties':{'city':{'type':'string'}}},'strict':true},"
            "{'name':'clock','input_schema':{'type':'object','properties':{}}}],"
            "'tool_choice':{'type':'any','disable_parallel_tool_use':true}");
}

Test(anthropic_encode, messages_of_one_side_are_one_turn_and_results_stand_first_in_it)
{
    struct chat_message messages[] = {
        {.role = CHAT_USER, .text = TEXT("one")},
        {.role = CHAT_USER, .text = TEXT("two")},
        {.role = CHAT_ASSISTANT, .text = TEXT("three")},
        {.role = CHAT_ASSISTANT, .tool_calls = calls, .tool_calls_count = 2},
        {.role = CHAT_TOOL, .text = TEXT("a"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_USER, .text = TEXT("four")},
        {.role = CHAT_TOOL, .text = TEXT("b"), .tool_call_id = TEXT("call_b")},
        {.role = CHAT_USER, .text = TEXT("five")},
    };
    struct chat_tool tool = {.name = TEXT("clock")};
    struct chat_request request = {.messages = messages,
                                   .messages_count = ARRAY_LENGTH(messages),
                                   .tools = &tool,
                                   .tools_count = 1};

    encodes(&request,
            "{'role':'user','content':[{'type':'text','text':'one'},{'type':'text','text':'two'}]},"
            "{'role':'assistant','content':[{'type':'text','text':'three'}," CALL_A "," CALL_B "]},"
            "{'role':'user','content':["
            "{'type':'tool_result','tool_use_id':'call_a','content':'a'},"
            "{'type':'tool_result','tool_use_id':'call_b','content':'b'},"
            "{'type':'text','text':'four'},{'type':'text','text':'five'}]}",
            ",'tools':[{'name':'clock','input_schema':{'type':'object','properties':{}}}]");
}

#define BEGINS  "{'role':'user','content':[{'type':'text','text':'(start of the conversation)'}]}"
#define GOES_ON "{'role':'user','content':[{'type':'text','text':'Continue.'}]}"

Test(anthropic_encode, the_first_and_the_last_turn_are_the_users)
{
    struct chat_message messages[] = {
        {.role = CHAT_ASSISTANT, .text = TEXT("Welcome")},
        {.role = CHAT_USER, .text = TEXT("Hi")},
        {.role = CHAT_ASSISTANT, .text = TEXT("How are you? ")},
    };
    struct chat_request request = {.messages = messages, .messages_count = ARRAY_LENGTH(messages)};

    encodes(&request,
            BEGINS
            ",{'role':'assistant','content':[{'type':'text','text':'Welcome'}]}," HI
            ",{'role':'assistant','content':[{'type':'text','text':'How are you? '}]}," GOES_ON,
            "");
}

Test(anthropic_encode, texts_of_blanks_are_left_out_and_a_turn_has_words)
{
    struct chat_part blank_part = {.kind = CHAT_PART_TEXT, .text = TEXT("")};
    struct chat_message blanks[] = {
        {.role = CHAT_USER, .text = TEXT(" \n")},
        {.role = CHAT_ASSISTANT, .text = TEXT("")},
        {.role = CHAT_USER, .parts = &blank_part, .parts_count = 1},
    };
    struct chat_message between[] = {
        hello,
        {.role = CHAT_ASSISTANT, .text = TEXT("\n\n"), .tool_calls = calls, .tool_calls_count = 1},
        {.role = CHAT_TOOL, .text = TEXT(" "), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_USER, .text = TEXT("")},
    };
    struct chat_request request = {.instructions = TEXT(" ")};

    encodes(&request, BEGINS, "");
    request.messages = blanks;
    request.messages_count = ARRAY_LENGTH(blanks);
    encodes(&request, BEGINS, "");
    request.messages = between;
    request.messages_count = ARRAY_LENGTH(between);
    encodes(&request,
            HI ",{'role':'assistant','content':[" CALL_A "]},"
               "{'role':'user','content':[{'type':'tool_result','tool_use_id':'call_a',"
               "'content':' '}]}",
            ",'tools':[{'name':'weather','input_schema':{'type':'object','properties':{}}}],"
            "'tool_choice':{'type':'none'}");
}

Test(anthropic_encode, images_are_sources_by_url_or_in_base64)
{
    struct chat_part parts[] = {
        {.kind = CHAT_PART_TEXT, .text = TEXT("a")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://x/y.png"), .detail = TEXT("low")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/png;base64,AA==")},
        {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("data:image/JPG;base64,AAAA")},
    };
    struct chat_message message = {
        .role = CHAT_USER, .parts = parts, .parts_count = ARRAY_LENGTH(parts)};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    encodes(&request,
            "{'role':'user','content':[{'type':'text','text':'a'},"
            "{'type':'image','source':{'type':'url','url':'https://x/y.png'}},"
            "{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AA=='}},"
            "{'type':'image','source':{'type':'base64','media_type':'image/jpeg','data':'AAAA'}}]}",
            "");
}

static void is_refused(const char *url, const char *says)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target anthropic = target();
    struct chat_part part = {.kind = CHAT_PART_IMAGE_URL, .url = text_of(url)};
    struct chat_message message = {.role = CHAT_USER, .parts = &part, .parts_count = 1};
    struct chat_request request = {.messages = &message, .messages_count = 1};
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, &err), -E_INVALID);
    cr_assert(strstr(err.text, says), "%s", err.text);
}

Test(anthropic_encode, images_that_the_api_does_not_take_are_refused_with_what_it_takes)
{
    is_refused("data:image/bmp;base64,AA==", "image/webp; one is 'image/bmp'");
    is_refused("data:;base64,AA==", "one is 'application/octet-stream'");
    is_refused("ftp://x/y.png", "http(s) urls or as data:TYPE;base64,DATA; one is 'ftp://x/y.png'");
    is_refused("data:image/png,AA", "one is 'data:image/png,AA'");
    is_refused("", "one is ''");
}

/* ---- thinking that goes back ---- */

#define PARTS                                                                                      \
    "[{'item':{'type':'thinking','thinking':'Hm \\\"x\\\"','signature':'c2ln'}},{'text':4},"       \
    "{'item':{'type':'redacted_thinking','data':'ZGF0YQ=='}},{'call':true},{'text':2}]"
#define STATE(parts) "{'provider':'anthropic','model':'m-1','message':" parts "}"

static const char *between_turns(const char *state, const char *provider, const char *model)
{
    static struct provider_wire wire;
    struct provider_target anthropic = support_target_of(&provider_anthropic, provider);
    struct chat_message messages[] = {
        hello,
        {.role = CHAT_ASSISTANT,
         .text = TEXT("So, \n\n"),
         .tool_calls = calls,
         .tool_calls_count = 1,
         .opaque_state = text_of(support_json(state))},
        {.role = CHAT_TOOL, .text = TEXT("r"), .tool_call_id = TEXT("call_a")},
        {.role = CHAT_USER, .text = TEXT("and?")},
    };
    struct chat_request request = {.messages = messages, .messages_count = ARRAY_LENGTH(messages)};
    struct error err;
    char *begin;
    char *end;

    snprintf(anthropic.model, sizeof(anthropic.model), "%s", model);
    provider_wire_deinit(&wire);
    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, &err), 0, "%s", err.text);
    begin = strstr(buf_string(&wire.body), "\"assistant\",\"content\":");
    end = begin ? strstr(begin, ",{\"role\":\"user\"") : NULL;
    cr_assert(begin && end);
    *end = '\0';
    return begin + strlen("\"assistant\",\"content\":");
}

Test(anthropic_encode, thinking_goes_back_where_it_stood)
{
    cr_assert_str_eq(
        between_turns(STATE(PARTS), "anthropic", "m-1"),
        support_json("[{'type':'thinking','thinking':'Hm \\\"x\\\"','signature':'c2ln'},"
                     "{'type':'text','text':'So, '},"
                     "{'type':'redacted_thinking','data':'ZGF0YQ=='}," CALL_A "]}"));
}

Test(anthropic_encode, thinking_of_another_model_or_that_does_not_fit_is_left_out)
{
    static const char without[] = "[{'type':'text','text':'So, \\n\\n'}," CALL_A "]}";

    cr_assert_str_eq(between_turns(STATE(PARTS), "other", "m-1"), support_json(without));
    cr_assert_str_eq(between_turns(STATE(PARTS), "anthropic", "m-2"), support_json(without));
    cr_assert_str_eq(between_turns(STATE("[{'item':{'type':'thinking'}}]"), "anthropic", "m-1"),
                     support_json(without));
    cr_assert_str_eq(between_turns(STATE("{'reasoning_content':'x'}"), "anthropic", "m-1"),
                     support_json(without));
    cr_assert_str_eq(between_turns("", "anthropic", "m-1"), support_json(without));
}

/* ---- tools and settings ---- */

static void tools_encode(struct chat_request request, const char *more)
{
    static const struct chat_tool tool = {.name = TEXT("f")};
    CLEANUP(buf_deinit) struct buf all;

    buf_init(&all, 0);
    buf_printf(&all, ",'tools':[{'name':'f','input_schema':{'type':'object','properties':{}}}]%s",
               more);
    request.tools = &tool;
    request.tools_count = 1;
    settings_encode(request, buf_string(&all));
}

Test(anthropic_encode, tool_choice_and_parallel_calls_are_one_member)
{
    struct chat_request request = {.parallel_tool_calls = CHAT_SWITCH_UNSET};

    tools_encode(request, "");
    request.parallel_tool_calls = CHAT_SWITCH_ON;
    tools_encode(request, "");
    request.parallel_tool_calls = CHAT_SWITCH_OFF;
    tools_encode(request, ",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}");
    request.tool_choice.kind = CHAT_TOOL_CHOICE_NONE;
    tools_encode(request, ",'tool_choice':{'type':'none'}");
    request.tool_choice = (struct chat_tool_choice){CHAT_TOOL_CHOICE_FUNCTION, TEXT("calculator")};
    tools_encode(request, ",'tool_choice':{'type':'tool','name':'calculator',"
                          "'disable_parallel_tool_use':true}");
    request = (struct chat_request){.tool_choice = {CHAT_TOOL_CHOICE_AUTO, TEXT_NONE}};
    tools_encode(request, ",'tool_choice':{'type':'auto'}");
    settings_encode(request, "");
}

static void schema_encodes(const char *schema, const char *expected)
{
    struct chat_tool tool = {.name = TEXT("f"), .parameters = text_of(support_json(schema))};
    struct chat_request request = {.tools = &tool, .tools_count = 1};
    CLEANUP(buf_deinit) struct buf more;

    buf_init(&more, 0);
    buf_printf(&more, ",'tools':[{'name':'f','input_schema':%s}]", expected);
    settings_encode(request, buf_string(&more));
}

Test(anthropic_encode, a_schema_without_a_type_is_an_objects)
{
    schema_encodes("{}", "{'type':'object'}");
    schema_encodes(" {'properties':{'a':{}},'required':['a']}",
                   "{'type':'object','properties':{'a':{}},'required':['a']}");
    schema_encodes("{'type':null,'title':'t'}", "{'type':'object','title':'t'}");
    schema_encodes("{'type':'object','z':18446744073709551616}",
                   "{'type':'object','z':18446744073709551616}");
}

Test(anthropic_encode, how_much_to_think_is_an_effort)
{
    settings_encode((struct chat_request){.reasoning_effort = TEXT("high")},
                    ",'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}");
    settings_encode((struct chat_request){.reasoning_effort = TEXT("minimal")},
                    ",'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}");
    settings_encode((struct chat_request){.reasoning_effort = TEXT("none")},
                    ",'thinking':{'type':'disabled'}");
    tools_encode((struct chat_request){.reasoning_effort = TEXT("low"),
                                       .tool_choice = {CHAT_TOOL_CHOICE_REQUIRED, TEXT_NONE}},
                 ",'tool_choice':{'type':'any'},'output_config':{'effort':'low'}");
}

Test(anthropic_encode, claude_opus_4_5_is_told_the_effort_alone)
{
    struct provider_target anthropic = target();
    struct chat_request request = {.messages = &hello,
                                   .messages_count = 1,
                                   .reasoning_effort = TEXT("low"),
                                   .has_temperature = true};

    snprintf(anthropic.model, sizeof(anthropic.model), "claude-opus-4-5-20251101");
    cr_assert(support_encodes_to(
        &anthropic, &request,
        support_json("{'model':'claude-opus-4-5-20251101','max_tokens':4096,'messages':[" HI "],"
                     "'output_config':{'effort':'low'},'temperature':0}")));
}

Test(anthropic_encode, one_of_temperature_and_top_p_is_sent_and_none_beside_thinking)
{
    struct chat_request request = {.has_temperature = true, .temperature = 0.5};

    settings_encode(request, ",'temperature':0.5");
    request.has_top_p = true;
    request.top_p = 0.9;
    settings_encode(request, ",'temperature':0.5");
    request.temperature = 1;
    settings_encode(request, ",'top_p':0.9");
    request.has_temperature = false;
    settings_encode(request, ",'top_p':0.9");
    settings_encode((struct chat_request){.has_temperature = true, .temperature = 1.7},
                    ",'temperature':1");
    request.reasoning_effort = TEXT("low");
    settings_encode(request, ",'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}");
}

Test(anthropic_encode, a_schema_of_the_answer_is_sent_as_it_was_written)
{
    struct chat_request request = {
        .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                            .name = TEXT("n"),
                            .description = TEXT("d"),
                            .schema = TEXT("{\"z\":1,\"a\":18446744073709551616}"),
                            .strict = CHAT_SWITCH_ON}};

    settings_encode(request, ",'output_config':{'format':{'type':'json_schema',"
                             "'schema':{'z':1,'a':18446744073709551616}}}");
    request.response_format.schema = TEXT_NONE;
    settings_encode(request, "");
    request.response_format.kind = CHAT_FORMAT_JSON_OBJECT;
    settings_encode(request, "");
}

/* ---- url and headers ---- */

Test(anthropic_encode, url_key_and_version_are_set)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target anthropic = target();
    struct chat_request request = {.idempotency_key = TEXT("run_1:3")};
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, &err), 0);
    cr_assert_str_eq(wire.url, "https://llm.example/v1/messages");
    cr_assert_str_eq(support_header(&wire, "x-api-key"), "sk-test-1234567890");
    cr_assert_str_eq(support_header(&wire, "anthropic-version"), "2023-06-01");
    cr_assert_str_eq(support_header(&wire, "idempotency-key"), "run_1:3");
    cr_assert_null(support_header(&wire, "authorization"));
}

static const char *url_for(const char *base_url)
{
    static struct provider_wire wire;
    struct provider_target anthropic = target();
    struct chat_request request = {.messages_count = 0};

    anthropic.base_url = base_url;
    provider_wire_deinit(&wire);
    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, NULL), 0);
    return wire.url;
}

Test(anthropic_encode, an_address_has_the_version_or_gets_it)
{
    cr_assert_str_eq(url_for("https://api.anthropic.com/v1"),
                     "https://api.anthropic.com/v1/messages");
    cr_assert_str_eq(url_for("https://api.anthropic.com"), "https://api.anthropic.com/v1/messages");
    cr_assert_str_eq(url_for("http://127.0.0.1:9/anthropic//"),
                     "http://127.0.0.1:9/anthropic/v1/messages");
    cr_assert_str_eq(url_for("http://127.0.0.1:9/anthropic/v1/"),
                     "http://127.0.0.1:9/anthropic/v1/messages");
}

Test(anthropic_encode, headers_of_the_configuration_take_the_place_of_ours)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target anthropic = target();
    char *const own[] = {"Anthropic-Version: 2026-10-21", "X-Api-Key: other"};
    struct chat_request request = {.messages_count = 0};
    struct error err;

    anthropic.headers = own;
    anthropic.headers_count = 2;
    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, &err), 0);
    cr_assert_str_eq(support_header(&wire, "anthropic-version"), "2026-10-21");
    cr_assert_str_eq(support_header(&wire, "x-api-key"), "other");
}

Test(anthropic_encode, numbers_that_are_none_are_refused)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target anthropic = target();
    struct chat_request request = {.has_top_p = true, .top_p = 1e308 * 10};
    struct error err;

    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, &err), -E_INVALID);
}
