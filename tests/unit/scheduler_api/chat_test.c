/* Chat completions, the parts that need no server: what a body asks for, what a reply says. */

#include <criterion/criterion.h>

#include "providers/openai_api/call_failure.h"
#include "providers/openai_api/chat_reply.h"
#include "providers/openai_api/chat_request.h"
#include "providers/openai_api/embedding_input.h"
#include "scheduler/api/openai/chat_bodies.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

static struct arena arena;
static struct json_object *body;

static void begin(void)
{
    arena_init(&arena, 0);
    body = NULL;
}

static void end(void)
{
    json_free(body);
    arena_deinit(&arena);
}

static struct json_object *parse(struct text text)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text, 64, &object, &err), 0, "%s in %.*s", err.text, TEXT_ARGS(text));
    return object;
}

static struct chat_ask ask(const char *text)
{
    struct failure failure;
    struct chat_ask out;
    struct error err;

    json_free(body);
    body = parse(text_of(text));
    cr_assert_eq(fields_check(body_chat_completion, body, NULL, &failure), 0, "%s",
                 failure.message);
    cr_assert_eq(chat_request_read(body, &arena, &out, &err), 0, "%s", err.text);
    return out;
}

static void refuses(struct fields fields, const char *text, const char *param, const char *code)
{
    struct json_object *object = parse(text_of(text));
    struct failure failure;

    cr_assert_eq(fields_check(fields, object, NULL, &failure), -E_INVALID, "%s", text);
    cr_assert_str_eq(failure.param, param, "%s", failure.message);
    cr_assert_str_eq(failure.code, code, "%s", failure.message);
    json_free(object);
}

#define HEAD "{\"model\":\"m\",\"messages\":["
#define USER "{\"role\":\"user\",\"content\":\"hi\"}"

TestSuite(chat_request, .init = begin, .fini = end);

Test(chat_request,
     takes_messages_of_the_system_in_front_as_instructions_and_later_ones_where_they_are)
{
    struct chat_ask a = ask(HEAD "{\"role\":\"system\",\"content\":\"one\"},"
                                 "{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":"
                                 "\"two\"},{\"type\":\"text\",\"text\":\"three\"}]}," USER
                                 ",{\"role\":\"system\",\"content\":\"late\"}]}");

    cr_assert(text_is(a.request.instructions, "one\n\ntwo\nthree"));
    cr_assert_eq(a.request.messages_count, 2);
    cr_assert(text_is(a.request.messages[0].text, "hi"));
    cr_assert(!a.request.messages[0].system.ptr);
    cr_assert(text_is(a.request.messages[1].system, "late"));
    cr_assert(text_is(a.request.messages[1].text, "Message of the system, not of the user: late"));
}

Test(chat_request, answers_the_last_message_of_the_system_where_there_is_no_other)
{
    struct chat_ask a = ask(HEAD "{\"role\":\"developer\",\"content\":\"hi\"}]}");

    cr_assert(!a.request.instructions.ptr);
    cr_assert_eq(a.request.messages_count, 1);
    cr_assert_eq(a.request.messages[0].role, CHAT_USER);
    cr_assert(text_is(a.request.messages[0].system, "hi"));
    cr_assert(text_is(a.request.messages[0].text, "Message of the system, not of the user: hi"));
    a = ask(HEAD "{\"role\":\"system\",\"content\":\"one\"},"
                 "{\"role\":\"system\",\"content\":\"two\"}]}");
    cr_assert(text_is(a.request.instructions, "one"));
    cr_assert_eq(a.request.messages_count, 1);
    cr_assert(text_is(a.request.messages[0].system, "two"));
}

