/* Streams of Chat Completions as the servers really send them, cut at every byte. */

#include <criterion/criterion.h>

#include "support.h"

static struct chat_reply reply;
static struct provider_failure_info failure;

static bool is(struct text text, const char *expected)
{
    return text_is(text, expected);
}

#define CHUNK(delta, finish)                                                                       \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"   \
    "\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":" delta                        \
    ",\"logprobs\":null,\"finish_reason\":" finish "}]}\n\n"
#define TEXT_CHUNK(text) CHUNK("{\"content\":\"" text "\"}", "null")
#define STOP_CHUNK       CHUNK("{}", "\"stop\"")
#define DONE             "data: [DONE]\n\n"

#define CALL_CHUNK(index, id, name, arguments)                                                     \
    CHUNK("{\"tool_calls\":[{\"index\":" index ",\"id\":" id                                       \
          ",\"type\":\"function\",\"function\":"                                                   \
          "{\"name\":" name ",\"arguments\":\"" arguments "\"}}]}",                                \
          "null")

static const char text_stream[] =
    CHUNK("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null") TEXT_CHUNK("Hel")
        TEXT_CHUNK("lo \\ud83d\\ude00") STOP_CHUNK
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,"
    "\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":7},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":4}}}\n\n" DONE;

Test(stream_openai_chat, text_with_usage_at_every_cut)
{
    for (size_t piece = 0; piece < sizeof(text_stream); piece++) {
        cr_assert_eq(support_stream("openai", text_stream, piece, &reply, &failure), 0, "%s",
                     failure.message);
        cr_assert(is(reply.text, "Hello \xF0\x9F\x98\x80"), "%zu", piece);
        cr_assert(is(reply.model, "gpt-4o-mini-2024-07-18"));
        cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
        cr_assert_eq(reply.usage.input_tokens, 19);
        cr_assert_eq(reply.usage.output_tokens, 10);
        cr_assert_eq(reply.usage.cached_input_tokens, 7);
        cr_assert_eq(reply.usage.reasoning_tokens, 4);
    }
}

static const char calls_stream[] = CHUNK("{\"role\":\"assistant\",\"content\":null}", "null")
    CALL_CHUNK("0", "\"call_a\"", "\"clock\"", "") CALL_CHUNK("0", "null", "null", "{\\\"zone\\\":")
        CALL_CHUNK("1", "\"call_b\"", "\"add\"", "{\\\"a\\\"")
            CALL_CHUNK("0", "null", "null", " \\\"UTC\\\"}") CALL_CHUNK("1", "null", "null", ": 1}")
                CHUNK("{}", "\"tool_calls\"") DONE;

Test(stream_openai_chat, calls_in_fragments_at_every_cut)
{
    for (size_t piece = 0; piece < sizeof(calls_stream); piece++) {
        cr_assert_eq(support_stream("openai", calls_stream, piece, &reply, &failure), 0, "%s",
                     failure.message);
        cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
        cr_assert_eq(reply.tool_calls_count, 2);
        cr_assert(is(reply.tool_calls[0].id, "call_a"));
        cr_assert(is(reply.tool_calls[0].name, "clock"));
        cr_assert(is(reply.tool_calls[0].arguments, "{\"zone\": \"UTC\"}"));
        cr_assert(is(reply.tool_calls[1].id, "call_b"));
        cr_assert(is(reply.tool_calls[1].name, "add"));
        cr_assert(is(reply.tool_calls[1].arguments, "{\"a\": 1}"));
    }
}

static void gives(const char *stream, size_t calls, const char *text)
{
    cr_assert_eq(support_stream("x", stream, 0, &reply, &failure), 0, "%s: %s", stream,
                 failure.message);
    cr_assert_eq(reply.tool_calls_count, calls, "%s", stream);
    cr_assert(text ? is(reply.text, text) : !reply.text.ptr, "%s", stream);
}

#define BARE_CALL(rest) "data: {\"choices\":[{\"delta\":{\"tool_calls\":" rest "}}]}\n\n"

