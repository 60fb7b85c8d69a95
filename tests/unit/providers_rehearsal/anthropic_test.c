/* Anthropic's Messages: read as strictly as there, written whole and in events. */

#include <criterion/criterion.h>

#include "providers/rehearsal/dialects/anthropic/anthropic.h"
#include "providers/rehearsal/reply/seal.h"
#include "talk.h"

#define HEAD   "{'model':'claude-1','max_tokens':100,'messages':["
#define USER   "{'role':'user','content':'hi'}"
#define USE(x) "{'type':'tool_use','id':'" x "','name':'f','input':{}}"
#define RESULT(x)                                                                                  \
    "{'type':'tool_result','tool_use_id':'" x "','content':[{'type':'text','text':'" x "'}]}"
#define TOOLS "],'tools':[{'name':'f','input_schema':{'type':'object'}}]}"
#define ASKED HEAD USER ",{'role':'assistant','content':[" USE("a") "," USE("b") "]},"

static const char *const calls[] = {"f", "{\"x\":[1,2]}", "g", "broken", NULL};

static void begin(void)
{
    talk_begin(&dialect_anthropic);
    talk_accepts(HEAD USER "]}");
}

TestSuite(anthropic, .init = begin, .fini = talk_end);

Test(anthropic, a_whole_turn_of_tools)
{
    talk_accepts(ASKED "{'role':'user','content':[" RESULT("b") "," RESULT("a") "]}" TOOLS);
    cr_assert_eq(talk.conversation.tools_count, 2);
    cr_assert(text_is(talk.conversation.tools[0], "a"), "in the order of the calls");
    cr_assert(talk.conversation.after_tool);
    cr_assert_eq(talk.conversation.rounds, 1);
    cr_assert(text_is(talk.conversation.user, "hi"));
    cr_assert_eq(talk.conversation.offered_count, 1);
    talk_accepts(ASKED "{'role':'user','content':[" RESULT(
        "a") "]},{'role':'user','content':[" RESULT("b") "]}" TOOLS);
    talk_accepts(ASKED "{'role':'user','content':[" RESULT("a") "," RESULT(
        "b") ",{'type':'text','text':'and now?'}]}" TOOLS);
    cr_assert(text_is(talk.conversation.user, "and now?"));
    cr_assert_eq(talk.conversation.tools_count, 0, "a new turn");
    cr_assert_not(talk.conversation.after_tool);
}

Test(anthropic, calls_and_results_that_do_not_pair)
{
    talk_refuses(ASKED "{'role':'user','content':[" RESULT("a") "]}" TOOLS, 400,
                 "messages.1: `tool_use` ids were found without `tool_result` blocks immediately "
                 "after: b.");
    talk_refuses(ASKED USER TOOLS, 400, "immediately after: a, b.");
    talk_refuses(ASKED "{'role':'user','content':[{'type':'text','text':'x'}," RESULT(
                     "a") "," RESULT("b") "]}" TOOLS,
                 400, "immediately after: a");
    talk_refuses(
        ASKED "{'role':'user','content':[" RESULT("a") "," RESULT("b") "," RESULT("a") "]}" TOOLS,
        400, "messages.2.content.2: unexpected `tool_use_id`");
    talk_refuses(HEAD USER ",{'role':'assistant','content':'x'},{'role':'user','content':[" RESULT(
                     "a") "]}" TOOLS,
                 400, "unexpected `tool_use_id` found in `tool_result` blocks: a");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[" USE("a") "," USE("a") "]}" TOOLS, 400,
                 "messages.1.content.1: `tool_use` ids must be unique");
    talk_refuses(ASKED "{'role':'user','content':[" RESULT("a") "," RESULT(
                     "b") "]},{'role':'assistant','content':'x'}," USER
                          ",{'role':'assistant','content':[" USE(
                              "b") "]},{'role':'user','content':[" RESULT("b") "]}" TOOLS,
                 400, "messages.5.content.0: `tool_use` ids must be unique");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[" USE("a") "]}" TOOLS, 400,
                 "immediately after: a");
    talk_refuses(ASKED "{'role':'user','content':[" RESULT("a") "," RESULT("b") "]}]}", 400,
                 "must define tools");
}

