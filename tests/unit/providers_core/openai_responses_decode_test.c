/* Replies in the format of OpenAI's Responses, whole and streamed, cut at every byte. JSON is
 * written with ' for ". */

#include <stdio.h>

#include <criterion/criterion.h>

#include "support.h"

static struct chat_reply reply;
static struct provider_failure_info failure;

static bool is(struct text text, const char *expected)
{
    return text_is(text, expected);
}

static int decode_json(const char *json, size_t piece)
{
    struct provider_target openai = support_target_of(&provider_openai_responses, "openai");

    return support_read(&openai, json, piece, &reply, &failure);
}

static int decode(const char *body, size_t piece)
{
    return decode_json(support_json(body), piece);
}

static void gives(const char *body, size_t calls, const char *text)
{
    cr_assert_eq(decode(body, 0), 0, "%s: %s", body, failure.message);
    cr_assert_eq(reply.tool_calls_count, calls, "%s", body);
    cr_assert(text ? is(reply.text, text) : !reply.text.ptr, "%s", body);
}

static void fails(const char *body, enum provider_failure expected)
{
    for (size_t piece = 0; piece < 3; piece++) {
        cr_assert_eq(decode(body, piece), PROVIDER_FAILED, "%s", body);
        cr_assert_eq(failure.failure, expected, "%s: %s, %s", body,
                     provider_failure_name(failure.failure), failure.message);
        cr_assert(failure.message[0]);
    }
}

/* ---- whole ---- */

#define RESPONSE(status, output, more)                                                             \
    "{'id':'resp_1','object':'response','created_at':1,'status':'" status "','error':null,"        \
    "'incomplete_details':null,'instructions':null,'model':'gpt-5.6-2026-08-01','output':[" output \
    "],'parallel_tool_calls':true,'usage':{'input_tokens':36,'input_tokens_details':"              \
    "{'cached_tokens':7,'cache_write_tokens':5},'output_tokens':87,'output_tokens_details':"       \
    "{'reasoning_tokens':64},'total_tokens':123}" more "}"
#define WORDS(text)                                                                                \
    "{'type':'message','id':'msg_1','status':'completed','role':'assistant','content':["           \
    "{'type':'output_text','annotations':[],'logprobs':[],'text':'" text "'}]}"
#define REASONING(id)                                                                              \
    "{'id':'" id "','type':'reasoning','summary':[{'type':'summary_text','text':'Hm'}],"           \
    "'encrypted_content':'gAAA'}"
#define CALL(id, name, arguments)                                                                  \
    "{'type':'function_call','id':'fc_1','call_id':'" id "','name':'" name                         \
    "','arguments':'" arguments "','status':'completed'}"

