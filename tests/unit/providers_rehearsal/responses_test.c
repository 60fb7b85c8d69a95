/* OpenAI's Responses: read as strictly as there, written whole and in events. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/rehearsal/dialects/openai/openai_responses.h"
#include "providers/rehearsal/reply/seal.h"
#include "talk.h"

#define USER    "{'role':'user','content':'hi'}"
#define CALL(x) "{'type':'function_call','call_id':'" x "','name':'f','arguments':'{}'}"
#define OUT(x)  "{'type':'function_call_output','call_id':'" x "','output':'" x "'}"

static const char *const calls[] = {"f", "{\"x\":[1,2]}", "g", "{}", NULL};

static void begin(void)
{
    talk_begin(&dialect_openai_responses);
    talk_accepts("{'model':'gpt-5','input':'hi'}");
}

TestSuite(responses, .init = begin, .fini = talk_end);

static void items_accepted(const char *items)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{'model':'gpt-5','input':[%s]}", items);
    talk_accepts(buf_string(&body));
}

static void items_refused(const char *items, int status, const char *because)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{'model':'gpt-5','input':[%s]}", items);
    talk_refuses(buf_string(&body), status, because);
}

Test(responses, a_whole_turn_of_tools)
{
    items_accepted("{'role':'developer','content':'Be kind.'}," USER
                   "," CALL("a") "," CALL("b") "," OUT("b") "," OUT("a"));
    cr_assert_eq(talk.conversation.tools_count, 2);
    cr_assert(text_is(talk.conversation.tools[0], "a"));
    cr_assert_eq(talk.conversation.rounds, 1);
    cr_assert(talk.conversation.after_tool);
    cr_assert(text_is(talk.conversation.system, "Be kind."));
    items_accepted(USER "," CALL("a") "," OUT("a") "," CALL("b") "," OUT("b"));
    cr_assert_eq(talk.conversation.rounds, 2);
    items_accepted(USER "," CALL(
        "a") ",{'type':'function_call_output','call_id':'a','output':[{"
             "'type':'input_text','text':'one'},{'type':'input_image','image_url':'x'},"
             "{'type':'input_text','text':'two'}]}");
    cr_assert(text_is(talk.conversation.tools[0], "one\ntwo"));
    items_accepted(USER "," CALL("a") "," OUT(
        "a") ",{'type':'message','role':'assistant','id':"
             "'msg_1','status':'completed','content':[{'type':'output_text','text':'x',"
             "'annotations':[]}]},{'role':'user','content':[{'type':'input_text','text':"
             "'bye'}]}");
    cr_assert_eq(talk.conversation.tools_count, 0);
    cr_assert(text_is(talk.conversation.user, "bye"));
}

Test(responses, calls_and_outputs_that_do_not_pair)
{
    items_refused(USER "," CALL("a"), 400, "No tool output found for function call a.");
    items_refused(USER "," OUT("a"), 400,
                  "No tool call found for function call output with call_id a.");
    items_refused(USER "," OUT("a") "," CALL("a"), 400, "No tool call found");
    items_refused(USER "," CALL("a") "," OUT("a") "," OUT("a"), 400, "Duplicate");
    items_refused(USER "," CALL("a") "," CALL("a") "," OUT("a"), 400, "Duplicate");
}

Test(responses, items_that_are_wrong)
{
    items_refused("{'role':'robot','content':'x'}", 400, "input[0].role");
    items_refused("{'role':'user'}", 400, "'input[0].content'");
    items_refused("{'role':'user','content':[{'type':'text','text':'x'}]}", 400,
                  "'input_text', 'input_image', and 'input_file'");
    items_refused("{'role':'assistant','content':[{'type':'input_text','text':'x'}]}", 400,
                  "'output_text' and 'refusal'");
    items_refused("{'type':'function_call','name':'f','arguments':'{}'}", 400,
                  "Missing required parameter: 'input[0].call_id'");
    items_refused("{'type':'function_call','call_id':'a','name':'f','arguments':{}}", 400,
                  "'input[0].arguments'");
    items_refused("{'type':'function_call','id':'call_1','call_id':'a','name':'f','arguments':"
                  "'{}'}," OUT("a"),
                  400, "Expected an ID that begins with 'fc'");
    items_refused(USER "," CALL("a") ",{'type':'function_call_output','call_id':'a'}", 400,
                  "'input[2].output'");
    items_refused("{'type':'item_reference','id':'msg_1'}", 404, "Item with id 'msg_1' not found");
    items_refused("{'type':'wish'}", 400, "'wish'");
    items_refused("", 400, "Missing required parameter: 'input'");
}

Test(responses, settings_that_are_wrong)
{
    static const char *const wrong[][2] = {
        {"'messages':[]", "has moved to 'input'"},
        {"'response_format':{}", "has moved to 'text.format'"},
        {"'wish':1", "Unknown parameter: 'wish'"},
        {"'previous_response_id':'resp_1'", "Previous response with id 'resp_1' not found"},
        {"'temperature':3", "temperature"},
        {"'max_output_tokens':5", "Expected a value >= 16"},
        {"'reasoning':{'effort':'huge'}", "Invalid value: 'huge'"},
        {"'text':{'format':{'type':'json_schema','schema':{}}}", "'text.format.name'"},
        {"'tools':[{'type':'function','function':{'name':'f'}}]", "'tools[0].name'"},
        {"'tools':[{'name':'f'}]", "'tools[0].type'"},
        {"'tools':[{'type':'function','name':'a b'}]", "does not match pattern"},
        {"'tools':[{'type':'function','name':'f','strict':true,'parameters':{'type':'object',"
         "'properties':{}}}]",
         "'additionalProperties' is required"},
        {"'tools':[{'type':'function','name':'f','strict':true,'parameters':{'type':'object',"
         "'properties':{'x':{}},'additionalProperties':false,'required':[]}}]",
         "Missing 'x'"},
        {"'tool_choice':'required'", "only allowed when 'tools' are specified"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        CLEANUP(buf_deinit) struct buf body = {0};

        buf_init(&body, 0);
        buf_printf(&body, "{'model':'gpt-5','input':'hi',%s}", wrong[i][0]);
        talk_refuses(buf_string(&body), 400, wrong[i][1]);
    }
    talk_refuses("{'input':'hi'}", 400, "'model'");
    talk_refuses("{'model':'gpt-5'}", 400, "'input'");
}

Test(responses, settings_are_repeated)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    struct answer answer;

    talk_accepts("{'model':'gpt-5','input':'hi','instructions':'Be kind.','temperature':0.5,"
                 "'metadata':{'a':'b'},'tools':[{'type':'function','name':'f'}],'tool_choice':"
                 "'none','stream':true,'include':['reasoning.encrypted_content']}");
    cr_assert(talk.conversation.stream && talk.conversation.with_sealed);
    cr_assert_eq(talk.conversation.offered_count, 0);
    cr_assert(text_is(talk.conversation.system, "Be kind."));
    answer = talk_answer("Hi", NULL, NULL);
    reply = talk_written(&answer);
    cr_assert_str_eq(at(reply, "instructions"), "Be kind.");
    cr_assert_str_eq(at(reply, "temperature"), "0.5");
    cr_assert_str_eq(at(reply, "metadata.a"), "b");
    cr_assert_str_eq(at(reply, "tools.0.name"), "f");
    cr_assert_str_eq(at(reply, "top_p"), "1.0");
    cr_assert_str_eq(at(reply, "store"), "true");
}

/* A turn whose call came with reasoning, which comes back as `reasoning` says. */
static const char *reasoned(const char *model, const char *store, const char *reasoning)
{
    static struct buf body;
    struct answer answer = talk_answer(NULL, "Hm", (const char *const[]){"f", "{}", NULL});
    const char *id = answer.calls[0].id.ptr;

    buf_deinit(&body);
    buf_init(&body, 0);
    buf_printf(&body,
               "{'model':'%s','store':%s,'input':[" USER ",%s{'type':'function_call','id':'fc_1',"
               "'call_id':'%s','name':'f','arguments':'{}'},{'type':'function_call_output',"
               "'call_id':'%s','output':'1'}]}",
               model, store, reasoning, id, id);
    return buf_string(&body);
}

