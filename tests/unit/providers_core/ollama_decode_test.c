/* Ollama's replies and errors, whole and as lines. */

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
    struct provider_target target = support_target_of(&provider_ollama, "ollama");

    return support_read(&target, body, piece, &reply, &failure);
}

#define HEAD "\"model\":\"qwen3\",\"created_at\":\"2026-08-21T18:48:22.196249Z\""
#define SAYS(text)                                                                                 \
    "{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"},\"done\":false}"
#define THINKS(text)                                                                               \
    "{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"" text          \
    "\"},\"done\":false}"
#define CALLS(calls)                                                                               \
    "{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" calls        \
    "]},\"done\":false}"
#define CALL(name) "{\"function\":{\"name\":\"" name "\",\"arguments\":{\"a\": 1}}}"
#define DONE(reason)                                                                               \
    "{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"               \
    "\"done_reason\":\"" reason "\",\"total_duration\":5191566416,\"prompt_eval_count\":26,"       \
    "\"eval_count\":298}"

Test(ollama_decode, a_whole_reply)
{
    cr_assert_eq(
        read_pieces("{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"Hello "
                    "\\ud83d\\ude00\",\"thinking\":\"Hm.\"},\"done\":true,"
                    "\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":298}",
                    0),
        0, "%s", failure.message);
    cr_assert(is(reply.text, "Hello \xF0\x9F\x98\x80"));
    cr_assert(is(reply.model, "qwen3"));
    cr_assert_eq(reply.finish, CHAT_FINISH_STOP);
    cr_assert_eq(reply.usage.input_tokens, 26);
    cr_assert_eq(reply.usage.output_tokens, 298);
    cr_assert_null(reply.opaque_state.ptr);
}

Test(ollama_decode, calls_have_an_object_and_mostly_no_id)
{
    cr_assert_eq(
        read_pieces("{" HEAD ",\"message\":{\"role\":\"assistant\",\"content\":\"\","
                    "\"thinking\":\"I look.\",\"tool_calls\":[" CALL(
                        "f") ","
                             "{\"id\":\"call_x1\",\"function\":{\"index\":1,\"name\":\"g\"}}]},"
                             "\"done\":true,\"done_reason\":\"stop\"}",
                    0),
        0, "%s", failure.message);
    cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert_eq(reply.tool_calls[0].id.len, 0);
    cr_assert(is(reply.tool_calls[0].name, "f"));
    cr_assert(is(reply.tool_calls[0].arguments, "{\"a\": 1}"));
    cr_assert(is(reply.tool_calls[1].id, "call_x1"));
    cr_assert_eq(reply.tool_calls[1].arguments.len, 0);
    cr_assert_eq(reply.usage.input_tokens, 0, "counts that are left out are 0");
    cr_assert(is(reply.opaque_state, "{\"provider\":\"ollama\",\"model\":\"m-1\",\"message\":{"
                                     "\"thinking\":\"I look.\"}}"));
}

static const char text_stream[] =
    THINKS("Hm") "\n" THINKS(".") "\n" SAYS("Hel") "\n" SAYS("lo") "\r\n" DONE("length") "\n";

static const char call_stream[] =
    SAYS("I look.") "\n" CALLS(CALL("f")) "\n" CALLS(CALL("g")) "\n" DONE("stop");

