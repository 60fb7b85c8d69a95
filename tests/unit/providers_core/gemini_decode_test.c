/* Gemini's replies, whole and streamed, as the servers really send them. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "support.h"

static struct chat_reply reply;
static struct provider_failure_info failure;

static bool is(struct text text, const char *expected)
{
    return text_is(text, expected);
}

static int read_pieces(const char *body, size_t piece)
{
    struct provider_target target = support_target_of(&provider_gemini, "gemini");

    return support_read(&target, body, piece, &reply, &failure);
}

static void decode(const char *body)
{
    cr_assert_eq(read_pieces(body, 0), 0, "%s: %s", body, failure.message);
}

#define USAGE(counts)     ",\"usageMetadata\":{" counts "}"
#define PARTS(parts)      "\"content\":{\"parts\":[" parts "],\"role\":\"model\"}"
#define CANDIDATE(inside) "{\"candidates\":[{" inside ",\"index\":0}]"
#define SAYS(text)        "{\"text\":\"" text "\"}"
#define REASON(word)      ",\"finishReason\":\"" word "\""
#define CALL(name)        "{\"functionCall\":{\"name\":\"" name "\",\"args\":{\"a\": 1}}"

Test(gemini_decode, text_with_thoughts_and_counts)
{
    decode(CANDIDATE(PARTS("{\"text\":\"Let me see.\",\"thought\":true}," SAYS("Hello ") "," SAYS(
        "\\ud83d\\ude00")) REASON("STOP"))
               USAGE("\"promptTokenCount\":29,\"candidatesTokenCount\":15,\"totalTokenCount\":1848,"
                     "\"cachedContentTokenCount\":7,\"toolUsePromptTokenCount\":3,"
                     "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":29}],"
                     "\"thoughtsTokenCount\":1801") ",\"modelVersion\":\"gemini-3-pro-preview\","
                                                    "\"responseId\":\"JniLacKqGqH0\"}");
    cr_assert(is(reply.text, "Hello \xF0\x9F\x98\x80"));
    cr_assert(is(reply.model, "gemini-3-pro-preview"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    cr_assert_eq(reply.usage.input_tokens, 32);
    cr_assert_eq(reply.usage.output_tokens, 1816);
    cr_assert_eq(reply.usage.reasoning_tokens, 1801);
    cr_assert_eq(reply.usage.cached_input_tokens, 7);
    cr_assert_eq(reply.usage.cache_write_tokens, 0);
    cr_assert_null(reply.opaque_state.ptr);
}

Test(gemini_decode, calls_are_found_although_the_reason_is_stop)
{
    decode(CANDIDATE(
        PARTS(CALL("weather") ",\"thoughtSignature\":\"c2ln/+=\"},"
                              "{\"functionCall\":{\"id\":\"k1\",\"name\":\"clock\"}}")
            REASON("STOP") ",\"finishMessage\":\"Model generated function call(s).\"") "}");
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert_null(reply.text.ptr);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert(is(reply.tool_calls[0].name, "weather"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\": 1}"));
    cr_assert_eq(reply.tool_calls[0].id.len, 0);
    cr_assert(is(reply.tool_calls[1].id, "k1"));
    cr_assert_eq(reply.tool_calls[1].arguments.len, 0);
    cr_assert(is(reply.opaque_state,
                 "{\"provider\":\"gemini\",\"model\":\"m-1\",\"message\":{\"signatures\":"
                 "[\"c2ln/+=\",null]}}"),
              "%.*s", TEXT_ARGS(reply.opaque_state));
}

Test(gemini_decode, state_is_of_calls_and_of_strings)
{
    decode(CANDIDATE(PARTS("{\"text\":\"a\",\"thoughtSignature\":\"c2ln\"}") REASON("STOP")) "}");
    cr_assert_null(reply.opaque_state.ptr);
    decode(CANDIDATE(PARTS(CALL("f") ",\"thoughtSignature\":7}," CALL(
        "g") ",\"thoughtSignature\":\"\"}") REASON("STOP")) "}");
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert_null(reply.opaque_state.ptr);
}

Test(gemini_decode, what_comes_back_is_what_was_signed)
{
    struct provider_target target = support_target_of(&provider_gemini, "gemini");
    struct chat_message message = {.role = CHAT_ASSISTANT};
    struct chat_request request = {.messages = &message, .messages_count = 1};

    decode(CANDIDATE(PARTS(CALL("f") "}," CALL("g") ",\"thoughtSignature\":\"c2ln\\u002b\"}")
                         REASON("STOP")) "}");
    for (size_t i = 0; i < 2; i++)
        reply.tool_calls[i].id = TEXT("x");
    message.tool_calls = reply.tool_calls;
    message.tool_calls_count = 2;
    message.opaque_state = reply.opaque_state;
    cr_assert(support_encodes_to(
        &target, &request,
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\" \"}]},{\"role\":\"model\","
        "\"parts\":[{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"a\":1}}},{"
        "\"functionCall\":{\"id\":\"x\",\"name\":\"g\",\"args\":{\"a\":1}},\"thoughtSignature\":"
        "\"c2ln+\"}]},{\"role\":\"user\",\"parts\":[{\"text\":\" \"}]}]}"));
}

/* ---- why it ends ---- */