#define REASONING(member) "{'type':'reasoning','summary':[]," member "},"

Test(responses, reasoning_comes_back_by_id_or_encrypted)
{
    CLEANUP(buf_deinit) struct buf sealed = {0};
    CLEANUP(buf_deinit) struct buf stored = {0};
    CLEANUP(buf_deinit) struct buf other = {0};
    char mark[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];

    buf_init(&sealed, 0);
    buf_init(&stored, 0);
    buf_init(&other, 0);
    seal_mark(TEXT("Hm"), mark);
    seal_make(RESPONSES_NAME, TEXT("gpt-5"), mark, seal);
    buf_printf(&sealed, REASONING("'encrypted_content':'%s'"), seal);
    buf_printf(&stored, REASONING("'id':'rs_0123456789abcdef01234500r%s'"), mark);
    seal_mark(TEXT("Ah"), mark);
    seal_make(RESPONSES_NAME, TEXT("gpt-5"), mark, seal);
    buf_printf(&other, REASONING("'encrypted_content':'%s'"), seal);

    talk_accepts(reasoned("gpt-5", "false", buf_string(&sealed)));
    talk_accepts(reasoned("gpt-5", "true", buf_string(&sealed)));
    talk_accepts(reasoned("gpt-5", "true", buf_string(&stored)));
    talk_refuses(reasoned("gpt-5", "false", buf_string(&stored)), 404, "not persisted");
    talk_refuses(reasoned("gpt-5", "false", ""), 400,
                 "Item 'fc_1' of type 'function_call' was provided without its required "
                 "'reasoning' item: 'rs_0123456789abcdef01234500r");
    talk_refuses(reasoned("gpt-5", "false", buf_string(&other)), 400, "without its required");
    talk_refuses(reasoned("gpt-6", "false", buf_string(&sealed)), 400, "could not be verified");
    talk_refuses(reasoned("gpt-5", "true", REASONING("'id':'rs_1'")), 404,
                 "Item with id 'rs_1' not found.");
    talk_refuses(reasoned("gpt-5", "true", "{'type':'reasoning','id':'rs_1'},"), 400, "summary");
}