Test(chat_request, puts_ids_and_arguments_of_calls_into_form_so_that_results_find_them)
{
    struct chat_ask a = ask(
        HEAD USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"an id / "
                  "that no provider takes\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"an id / that no "
                  "provider takes\",\"content\":\"done\"}]}");
    const struct chat_message *answer = &a.request.messages[1];

    cr_assert_eq(answer->tool_calls_count, 1);
    cr_assert(text_is(answer->tool_calls[0].arguments, "{}"));
    cr_assert(text_equal(answer->tool_calls[0].id, a.request.messages[2].tool_call_id));
    cr_assert(!text_is(answer->tool_calls[0].id, "an id / that no provider takes"));
    cr_assert_eq(a.request.messages[2].role, CHAT_TOOL);
    cr_assert(!answer->text.ptr);
}

Test(chat_request, takes_back_what_clients_make_of_an_answer)
{
    struct chat_ask a =
        ask(HEAD USER ",{\"role\":\"assistant\",\"content\":\"yes\",\"refusal\":null,"
                      "\"annotations\":[],\"audio\":null,\"function_call\":null,\"parsed\":{},"
                      "\"reasoning_content\":\"hm\"},{\"role\":\"assistant\",\"content\":null,"
                      "\"refusal\":\"no\"}]}");

    cr_assert(text_is(a.request.messages[1].text, "yes"));
    cr_assert(text_is(a.request.messages[2].text, "no"));
}

Test(chat_request, reads_what_the_model_may_do)
{
    struct chat_ask a = ask(
        HEAD USER "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":"
                  "true}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                  "\"parallel_tool_calls\":false,\"temperature\":0,\"max_tokens\":9,"
                  "\"max_completion_tokens\":8,\"reasoning_effort\":\"low\",\"verbosity\":\"high\","
                  "\"stream\":true,"
                  "\"stream_options\":{\"include_usage\":true},\"user\":\"ada\",\"service_tier\":"
                  "\"flex\",\"fallbacks\":[\"n\",\"o\"]}");

    cr_assert_eq(a.request.tools_count, 1);
    cr_assert_eq(a.request.tools[0].strict, CHAT_SWITCH_ON);
    cr_assert_eq(a.request.tool_choice.kind, CHAT_TOOL_CHOICE_FUNCTION);
    cr_assert_eq(a.request.parallel_tool_calls, CHAT_SWITCH_OFF);
    cr_assert(a.request.has_temperature && a.request.temperature == 0 && !a.request.has_top_p);
    cr_assert_eq(a.request.max_completion_tokens, 8);
    cr_assert(text_is(a.request.verbosity, "high"));
    cr_assert(a.stream && a.include_usage && text_is(a.user, "ada"));
    cr_assert_eq(a.turn, CHAT_TURN_LAST);
    cr_assert_eq(a.models_count, 3);
    cr_assert(text_is(a.models[2], "o"));
    a = ask(HEAD USER "],\"stop\":[\"a\",\"b\"],\"presence_penalty\":0}");
    cr_assert(a.request.stops_count == 2 && text_is(a.request.stops[1], "b"));
    cr_assert(a.request.has_presence_penalty && !a.request.has_frequency_penalty);
    a = ask(HEAD USER "],\"stop\":\"c\"}");
    cr_assert(a.request.stops_count == 1 && text_is(a.request.stops[0], "c"));
    a = ask(HEAD USER "],\"service_tier\":\"auto\"}");
    cr_assert_eq(a.turn, CHAT_TURN_NORMAL);
    cr_assert(!a.stream && !a.request.has_temperature);
    cr_assert_eq(a.request.parallel_tool_calls, CHAT_SWITCH_UNSET);
}