Test(ollama_decode, lines_are_the_same_at_every_cut)
{
    for (size_t piece = 0; piece < sizeof(text_stream); piece++) {
        cr_assert_eq(read_pieces(text_stream, piece), 0, "%zu: %s", piece, failure.message);
        cr_assert(is(reply.text, "Hello"));
        cr_assert(is(reply.model, "qwen3"));
        cr_assert_eq(reply.finish, CHAT_FINISH_LENGTH);
        cr_assert_eq(reply.usage.output_tokens, 298);
    }
    for (size_t piece = 0; piece < sizeof(call_stream); piece++) {
        cr_assert_eq(read_pieces(call_stream, piece), 0, "%zu: %s", piece, failure.message);
        cr_assert(is(reply.text, "I look."));
        cr_assert_eq(reply.finish, CHAT_FINISH_TOOL);
        cr_assert_eq(reply.tool_calls_count, 2);
        cr_assert(is(reply.tool_calls[1].name, "g"));
    }
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

Test(ollama_decode, what_breaks_off_or_fails_is_no_reply)
{
    fails(SAYS("a") "\n", PROVIDER_STREAM_CUT);
    fails(SAYS("a") "\n{\"model\":\"qw", PROVIDER_MALFORMED_REPLY);
    fails(SAYS("a") "\nnonsense\n" DONE("stop"), PROVIDER_MALFORMED_REPLY);
    fails(SAYS("a") "\n{\"error\":\"an error was encountered while running the model\"}\n",
          PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "an error was encountered while running the model");
    fails("{\"error\":\"out of memory\"}\n", PROVIDER_OVERLOADED);
    fails("{\"error\":\"the input length exceeds the context length\"}", PROVIDER_CONTEXT_OVERFLOW);
    fails("", PROVIDER_MALFORMED_REPLY);
    fails("{}", PROVIDER_MALFORMED_REPLY);
    fails("[]", PROVIDER_MALFORMED_REPLY);
    fails("{\"message\":\"text\"}", PROVIDER_MALFORMED_REPLY);
}

Test(ollama_decode, what_servers_write_badly)
{
    cr_assert_eq(read_pieces("{\"message\":{\"content\":null,\"tool_calls\":[null,{\"function\":{"
                             "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"done\":true,"
                             "\"prompt_eval_count\":-1,\"eval_count\":\"7\"}",
                             0),
                 0, "%s", failure.message);
    cr_assert_eq(reply.tool_calls_count, 2);
    cr_assert(is(reply.tool_calls[1].arguments, "{\"a\":1}"));
    cr_assert_eq(reply.usage.input_tokens, 0);
    cr_assert_eq(reply.usage.output_tokens, 7);
    cr_assert_eq(
        read_pieces("{\"message\":{\"content\":\"a\",\"tool_calls\":{}},\"done\":false}", 0), 0);
    cr_assert(is(reply.text, "a"));
}

Test(ollama_decode, a_byte_order_mark_may_be_cut_in_two)
{
    for (size_t piece = 0; piece < 5; piece++) {
        cr_assert_eq(read_pieces("\xEF\xBB\xBF" SAYS("a") "\n" DONE("stop"), piece), 0, "%zu: %s",
                     piece, failure.message);
        cr_assert(is(reply.text, "a"));
    }
}

static void note(void *arg, const struct chat_event *event)
{
    static const char *const names[] = {"text",      "refusal", "reasoning", "call",
                                        "arguments", "usage",   "finish"};

    buf_printf(arg, "%s %zu %.*s%.*s|", names[event->kind], event->number, TEXT_ARGS(event->text),
               TEXT_ARGS(event->name));
}

Test(ollama_decode, whoever_watches_is_told_of_each_line)
{
    struct provider_target target = support_target_of(&provider_ollama, "ollama");
    struct buf log;
    const struct chat_sink sink = {note, &log};
    struct provider_decoder decoder;

    buf_init(&log, 0);
    provider_decoder_init(&decoder, &target, 1 << 20, &sink, &failure);
    cr_assert_eq(provider_decoder_feed(&decoder, text_of(text_stream)), HTTP_TAKE_ENOUGH);
    cr_assert(is(buf_text(&log), "reasoning 0 Hm|reasoning 0 .|text 0 Hel|text 0 lo|usage 0 |"
                                 "finish 0 |"),
              "%s", log.ptr);
    provider_decoder_deinit(&decoder);
    buf_deinit(&log);
}

/* ---- errors by status, which are one sentence ---- */

static enum provider_failure class_of(int status, const char *body)
{
    cr_assert_eq(support_decode_status(status, NULL, body, &failure), PROVIDER_FAILED);
    return failure.failure;
}

Test(ollama_decode, errors_are_classed_by_their_status)
{
    cr_assert_eq(class_of(404, "{\"error\":\"model 'llama9' not found\"}"), PROVIDER_BAD_REQUEST);
    cr_assert_str_eq(failure.message, "model 'llama9' not found");
    cr_assert_eq(class_of(400, "{\"error\":\"registry.ollama.ai/library/x does not support "
                               "tools\"}"),
                 PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(400, "{\"error\":\"the input length exceeds the context length\"}"),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(503, "{\"error\":\"server busy, please try again.  maximum pending "
                               "requests exceeded\"}"),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(500, "{\"error\":\"llama runner process has terminated\"}"),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(401, "{\"error\":\"unauthorized\",\"signin_url\":\"https://x\"}"),
                 PROVIDER_AUTH);
}