static const char *ending(const char *reason)
{
    static char body[256];

    snprintf(body, sizeof(body), "{\"candidates\":[{%s,\"finishReason\":\"%s\"}]%s}",
             PARTS(SAYS("a")), reason, USAGE("\"promptTokenCount\":5,\"candidatesTokenCount\":6"));
    return body;
}

Test(gemini_decode, reasons_that_end_an_answer)
{
    static const struct {
        const char *reason;
        enum chat_finish finish;
    } rows[] = {
        {"STOP", CHAT_FINISH_STOP},        {"MAX_TOKENS", CHAT_FINISH_LENGTH},
        {"SAFETY", CHAT_FINISH_FILTER},    {"RECITATION", CHAT_FINISH_FILTER},
        {"BLOCKLIST", CHAT_FINISH_FILTER}, {"PROHIBITED_CONTENT", CHAT_FINISH_FILTER},
        {"SPII", CHAT_FINISH_FILTER},      {"LANGUAGE", CHAT_FINISH_FILTER},
        {"OTHER", CHAT_FINISH_STOP},       {"FINISH_REASON_UNSPECIFIED", CHAT_FINISH_STOP},
        {"UNHEARD_OF", CHAT_FINISH_STOP},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        decode(ending(rows[i].reason));
        cr_assert_eq(reply.finish, rows[i].finish, "%s", rows[i].reason);
    }
}

Test(gemini_decode, reasons_that_make_it_none)
{
    static const struct {
        const char *reason;
        enum provider_failure failure;
    } rows[] = {
        {"MALFORMED_FUNCTION_CALL", PROVIDER_MALFORMED_REPLY},
        {"UNEXPECTED_TOOL_CALL", PROVIDER_MALFORMED_REPLY},
        {"TOO_MANY_TOOL_CALLS", PROVIDER_MALFORMED_REPLY},
        {"MALFORMED_RESPONSE", PROVIDER_MALFORMED_REPLY},
        {"MISSING_THOUGHT_SIGNATURE", PROVIDER_BAD_REQUEST},
        {"PUP_LIMITED_DISABLED", PROVIDER_AUTH},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cr_assert_eq(read_pieces(ending(rows[i].reason), 0), PROVIDER_FAILED);
        cr_assert_eq(failure.failure, rows[i].failure, "%s", rows[i].reason);
        cr_assert(strstr(failure.message, rows[i].reason), "%s", failure.message);
        cr_assert_eq(failure.usage.output_tokens, 6, "it is paid for");
    }
}

Test(gemini_decode, a_prompt_that_is_blocked_is_filtered)
{
    decode("{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"}" USAGE(
        "\"promptTokenCount\":4") ",\"modelVersion\":\"gemini-2.5-flash\"}");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
    cr_assert_null(reply.text.ptr);
    cr_assert_eq(reply.usage.input_tokens, 4);
    decode("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n");
    cr_assert_eq(reply.finish, CHAT_FINISH_FILTER);
}

static void malformed(const char *body)
{
    cr_assert_eq(read_pieces(body, 0), PROVIDER_FAILED, "%s", body);
    cr_assert_eq(failure.failure, PROVIDER_MALFORMED_REPLY, "%s", body);
    cr_assert(failure.message[0]);
}

