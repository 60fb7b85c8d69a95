/* Gemini's generateContent: read as strictly as there, written whole and in pieces. */

#include <criterion/criterion.h>

#include "providers/rehearsal/dialects/gemini/gemini.h"
#include "providers/rehearsal/reply/seal.h"
#include "talk.h"

#define USER         "{'role':'user','parts':[{'text':'hi'}]}"
#define CALL(x)      "{'functionCall':{'name':'" x "','args':{}}}"
#define CALLS        USER ",{'role':'model','parts':[" CALL("a") "," CALL("b") "]},"
#define RESULT(x, y) "{'functionResponse':{'name':'" x "','response':" y "}}"

static const char *const calls[] = {"a", "{\"x\":1}", "b", "{}", NULL};

static void begin(void)
{
    talk_begin(&dialect_gemini);
    talk_accepts("{'contents':[" USER "]}");
}

TestSuite(gemini, .init = begin, .fini = talk_end);

static void contents_accepted(const char *contents)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{'contents':[%s]}", contents);
    talk_accepts(buf_string(&body));
}

static void contents_refused(const char *contents, const char *because)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    buf_printf(&body, "{'contents':[%s]}", contents);
    talk_refuses(buf_string(&body), 400, because);
}

Test(gemini, a_whole_turn_of_tools)
{
    contents_accepted(CALLS "{'role':'user','parts':[" RESULT("b", "{'output':'two'}") "," RESULT(
        "a", "{'x':1,'y':2}") "]}");
    cr_assert_eq(talk.conversation.tools_count, 2);
    cr_assert(text_is(talk.conversation.tools[0], "{\"x\":1,\"y\":2}"));
    cr_assert(text_is(talk.conversation.tools[1], "two"), "the one text of a result");
    cr_assert(talk.conversation.after_tool);
    cr_assert_eq(talk.conversation.rounds, 1);
    contents_accepted(CALLS "{'role':'function','parts':[" RESULT("a", "{}") "," RESULT(
        "b", "{}") "]},{'role':'model','parts':[{'text':'x'}]}," USER);
    cr_assert_eq(talk.conversation.tools_count, 0);
    contents_accepted(CALLS "{'role':'user','parts':[" RESULT("a", "{}") "," RESULT(
        "b", "{}") ",{'text':'and now?'}]}");
    cr_assert(text_is(talk.conversation.user, "and now?"));
}

Test(gemini, names_in_snake_case_are_the_same)
{
    talk_accepts("{'contents':[" USER
                 ",{'role':'model','parts':[{'function_call':{'name':'a'}}]},{'role':'user','parts'"
                 ":[{'function_response':{'name':'a','response':{'r':'1'}}}]}],"
                 "'system_instruction':{'parts':[{'text':'Be kind.'}]},'generation_config':"
                 "{'thinking_config':{'include_thoughts':true}}}");
    cr_assert(text_is(talk.conversation.system, "Be kind."));
    cr_assert(talk.conversation.with_thoughts);
    cr_assert(text_is(talk.conversation.tools[0], "1"));
}

Test(gemini, turns_in_the_wrong_order)
{
    contents_refused(CALLS "{'role':'user','parts':[" RESULT("a", "{}") "]}",
                     "the number of function response parts is equal");
    contents_refused(CALLS USER, "the number of function response parts is equal");
    contents_refused(CALLS "{'role':'user','parts':[" RESULT("a", "{}") "," RESULT(
                         "b", "{}") "," RESULT("a", "{}") "]}",
                     "the number of function response parts is equal");
    contents_refused(CALLS "{'role':'user','parts':[" RESULT(
                         "a", "{}") "]},{'role':'user','parts':[" RESULT("b", "{}") "]}",
                     "the number of function response parts is equal");
    contents_refused(CALLS "{'role':'model','parts':[" RESULT("a", "{}") "," RESULT("b", "{}") "]}",
                     "the number of function response parts is equal");
    contents_refused(USER ",{'role':'model','parts':[" CALL("a") "]}",
                     "the number of function response parts is equal");
    contents_refused("{'role':'user','parts':[" RESULT("a", "{}") "]}",
                     "function response turn comes immediately after a function call turn");
    contents_refused("{'role':'model','parts':[" CALL("a") "]}",
                     "function call turn comes immediately after a user turn");
    contents_refused(
        USER ",{'role':'model','parts':[{'text':'x'}]},{'role':'model','parts':[" CALL("a") "]}",
        "function call turn comes immediately after a user turn");
}

