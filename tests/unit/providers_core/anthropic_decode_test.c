/* Replies in Anthropic's format, whole and streamed, as the servers really send them, cut at every
 * byte. JSON is written with ' for ". */

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
    struct provider_target anthropic = support_target_of(&provider_anthropic, "anthropic");

    return support_read(&anthropic, json, piece, &reply, &failure);
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

#define MESSAGE(content, reason, usage)                                                            \
    "{'id':'msg_1','type':'message','role':'assistant','model':'claude-opus-4-6','content'"        \
    ":" content ",'stop_reason':" reason ",'stop_sequence':null,'usage':" usage "}"
#define USAGE "{'input_tokens':5,'output_tokens':6}"

Test(anthropic_decode, a_whole_message)
{
    gives(MESSAGE("[{'type':'text','text':'Hello ','citations':null},{'type':'text','text':'you'}]",
                  "'end_turn'",
                  "{'input_tokens':5,'cache_creation_input_tokens':20,'cache_read_input_tokens':100"
                  ",'output_tokens':60,'output_tokens_details':{'thinking_tokens':40},"
                  "'service_tier':'standard'}"),
          0, "Hello you");
    cr_assert(is(reply.model, "claude-opus-4-6"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    cr_assert_eq(reply.usage.input_tokens, 125);
    cr_assert_eq(reply.usage.cached_input_tokens, 100);
    cr_assert_eq(reply.usage.cache_write_tokens, 20);
    cr_assert_eq(reply.usage.output_tokens, 60);
    cr_assert_eq(reply.usage.reasoning_tokens, 40);
    cr_assert_null(reply.opaque_state.ptr);
}

Test(anthropic_decode, a_whole_message_with_calls_keeps_its_thinking_in_place)
{
    gives(MESSAGE("[{'type':'thinking','thinking':'Hm \\\"x\\\"','signature':'c2ln'},"
                  "{'type':'text','text':'So, '},{'type':'redacted_thinking','data':'ZGF0YQ=='},"
                  "{'type':'tool_use','id':'toolu_1','name':'weather','input':{'city': 'Oslo'}},"
                  "{'type':'text','text':'and'},"
                  "{'type':'tool_use','id':'toolu_2','name':'clock','input':{}}]",
                  "'tool_use'", USAGE),
          2, "So, and");
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert(is(reply.tool_calls[0].id, "toolu_1"));
    cr_assert(is(reply.tool_calls[0].name, "weather"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"city\": \"Oslo\"}"));
    cr_assert(is(reply.tool_calls[1].name, "clock"));
    cr_assert(is(reply.opaque_state,
                 support_json("{'provider':'anthropic','model':'m-1','message':"
                              "[{'item':{'type':'thinking','thinking':'Hm \\\"x\\\"','signature':"
                              "'c2ln'}},{'text':4},"
                              "{'item':{'type':'redacted_thinking','data':'ZGF0YQ=='}},"
                              "{'call':true},{'text':3},{'call':true}]}")),
              "%s", reply.opaque_state.ptr);
}

Test(anthropic_decode, thinking_of_a_reply_without_calls_is_not_kept)
{
    gives(MESSAGE("[{'type':'thinking','thinking':'Hm','signature':'c2ln'},"
                  "{'type':'text','text':'a'}]",
                  "'end_turn'", USAGE),
          0, "a");
    cr_assert_null(reply.opaque_state.ptr);
}

Test(anthropic_decode, why_it_ends)
{
    static const struct {
        const char *reason;
        enum chat_finish finish;
    } rows[] = {
        {"'end_turn'", CHAT_FINISH_STOP},
        {"'stop_sequence'", CHAT_FINISH_STOP},
        {"'pause_turn'", CHAT_FINISH_STOP},
        {"'max_tokens'", CHAT_FINISH_LENGTH},
        {"'model_context_window_exceeded'", CHAT_FINISH_LENGTH},
        {"'refusal'", CHAT_FINISH_FILTER},
        {"'something_new'", CHAT_FINISH_STOP},
        {"null", CHAT_FINISH_STOP},
        {"7", CHAT_FINISH_STOP},
    };
    char body[512];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        snprintf(body, sizeof(body), MESSAGE("[{'type':'text','text':'a'}]", "%s", USAGE),
                 rows[i].reason);
        gives(body, 0, "a");
        cr_assert_eq(reply.finish, rows[i].finish, "%s", rows[i].reason);
    }
}

Test(anthropic_decode, a_refusal_says_why_where_nothing_else_was_said)
{
    gives("{'content':[],'stop_reason':'refusal','stop_details':{'type':'refusal','category':"
          "'cyber','explanation':'No malware.'}}",
          0, "No malware.");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
    gives("{'content':[],'stop_reason':'refusal','stop_details':null}", 0, NULL);
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
}

Test(anthropic_decode, what_other_servers_do)
{
    gives("{'content':'text','stop_reason':'end_turn'}", 0, "text");
    cr_assert_eq(reply.usage.input_tokens, 0);
    gives("{'content':[{'type':'tool_use','name':'f','input':'{\\\"a\\\":1}'}]}", 1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\":1}"));
    cr_assert_eq(reply.tool_calls[0].id.len, 0);
    gives("{'content':[null,7,[],{},{'type':'server_tool_use','id':'x','name':'web_search','input':"
          "{'query':'q'}},{'type':'text','text':'a'},{'type':'tool_use','id':7}]}",
          1, "a");
    gives("{'content':[{'type':'text','text':'a'}],'usage':{'input_tokens':'12','output_tokens':"
          "9e99,'cache_read_input_tokens':-5}}",
          0, "a");
    cr_assert_eq(reply.usage.input_tokens, 12);
    cr_assert_eq(reply.usage.output_tokens, CHAT_TOKENS_MAX);
    cr_assert_eq(reply.usage.cached_input_tokens, 0);
}

