/* Mistral: histories that it refuses, ids that it makes, and its errors. */

#include <criterion/criterion.h>

#include "talk.h"

#define USER         "{'role':'user','content':'hi'}"
#define CALL(id)     "{'id':'" id "','type':'function','function':{'name':'f','arguments':'{}'}}"
#define ASKED(calls) USER ",{'role':'assistant','content':null,'tool_calls':[" calls "]}"
#define RESULT(id)   ",{'role':'tool','tool_call_id':'" id "','content':'1'}"
#define SAID         ",{'role':'assistant','content':'1'}"

static const char *const calls[] = {"f", "{}", "g", "{}", NULL};

static const char *body_of(const char *messages)
{
    static struct buf body;

    buf_deinit(&body);
    buf_init(&body, 0);
    buf_printf(&body, "{'model':'mistral-large-latest','messages':[%s]}", messages);
    return buf_string(&body);
}

static void begin(void)
{
    talk_begin(&dialect_mistral);
    talk_accepts(body_of(USER));
}

TestSuite(mistral, .init = begin, .fini = talk_end);

static void refused(const char *messages, const char *because, const char *type, const char *code)
{
    CLEANUP(json_freep) struct json_object *error = NULL;
    int status;

    talk_refuses(body_of(messages), 400, because);
    error = talk_error(&talk.problem, &status);
    cr_assert_eq(status, 400);
    cr_assert_str_eq(at(error, "object"), "error");
    cr_assert_str_eq(at(error, "message"), because);
    cr_assert_str_eq(at(error, "type"), type);
    cr_assert_str_eq(at(error, "code"), code);
}

Test(mistral, ids_are_nine_letters_and_digits)
{
    talk_accepts(body_of(ASKED(CALL("aB3xK9mP2")) RESULT("aB3xK9mP2")));
    cr_assert(talk.conversation.after_tool);
    refused(ASKED(CALL("call_1")) RESULT("call_1"),
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
            "invalid_function_call", "3280");
    refused(ASKED(CALL("aB3xK9m_2")) RESULT("aB3xK9m_2"),
            "Tool call id was aB3xK9m_2 but must be a-z, A-Z, 0-9, with a length of 9.",
            "invalid_function_call", "3280");
    refused(ASKED(CALL("aB3xK9mP2")) RESULT("aB3xK9mP"),
            "Tool call id was aB3xK9mP but must be a-z, A-Z, 0-9, with a length of 9.",
            "invalid_function_call", "3280");
    refused(ASKED(CALL("aB3xK9mP23")) RESULT("aB3xK9mP23"),
            "Tool call id was aB3xK9mP23 but must be a-z, A-Z, 0-9, with a length of 9.",
            "invalid_function_call", "3280");
}

Test(mistral, calls_and_results_are_as_many)
{
    static const char count[] = "Not the same number of function calls and responses";
    static const char type[] = "invalid_request_message_order";

    refused(ASKED(CALL("aaaaaaaaa") "," CALL("bbbbbbbbb")) RESULT("aaaaaaaaa"), count, type,
            "3230");
    refused(ASKED(CALL("aaaaaaaaa")), count, type, "3230");
    refused(ASKED(CALL("aaaaaaaaa")) SAID "," USER, count, type, "3230");
    refused(ASKED(CALL("aaaaaaaaa")) RESULT("aaaaaaaaa") RESULT("bbbbbbbbb"), count, type, "3230");
    refused(USER RESULT("aaaaaaaaa"), "Unexpected role 'tool' after role 'user'", type, "3230");
    talk_accepts(body_of(ASKED(CALL("aaaaaaaaa") "," CALL("bbbbbbbbb")) RESULT("bbbbbbbbb")
                             RESULT("aaaaaaaaa") SAID "," USER));
}

Test(mistral, results_are_those_of_the_calls)
{
    talk_refuses(body_of(ASKED(CALL("aaaaaaaaa")) RESULT("bbbbbbbbb")), 400, "aaaaaaaaa");
    talk_refuses("{'model':'m','messages':'x'}", 400, "messages");
    talk_refuses("[]", 400, "JSON object");
}

Test(mistral, what_it_says_it_takes_back)
{
    struct answer answer = talk_answer(NULL, "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = talk_written(&answer);
    CLEANUP(buf_deinit) struct buf messages = {0};

    cr_assert_eq(answer.calls[0].id.len, 9);
    cr_assert_not(text_equal(answer.calls[0].id, answer.calls[1].id));
    cr_assert_str_eq(at(reply, "choices.0.message.reasoning_content"), "", "its way is another");
    buf_init(&messages, 0);
    buf_printf(&messages, USER ",{'role':'assistant','content':'','tool_calls':%s}",
               at(reply, "choices.0.message.tool_calls"));
    for (size_t i = 0; i < 2; i++)
        buf_printf(&messages, ",{'role':'tool','tool_call_id':'%s','content':'1'}",
                   answer.calls[i].id.ptr);
    talk_accepts(body_of(buf_string(&messages)));
    cr_assert_eq(talk.conversation.tools_count, 2);
}

Test(mistral, results_are_answered_before_a_user_speaks)
{
    talk_accepts(body_of(ASKED(CALL("aB3xK9mP2")) RESULT("aB3xK9mP2") SAID "," USER));
    refused(ASKED(CALL("aB3xK9mP2")) RESULT("aB3xK9mP2") "," USER,
            "Unexpected role 'user' after role 'tool'", "invalid_request_message_order", "3230");
}

Test(mistral, a_stream_tells_the_usage_unasked)
{
    struct answer answer = talk_answer("Hello there", NULL, NULL);
    const char *stream = talk_streamed(&answer, EVENTS_SSE);

    cr_assert(strstr(stream, "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,"),
              "%s", stream);
    cr_assert_null(strstr(stream, "\"choices\":[]"));
    cr_assert(text_ends(text_of(stream), "data: [DONE]\n\n"));
}

Test(mistral, errors)
{
    CLEANUP(json_freep) struct json_object *limited = NULL;
    CLEANUP(json_freep) struct json_object *large = NULL;
    struct problem problem = {.kind = PROBLEM_LIMIT, .status = 429, .limit = LIMIT_REQUESTS};
    int status;

    limited = talk_error(&problem, &status);
    cr_assert_eq(status, 429);
    cr_assert_str_eq(json_text(limited).ptr,
                     "{\"object\":\"error\",\"message\":\"Rate limit exceeded\",\"type\":"
                     "\"rate_limited\",\"param\":null,\"code\":\"1300\",\"raw_status_code\":429}");
    problem =
        (struct problem){.kind = PROBLEM_TOO_LONG, .status = 400, .allowed = 100, .asked = 120};
    large = talk_error(&problem, &status);
    cr_assert_str_eq(at(large, "message"), "Prompt contains 120 tokens, too large for model with "
                                           "100 maximum context length");
}

Test(mistral, paths)
{
    struct route route;

    cr_assert(dialect_route(TEXT("/mistral/v1/chat/completions"), TEXT_NONE, &route));
    cr_assert_eq(route.dialect, &dialect_mistral);
    cr_assert_eq(route.endpoint, ENDPOINT_CHAT);
    cr_assert(dialect_route(TEXT("/mistral/v1/models"), TEXT_NONE, &route));
    cr_assert_eq(route.endpoint, ENDPOINT_MODELS);
    cr_assert_not(dialect_route(TEXT("/mistral/v1/messages"), TEXT_NONE, &route));
    cr_assert(dialect_route(TEXT("/v1/chat/completions"), TEXT_NONE, &route));
    cr_assert_eq(route.dialect, &dialect_openai_chat);
}