Test(gemini, contents_that_are_wrong)
{
    talk_refuses("{}", 400, "contents is not specified");
    contents_refused("", "contents is not specified");
    contents_refused("{'role':'user','parts':[]}", "parts must not be empty");
    contents_refused("{'role':'robot','parts':[{'text':'x'}]}", "valid role");
    contents_refused("{'role':'user','parts':[{'text':''}]}", "must have one initialized field");
    contents_refused("{'role':'user','parts':[{}]}", "must have one initialized field");
    contents_refused("{'role':'user','parts':[{'text':5}]}", "(TYPE_STRING)");
    contents_refused("{'role':'user','parts':[{'text':'x','inlineData':{}}]}", "already set");
    contents_refused("{'role':'user','parts':[{'text':'x','type':'text'}]}",
                     "Unknown name \"type\"");
    contents_refused("{'role':'user','content':'x'}", "Unknown name \"content\"");
    contents_refused(USER ",{'role':'model','parts':[{'functionCall':{'name':'a','args':'{}'}}]}",
                     "function_call.args");
    contents_refused(CALLS
                     "{'role':'user','parts':[" RESULT("a", "'text'") "," RESULT("b", "{}") "]}",
                     "function_response.response");
    contents_refused(CALLS "{'role':'user','parts':[" RESULT("a", "{}") "," RESULT("c", "{}") "]}",
                     "no function call of the id or name 'c'");
}

#define TOOL(declaration) "'tools':[{'functionDeclarations':[" declaration "]}]"