Test(anthropic_decode, what_is_no_message_is_a_failure)
{
    fails("{'type':'message'}", PROVIDER_MALFORMED_REPLY);
    fails("{'content':null}", PROVIDER_MALFORMED_REPLY);
    fails("[]", PROVIDER_MALFORMED_REPLY);
    fails("<html>", PROVIDER_MALFORMED_REPLY);
    fails("", PROVIDER_MALFORMED_REPLY);
    fails("{'type':'error','error':{'type':'overloaded_error','message':'Overloaded'}}",
          PROVIDER_OVERLOADED);
    fails("{'type':'error','message':'no'}", PROVIDER_OVERLOADED);
    fails("{'type':'error','error':{'type':'authentication_error','message':'invalid x-api-key'}}",
          PROVIDER_AUTH);
}

/* ---- streamed ---- */

#define EVENT(name, rest) "event: " name "\ndata: {'type':'" name "'" rest "}\n\n"
#define START                                                                                      \
    EVENT(                                                                                         \
        "message_start",                                                                           \
        ",'message':{'id':'msg_1','type':'message','role':'assistant','model':'claude-opus-4-6',"  \
        "'content':[],'stop_reason':null,'stop_sequence':null,'usage':{'input_tokens':25,"         \
        "'cache_creation_input_tokens':0,'cache_read_input_tokens':10,'output_tokens':1}}")
#define PING                EVENT("ping", "")
#define BLOCK(i, block)     EVENT("content_block_start", ",'index':" i ",'content_block':" block)
#define DELTA(i, delta)     EVENT("content_block_delta", ",'index':" i ",'delta':" delta)
#define END(i)              EVENT("content_block_stop", ",'index':" i)
#define TEXT_BLOCK(i)       BLOCK(i, "{'type':'text','text':''}")
#define TEXT_DELTA(i, text) DELTA(i, "{'type':'text_delta','text':'" text "'}")
#define INPUT(i, json)      DELTA(i, "{'type':'input_json_delta','partial_json':'" json "'}")
#define CALL_BLOCK(i, id, name)                                                                    \
    BLOCK(i, "{'type':'tool_use','id':'" id "','name':'" name "','input':{}}")