Test(chat_request, takes_what_asks_for_nothing_and_refuses_what_not_every_provider_knows)
{
    (void)ask(HEAD USER "],\"n\":1,\"stop\":[],\"logprobs\":false,\"top_logprobs\":0,"
                        "\"logit_bias\":{},\"frequency_penalty\":0.0,\"audio\":null,\"modalities\":"
                        "[\"text\"],\"verbosity\":\"medium\",\"functions\":[]}");
    refuses(body_chat_completion, HEAD USER "],\"n\":2}", "n", "unsupported_parameter");
    refuses(body_chat_completion, HEAD USER "],\"verbosity\":\"huge\"}", "verbosity",
            "invalid_value");
    refuses(body_chat_completion, HEAD USER "],\"stop\":\"\"}", "stop", "string_below_min_length");
    refuses(body_chat_completion, HEAD USER "],\"frequency_penalty\":-2.5}", "frequency_penalty",
            "decimal_below_min_value");
    refuses(body_chat_completion, HEAD USER "],\"prediction\":{\"type\":\"content\"}}",
            "prediction", "unsupported_parameter");
    refuses(body_chat_completion, HEAD "{\"role\":\"user\",\"content\":null}]}",
            "messages[0].content", "invalid_type");
    refuses(body_chat_completion, HEAD "7]}", "messages[0]", "invalid_type");
    refuses(body_embedding, "{\"model\":\"m\",\"input\":[1,2]}", "input[0]", "unsupported_value");
    refuses(body_embedding, "{\"model\":\"m\",\"input\":[\"a\",\"\"]}", "input[1]",
            "invalid_value");
}