Test(gemini, settings_that_are_wrong)
{
    static const char *const wrong[][2] = {
        {"'messages':[]", "Unknown name \"messages\": Cannot find field"},
        {"'generationConfig':{'max_tokens':1}", "at 'generation_config'"},
        {"'generationConfig':{'temperature':3}", "temperature"},
        {"'generationConfig':{'responseSchema':{'type':'OBJECT'}}", "response_schema"},
        {"'generationConfig':{'thinkingConfig':{'thinkingBudget':1,'thinkingLevel':'LOW'}}",
         "thinking budget and thinking level"},
        {"'tools':[{'functions':[]}]", "at 'tools[0]'"},
        {TOOL("{'name':'1a'}"), "Invalid function name"},
        {TOOL("{'name':'a'},{'name':'a'}"), "Duplicate function declaration found: a"},
        {TOOL("{'name':'a','strict':true}"), "Unknown name \"strict\""},
        {TOOL("{'name':'a','parameters':{'type':'OBJECT','properties':{}}}"), "non-empty"},
        {TOOL("{'name':'a','parameters':{'type':'OBJECT','properties':{'x':{'type':['string',"
              "'null']}}}}"),
         "Proto field is not repeating"},
        {TOOL("{'name':'a','parameters':{'type':'OBJECT','properties':{'x':{'type':'ARRAY',"
              "'items':{'type':'thing'}}}}}"),
         "properties[0].value.items.type"},
        {TOOL("{'name':'a','parameters':{'type':'object','properties':{'x':{'$ref':'#'}}}}"),
         "Unknown name \"$ref\""},
        {"'toolConfig':{'functionCallingConfig':{'mode':'ANY'}}", "without function_declarations"},
        {TOOL("{'name':'a'}") ",'toolConfig':{'functionCallingConfig':{'mode':'SOME'}}", "mode"},
        {TOOL("{'name':'a'}") ",'toolConfig':{'functionCallingConfig':{'mode':'ANY',"
                              "'allowedFunctionNames':['b']}}",
         "'b'"},
        {TOOL("{'name':'a'}") ",'toolConfig':{'functionCallingConfig':{'allowedFunctionNames':["
                              "'a']}}",
         "should only be set when"},
        {TOOL("{'name':'a'}") ",'generationConfig':{'responseMimeType':'application/json'}",
         "is unsupported"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        CLEANUP(buf_deinit) struct buf body = {0};

        buf_init(&body, 0);
        buf_printf(&body, "{'contents':[%s],%s}", USER, wrong[i][0]);
        talk_refuses(buf_string(&body), 400, wrong[i][1]);
    }
    talk.key = "";
    talk_refuses("{'contents':[" USER "]}", 403, "unregistered callers");
}

Test(gemini, functions_on_offer)
{
    talk_accepts("{'contents':[" USER "]," TOOL(
        "{'name':'a','parametersJsonSchema':{'$ref':'#','additionalProperties':false}},{'name':'b',"
        "'parameters':{'type':'OBJECT','properties':{'x':{'type':'STRING'}}}}") "}");
    cr_assert_eq(talk.conversation.offered_count, 2);
    talk_accepts("{'contents':[" USER "]," TOOL(
        "{'name':'a'},{'name':'b'},{'name':'c'}") ",'toolConfig':{'functionCallingConfig':{'mode':'"
                                                  "ANY','allowedFunctionNames':["
                                                  "'c']}}}");
    cr_assert_eq(talk.conversation.offered_count, 1);
    cr_assert(text_is(talk.conversation.offered[0], "c"));
    talk_accepts("{'contents':[" USER "]," TOOL(
        "{'name':'a'}") ",'toolConfig':{'functionCallingConfig':{'mode':'none'}}}");
    cr_assert_eq(talk.conversation.offered_count, 0);
}

static const char *signed_turn(const char *signature)
{
    static struct buf contents;

    buf_deinit(&contents);
    buf_init(&contents, 0);
    buf_printf(&contents,
               "%s,{'role':'model','parts':[{'functionCall':{'name':'a'}%s%s%s},%s]},"
               "{'role':'user','parts':[%s,%s]}",
               USER, signature ? ",'thoughtSignature':'" : "", signature ? signature : "",
               signature ? "'" : "", CALL("b"), RESULT("a", "{}"), RESULT("b", "{}"));
    return buf_string(&contents);
}

Test(gemini, signatures_come_back_to_models_that_sign)
{
    char mark[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];
    char other[SEAL_SIZE];

    seal_mark(TEXT("a"), mark);
    seal_make(GEMINI_NAME, TEXT("gemini-3-pro"), mark, seal);
    seal_mark(TEXT("c"), mark);
    seal_make(GEMINI_NAME, TEXT("gemini-3-pro"), mark, other);
    contents_accepted(signed_turn(NULL)); /* gemini-2.5-flash */
    contents_refused(signed_turn(seal), "Corrupted thought signature");
    talk.model = "gemini-3-pro";
    contents_accepted(signed_turn(seal));
    contents_accepted(signed_turn("skip_thought_signature_validator"));
    contents_refused(signed_turn(NULL), "missing a thought_signature in functionCall parts");
    contents_refused(signed_turn("bm9wZQ=="), "Corrupted thought signature");
    contents_refused(signed_turn(other), "not the one that came with this function call");
    talk.model = "gemini-3-flash";
    contents_refused(signed_turn(seal), "Corrupted thought signature");
}

Test(gemini, a_whole_response)
{
    struct answer answer = talk_answer("Hi", "Hm", calls);
    CLEANUP(json_freep) struct json_object *reply = talk_written(&answer);

    cr_assert_str_eq(at(reply, "candidates.0.content.parts.0"), "{\"text\":\"Hi\"}");
    cr_assert_str_eq(at(reply, "candidates.0.content.parts.1.functionCall"),
                     "{\"name\":\"a\",\"args\":{\"x\":1}}");
    cr_assert_str_neq(at(reply, "candidates.0.content.parts.1.thoughtSignature"), "");
    cr_assert_str_eq(at(reply, "candidates.0.content.parts.2"),
                     "{\"functionCall\":{\"name\":\"b\",\"args\":{}}}");
    cr_assert_str_eq(at(reply, "candidates.0.finishReason"), "STOP");
    cr_assert_str_eq(at(reply, "usageMetadata.candidatesTokenCount"), "18");
    cr_assert_str_eq(at(reply, "usageMetadata.thoughtsTokenCount"), "12");
    cr_assert_str_eq(at(reply, "usageMetadata.cachedContentTokenCount"), "40");
    cr_assert_str_eq(at(reply, "usageMetadata.totalTokenCount"), "130");
}

Test(gemini, models_that_sign_do_so_without_being_asked_and_name_their_calls)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    struct answer answer;

    talk.model = "gemini-3-pro";
    talk_accepts("{'contents':[" USER "]}");
    answer = talk_answer(NULL, NULL, calls);
    reply = talk_written(&answer);
    cr_assert_str_eq(at(reply, "candidates.0.content.parts.0.functionCall.id"),
                     answer.calls[0].id.ptr);
    cr_assert_str_neq(at(reply, "candidates.0.content.parts.0.thoughtSignature"), "");
    cr_assert_str_eq(at(reply, "candidates.0.content.parts.1.thoughtSignature"), "");
}