#define FINISH(reason)                                                                             \
    EVENT("message_delta", ",'delta':{'stop_reason':'" reason "','stop_sequence':null},"           \
                           "'usage':{'output_tokens':15}")
#define STOP EVENT("message_stop", "")

static const char text_stream[] = START TEXT_BLOCK("0") PING TEXT_DELTA("0", "Hel")
    TEXT_DELTA("0", "lo \\ud83d\\ude00") END("0") FINISH("end_turn") STOP;

Test(anthropic_decode, a_streamed_text_at_every_cut)
{
    const char *stream = support_json(text_stream);

    for (size_t piece = 0; piece < sizeof(text_stream); piece++) {
        cr_assert_eq(decode_json(stream, piece), 0, "%s", failure.message);
        cr_assert(is(reply.text, "Hello \xF0\x9F\x98\x80"), "%zu", piece);
        cr_assert(is(reply.model, "claude-opus-4-6"));
        cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
        cr_assert_eq(reply.usage.input_tokens, 35);
        cr_assert_eq(reply.usage.cached_input_tokens, 10);
        cr_assert_eq(reply.usage.output_tokens, 15);
    }
}

static const char calls_stream[] =
    START BLOCK("0", "{'type':'thinking','thinking':'','signature':''}")
        DELTA("0", "{'type':'thinking_delta','thinking':'Let me '}")
            DELTA("0", "{'type':'thinking_delta','thinking':'see\\u00e9'}")
                DELTA("0", "{'type':'signature_delta','signature':'c2ln'}") END("0") TEXT_BLOCK("1")
                    TEXT_DELTA("1", "One ") TEXT_DELTA("1", "moment") END("1")
                        CALL_BLOCK("2", "toolu_a", "clock") INPUT("2", "")
                            INPUT("2", "{\\\"zone\\\":") INPUT("2", " \\\"UTC\\\"}") END("2")
                                BLOCK("3", "{'type':'redacted_thinking','data':'ZGF0YQ=='}")
                                    END("3") CALL_BLOCK("4", "toolu_b", "now") END("4")
                                        FINISH("tool_use") STOP;

#define CALLS_STATE                                                                                \
    "{'provider':'anthropic','model':'m-1','message':[{'item':{'type':'thinking','thinking':"      \
    "'Let me see\xC3\xA9','signature':'c2ln'}},{'text':10},{'call':true},"                         \
    "{'item':{'type':'redacted_thinking','data':'ZGF0YQ=='}},{'call':true}]}"

Test(anthropic_decode, streamed_thinking_text_and_calls_at_every_cut)
{
    const char *stream = support_json(calls_stream);
    const char *state = support_json(CALLS_STATE);

    for (size_t piece = 0; piece < sizeof(calls_stream); piece++) {
        cr_assert_eq(decode_json(stream, piece), 0, "%s", failure.message);
        cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
        cr_assert(is(reply.text, "One moment"));
        cr_assert_eq(reply.tool_calls_count, 2);
        cr_assert(is(reply.tool_calls[0].id, "toolu_a"));
        cr_assert(is(reply.tool_calls[0].name, "clock"));
        cr_assert(is(reply.tool_calls[0].arguments, "{\"zone\": \"UTC\"}"));
        cr_assert(is(reply.tool_calls[1].id, "toolu_b"));
        cr_assert_eq(reply.tool_calls[1].arguments.len, 0);
        cr_assert(is(reply.opaque_state, state), "%s", reply.opaque_state.ptr);
    }
}

Test(anthropic_decode, whoever_watches_is_told_of_each_piece)
{
    struct provider_target anthropic = support_target_of(&provider_anthropic, "anthropic");

    cr_assert_str_eq(support_watched(&anthropic, support_json(calls_stream)),
                     "usage 0 /|reasoning 0 Let me /|reasoning 0 see\xC3\xA9/|text 0 One /|"
                     "text 0 moment/|call 0 toolu_a/clock|arguments 0 {\"zone\":/|"
                     "arguments 0  \"UTC\"}/|call 1 toolu_b/now|usage 0 /|finish 0 /|");
}

