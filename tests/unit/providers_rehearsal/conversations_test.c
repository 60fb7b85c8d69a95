/* Requests that OpenAI would refuse are refused, since they are a worker's mistakes. */

#include <criterion/criterion.h>

#include "support.h"

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define CALL                                                                                       \
    "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define CALLS "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL "]}"
#define TWO_CALLS                                                                                  \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL                               \
    ",{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
#define RESULT "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"}"

static struct conversation conversation;
static struct problem problem;

static int read_body(const char *body)
{
    static struct arena arena;
    CLEANUP(json_freep) struct json_object *request = NULL;

    arena_deinit(&arena);
    arena_init(&arena, 0);
    problem.message[0] = '\0';
    cr_assert_eq(json_decode(text_of(body), 64, &request, NULL), 0, "%s", body);
    return play_read(&dialect_openai_chat, request, &arena, &conversation, &problem);
}

static int read_messages(const char *messages)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{\"model\":\"m\",\"messages\":[%s]}", messages);
    return read_body(buf_string(&body));
}

static void refused(const char *messages, const char *because)
{
    cr_assert_eq(read_messages(messages), CONVERSATION_REFUSED, "%s", messages);
    cr_assert(strstr(problem.message, because), "%s", problem.message);
}

Test(conversations, a_whole_tool_turn_is_accepted)
{
    cr_assert_eq(
        read_messages("{\"role\":\"system\",\"content\":\"s\"}," USER "," CALLS "," RESULT), 0,
        "%s", problem.message);
    cr_assert(conversation.after_tool);
    cr_assert_eq(conversation.tools_count, 1);
    cr_assert_eq(conversation.rounds, 1);
    cr_assert(text_is(conversation.tools[0], "1"));
    cr_assert(text_is(conversation.user, "hi"));
    cr_assert_eq(conversation.text_bytes, 4);
}

Test(conversations, tool_results_before_the_last_user_message_do_not_count)
{
    cr_assert_eq(read_messages(USER "," CALLS "," RESULT
                                    ",{\"role\":\"assistant\",\"content\":\"1\"}," USER),
                 0);
    cr_assert_eq(conversation.tools_count, 0);
    cr_assert_eq(conversation.rounds, 0);
    cr_assert_not(conversation.after_tool);
}

Test(conversations, broken_pairs_of_calls_and_results_are_refused)
{
    refused(USER "," RESULT, "must be a response to a preceeding message");
    refused(RESULT, "must be a response");
    refused(USER "," CALLS, "did not have response messages: a");
    refused(USER "," CALLS "," USER "," RESULT, "did not have response messages: a");
    refused(USER "," CALLS "," RESULT "," RESULT, "answered already");
    refused(USER "," CALLS "," RESULT
                 ",{\"role\":\"tool\",\"tool_call_id\":\"z\",\"content\":\"1\"}",
            "'z' not found");
    refused(USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL "," CALL
                 "]}," RESULT,
            "Duplicate");
    refused(USER ",{\"role\":\"tool\",\"content\":\"1\"}", "tool_call_id");
    refused(USER "," TWO_CALLS, "did not have response messages: a, b");
    refused(USER "," TWO_CALLS "," RESULT, "did not have response messages: b");
    refused(USER "," TWO_CALLS "," RESULT "," USER, "did not have response messages: b");
}

Test(conversations, malformed_messages_are_refused)
{
    refused("", "1 to 10000 messages");
    refused("{\"role\":\"robot\",\"content\":\"a\"}", "role");
    refused("{\"role\":\"user\"}", "content");
    refused("{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}", "content[0]");
    refused("{\"role\":\"assistant\",\"content\":null}", "content");
    refused("{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[]}", "tool_calls");
    refused("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\"}]}",
            "tool_calls[0]");
    refused("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
            "\"function\","
            "\"function\":{\"name\":\"f\",\"arguments\":{}}}]}",
            "a string");
}

Test(conversations, parts_are_joined)
{
    cr_assert_eq(read_messages("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                               "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\"}},"
                               "{\"type\":\"text\",\"text\":\"b\"}]}"),
                 0);
    cr_assert(text_is(conversation.user, "a\nb"));
}

static void body_refused(const char *rest, const char *param)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{\"model\":\"m\",\"messages\":[" USER "]%s}", rest);
    cr_assert_eq(read_body(buf_string(&body)), CONVERSATION_REFUSED, "%s", rest);
    cr_assert_str_eq(problem.param, param);
}

Test(conversations, settings_are_checked)
{
    body_refused(",\"temperature\":3", "temperature");
    body_refused(",\"top_p\":-1", "top_p");
    body_refused(",\"max_tokens\":0", "max_completion_tokens");
    body_refused(",\"stream\":1", "stream");
    body_refused(",\"stream_options\":{\"include_usage\":true}", "stream_options");
    body_refused(",\"stream\":true,\"stream_options\":true", "stream_options");
    body_refused(",\"tools\":[]", "tools");
    body_refused(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools");
    body_refused(
        ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":\"x\"}}]",
        "tools");
    body_refused(",\"tool_choice\":\"auto\"", "tool_choice");
    body_refused(",\"parallel_tool_calls\":true", "parallel_tool_calls");
    cr_assert_eq(read_body("{\"messages\":[" USER "]}"), CONVERSATION_REFUSED);
    cr_assert_str_eq(problem.param, "model");
    cr_assert_eq(read_body("[]"), CONVERSATION_REFUSED);
}

Test(conversations, tool_choice_none_offers_no_tool)
{
    cr_assert_eq(read_body("{\"model\":\"m\",\"messages\":[" USER
                           "],\"tool_choice\":\"none\",\"tools\":["
                           "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}"),
                 0);
    cr_assert_eq(conversation.offered_count, 0);
}
