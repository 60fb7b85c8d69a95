/* Chat Completions, written: whole, in chunks, errors, headers. How they are read is in
 * conversations_test.c. */

#include <criterion/criterion.h>

#include "providers/rehearsal/reply/seal.h"
#include "talk.h"

static const char *const calls[] = {"calculator", "{\"expression\":\"6*7\"}", "clock", "{}", NULL};

static void begin(void)
{
    talk_begin(&dialect_openai_chat);
    talk_accepts("{'model':'gpt-4o','messages':[{'role':'user','content':'hi'}]}");
}

TestSuite(openai_chat, .init = begin, .fini = talk_end);

Test(openai_chat, a_stream_is_asked_for)
{
    talk_accepts("{'model':'m','messages':[{'role':'user','content':'hi'}],'stream':true}");
    cr_assert(talk.conversation.stream && !talk.conversation.stream_usage);
    talk_accepts("{'model':'m','messages':[{'role':'user','content':'hi'}],'stream':true,"
                 "'stream_options':{'include_usage':true}}");
    cr_assert(talk.conversation.stream && talk.conversation.stream_usage);
    talk_accepts("{'model':'m','messages':[{'role':'user','content':'hi'}],'stream':null}");
    cr_assert_not(talk.conversation.stream);
}

Test(openai_chat, all_messages_and_the_instructions_are_kept)
{
    talk_accepts("{'model':'m','messages':[{'role':'system','content':'Be kind.'},"
                 "{'role':'developer','content':'Be brief.'},{'role':'user','content':'hi'},"
                 "{'role':'assistant','content':'Hello'},{'role':'user','content':'bye'}]}");
    cr_assert(text_is(talk.conversation.system, "Be kind.\nBe brief."));
    cr_assert_eq(talk.conversation.texts_count, 5);
    cr_assert(text_is(talk.conversation.texts[3], "Hello"));
    cr_assert(text_is(talk.conversation.user, "bye"));
}