Test(openai_responses_decode, a_whole_response)
{
    gives(RESPONSE("completed", WORDS("Hello you"), ""), 0, "Hello you");
    cr_assert(is(reply.model, "gpt-5.6-2026-08-01"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    cr_assert_eq(reply.usage.input_tokens, 36);
    cr_assert_eq(reply.usage.cached_input_tokens, 7);
    cr_assert_eq(reply.usage.cache_write_tokens, 5);
    cr_assert_eq(reply.usage.output_tokens, 87);
    cr_assert_eq(reply.usage.reasoning_tokens, 64);
    cr_assert_null(reply.opaque_state.ptr);
}

#define STATE                                                                                      \
    "{'provider':'openai','model':'m-1','message':[{'item':" REASONING(                            \
        "rs_1") "},"                                                                               \
                "{'text':4,'note':'commentary'},{'call':true},{'item':" REASONING(                 \
                    "rs_2") "},{'call':true}]}"

Test(openai_responses_decode, a_whole_response_with_calls_keeps_its_reasoning_in_place)
{
    gives(
        RESPONSE(
            "completed",
            REASONING(
                "rs_1") ",{'type':'message','phase':'commentary','content':["
                        "{'type':'output_text','text':'Hm. '}]}," CALL(
                            "call_a", "weather",
                            "{\\\"city\\\": \\\"Oslo\\\"}") "," REASONING("rs_2") "," CALL("call_b",
                                                                                           "clock",
                                                                                           "{}"),
            ""),
        2, "Hm. ");
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert(is(reply.tool_calls[0].id, "call_a"));
    cr_assert(is(reply.tool_calls[0].name, "weather"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"city\": \"Oslo\"}"));
    cr_assert(is(reply.tool_calls[1].id, "call_b"));
    cr_assert(is(reply.opaque_state, support_json(STATE)), "%s", reply.opaque_state.ptr);
}

Test(openai_responses_decode, reasoning_that_could_not_go_back_is_not_kept)
{
    gives(RESPONSE("completed", REASONING("rs_1") "," WORDS("a"), ""), 0, "a");
    cr_assert_null(reply.opaque_state.ptr, "there are no calls");
    gives(RESPONSE("completed",
                   "{'type':'reasoning','id':'rs_1','summary':[],'encrypted_content':null},"
                   "{'type':'reasoning','id':'rs_2','summary':[],'encrypted_content':''},"
                   "{'type':'reasoning','id':'rs_3','summary':[]}," CALL("a", "f", "{}"),
                   ""),
          1, NULL);
    cr_assert_null(reply.opaque_state.ptr, "it is not encrypted");
}

Test(openai_responses_decode, refusals_and_several_messages)
{
    gives(RESPONSE("completed",
                   "{'type':'message','content':[{'type':'refusal','refusal':'I can not'}]}", ""),
          0, "I can not");
    cr_assert_eq(reply.finish, CHAT_FINISH_REFUSAL);
    gives(RESPONSE("completed", WORDS("one") "," WORDS("") "," WORDS("two"), ""), 0, "one\n\ntwo");
}

Test(openai_responses_decode, what_is_incomplete_says_why)
{
    gives(
        RESPONSE("incomplete", WORDS("a"), ",'incomplete_details':{'reason':'max_output_tokens'}"),
        0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    gives(RESPONSE("incomplete", WORDS("a"), ",'incomplete_details':{'reason':'content_filter'}"),
          0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
    gives(RESPONSE("incomplete", WORDS("a"), ""), 0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
}

Test(openai_responses_decode, what_other_servers_do)
{
    gives("{'output':[{'type':'message','content':'text'}]}", 0, "text");
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    gives("{'output':[{'type':'function_call','id':'fc_1','name':'f','arguments':{'a':1}}]}", 1,
          NULL);
    cr_assert(is(reply.tool_calls[0].id, "fc_1"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\":1}"));
    gives("{'output':[{'type':'function_call','name':'f'},{'type':'function_call','name':'g'}]}", 2,
          NULL);
    gives("{'output':[null,7,[],{},{'type':'web_search_call','id':'ws_1'},{'type':'message'},"
          "{'type':'message','content':[null,{},{'type':'output_text','text':'a'}]}],"
          "'usage':{'input_tokens':'12'}}",
          0, "a");
    cr_assert_eq(reply.usage.input_tokens, 12);
}

Test(openai_responses_decode, what_is_no_response_is_a_failure)
{
    fails("{'object':'response'}", PROVIDER_MALFORMED_REPLY);
    fails("{'output':{}}", PROVIDER_MALFORMED_REPLY);
    fails("", PROVIDER_MALFORMED_REPLY);
    fails(RESPONSE("queued", "", ""), PROVIDER_MALFORMED_REPLY);
    fails(RESPONSE("in_progress", "", ""), PROVIDER_MALFORMED_REPLY);
    fails(RESPONSE("cancelled", "", ""), PROVIDER_OVERLOADED);
    fails(RESPONSE("failed", "", ""), PROVIDER_OVERLOADED);
    fails(RESPONSE("failed", "", ",'error':{'code':'server_error','message':'Sorry.'}"),
          PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "Sorry.");
    fails(RESPONSE("failed", "", ",'error':{'code':'invalid_prompt','message':'No.'}"),
          PROVIDER_BAD_REQUEST);
}

/* ---- streamed ---- */

#define EVENT(type, rest)                                                                          \
    "event: " type "\ndata: {'type':'" type "','sequence_number':1" rest "}\n\n"
#define START          EVENT("response.created", ",'response':" RESPONSE("in_progress", "", ""))
#define ADDED(i, item) EVENT("response.output_item.added", ",'output_index':" i ",'item':" item)
#define DONE(i, item)  EVENT("response.output_item.done", ",'output_index':" i ",'item':" item)
#define DELTA(kind, i, delta)                                                                      \
    EVENT("response." kind ".delta",                                                               \
          ",'item_id':'x','output_index':" i ",'content_index':0,'delta':'" delta "'")
#define MESSAGE_ADDED(i)                                                                           \
    ADDED(i, "{'id':'msg_1','type':'message','status':'in_progress','role':'assistant',"           \
             "'content':[]}")                                                                      \
    EVENT("response.content_part.added", ",'item_id':'msg_1','output_index':" i                    \
                                         ",'content_index':0,'part':{'type':'output_text',"        \
                                         "'annotations':[],'text':''}")
#define CALL_ADDED(i, id, name)                                                                    \
    ADDED(i, "{'id':'fc_1','type':'function_call','status':'in_progress','arguments':'',"          \
             "'call_id':'" id "','name':'" name "'}")
#define COMPLETED(output)                                                                          \
    EVENT("response.completed", ",'response':" RESPONSE("completed", output, ""))

static const char text_stream[] = START MESSAGE_ADDED("0") DELTA("output_text", "0", "Hel")
    DELTA("output_text", "0", "lo \\ud83d\\ude00")
        EVENT("response.output_text.done", ",'output_index':0,'text':'Hello \\ud83d\\ude00'")
            DONE("0", WORDS("Hello \\ud83d\\ude00")) COMPLETED(WORDS("Hello \\ud83d\\ude00"));

Test(openai_responses_decode, a_streamed_text_at_every_cut)
{
    const char *stream = support_json(text_stream);

    for (size_t piece = 0; piece < sizeof(text_stream); piece++) {
        cr_assert_eq(decode_json(stream, piece), 0, "%s", failure.message);
        cr_assert(is(reply.text, "Hello \xF0\x9F\x98\x80"), "%zu", piece);
        cr_assert(is(reply.model, "gpt-5.6-2026-08-01"));
        cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
        cr_assert_eq(reply.usage.input_tokens, 36);
        cr_assert_eq(reply.usage.reasoning_tokens, 64);
    }
}

#define COMMENTARY                                                                                 \
    "{'type':'message','phase':'commentary','content':[{'type':'output_text','text':'Hm. '}]}"
#define CALL_A CALL("call_a", "clock", "{\\\"zone\\\": \\\"UTC\\\"}")
#define CALL_B CALL("call_b", "now", "{}")

static const char calls_stream[] =
    START ADDED("0", "{'id':'rs_1','type':'reasoning','summary':[],'encrypted_content':'gA'}")
        DELTA("reasoning_summary_text", "0", "Let me ") DELTA("reasoning_summary_text", "0", "see")
            DONE("0", REASONING("rs_1")) MESSAGE_ADDED("1") DELTA("output_text", "1", "Hm. ")
                DONE("1", COMMENTARY) CALL_ADDED("2", "call_a", "clock")
                    DELTA("function_call_arguments", "2",
                          "{\\\"zone\\\":") DELTA("function_call_arguments", "2", " \\\"UTC\\\"}")
                        EVENT("response.function_call_arguments.done",
                              ",'output_index':2,'arguments':'{\\\"zone\\\": \\\"UTC\\\"}'")
                            DONE("2", CALL_A) DONE("3", REASONING("rs_2"))
                                CALL_ADDED("4", "call_b", "now") DONE("4", CALL_B)
                                    COMPLETED(REASONING("rs_1") "," COMMENTARY "," CALL_A
                                                                "," REASONING("rs_2") "," CALL_B);

Test(openai_responses_decode, streamed_reasoning_text_and_calls_at_every_cut)
{
    const char *stream = support_json(calls_stream);
    const char *state = support_json(STATE);

    for (size_t piece = 0; piece < sizeof(calls_stream); piece++) {
        cr_assert_eq(decode_json(stream, piece), 0, "%s", failure.message);
        cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
        cr_assert(is(reply.text, "Hm. "));
        cr_assert_eq(reply.tool_calls_count, 2);
        cr_assert(is(reply.tool_calls[0].id, "call_a"));
        cr_assert(is(reply.tool_calls[0].name, "clock"));
        cr_assert(is(reply.tool_calls[0].arguments, "{\"zone\": \"UTC\"}"));
        cr_assert(is(reply.tool_calls[1].id, "call_b"));
        cr_assert(is(reply.tool_calls[1].arguments, "{}"));
        cr_assert(is(reply.opaque_state, state), "%s", reply.opaque_state.ptr);
    }
}

Test(openai_responses_decode, whoever_watches_is_told_of_each_piece)
{
    struct provider_target openai = support_target_of(&provider_openai_responses, "openai");

    cr_assert_str_eq(support_watched(&openai, support_json(calls_stream)),
                     "reasoning 0 Let me /|reasoning 0 see/|text 0 Hm. /|call 0 call_a/clock|"
                     "arguments 0 {\"zone\":/|arguments 0  \"UTC\"}/|call 1 call_b/now|"
                     "arguments 1 {}/|usage 0 /|finish 0 /|");
}

Test(openai_responses_decode, what_no_delta_said_is_taken_from_what_is_done)
{
    gives(START DONE("0", REASONING("rs_1")) DONE("1", COMMENTARY) DONE("2", CALL_A)
              DONE("3", REASONING("rs_2")) DONE("4", CALL_B) COMPLETED(""),
          2, "Hm. ");
    cr_assert(is(reply.opaque_state, support_json(STATE)), "%s", reply.opaque_state.ptr);
    gives(START COMPLETED(REASONING("rs_1") "," COMMENTARY "," CALL_A
                                            "," REASONING("rs_2") "," CALL_B),
          2, "Hm. ");
    cr_assert(is(reply.opaque_state, support_json(STATE)), "%s", reply.opaque_state.ptr);
    gives(START CALL_ADDED("0", "a", "f") EVENT("response.function_call_arguments.done",
                                                ",'output_index':0,'arguments':'{\\\"x\\\":1}'")
              COMPLETED(""),
          1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"x\":1}"));
    gives(START DELTA("refusal", "0", "I can") DELTA("refusal", "0", " not")
              DONE("0", "{'type':'message','content':[{'type':'refusal','refusal':'I can not'}]}")
                  COMPLETED(""),
          0, "I can not");
    cr_assert_eq(reply.finish, CHAT_FINISH_REFUSAL);
    gives(START DELTA("output_text", "0", "one") DONE("0", WORDS("one"))
              DELTA("output_text", "1", "") DELTA("output_text", "1", "two") DONE("1", WORDS("two"))
                  COMPLETED(""),
          0, "one\n\ntwo");
}

Test(openai_responses_decode, streams_of_other_servers)
{
    /* No names of events, no blank line at the end. */
    gives("data: {'type':'response.output_text.delta','delta':'a'}\n\n"
          "data: {'type':'response.completed'}",
          0, "a");
    /* No types. */
    gives("event: response.output_text.delta\ndata: {'delta':'a'}\n\n"
          "event: response.completed\ndata: {}\n\n",
          0, "a");
    /* Calls of no index, or all of the same. */
    gives("data: {'type':'response.output_item.added','item':{'type':'function_call','name':'f'}}"
          "\n\ndata: {'type':'response.function_call_arguments.delta','delta':'{}'}\n\n"
          "data: {'type':'response.completed'}\n\n",
          1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
    gives(START CALL_ADDED("0", "a", "f") DELTA("function_call_arguments", "0", "{}")
              CALL_ADDED("0", "b", "g") DELTA("function_call_arguments", "0", "{\\\"y\\\":2}")
                  DONE("0", CALL("a", "f", "{}")) DONE("0", CALL("b", "g", "{}")) COMPLETED(""),
          2, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
    cr_assert(is(reply.tool_calls[1].arguments, "{\"y\":2}"));
    /* It is done under another id than it was added with. */
    gives(START CALL_ADDED("0", "", "f") DONE("0", CALL("a", "f", "{}")) COMPLETED(""), 1, NULL);
    /* A stream of one whole response, and one that is not streamed. */
    gives("data: {'output':[" WORDS("whole") "]}\n\ndata: [DONE]\n\n", 0, "whole");
    gives("\n " RESPONSE("completed", WORDS("whole"), ""), 0, "whole");
    /* [DONE] and no end. */
    gives(DELTA("output_text", "0", "a") "data: [DONE]\n\n", 0, "a");
    /* Events and items that nobody knows. */
    gives(START EVENT("response.brand_new", ",'x':[1]") DONE("0", "{'type':'mcp_list_tools'}")
              DELTA("output_text", "1", "a") COMPLETED(""),
          0, "a");
}

Test(openai_responses_decode, a_stream_that_is_incomplete_says_why)
{
    gives(START DELTA("output_text", "0", "a")
              EVENT("response.incomplete",
                    ",'response':" RESPONSE("incomplete", WORDS("a"),
                                            ",'incomplete_details':{'reason':'content_filter'}")),
          0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
    cr_assert_eq(reply.usage.output_tokens, 87);
    gives(START DELTA("output_text", "0", "a") EVENT("response.incomplete", ""), 0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    gives(START DELTA("output_text", "0", "a")
              EVENT("response.completed", ",'response':" RESPONSE("incomplete", "", "")),
          0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    gives(START DELTA("output_text", "0", "a")
              EVENT("response.completed", ",'response':" RESPONSE("in_progress", "", "")),
          0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
}

Test(openai_responses_decode, a_stream_that_breaks_off_or_fails_is_no_reply)
{
    fails(START DELTA("output_text", "0", "a"), PROVIDER_STREAM_CUT);
    fails(START DONE("0", WORDS("a")), PROVIDER_STREAM_CUT);
    fails(START CALL_ADDED("0", "a", "f"), PROVIDER_STREAM_CUT);
    fails(START "event: response.output_text.delta\ndata: {'ty", PROVIDER_MALFORMED_REPLY);
    fails(START EVENT("response.failed",
                      ",'response':" RESPONSE("failed", "",
                                              ",'error':{'code':'rate_limit_exceeded','message':"
                                              "'slow down'}")),
          PROVIDER_RATE_LIMITED);
    cr_assert_str_eq(failure.message, "slow down");
    fails(START EVENT("response.failed", ""), PROVIDER_OVERLOADED);
    fails(START EVENT("error", ",'code':'server_error','message':'Sorry.','param':null"),
          PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "Sorry.");
    fails(START EVENT("error", ",'code':'insufficient_quota','message':'Pay.','param':null"),
          PROVIDER_QUOTA);
    fails("event: error\ndata: {'error':{'type':'invalid_request_error','code':null,'message':"
          "'No.'}}\n\n",
          PROVIDER_BAD_REQUEST);
    fails(START EVENT("response.completed", ",'response':" RESPONSE("cancelled", "", "")),
          PROVIDER_OVERLOADED);
}

/* ---- what the provider keeps ---- */

/* Of a request that went on behind resp_0. */
static int decode_behind(const char *json, size_t piece)
{
    static struct arena arena;
    struct provider_target openai = support_target_of(&provider_openai_responses, "openai");
    struct provider_response response = {.status = 200, .body = text_of(support_json(json))};
    struct provider_decoder decoder;
    enum http_take take = HTTP_TAKE_MORE;
    int r;

    arena_deinit(&arena);
    arena_init(&arena, 0);
    reply.arena = &arena;
    provider_decoder_init(&decoder, &openai, (size_t)1 << 20, NULL, &failure);
    decoder.behind = TEXT("resp_0");
    for (size_t at = 0; take == HTTP_TAKE_MORE && at < response.body.len; at += piece) {
        size_t left = response.body.len - at;

        take = provider_decoder_feed(
            &decoder, (struct text){response.body.ptr + at, piece < left ? piece : left});
    }
    r = provider_decoder_finish(&decoder, &response, &reply);
    provider_decoder_deinit(&decoder);
    return r;
}

#define BEHIND(id) ",'previous_response_id':'" id "'"
#define BEGUN(more)                                                                                \
    EVENT("response.created", ",'response':{'id':'resp_1','model':'m','store':true" more "}")

Test(openai_responses_decode, a_response_has_an_id_to_go_on_behind_where_it_was_stored)
{
    gives(RESPONSE("completed", WORDS("Hi"), ""), 0, "Hi");
    cr_assert(is(reply.state_id, "resp_1"));
    gives(RESPONSE("completed", WORDS("Hi"), ",'store':true"), 0, "Hi");
    cr_assert(is(reply.state_id, "resp_1"));
    gives(RESPONSE("completed", WORDS("Hi"), ",'store':false"), 0, "Hi");
    cr_assert_eq(reply.state_id.len, 0);
}

Test(openai_responses_decode, a_response_that_passes_over_what_it_was_to_stand_behind_is_none)
{
    static const char *const passed_over[] = {
        RESPONSE("completed", WORDS("Hi"), ""),
        RESPONSE("completed", WORDS("Hi"), ",'previous_response_id':null"),
        RESPONSE("completed", WORDS("Hi"), BEHIND("resp_9")),
        BEGUN("") EVENT("response.completed",
                        ",'response':" RESPONSE("completed", WORDS("Hi"), BEHIND("resp_0"))),
        EVENT("response.completed", ",'response':" RESPONSE("completed", WORDS("Hi"), "")),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(passed_over); i++)
        for (size_t piece = 1; piece < 5000; piece += 1000) {
            cr_assert_eq(decode_behind(passed_over[i], piece), PROVIDER_FAILED, "%zu", i);
            cr_assert_eq(failure.failure, PROVIDER_BAD_REQUEST, "%s", failure.message);
            cr_assert(strstr(failure.message, "previous_response_id"));
        }
    cr_assert_eq(decode_behind(RESPONSE("completed", WORDS("Hi"), BEHIND("resp_0")), 7), 0);
    cr_assert_eq(decode_behind(
                     BEGUN(BEHIND("resp_0"))
                         EVENT("response.completed",
                               ",'response':" RESPONSE("completed", WORDS("Hi"), BEHIND("resp_0"))),
                     7),
                 0, "%s", failure.message);
    cr_assert(is(reply.text, "Hi"));
    cr_assert(is(reply.state_id, "resp_1"));
}

/* ---- there and back ---- */

Test(openai_responses_decode, what_was_read_is_sent_back_as_it_was)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target openai = support_target_of(&provider_openai_responses, "openai");
    struct chat_message message = {.role = CHAT_ASSISTANT};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert_eq(decode(calls_stream, 0), 0);
    message.text = reply.text;
    message.tool_calls = reply.tool_calls;
    message.tool_calls_count = reply.tool_calls_count;
    message.opaque_state = reply.opaque_state;
    provider_wire_init(&wire);
    cr_assert_eq(openai.provider->encode(&openai, &request, &wire, NULL), 0);
    cr_assert(strstr(buf_string(&wire.body),
                     support_json("'input':[" REASONING(
                         "rs_1") ",{'role':'assistant','content':'Hm. ','phase':'commentary'},"
                                 "{'type':'function_call','call_id':'call_a','name':'clock',"
                                 "'arguments':'{\\\"zone\\\": \\\"UTC\\\"}'}," REASONING(
                                     "rs_2") ",{'type':'function_call','call_id':'call_b','name':"
                                             "'now','arguments':'{}'}]")),
              "%s", buf_string(&wire.body));
}