Test(stream_openai_chat, calls_of_servers_that_give_no_index_or_the_same)
{
    /* Gemini's compatible endpoint: whole calls, all of index 0. */
    gives(CALL_CHUNK("0", "\"a\"", "\"f\"", "{}") CALL_CHUNK("0", "\"b\"", "\"g\"", "{}")
              STOP_CHUNK,
          2, NULL);
    cr_assert(is(reply.tool_calls[1].name, "g"));
    /* No index: a new id begins a new call. */
    gives(BARE_CALL("[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\"\"}}]")
              BARE_CALL("[{\"function\":{\"arguments\":\":1}\"}}]")
                  BARE_CALL("[{\"id\":\"b\",\"function\":{\"name\":\"g\"}}]") STOP_CHUNK,
          2, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"x\":1}"));
    /* The same id in each fragment, the name too. */
    gives(CALL_CHUNK("0", "\"a\"", "\"f\"", "{") CALL_CHUNK("0", "\"a\"", "\"f\"", "}") STOP_CHUNK,
          1, NULL);
    cr_assert(is(reply.tool_calls[0].name, "f"));
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
    /* The name in pieces. */
    gives(CALL_CHUNK("0", "\"a\"", "\"get_\"", "") CALL_CHUNK("0", "null", "\"time\"", "")
              STOP_CHUNK,
          1, NULL);
    cr_assert(is(reply.tool_calls[0].name, "get_time"));
    /* Arguments as an object, and one call that stands in no list. */
    gives(BARE_CALL("{\"function\":{\"name\":\"f\",\"arguments\":{\"x\": [1]}}}") STOP_CHUNK, 1,
          NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{\"x\": [1]}"));
    /* Of older servers. */
    gives("data: {\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}}"
          "]}\n\ndata: {\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"}\"}}}]}\n\n"
          "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"function_call\"}]}\n\n",
          1, NULL);
    cr_assert(is(reply.tool_calls[0].arguments, "{}"));
}

Test(stream_openai_chat, what_small_servers_do)
{
    /* Comments, blank lines, CR LF, a byte order mark, no [DONE], no blank line at the end. */
    gives("\xEF\xBB\xBF: keep-alive\r\n\r\n\r\n"
          "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n"
          "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
          0, "ab");
    /* [DONE] and no reason. */
    gives(TEXT_CHUNK("a") DONE, 0, "a");
    /* Not streamed although it was asked for. */
    gives("\n {\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}]}", 0,
          "whole");
    /* A stream of one whole message. */
    gives(
        "data: "
        "{\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}]}\n\n" DONE,
        0, "whole");
    /* Content as parts. */
    gives("data: "
          "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"p\"}]}}]}"
          "\n\n" STOP_CHUNK,
          0, "p");
    /* A second choice is nobody's. */
    gives("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{"
          "\"content\":\"b\"}}]}\n\n" STOP_CHUNK,
          0, "a");
}

Test(stream_openai_chat, a_byte_order_mark_may_be_cut_in_two)
{
    static const char *const bodies[] = {
        "\xEF\xBB\xBF" TEXT_CHUNK("a") DONE,
        "\xEF\xBB\xBF{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        for (size_t piece = 1; piece < 5; piece++) {
            cr_assert_eq(support_stream("x", bodies[i], piece, &reply, &failure), 0, "%zu: %s",
                         piece, failure.message);
            cr_assert(is(reply.text, "a"));
        }
}

Test(stream_openai_chat, usage_of_groq_and_deepseek)
{
    gives(
        TEXT_CHUNK(
            "a") "data: "
                 "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{"
                 "\"prompt_tokens\":5,\"completion_tokens\":6}}}\n\n" DONE,
        0, "a");
    cr_assert_eq(reply.usage.output_tokens, 6);
    gives(
        TEXT_CHUNK("a") "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{"
                        "\"prompt_tokens\":5,\"completion_tokens\":6,\"prompt_cache_hit_tokens\":3}"
                        "}\n\n" DONE,
        0, "a");
    cr_assert_eq(reply.usage.cached_input_tokens, 3);
}

Test(stream_openai_chat, reasoning_of_a_reply_with_calls_is_kept)
{
    gives("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"Let me \"}}]}\n\n"
          "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"see\"}}]}\n\n" CALL_CHUNK(
              "0", "\"a\"", "\"f\"", "{}") STOP_CHUNK,
          1, NULL);
    cr_assert(is(reply.opaque_state,
                 "{\"provider\":\"x\",\"model\":\"m-1\",\"message\":{\"reasoning_content\":"
                 "\"Let me see\"}}"));
    gives("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n" TEXT_CHUNK("a")
              STOP_CHUNK,
          0, "a");
    cr_assert_null(reply.opaque_state.ptr);
    gives("data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n" CALL_CHUNK(
              "0", "\"a\"", "\"f\"", "{}") STOP_CHUNK,
          1, NULL);
    cr_assert_null(reply.opaque_state.ptr);
}