Test(anthropic, blocks_that_are_wrong)
{
    talk_refuses(HEAD "{'role':'user','content':[" USE("a") "]}]}", 400,
                 "`tool_use` blocks can only be in `assistant` messages");
    talk_refuses(HEAD "{'role':'user','content':[{'type':'video'}]}]}", 400,
                 "messages.0.content.0: Input tag");
    talk_refuses(HEAD "{'role':'user','content':[{'type':'text','text':''}]}]}", 400,
                 "messages: text content blocks must be non-empty");
    talk_refuses(HEAD "{'role':'user','content':[{'type':'text','text':' '}]}]}", 400,
                 "messages: text content blocks must contain non-whitespace text");
    talk_refuses(HEAD "{'role':'user','content':''}]}", 400, "non-empty content");
    talk_refuses(HEAD "{'role':'user','content':[]}]}", 400, "non-empty content");
    talk_refuses(HEAD "{'role':'user'}]}", 400, "messages.0.content: Field required");
    talk_refuses(HEAD "{'role':'robot','content':'x'}]}", 400, "messages.0.role");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[{'type':'tool_use','id':'a b','name':"
                           "'f','input':{}}]}" TOOLS,
                 400, "tool_use.id: String should match pattern");
    talk_refuses(ASKED "{'role':'user','content':[" RESULT("a b") "]}" TOOLS, 400,
                 "messages.2.content.0.tool_result.tool_use_id: String should match pattern "
                 "'^[a-zA-Z0-9_-]+$'");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[{'type':'tool_use','id':'a','name':'f',"
                           "'input':'{}'}]}" TOOLS,
                 400, "tool_use.input: Input should be a valid dictionary");
    talk_refuses(HEAD USER ",{'role':'assistant','content':'x '}]}", 400, "trailing whitespace");
    talk_refuses(HEAD "{'role':'user','content':[{'type':'image','source':{'type':'base64'}}]}]}",
                 400, "image.source.base64");
    talk_accepts(HEAD "{'role':'user','content':[{'type':'image','source':{'type':'url','url':"
                      "'https://x/y'}},{'type':'text','text':'What is it?'}]}]}");
}

Test(anthropic, settings_that_are_wrong)
{
    static const char *const wrong[][2] = {
        {"'temperature':2", "temperature: range"},
        {"'temperature':0.5,'top_p':0.5", "cannot both be specified"},
        {"'seed':1", "seed: Extra inputs are not permitted"},
        {"'thinking':{'type':'enabled','budget_tokens':1000}", "greater than or equal to 1024"},
        {"'thinking':{'type':'enabled','budget_tokens':5000}", "greater than `thinking."},
        {"'thinking':{'type':'on'}", "thinking: Input tag"},
        {"'tool_choice':{'type':'auto'}", "while providing tools"},
        {"'tools':[{'name':'f'}]", "tools.0.custom.input_schema: Field required"},
        {"'tools':[{'name':'f','input_schema':{'type':'string'}}]", "Input should be 'object'"},
        {"'tools':[{'name':'f.g','input_schema':{'type':'object'}}]", "tools.0.custom.name"},
        {"'tools':[{'name':'f','input_schema':{'type':'object'},'parameters':{}}]",
         "tools.0.custom.parameters: Extra inputs"},
        {"'tools':[{'name':'f','input_schema':{'type':'object'}},{'name':'f','input_schema':{"
         "'type':'object'}}]",
         "unique"},
        {"'tools':[{'name':'f','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool',"
         "'name':'g'}",
         "Tool 'g' not found"},
        {"'output_config':{'format':{'type':'json_object'}}", "json_schema"},
        {"'system':[{'type':'text','text':''}]", "system: text content blocks"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        CLEANUP(buf_deinit) struct buf body = {0};

        buf_init(&body, 0);
        buf_printf(&body, "%s%s],%s}", HEAD, USER, wrong[i][0]);
        talk_refuses(buf_string(&body), 400, wrong[i][1]);
    }
    talk_refuses("{'model':'c','messages':[" USER "]}", 400, "max_tokens: Field required");
    talk_refuses("{'model':'c','max_tokens':'1','messages':[" USER "]}", 400, "valid integer");
    talk_refuses("{'max_tokens':1,'messages':[" USER "]}", 400, "model: Field required");
    talk_refuses("{'model':'c','max_tokens':1}", 400, "messages: Field required");
    talk_refuses(HEAD "{'role':'assistant','content':'x'}]}", 400, "first message must use");
}

Test(anthropic, keys_and_versions)
{
    talk.key = "";
    talk_refuses(HEAD USER "]}", 401, "x-api-key header is required");
    talk.key = "k";
    talk.version = NULL;
    talk_refuses(HEAD USER "]}", 400, "anthropic-version: header is required");
    talk.version = "2020-01-01";
    talk_refuses(HEAD USER "]}", 400, "not a valid version");
    talk.version = "2026-10-21";
    talk_accepts(HEAD USER "]}");
    talk_refuses(HEAD USER "],'temperature':0.5}", 400, "temperature: Extra inputs");
}

Test(anthropic, instructions_streams_and_thinking)
{
    talk_accepts(HEAD USER "],'system':[{'type':'text','text':'a'},{'type':'text','text':'b'}],"
                           "'stream':true,'thinking':{'type':'disabled'}}");
    cr_assert(text_is(talk.conversation.system, "a\nb"));
    cr_assert(talk.conversation.stream && talk.conversation.without_reasoning);
    talk_accepts(HEAD USER "],'tools':[{'name':'f','input_schema':{'type':'object'}},{'type':"
                           "'web_search_20250305','name':'web_search'}],'tool_choice':{'type':"
                           "'none'}}");
    cr_assert_eq(talk.conversation.offered_count, 0);
}

/* A turn whose call came with thinking, which comes back as `thinking` says, asked of a model. */
static const char *thought(const char *model, const char *thinking, const char *signature)
{
    static struct buf body;
    struct answer answer = talk_answer(NULL, "Hm", (const char *const[]){"f", "{}", NULL});
    const char *id = answer.calls[0].id.ptr;

    buf_deinit(&body);
    buf_init(&body, 0);
    buf_printf(&body,
               "{'model':'%s','max_tokens':9,'messages':[" USER ",{'role':'assistant','content':[",
               model);
    if (thinking)
        buf_printf(&body, "{'type':'thinking','thinking':'%s','signature':'%s'},", thinking,
                   signature);
    buf_printf(&body,
               "{'type':'tool_use','id':'%s','name':'f','input':{}}]},{'role':'user',"
               "'content':[{'type':'tool_result','tool_use_id':'%s'}]}" TOOLS,
               id, id);
    return buf_string(&body);
}

Test(anthropic, thinking_comes_back_as_it_was)
{
    char mark[SEAL_MARK_SIZE];
    char other_mark[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];
    char other[SEAL_SIZE];

    seal_mark(TEXT("Hm"), mark);
    seal_mark(TEXT("Ah"), other_mark);
    seal_make(ANTHROPIC_NAME, TEXT("claude-1"), mark, seal);
    seal_make(ANTHROPIC_NAME, TEXT("claude-1"), other_mark, other);
    talk_accepts(thought("claude-1", "Hm", seal));
    talk_refuses(thought("claude-1", NULL, NULL), 400,
                 "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                 "`tool_use`");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[{'type':'thinking','thinking':'Hm'},"
                           "{'type':'text','text':'x'}]}," USER "]}",
                 400, "messages.1.content.0.thinking.signature: Field required");
    talk_refuses(thought("claude-1", "Hm!", seal), 400, "Invalid `signature` in `thinking` block");
    talk_refuses(thought("claude-1", "Hm", other), 400, "Invalid `signature`");
    talk_refuses(thought("claude-2", "Hm", seal), 400, "Invalid `signature`");
    talk_refuses(thought("claude-1", "Ah", other), 400, "cannot be modified");
}

Test(anthropic, thinking_that_nobody_may_read_is_taken_back)
{
    talk_accepts(HEAD USER ",{'role':'assistant','content':[{'type':'redacted_thinking','data':"
                           "'x'},{'type':'text','text':'x'}]}," USER "]}");
    talk_refuses(HEAD USER ",{'role':'assistant','content':[{'type':'redacted_thinking'},"
                           "{'type':'text','text':'x'}]}," USER "]}",
                 400, "messages.1.content.0.redacted_thinking.data: Field required");
}

Test(anthropic, a_whole_message)
{
    struct answer answer = talk_answer("Hi", "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = talk_written(&answer);

    cr_assert_str_eq(at(reply, "id"), "msg_0123456789abcdef012345");
    cr_assert_str_eq(at(reply, "content.0.type"), "thinking");
    cr_assert_str_eq(at(reply, "content.1"),
                     "{\"type\":\"text\",\"text\":\"Hi\",\"citations\":null}");
    cr_assert_str_eq(at(reply, "content.2.input"), "{\"x\":[1,2]}");
    cr_assert_str_eq(at(reply, "content.3.input"), "{\"arguments\":\"broken\"}");
    cr_assert_str_eq(at(reply, "stop_reason"), "tool_use");
    cr_assert_str_eq(at(reply, "usage.input_tokens"), "50", "what is cached is not counted");
    cr_assert_str_eq(at(reply, "usage.cache_read_input_tokens"), "40");
    cr_assert_str_eq(at(reply, "usage.cache_creation_input_tokens"), "10");
    cr_assert_str_eq(at(reply, "usage.output_tokens"), "30");
}

Test(anthropic, ends)
{
    static const struct {
        enum answer_end end;
        const char *word;
        const char *reason;
    } cases[] = {
        {ANSWER_STOP, NULL, "end_turn"},
        {ANSWER_LENGTH, NULL, "max_tokens"},
        {ANSWER_FILTER, NULL, "refusal"},
        {ANSWER_STOP, "pause_turn", "pause_turn"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct answer answer = talk_answer("Hi", NULL, NULL);
        CLEANUP(json_freep) struct json_object *reply = NULL;

        answer.end = cases[i].end;
        answer.end_word = cases[i].word;
        reply = talk_written(&answer);
        cr_assert_str_eq(at(reply, "stop_reason"), cases[i].reason);
    }
}

Test(anthropic, events)
{
    struct answer answer = talk_answer("Hello there", "Hm", calls);
    const char *stream = talk_streamed(&answer, EVENTS_SSE);

    cr_assert(text_starts(text_of(stream),
                          "event: message_start\ndata: {\"type\":\"message_start\","
                          "\"message\":{\"id\":\"msg_"));
    cr_assert(strstr(stream, "event: content_block_start\ndata: {\"type\":\"content_block_start\","
                             "\"index\":0,\"content_block\":{\"type\":\"thinking\","));
    cr_assert(strstr(stream, "event: ping\ndata: {\"type\":\"ping\"}\n\n"));
    cr_assert(strstr(stream, "\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm\"}"));
    cr_assert(strstr(stream, "\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":"));
    cr_assert(
        strstr(stream, "\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello th\"}"));
    cr_assert(strstr(stream, "\"index\":2,\"delta\":{\"type\":\"input_json_delta\","
                             "\"partial_json\":\"\"}"));
    cr_assert(strstr(stream, "\"index\":3,\"delta\":{\"type\":\"input_json_delta\","
                             "\"partial_json\":\"broken\"}"));
    cr_assert(strstr(stream, "\"delta\":{\"stop_reason\":\"tool_use\","));
    cr_assert(
        text_ends(text_of(stream), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

Test(anthropic, errors_and_headers)
{
    CLEANUP(json_freep) struct json_object *overloaded = NULL;
    CLEANUP(json_freep) struct json_object *limited = NULL;
    CLEANUP(json_freep) struct json_object *too_long = NULL;
    struct limit_state limits[LIMIT_KINDS] = {
        [LIMIT_INPUT_TOKENS] = {1000, 990, 600, 1700000000500}};
    struct problem problem = {.status = 529};
    int status;

    overloaded = talk_error(&problem, &status);
    cr_assert_str_eq(at(overloaded, "error"),
                     "{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}");
    cr_assert_str_eq(at(overloaded, "type"), "error");
    problem = (struct problem){.kind = PROBLEM_LIMIT,
                               .status = 429,
                               .limit = LIMIT_INPUT_TOKENS,
                               .model = TEXT("c"),
                               .allowed = 1000,
                               .retry_after_ms = 1};
    limited = talk_error(&problem, &status);
    cr_assert(strstr(at(limited, "error.message"), "rate limit of 1000 input tokens per minute"));
    cr_assert_str_eq(talk_headers(limits, &problem),
                     "anthropic-ratelimit-input-tokens-limit: 1000\n"
                     "anthropic-ratelimit-input-tokens-remaining: 990\n"
                     "anthropic-ratelimit-input-tokens-reset: 2023-11-14T22:13:21Z\n"
                     "retry-after: 1\n");
    problem =
        (struct problem){.kind = PROBLEM_TOO_LONG, .status = 400, .allowed = 100, .asked = 120};
    too_long = talk_error(&problem, &status);
    cr_assert_str_eq(at(too_long, "error.message"), "prompt is too long: 120 tokens > 100 maximum");
}