Test(gemini_decode, what_is_no_reply_is_malformed)
{
    malformed("");
    malformed("{}");
    malformed("[]");
    malformed("[{}]");
    malformed("null");
    malformed("{\"candidates\":[]}");
    malformed("{\"candidates\":[null,7]}");
    malformed("{\"candidates\":{\"content\":{}}}");
    malformed("{\"promptFeedback\":{}}");
    malformed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"cut");
}

Test(gemini_decode, what_servers_leave_out_or_add)
{
    decode(CANDIDATE(PARTS("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}},null,7,"
                           "{\"executableCode\":{\"code\":\"1\"}},{\"functionCall\":null}," SAYS(
                               "a"))) ",\"extra\":[]}");
    cr_assert(is(reply.text, "a"));
    cr_assert_eq(reply.tool_calls_count, 0);
    cr_assert_eq(reply.usage.input_tokens, 0);
    decode("{\"candidates\":[{\"finishReason\":\"STOP\"}]}");
    cr_assert_null(reply.text.ptr);
    decode(CANDIDATE(PARTS(SAYS("a"))) USAGE("\"promptTokenCount\":9223372036854775807,"
                                             "\"toolUsePromptTokenCount\":9223372036854775807,"
                                             "\"candidatesTokenCount\":-5") "}");
    cr_assert_eq(reply.usage.input_tokens, 2 * CHAT_TOKENS_MAX, "cut to size later");
    cr_assert_eq(reply.usage.output_tokens, 0);
}

/* ---- streams ---- */

#define EVENT(json) "data: " json "\r\n\r\n"