Test(gemini, pieces)
{
    struct answer answer = talk_answer("Hello there", "Hm", calls);
    const char *stream = talk_streamed(&answer, EVENTS_SSE_CRLF);

    cr_assert(text_starts(text_of(stream), "data: {\"candidates\":[{\"content\":{\"parts\":[{"
                                           "\"text\":\"Hello th\"}],\"role\":\"model\"},\"index\":"
                                           "0}],\"usageMetadata\":{\"promptTokenCount\":100,"),
              "%s", stream);
    cr_assert_null(strstr(stream, "Hm"), "thoughts are shown to who asks for them");
    cr_assert(strstr(stream, "\"finishReason\":\"STOP\""));
    talk.conversation.with_thoughts = true;
    cr_assert(
        strstr(talk_streamed(&answer, EVENTS_JSON_LIST), "[{\"text\":\"Hm\",\"thought\":true}]"));
}

Test(gemini, errors)
{
    CLEANUP(json_freep) struct json_object *limited = NULL;
    CLEANUP(json_freep) struct json_object *overloaded = NULL;
    struct problem problem = {.kind = PROBLEM_LIMIT,
                              .status = 429,
                              .limit = LIMIT_REQUESTS_DAY,
                              .model = TEXT("m"),
                              .allowed = 20,
                              .retry_after_ms = 61500};
    int status;

    limited = talk_error(&problem, &status);
    cr_assert_str_eq(at(limited, "error.status"), "RESOURCE_EXHAUSTED");
    cr_assert_str_eq(at(limited, "error.code"), "429");
    cr_assert_str_eq(at(limited, "error.details.0.violations.0.quotaId"),
                     "GenerateRequestsPerDayPerProjectPerModel");
    cr_assert_str_eq(at(limited, "error.details.1.retryDelay"), "61.500s");
    problem = (struct problem){.status = 503};
    overloaded = talk_error(&problem, &status);
    cr_assert_str_eq(at(overloaded, "error.status"), "UNAVAILABLE");
}

static bool leads(const char *path, const char *query, struct route *out)
{
    return dialect_route(text_of(path), text_of(query), out) && out->dialect == &dialect_gemini;
}

Test(gemini, paths)
{
    struct route route;

    cr_assert(leads("/v1beta/models/gemini-2.5-flash:generateContent", "key=x", &route));
    cr_assert(text_is(route.model, "gemini-2.5-flash"));
    cr_assert_eq(route.endpoint, ENDPOINT_CHAT);
    cr_assert_not(route.stream);
    cr_assert(leads("/v1beta/models/m:streamGenerateContent", "key=x&alt=sse", &route));
    cr_assert(route.stream);
    cr_assert_eq(route.framing, EVENTS_SSE_CRLF);
    cr_assert(leads("/v1beta/models/m:streamGenerateContent", "", &route));
    cr_assert_eq(route.framing, EVENTS_JSON_LIST);
    cr_assert(leads("/v1beta/models/m:batchEmbedContents", "", &route));
    cr_assert_eq(route.endpoint, ENDPOINT_EMBEDDINGS);
    cr_assert(leads("/v1beta/models", "", &route));
    cr_assert_not(leads("/v1beta/models/m:predict", "", &route));
    cr_assert_not(leads("/v1beta/models/:generateContent", "", &route));
    cr_assert_not(leads("/v1/models", "", &route), "that is OpenAI's");
}