Test(openai_chat, a_whole_completion)
{
    struct answer answer = talk_answer("Hi", "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = talk_written(&answer);

    cr_assert_str_eq(at(reply, "object"), "chat.completion");
    cr_assert_str_eq(at(reply, "choices.0.message.content"), "Hi");
    cr_assert_str_eq(at(reply, "choices.0.message.reasoning_content"), "Hm");
    cr_assert_str_eq(at(reply, "choices.0.finish_reason"), "tool_calls");
    cr_assert_str_eq(at(reply, "choices.0.message.tool_calls.1.function.name"), "clock");
    cr_assert_str_eq(at(reply, "choices.0.message.tool_calls.0.function.arguments"), calls[1]);
    cr_assert_str_eq(at(reply, "usage"),
                     "{\"prompt_tokens\":100,\"completion_tokens\":30,\"total_tokens\":130,"
                     "\"prompt_tokens_details\":{\"cached_tokens\":40,\"cache_write_tokens\":10},"
                     "\"completion_tokens_details\":{\"reasoning_tokens\":12}}");
}

Test(openai_chat, chunks)
{
    struct answer answer = talk_answer("Hi 日本語, hello", NULL, NULL);
    const char *stream;

    talk.conversation.stream_usage = true;
    stream = talk_streamed(&answer, EVENTS_SSE);
    cr_assert(strstr(stream, "\"delta\":{\"role\":\"assistant\",\"content\":\"\","));
    cr_assert(strstr(stream, "\"delta\":{\"content\":\"Hi 日\"}"), "%s", stream);
    cr_assert(strstr(stream, "\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                             "\"usage\":null}"));
    cr_assert(strstr(stream, "\"choices\":[],\"usage\":{\"prompt_tokens\":100,"));
    cr_assert(text_ends(text_of(stream), "}\n\ndata: [DONE]\n\n"));
    talk.conversation.stream_usage = false;
    cr_assert_null(strstr(talk_streamed(&answer, EVENTS_SSE), "usage"));
}

Test(openai_chat, chunks_of_calls)
{
    struct answer answer = talk_answer(NULL, NULL, calls);
    const char *stream = talk_streamed(&answer, EVENTS_SSE);

    cr_assert(strstr(stream, "\"content\":null"));
    cr_assert(strstr(stream, "\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_"));
    cr_assert(strstr(stream, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
                             "\\\"expres\"}}]}"),
              "%s", stream);
    cr_assert(strstr(stream, "\"finish_reason\":\"tool_calls\""));
}

Test(openai_chat, models_of_deepseek_want_their_reasoning_back)
{
    static const char *const one[] = {"f", "{}", NULL};
    struct answer answer = talk_answer(NULL, "Hm", one);
    CLEANUP(buf_deinit) struct buf body = {0};

    for (int i = 0; i < 4; i++) {
        static const char *const said[] = {",'reasoning_content':'Hm'", "",
                                           ",'reasoning_content':'Ah'", ""};
        const char *model = i == 3 ? "gpt-4o" : "deepseek-reasoner";

        buf_deinit(&body);
        buf_init(&body, 0);
        buf_printf(&body,
                   "{'model':'%s','messages':[{'role':'user','content':'hi'},{'role':'assistant',"
                   "'content':null%s,'tool_calls':[{'id':'%s','type':'function','function':{"
                   "'name':'f','arguments':'{}'}}]},{'role':'tool','tool_call_id':'%s','content':"
                   "'1'}]}",
                   model, said[i], answer.calls[0].id.ptr, answer.calls[0].id.ptr);
        if (i == 0 || i == 3)
            talk_accepts(buf_string(&body));
        else
            talk_refuses(buf_string(&body), 400, "`reasoning_content`");
        if (i == 1) { /* at Groq nobody asks for it */
            talk_end();
            talk_begin(&dialect_groq);
            talk_accepts(buf_string(&body));
            talk_end();
            talk_begin(&dialect_openai_chat);
        }
    }
}

Test(openai_chat, errors)
{
    CLEANUP(json_freep) struct json_object *limited = NULL;
    CLEANUP(json_freep) struct json_object *large = NULL;
    CLEANUP(json_freep) struct json_object *asked = NULL;
    struct problem problem = {.kind = PROBLEM_LIMIT,
                              .status = 429,
                              .limit = LIMIT_TOKENS,
                              .model = TEXT("m"),
                              .allowed = 1000,
                              .used = 900,
                              .asked = 200,
                              .retry_after_ms = 61500};
    int status;

    limited = talk_error(&problem, &status);
    cr_assert_eq(status, 429);
    cr_assert_str_eq(at(limited, "error.message"),
                     "Rate limit reached for m on tokens per min (TPM): Limit 1000, Used 900, "
                     "Requested 200. Please try again in 1m1.5s.");
    cr_assert_str_eq(at(limited, "error.type"), "tokens");
    cr_assert_str_eq(at(limited, "error.code"), "rate_limit_exceeded");
    problem.never = true;
    large = talk_error(&problem, &status);
    cr_assert(strstr(at(large, "error.message"), "Request too large for m"));
    problem = (struct problem){.status = 401};
    asked = talk_error(&problem, &status);
    cr_assert_str_eq(at(asked, "error.code"), "invalid_api_key");
}

Test(openai_chat, headers_of_limits)
{
    struct limit_state limits[LIMIT_KINDS] = {
        [LIMIT_REQUESTS_DAY] = {500, 499, 1000, 0},
        [LIMIT_TOKENS] = {1000, 0, 360000, 0},
    };
    struct problem problem = {.status = 0};

    cr_assert_str_eq(talk_headers(limits, &problem),
                     "x-ratelimit-limit-requests: 500\nx-ratelimit-remaining-requests: 499\n"
                     "x-ratelimit-reset-requests: 1s\nx-ratelimit-limit-tokens: 1000\n"
                     "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6m0s\n");
    problem = (struct problem){.kind = PROBLEM_LIMIT, .status = 429, .retry_after_ms = 1200};
    cr_assert(text_ends(text_of(talk_headers(limits, &problem)),
                        "retry-after: 2\nretry-after-ms: 1200\n"));
    cr_assert_str_eq(talk_headers(NULL, &problem), "");
}