Test(anthropic_decode, usage_that_is_told_again_has_grown)
{
    gives(START TEXT_BLOCK("0") TEXT_DELTA("0", "a") EVENT(
              "message_delta", ",'delta':{'stop_reason':'end_turn'},'usage':{'input_tokens':30,"
                               "'cache_creation_input_tokens':4,'cache_read_input_tokens':null,"
                               "'output_tokens':9}") STOP,
          0, "a");
    cr_assert_eq(reply.usage.input_tokens, 44);
    cr_assert_eq(reply.usage.cached_input_tokens, 10);
    cr_assert_eq(reply.usage.cache_write_tokens, 4);
    cr_assert_eq(reply.usage.output_tokens, 9);
}

Test(anthropic_decode, streams_of_other_servers)
{
    /* No names of events, no stops, no blank line at the end. */
    gives("data: {'type':'content_block_delta','index':0,'delta':{'type':'text_delta','text':'a'}}"
          "\n\ndata: {'type':'message_delta','delta':{'stop_reason':'end_turn'}}",
          0, "a");
    /* No types. */
    gives("event: content_block_delta\ndata: {'index':0,'delta':{'text':'a'}}\n\n"
          "event: message_stop\ndata: {}\n\n",
          0, "a");
    /* A call whose input is whole where it begins; what follows says it again. */
    gives(START BLOCK("0", "{'type':'tool_use','id':'a','name':'f','input':{'x':1}}")
              INPUT("0", "{\\\"x\\\":1}") END("0") FINISH("tool_use") STOP,
          1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"x\":1}"));
    /* All of index 0, or of none. */
    gives(START CALL_BLOCK("0", "a", "f") INPUT("0", "{") INPUT("0", "}") CALL_BLOCK("0", "b", "g")
              INPUT("0", "{\\\"y\\\":2}") FINISH("tool_use") STOP,
          2, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
    cr_assert(is(reply.tool_calls[1].arguments, "{\"y\":2}"));
    gives("data: {'type':'content_block_start','content_block':{'type':'tool_use','name':'f'}}\n\n"
          "data: {'type':'content_block_delta','delta':{'partial_json':'{}'}}\n\n" STOP,
          1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
    /* A stream of one whole message. */
    gives("data: " MESSAGE("[{'type':'text','text':'whole'}]", "'end_turn'", USAGE) "\n\n", 0,
          "whole");
    cr_assert_eq(reply.usage.output_tokens, 6);
    /* Not streamed although it was asked for. */
    gives("\n " MESSAGE("[{'type':'text','text':'whole'}]", "'end_turn'", USAGE), 0, "whole");
    /* Tools that run at the provider, events and blocks that nobody knows. */
    gives(START BLOCK("0", "{'type':'server_tool_use','id':'s','name':'web_search','input':{}}")
              INPUT("0", "{\\\"q\\\":1}") END("0") EVENT("brand_new", ",'x':[1]") TEXT_BLOCK("1")
                  DELTA("1", "{'type':'citations_delta','citation':{'cited_text':'c'}}")
                      TEXT_DELTA("1", "a") FINISH("end_turn") STOP,
          0, "a");
    /* Thinking without a beginning and without a signature. */
    gives(DELTA("0", "{'type':'thinking_delta','thinking':'hm'}") CALL_BLOCK("1", "a", "f")
              FINISH("tool_use") STOP,
          1, NULL);
    cr_assert(is(reply.opaque_state,
                 support_json("{'provider':'anthropic','model':'m-1','message':[{'item':{'type':"
                              "'thinking','thinking':'hm','signature':''}},{'call':true}]}")));
}

Test(anthropic_decode, a_stream_that_breaks_off_or_fails_is_no_reply)
{
    fails(START TEXT_BLOCK("0") TEXT_DELTA("0", "a"), PROVIDER_STREAM_CUT);
    fails(START TEXT_BLOCK("0") TEXT_DELTA("0", "a") END("0"), PROVIDER_STREAM_CUT);
    fails(START CALL_BLOCK("0", "a", "f") INPUT("0", "{"), PROVIDER_STREAM_CUT);
    fails(START "event: content_block_delta\ndata: {'ty", PROVIDER_MALFORMED_REPLY);
    fails(PING, PROVIDER_STREAM_CUT);
    fails(START EVENT("error", ",'error':{'type':'overloaded_error','message':'Overloaded'}"),
          PROVIDER_OVERLOADED);
    fails(START TEXT_BLOCK("0")
              EVENT("error", ",'error':{'type':'rate_limit_error','message':'slow down'}"),
          PROVIDER_RATE_LIMITED);
    fails(START EVENT("error", ",'error':{'type':'invalid_request_error','message':'no'}") STOP,
          PROVIDER_BAD_REQUEST);
    fails("event: error\ndata: {'message':'the engine has died'}\n\n", PROVIDER_OVERLOADED);
}

Test(anthropic_decode, a_stream_that_says_why_it_ends_and_is_gone_is_a_reply)
{
    gives(START TEXT_BLOCK("0") TEXT_DELTA("0", "a") FINISH("max_tokens"), 0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    gives(START TEXT_BLOCK("0") TEXT_DELTA("0", "a") EVENT(
              "message_delta", ",'delta':{'stop_reason':'refusal','stop_details':{'type':'refusal',"
                               "'category':null,'explanation':null}}") STOP,
          0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
}

Test(anthropic_decode, more_than_may_be_held_is_refused)
{
    struct provider_target anthropic = support_target_of(&provider_anthropic, "anthropic");
    const struct provider_response response = {.status = 200};
    const char *piece = support_json(DELTA("0", "{'thinking':'0123456789','signature':'0123'}"));
    struct provider_decoder decoder;
    struct arena arena;

    arena_init(&arena, 0);
    reply.arena = &arena;
    provider_decoder_init(&decoder, &anthropic, 1000, NULL, &failure);
    while (provider_decoder_feed(&decoder, text_of(piece)) == HTTP_TAKE_MORE)
        cr_assert_leq(provider_decoder_held(&decoder), 1100);
    cr_assert_eq(provider_decoder_finish(&decoder, &response, &reply), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_REPLY_TOO_LARGE);
    provider_decoder_deinit(&decoder);
    arena_deinit(&arena);
}

/* ---- there and back ---- */

Test(anthropic_decode, what_was_read_is_sent_back_as_it_was)
{
    CLEANUP(provider_wire_deinit) struct provider_wire wire;
    struct provider_target anthropic = support_target_of(&provider_anthropic, "anthropic");
    struct chat_message message = {.role = CHAT_ASSISTANT};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    cr_assert_eq(decode(calls_stream, 0), 0);
    message.text = reply.text;
    message.tool_calls = reply.tool_calls;
    message.tool_calls_count = reply.tool_calls_count;
    message.opaque_state = reply.opaque_state;
    provider_wire_init(&wire);
    cr_assert_eq(anthropic.provider->encode(&anthropic, &request, &wire, NULL), 0);
    cr_assert(
        strstr(buf_string(&wire.body),
               support_json("'role':'assistant','content':["
                            "{'type':'thinking','thinking':'Let me see\xC3\xA9','signature':'c2ln'}"
                            ",{'type':'text','text':'One moment'},{'type':'tool_use','id':"
                            "'toolu_a','name':'clock','input':{'zone': 'UTC'}},"
                            "{'type':'redacted_thinking','data':'ZGF0YQ=='},{'type':'tool_use',"
                            "'id':'toolu_b','name':'now','input':{}}]}")),
        "%s", buf_string(&wire.body));
}
