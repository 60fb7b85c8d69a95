/* Ollama: lenient in what it reads, lines of JSON in what it writes. */

#include <criterion/criterion.h>

#include "talk.h"

static const char *const calls[] = {"calculator", "{\"expression\":\"6*7\"}", "clock", "broken",
                                    NULL};

static void begin(void)
{
    talk_begin(&dialect_ollama);
    talk_accepts("{'model':'m','messages':[{'role':'user','content':'hi'}]}");
}

TestSuite(ollama, .init = begin, .fini = talk_end);

#define CALLS                                                                                      \
    "{'role':'user','content':'hi'},{'role':'assistant','content':'','tool_calls':[{'function':{"  \
    "'name':'a','arguments':{}}},{'function':{'name':'b','arguments':{}}}]}"

Test(ollama, streams_unless_it_is_told_not_to)
{
    cr_assert(talk.conversation.stream);
    talk_accepts("{'model':'m','messages':[],'stream':false}");
    cr_assert_not(talk.conversation.stream);
    talk_accepts("{'model':'m'}");
}

Test(ollama, results_go_to_the_call_of_their_name_or_the_first_without_one)
{
    talk_accepts("{'model':'m','messages':[" CALLS ",{'role':'tool','tool_name':'b','content':"
                 "'two'},{'role':'tool','content':'one'}]}");
    cr_assert_eq(talk.conversation.tools_count, 2);
    cr_assert(text_is(talk.conversation.tools[0], "one"));
    cr_assert(text_is(talk.conversation.tools[1], "two"));
    cr_assert(talk.conversation.after_tool);
    cr_assert_eq(talk.conversation.rounds, 1);
    talk_accepts("{'model':'m','messages':[" CALLS ",{'role':'tool','content':'one'}]}");
    cr_assert(text_is(talk.conversation.tools[1], ""), "a result that did not come");
    talk_accepts("{'model':'m','messages':[{'role':'tool','tool_name':'x','content':'one'}]}");
    cr_assert_eq(talk.conversation.tools_count, 0);
    cr_assert_eq(talk.conversation.text_bytes, 3);
}

Test(ollama, what_its_decoder_refuses)
{
    talk_refuses("{'messages':[]}", 400, "model is required");
    talk_refuses("{'model':'m','messages':{}}", 400, "cannot unmarshal object");
    talk_refuses("{'model':'m','messages':[{'role':'user','content':['a']}]}", 400,
                 "cannot unmarshal array into Go struct field ChatRequest.messages.content");
    talk_refuses("{'model':'m','messages':[{'role':'assistant','tool_calls':[{'function':{'name':"
                 "'a','arguments':'{}'}}]}]}",
                 400, "api.ToolCallFunctionArguments");
    talk_refuses("{'model':'m','messages':[{'role':'assistant','tool_calls':{}}]}", 400,
                 "cannot unmarshal object into Go struct field ChatRequest.messages.tool_calls of "
                 "type []api.ToolCall");
    talk_refuses("{'model':'m','messages':[{'role':'assistant','tool_calls':[{'function':{'name':"
                 "5}}]}]}",
                 400,
                 "cannot unmarshal number into Go struct field "
                 "ChatRequest.messages.tool_calls.function.name of type string");
    talk_refuses("{'model':'m','messages':[{'role':'tool','tool_name':['a'],'content':'1'}]}", 400,
                 "cannot unmarshal array into Go struct field ChatRequest.messages.tool_name of "
                 "type string");
    talk_refuses("{'model':'m','messages':[{'role':5,'content':'1'}]}", 400,
                 "cannot unmarshal number into Go struct field ChatRequest.messages.role of type "
                 "string");
    talk_refuses("[]", 400, "cannot unmarshal array");
}

Test(ollama, a_whole_reply)
{
    struct answer answer = talk_answer("Hi", "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = talk_written(&answer);

    cr_assert_str_eq(at(reply, "created_at"), "2023-11-14T22:13:20.123000000Z");
    cr_assert_str_eq(at(reply, "message.content"), "Hi");
    cr_assert_str_eq(at(reply, "message.thinking"), "Hm");
    cr_assert_str_eq(at(reply, "message.tool_calls.0"),
                     "{\"function\":{\"name\":\"calculator\",\"arguments\":{\"expression\":"
                     "\"6*7\"}}}");
    cr_assert_str_eq(at(reply, "message.tool_calls.1.function.arguments"),
                     "{\"arguments\":\"broken\"}");
    cr_assert_str_eq(at(reply, "done"), "true");
    cr_assert_str_eq(at(reply, "done_reason"), "stop");
    cr_assert_str_eq(at(reply, "prompt_eval_count"), "100");
    cr_assert_str_eq(at(reply, "eval_count"), "30");
}

Test(ollama, lines)
{
    struct answer answer = talk_answer("Hello there", NULL, NULL);
    const char *stream = talk_streamed(&answer, EVENTS_NDJSON);

    cr_assert(strstr(stream, "\"message\":{\"role\":\"assistant\",\"content\":\"Hello th\"},"
                             "\"done\":false}\n"),
              "%s", stream);
    cr_assert(strstr(stream, "\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\""));
    answer.end = ANSWER_LENGTH;
    cr_assert(strstr(talk_streamed(&answer, EVENTS_NDJSON), "\"done_reason\":\"length\""));
}

Test(ollama, errors)
{
    CLEANUP(json_freep) struct json_object *busy = NULL;
    CLEANUP(json_freep) struct json_object *missing = NULL;
    struct problem problem = {.kind = PROBLEM_LIMIT, .status = 429, .limit = LIMIT_CONCURRENT};
    int status;

    busy = talk_error(&problem, &status);
    cr_assert_eq(status, 503);
    cr_assert(strstr(at(busy, "error"), "maximum pending requests exceeded"));
    problem = (struct problem){.status = 404, .model = TEXT("m")};
    missing = talk_error(&problem, &status);
    cr_assert_str_eq(at(missing, "error"), "model 'm' not found");
}