Test(chat_request, weighs_the_texts_of_an_embedding_as_a_conversation)
{
    struct embedding_input input;
    struct error err;

    body = parse(TEXT("{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":3}"));
    cr_assert_eq(embedding_input_read(body, &arena, &input, &err), 0);
    cr_assert_eq(input.request.count, 2);
    cr_assert_eq(input.request.dimensions, 3);
    cr_assert(text_is(input.request.texts[1], "b"));
    cr_assert(text_is(input.weighed.messages[1].text, "b"));
}

static const struct chat_naming naming = {
    "chatcmpl-0123456789abcdef0123456789abcdef", 7, {"p/m", 3}};

TestSuite(chat_reply, .init = begin, .fini = end);

Test(chat_reply, says_a_refusal_apart_and_a_broken_call_as_it_was_written)
{
    struct chat_tool_call call = {.id = TEXT("call_1"),
                                  .name = TEXT("f"),
                                  .arguments = TEXT("{}"),
                                  .problem = TEXT("no JSON"),
                                  .said = TEXT("{\"arguments\":\"{\\\"a\"}")};
    struct chat_reply reply = {.text = TEXT("never"), .finish = CHAT_FINISH_REFUSAL};
    struct json_object *message;
    struct buf out;

    buf_init(&out, 0);
    chat_completion_write(&out, &naming, &reply);
    body = parse(buf_text(&out));
    message = json_get(json_object_array_get_idx(json_get(body, "choices"), 0), "message");
    cr_assert(text_is(json_get_text(message, "refusal"), "never"));
    cr_assert_null(json_get(message, "content"));
    json_free(body);
    buf_reset(&out);
    reply =
        (struct chat_reply){.tool_calls = &call, .tool_calls_count = 1, .finish = CHAT_FINISH_TOOL};
    chat_completion_write(&out, &naming, &reply);
    body = parse(buf_text(&out));
    cr_assert(strstr(buf_string(&out), "\"arguments\":\"{\\\"a\""), "%s", buf_string(&out));
    cr_assert(strstr(buf_string(&out), "\"finish_reason\":\"tool_calls\""));
    buf_deinit(&out);
}

static void tell(struct chat_chunks *chunks, enum chat_event_kind kind, size_t number,
                 const char *text)
{
    struct chat_event event = {.kind = kind, .number = number};

    if (kind == CHAT_EVENT_CALL)
        event.name = text_of(text);
    else
        event.text = text_of(text);
    chat_chunks_event(chunks, &event);
}

static size_t count_of(const struct buf *out, const char *what)
{
    size_t count = 0;

    for (const char *at = buf_string(out); (at = strstr(at, what)); at++)
        count++;
    return count;
}

Test(chat_reply, joins_pieces_while_nobody_takes_them)
{
    struct chat_reply reply = {.finish = CHAT_FINISH_TOOL};
    struct chat_chunks chunks;

    chat_chunks_init(&chunks, &naming, false);
    for (int i = 0; i < 100000; i++)
        tell(&chunks, CHAT_EVENT_TEXT, 0, "word ");
    cr_assert_lt(chunks.out.len, 32 << 10);
    cr_assert_gt(count_of(&chunks.out, "data: "), 50, "a piece a chunk as long as there is room");
    tell(&chunks, CHAT_EVENT_CALL, 0, "f");
    tell(&chunks, CHAT_EVENT_ARGUMENTS, 0, "{\"a\"");
    tell(&chunks, CHAT_EVENT_ARGUMENTS, 0, ":1}");
    tell(&chunks, CHAT_EVENT_CALL, 1, "g");
    tell(&chunks, CHAT_EVENT_ARGUMENTS, 1, "{}");
    chat_chunks_end(&chunks, &reply);
    cr_assert_lt(chunks.out.len, 600 << 10);
    cr_assert_eq(count_of(&chunks.out, "word "), 100000);
    cr_assert_eq(count_of(&chunks.out, "{\\\"a\\\":1}"), 1);
    cr_assert_eq(count_of(&chunks.out, "\"role\":\"assistant\""), 1);
    cr_assert_eq(count_of(&chunks.out, "call_0123456789abcdef0123_1"), 1, "it has an id");
    cr_assert_eq(count_of(&chunks.out, "data: [DONE]\n\n"), 1);
    chat_chunks_deinit(&chunks);
}

Test(chat_reply, begins_with_the_role_even_where_nothing_is_said)
{
    struct chat_reply reply = {.finish = CHAT_FINISH_FILTER};
    struct chat_chunks chunks;

    chat_chunks_init(&chunks, &naming, true);
    chat_chunks_end(&chunks, &reply);
    cr_assert_eq(count_of(&chunks.out, "\"role\":\"assistant\""), 1);
    cr_assert_eq(count_of(&chunks.out, "\"finish_reason\":\"content_filter\""), 1);
    cr_assert_eq(count_of(&chunks.out, "\"usage\":null"), 2);
    cr_assert_eq(count_of(&chunks.out, "\"choices\":[]"), 1);
    chat_chunks_deinit(&chunks);
}

Test(call_failure, has_a_status_for_each_class)
{
    static const int statuses[] = {
        [PROVIDER_RATE_LIMITED] = 429,    [PROVIDER_OVERLOADED] = 503,
        [PROVIDER_TIMED_OUT] = 504,       [PROVIDER_STREAM_CUT] = 502,
        [PROVIDER_MALFORMED_REPLY] = 502, [PROVIDER_EMPTY_REPLY] = 502,
        [PROVIDER_REPLY_TOO_LARGE] = 502, [PROVIDER_NO_ROOM] = 503,
        [PROVIDER_QUOTA] = 429,           [PROVIDER_CONTEXT_OVERFLOW] = 400,
        [PROVIDER_BAD_REQUEST] = 400,     [PROVIDER_AUTH] = 502};

    for (enum provider_failure class = PROVIDER_RATE_LIMITED; class <= PROVIDER_AUTH; class ++) {
        struct provider_failure_info info = {.failure = class, .retry_after_ms = 1500};
        bool waits = class == PROVIDER_RATE_LIMITED || class == PROVIDER_OVERLOADED ||
                     class == PROVIDER_NO_ROOM;
        struct failure failure;

        cr_assert_eq(call_failure(&info, &failure), -E_INVALID);
        cr_assert_eq(failure.status, statuses[class], "%s", provider_failure_name(class));
        cr_assert_eq(failure.retry_after_ms, waits ? 1500 : 0);
        cr_assert_eq(failure.retry_after_s, waits ? 2 : 0);
    }
}