static void fails(const char *stream, enum provider_failure expected)
{
    for (size_t piece = 0; piece < 3; piece++) {
        cr_assert_eq(support_stream("x", stream, piece, &reply, &failure), PROVIDER_FAILED, "%s",
                     stream);
        cr_assert_eq(failure.failure, expected, "%s: %s, %s", stream,
                     provider_failure_name(failure.failure), failure.message);
        cr_assert(failure.message[0]);
    }
}

Test(stream_openai_chat, what_breaks_off_or_fails_is_no_reply)
{
    fails(TEXT_CHUNK("a"), PROVIDER_STREAM_CUT);
    fails(TEXT_CHUNK("a") "data: {\"choices\":[{\"del", PROVIDER_MALFORMED_REPLY);
    fails(": keep-alive\n\n", PROVIDER_STREAM_CUT);
    fails(CALL_CHUNK("0", "\"a\"", "\"f\"", "{"), PROVIDER_STREAM_CUT);
    fails(TEXT_CHUNK("a") "data: nonsense\n\n" STOP_CHUNK, PROVIDER_MALFORMED_REPLY);
    fails(
        TEXT_CHUNK("a") "data: {\"error\":{\"message\":\"rate limit\",\"type\":\"rate_limit_error\""
                        ",\"code\":\"rate_limit_exceeded\"}}\n\n" STOP_CHUNK,
        PROVIDER_RATE_LIMITED);
    fails(TEXT_CHUNK("a") CHUNK("{}", "\"error\""), PROVIDER_OVERLOADED);
    fails("event: error\ndata: {\"error\":\"the engine has died\"}\n\n", PROVIDER_OVERLOADED);
    fails("", PROVIDER_MALFORMED_REPLY);
    fails("dat", PROVIDER_MALFORMED_REPLY);
}

Test(stream_openai_chat, cut_and_filtered)
{
    gives(TEXT_CHUNK("a") CHUNK("{}", "\"length\""), 0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
    gives(TEXT_CHUNK("a") CHUNK("{}", "\"content_filter\""), 0, "a");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
    gives(CHUNK("{\"refusal\":\"I can\"}", "null") CHUNK("{\"refusal\":\"'t\"}", "\"stop\""), 0,
          "I can't");
    cr_assert_eq(reply.finish, CHAT_FINISH_REFUSAL);
}

/* ---- who watches ---- */

Test(stream_openai_chat, whoever_watches_is_told_of_each_piece)
{
    struct provider_target target = support_target("openai");

    cr_assert_str_eq(support_watched(&target, calls_stream),
                     "call 0 call_a/clock|arguments 0 {\"zone\":/|call 1 call_b/add|"
                     "arguments 1 {\"a\"/|arguments 0  \"UTC\"}/|arguments 1 : 1}/|finish 0 /|");
    cr_assert_str_eq(support_watched(&target, text_stream),
                     "text 0 Hel/|text 0 lo \xF0\x9F\x98\x80/|finish 0 /|usage 0 /|");
}

Test(stream_openai_chat, more_than_may_be_held_is_refused)
{
    struct provider_target target = support_target("openai");
    const struct provider_response response = {.status = 200};
    struct provider_decoder decoder;
    struct arena arena;

    arena_init(&arena, 0);
    reply.arena = &arena;
    provider_decoder_init(&decoder, &target, 1000, NULL, &failure);
    while (provider_decoder_feed(&decoder, TEXT(TEXT_CHUNK("0123456789"))) == HTTP_TAKE_MORE)
        cr_assert_leq(provider_decoder_held(&decoder), 1000);
    cr_assert_leq(provider_decoder_held(&decoder), 1100);
    cr_assert_eq(provider_decoder_finish(&decoder, &response, &reply), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_REPLY_TOO_LARGE);
    provider_decoder_deinit(&decoder);
    arena_deinit(&arena);
}