Test(responses, reasoning_without_what_it_led_to)
{
    static const char *const behind[] = {"", ("," USER), ",{'role':'system','content':'x'}"};
    char mark[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];

    seal_mark(TEXT("Hm"), mark);
    seal_make(RESPONSES_NAME, TEXT("gpt-5"), mark, seal);
    for (size_t i = 0; i < ARRAY_LENGTH(behind); i++) {
        CLEANUP(buf_deinit) struct buf items = {0};

        buf_init(&items, 0);
        buf_printf(&items,
                   USER ",{'type':'reasoning','id':'rs_1','summary':[],'encrypted_content':'%s'}%s",
                   seal, behind[i]);
        items_refused(buf_string(&items), 400,
                      "Item 'rs_1' of type 'reasoning' was provided without its required following "
                      "item.");
    }
}

Test(responses, a_whole_response)
{
    struct answer answer = talk_answer("Hi", "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = NULL;

    talk.conversation.with_sealed = true;
    talk.conversation.with_thoughts = true;
    reply = talk_written(&answer);
    cr_assert_str_eq(at(reply, "object"), "response");
    cr_assert_str_eq(at(reply, "status"), "completed");
    cr_assert_str_eq(at(reply, "output.0.summary.0.text"), "Hm");
    cr_assert_eq(strlen(at(reply, "output.0.encrypted_content")), SEAL_SIZE - 1);
    cr_assert_str_eq(at(reply, "output.1.content.0.text"), "Hi");
    cr_assert_str_eq(at(reply, "output.2.arguments"), calls[1]);
    cr_assert_str_eq(at(reply, "output.3.call_id"), answer.calls[1].id.ptr);
    cr_assert_str_eq(at(reply, "usage"),
                     "{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":40,"
                     "\"cache_write_tokens\":10},\"output_tokens\":30,\"output_tokens_details\":{"
                     "\"reasoning_tokens\":12},\"total_tokens\":130}");
}

Test(responses, an_incomplete_response)
{
    struct answer answer = talk_answer("Hi", NULL, NULL);
    CLEANUP(json_freep) struct json_object *reply = NULL;

    answer.end = ANSWER_LENGTH;
    reply = talk_written(&answer);
    cr_assert_str_eq(at(reply, "status"), "incomplete");
    cr_assert_str_eq(at(reply, "incomplete_details.reason"), "max_output_tokens");
    cr_assert(strstr(talk_streamed(&answer, EVENTS_SSE), "event: response.incomplete\n"));
}

Test(responses, events)
{
    static const char *const types[] = {"response.created",
                                        "response.in_progress",
                                        "response.output_item.added",
                                        "response.reasoning_summary_part.added",
                                        "response.reasoning_summary_text.delta",
                                        "response.reasoning_summary_text.done",
                                        "response.reasoning_summary_part.done",
                                        "response.output_item.done",
                                        "response.output_item.added",
                                        "response.content_part.added",
                                        "response.output_text.delta",
                                        "response.output_text.done",
                                        "response.content_part.done",
                                        "response.output_item.done",
                                        "response.output_item.added",
                                        "response.function_call_arguments.delta",
                                        "response.function_call_arguments.delta",
                                        "response.function_call_arguments.done",
                                        "response.output_item.done",
                                        "response.output_item.added",
                                        "response.function_call_arguments.delta",
                                        "response.function_call_arguments.done",
                                        "response.output_item.done",
                                        "response.completed"};
    struct answer answer = talk_answer("Hi", "Hm", calls);
    const char *rest;

    talk.conversation.with_thoughts = true;
    rest = talk_streamed(&answer, EVENTS_SSE);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        char begins[200];

        snprintf(begins, sizeof(begins),
                 "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%zu,", types[i], types[i],
                 i);
        cr_assert(text_starts(text_of(rest), begins), "%zu %s: %.200s", i, types[i], rest);
        rest = strstr(rest, "\n\n") + 2;
    }
    cr_assert_str_eq(rest, "");
}

Test(responses, a_stream_that_breaks_off)
{
    struct problem problem = {.status = 429, .model = TEXT("gpt-5"), .events = 3};
    struct event_list events;

    event_list_init(&events, EVENTS_SSE);
    talk.dialect->write_event_error(&problem, &events);
    cr_assert_eq(events.count, 2);
    cr_assert(
        text_starts(event_list_at(&events, 0),
                    "event: error\ndata: {\"type\":\"error\",\"sequence_number\":3,\"error\":{"
                    "\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\","));
    cr_assert(text_starts(event_list_at(&events, 1),
                          "event: response.failed\ndata: {\"type\":\"response.failed\","
                          "\"sequence_number\":4,\"response\":{"));
    event_list_deinit(&events);
}