static const char text_stream[] =
    EVENT(CANDIDATE(PARTS("{\"text\":\"Hm.\",\"thought\":true}")) USAGE(
        "\"promptTokenCount\":9,\"thoughtsTokenCount\":20") ",\"modelVersion\":\"gemini-3-pro\"}")
        EVENT(CANDIDATE(PARTS(SAYS("There are "))) USAGE(
            "\"promptTokenCount\":9,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":20") "}")
            EVENT(CANDIDATE(PARTS(SAYS("3 r's"))) USAGE("\"trafficType\":\"ON_DEMAND\"") "}") EVENT(
                CANDIDATE(PARTS("{\"text\":\"\",\"thoughtSignature\":\"c2ln\"}") REASON("STOP"))
                    USAGE("\"promptTokenCount\":9,\"candidatesTokenCount\":8,"
                          "\"thoughtsTokenCount\":20") "}");

static const char call_stream[] = EVENT(CANDIDATE(PARTS(SAYS("I look."))) "}")
    EVENT(CANDIDATE(PARTS(CALL("weather") ",\"thoughtSignature\":\"c2ln\"}")) "}")
        EVENT(CANDIDATE(PARTS(CALL("clock") "}")) "}")
            EVENT(CANDIDATE(PARTS(SAYS("")) REASON("STOP")) "}");

Test(gemini_decode, a_stream_is_the_same_at_every_cut)
{
    for (size_t piece = 0; piece < sizeof(text_stream); piece++) {
        cr_assert_eq(read_pieces(text_stream, piece), 0, "%zu: %s", piece, failure.message);
        cr_assert(is(reply.text, "There are 3 r's"));
        cr_assert(is(reply.model, "gemini-3-pro"));
        cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
        cr_assert_eq(reply.usage.input_tokens, 9);
        cr_assert_eq(reply.usage.output_tokens, 28);
    }
    for (size_t piece = 0; piece < sizeof(call_stream); piece++) {
        cr_assert_eq(read_pieces(call_stream, piece), 0, "%zu: %s", piece, failure.message);
        cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
        cr_assert(is(reply.text, "I look."));
        cr_assert_eq(reply.tool_calls_count, 2);
        cr_assert(is(reply.tool_calls[1].name, "clock"));
        cr_assert(is(reply.opaque_state,
                     "{\"provider\":\"gemini\",\"model\":\"m-1\",\"message\":{\"signatures\":"
                     "[\"c2ln\",null]}}"));
    }
}

Test(gemini_decode, pieces_that_come_as_one_array_are_read_as_well)
{
    decode("[" CANDIDATE(PARTS(SAYS("Hel"))) "},\n" CANDIDATE(PARTS(SAYS("lo"))
                                                                  REASON("MAX_TOKENS")) "}]");
    cr_assert(is(reply.text, "Hello"));
    cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
}

static void fails(const char *body, enum provider_failure expected)
{
    for (size_t piece = 0; piece < 3; piece++) {
        cr_assert_eq(read_pieces(body, piece), PROVIDER_FAILED, "%s", body);
        cr_assert_eq(failure.failure, expected, "%s: %s, %s", body,
                     provider_failure_name(failure.failure), failure.message);
        cr_assert(failure.message[0]);
    }
}

#define OVERLOADED                                                                                 \
    "{\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":"                \
    "\"UNAVAILABLE\"}}"

Test(gemini_decode, what_breaks_off_or_fails_is_no_reply)
{
    fails(EVENT(CANDIDATE(PARTS(SAYS("a"))) "}"), PROVIDER_STREAM_CUT);
    fails(EVENT(CANDIDATE(PARTS(SAYS("a"))) "}") "data: {\"candidates\":[{",
          PROVIDER_MALFORMED_REPLY);
    fails(EVENT(CANDIDATE(PARTS(SAYS("a"))) "}") EVENT(OVERLOADED), PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "The model is overloaded.");
    fails("[" OVERLOADED "]", PROVIDER_OVERLOADED);
    fails("[" CANDIDATE(PARTS(SAYS("a"))) "}," OVERLOADED "]", PROVIDER_OVERLOADED);
    fails(EVENT(CANDIDATE(PARTS(SAYS("")) REASON("MALFORMED_FUNCTION_CALL")) "}"),
          PROVIDER_MALFORMED_REPLY);
}

/* ---- who watches ---- */

static void note(void *arg, const struct chat_event *event)
{
    static const char *const names[] = {"text",      "refusal", "reasoning", "call",
                                        "arguments", "usage",   "finish"};

    buf_printf(arg, "%s %zu %.*s%.*s|", names[event->kind], event->number, TEXT_ARGS(event->text),
               TEXT_ARGS(event->name));
}

Test(gemini_decode, whoever_watches_is_told_of_each_piece)
{
    struct provider_target target = support_target_of(&provider_gemini, "gemini");
    struct buf log;
    const struct chat_sink sink = {note, &log};
    struct provider_decoder decoder;

    buf_init(&log, 0);
    provider_decoder_init(&decoder, &target, 1 << 20, &sink, &failure);
    cr_assert_eq(provider_decoder_feed(&decoder, text_of(text_stream)), HTTP_TAKE_MORE);
    cr_assert(is(buf_text(&log), "reasoning 0 Hm.|usage 0 |text 0 There are |usage 0 |"
                                 "text 0 3 r's|usage 0 |finish 0 |"),
              "%s", log.ptr);
    provider_decoder_deinit(&decoder);
    buf_reset(&log);
    provider_decoder_init(&decoder, &target, 1 << 20, &sink, &failure);
    cr_assert_eq(provider_decoder_feed(&decoder, text_of(call_stream)), HTTP_TAKE_MORE);
    cr_assert(is(buf_text(&log), "text 0 I look.|call 0 weather|arguments 0 {\"a\": 1}|"
                                 "call 1 clock|arguments 1 {\"a\": 1}|finish 0 |"),
              "%s", log.ptr);
    provider_decoder_deinit(&decoder);
    buf_deinit(&log);
}

Test(gemini_decode, no_more_calls_are_read_than_can_be_carried_out)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_add_string(&body, "{\"candidates\":[{\"content\":{\"parts\":[{}");
    for (int i = 0; i < 3000; i++)
        buf_add_string(&body, ",{\"functionCall\":{\"name\":\"f\"},\"thoughtSignature\":\"c2ln\"}");
    buf_add_string(&body, "]},\"finishReason\":\"STOP\"}]}");
    decode(buf_string(&body));
    cr_assert_eq(reply.tool_calls_count, 128);
    cr_assert_lt(reply.opaque_state.len, 128 * 8 + 100);
}
