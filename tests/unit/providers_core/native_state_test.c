/* What a provider has kept: which requests go on behind it. A pure function of the conversation, of
 * what was noted with its replies, and of settings. */

#include <criterion/criterion.h>

#include "providers/native/native_state.h"
#include "providers/reply/opaque_state.h"
#include "support.h"

#define NOW ((int64_t)1790000000)

static struct arena arena;
static struct provider_key keys[2] = {{"sk-one", "0123456789ab"}, {"sk-two", "ba9876543210"}};
static struct provider_target target;
static struct chat_message messages[8];
static struct chat_request request;
static struct native_state state;

static struct chat_tool_call call = {
    .id = TEXT("call_1"), .name = TEXT("clock"), .arguments = TEXT("{}")};

/* Of two users' messages and what was answered, which was noted at NOW; a third is new. */
static void begin(void)
{
    struct chat_reply reply;

    arena_init(&arena, 0);
    target = support_target_of(&provider_openai_responses, "openai");
    target.native_state = true;
    target.abilities = (struct model_abilities){.tools = true, .structured_output = true};
    target.keys = keys;
    target.keys_count = 2;
    provider_target_use(&target, 0);
    messages[0] = (struct chat_message){.role = CHAT_USER, .text = TEXT("Hello")};
    messages[1] = (struct chat_message){.role = CHAT_ASSISTANT, .text = TEXT("Yes?")};
    messages[2] = (struct chat_message){.role = CHAT_USER, .text = TEXT("Time?")};
    messages[3] =
        (struct chat_message){.role = CHAT_ASSISTANT, .tool_calls = &call, .tool_calls_count = 1};
    messages[4] = (struct chat_message){
        .role = CHAT_TOOL, .tool_call_id = TEXT("call_1"), .text = TEXT("Noon")};
    request = (struct chat_request){.messages = messages, .messages_count = 3};
    state = (struct native_state){.target = &target, .now_s = NOW};
    native_state_use(&state, &request);
    reply = (struct chat_reply){.arena = &arena,
                                .tool_calls = &call,
                                .tool_calls_count = 1,
                                .finish = CHAT_FINISH_TOOL,
                                .state_id = TEXT("resp_1")};
    cr_assert(request.store, "the first call is stored");
    cr_assert_eq(request.known, 0);
    cr_assert(native_state_note(&state, &request, &reply));
    messages[3].opaque_state = reply.opaque_state;
    request = (struct chat_request){.messages = messages, .messages_count = 5};
}

static void end(void)
{
    arena_deinit(&arena);
}

TestSuite(native_state, .init = begin, .fini = end);

static size_t known(void)
{
    native_state_drop(&request);
    request.store = false;
    native_state_use(&state, &request);
    return request.known;
}

Test(native_state, what_lies_behind_a_noted_reply_is_sent_alone)
{
    cr_assert_eq(known(), 4);
    cr_assert(request.store);
    cr_assert(text_is(request.previous, "resp_1"));
    native_state_drop(&request);
    cr_assert_eq(request.known, 0);
    cr_assert_eq(request.previous.len, 0);
    cr_assert(request.store, "it is kept again");
}

Test(native_state, tools_instructions_and_what_is_said_later_do_not_matter)
{
    struct chat_tool tool = {.name = TEXT("clock")};

    request.instructions = TEXT("Be brief");
    request.tools = &tool;
    request.tools_count = 1;
    cr_assert_eq(known(), 4);
    messages[5] = (struct chat_message){.role = CHAT_USER, .text = TEXT("And now?")};
    request.messages_count = 6;
    cr_assert_eq(known(), 4);
}

/* One thing is changed, and the whole is sent. */
#define WHOLE_WHEN(change, back)                                                                   \
    do {                                                                                           \
        change;                                                                                    \
        cr_assert_eq(known(), 0, "%s", #change);                                                   \
        back;                                                                                      \
        cr_assert_eq(known(), 4, "%s", #back);                                                     \
    } while (0)

Test(native_state, whatever_differs_in_the_conversation_is_seen)
{
    struct chat_part image = {.kind = CHAT_PART_IMAGE_URL, .file = TEXT("file_1")};
    struct text note = messages[3].opaque_state;

    WHOLE_WHEN(messages[0].text = TEXT("Hallo"), messages[0].text = TEXT("Hello"));
    WHOLE_WHEN(messages[1].text = TEXT("Yes"), messages[1].text = TEXT("Yes?"));
    WHOLE_WHEN(messages[0].role = CHAT_ASSISTANT, messages[0].role = CHAT_USER);
    WHOLE_WHEN(messages[2].system = TEXT("Time?"), messages[2].system = TEXT_NONE);
    WHOLE_WHEN((messages[2].parts = &image, messages[2].parts_count = 1),
               messages[2].parts_count = 0);
    WHOLE_WHEN(call.arguments = TEXT("{\"x\":1}"), call.arguments = TEXT("{}"));
    WHOLE_WHEN(call.name = TEXT("watch"), call.name = TEXT("clock"));
    WHOLE_WHEN(call.id = TEXT("call_2"), call.id = TEXT("call_1"));
    WHOLE_WHEN((request.messages++, request.messages_count--),
               (request.messages--, request.messages_count++));
    WHOLE_WHEN(messages[3].opaque_state = TEXT_NONE, messages[3].opaque_state = note);
    WHOLE_WHEN(request.messages_count = 4, request.messages_count = 5);
}

/* Two messages are not one whose text is that of both. */
Test(native_state, the_bounds_of_messages_are_seen)
{
    messages[0].text = TEXT("HelloYes?");
    messages[1].text = TEXT("");
    cr_assert_eq(known(), 0);
}

Test(native_state, a_reply_of_somebody_else_behind_the_noted_one_makes_it_whole)
{
    messages[5] = (struct chat_message){.role = CHAT_ASSISTANT, .text = TEXT("It is noon.")};
    messages[6] = (struct chat_message){.role = CHAT_USER, .text = TEXT("Thanks")};
    request.messages_count = 7;
    cr_assert_eq(known(), 0);
    cr_assert(request.store);
}

Test(native_state, a_note_is_for_its_provider_model_address_and_key)
{
    const char *url = target.base_url;

    WHOLE_WHEN(provider_target_use(&target, 1), provider_target_use(&target, 0));
    WHOLE_WHEN(target.base_url = "http://elsewhere/v1", target.base_url = url);
    WHOLE_WHEN(target.provider_name = "other", target.provider_name = "openai");
    WHOLE_WHEN(target.model[0] = 'x', target.model[0] = 'm');
}

Test(native_state, a_note_is_trusted_for_thirty_days)
{
    state.now_s = NOW + NATIVE_STATE_TRUST_S - 1;
    cr_assert_eq(known(), 4);
    WHOLE_WHEN(state.now_s = NOW + NATIVE_STATE_TRUST_S, state.now_s = NOW);
    WHOLE_WHEN(state.now_s = NOW - 1, state.now_s = NOW);
}

/* Nothing is stored either. */
#define NEVER_WHEN(change, back)                                                                   \
    do {                                                                                           \
        change;                                                                                    \
        cr_assert_eq(known(), 0, "%s", #change);                                                   \
        cr_assert_not(request.store, "%s", #change);                                               \
        back;                                                                                      \
        cr_assert_eq(known(), 4, "%s", #back);                                                     \
    } while (0)

Test(native_state, it_is_off_where_nobody_said_so_and_where_something_is_left_out)
{
    struct provider silent = provider_openai_responses;

    silent.keeps_state = false;
    NEVER_WHEN(target.native_state = false, target.native_state = true);
    NEVER_WHEN(target.provider = &silent, target.provider = &provider_openai_responses);
    NEVER_WHEN(state.left_out = 1, state.left_out = 0);
    NEVER_WHEN(state.strategy = CONTEXT_FIRST_LAST, state.strategy = CONTEXT_AUTO);
    NEVER_WHEN(state.strategy = CONTEXT_SUMMARIZE, state.strategy = CONTEXT_AUTO);
    NEVER_WHEN(state.strategy = CONTEXT_VECTOR, state.strategy = CONTEXT_AUTO);
    NEVER_WHEN(target.abilities.tools = false, target.abilities.tools = true);
    NEVER_WHEN((request.response_format.kind = CHAT_FORMAT_JSON_SCHEMA,
                target.abilities.structured_output = false),
               target.abilities.structured_output = true);
    state.strategy = CONTEXT_NONE;
    cr_assert_eq(known(), 4);
    state.strategy = CONTEXT_LAST_MESSAGES;
    cr_assert_eq(known(), 4);
}

Test(native_state, instructions_alone_are_not_kept_as_what_was_said)
{
    request = (struct chat_request){.instructions = TEXT("Begin")};
    native_state_use(&state, &request);
    cr_assert_not(request.store);
}

Test(native_state, notes_that_are_no_notes_make_it_whole)
{
    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "{'provider':'openai','model':'m-1'}",
        "{'provider':'openai','model':'m-1','kept':1}",
        "{'provider':'openai','model':'m-1','kept':{}}",
        "{'provider':'openai','model':'m-1','kept':{'id':'resp_1','of':'x'}}",
        "{'provider':'openai','model':'m-1','kept':{'id':'resp_1','at':1790000000}}",
        "{'provider':'openai','model':'m-1','kept':{'id':'resp_1','at':1790000000,'of':''}}",
        "{'provider':'openai','model':'m-1','kept':{'id':7,'at':'soon','of':[]}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        messages[3].opaque_state = text_of(support_json(broken[i]));
        cr_assert_eq(known(), 0, "%s", broken[i]);
        cr_assert(request.store);
    }
}

/* What is noted with a reply; TEXT_NONE: nothing. */
static struct text noted(struct chat_reply reply)
{
    reply.arena = &arena;
    if (!reply.state_id.ptr)
        reply.state_id = TEXT("resp_2");
    cr_assert(native_state_note(&state, &request, &reply));
    return opaque_state_kept(&target, reply.opaque_state);
}

Test(native_state, what_is_not_whole_or_not_as_it_was_said_is_not_noted)
{
    struct chat_tool_call odd = call;
    const struct chat_reply whole = {.text = TEXT("So."), .finish = CHAT_FINISH_STOP};
    struct chat_reply reply = whole;

    cr_assert_eq(known(), 4);
    cr_assert(noted(reply).ptr);
    reply.finish = CHAT_FINISH_LENGTH;
    cr_assert_null(noted(reply).ptr);
    reply.finish = CHAT_FINISH_FILTER;
    cr_assert_null(noted(reply).ptr);
    reply.finish = CHAT_FINISH_REFUSAL;
    cr_assert_null(noted(reply).ptr);
    odd.said = TEXT("{\"id\":\"!\"}");
    reply =
        (struct chat_reply){.tool_calls = &odd, .tool_calls_count = 1, .finish = CHAT_FINISH_TOOL};
    cr_assert_null(noted(reply).ptr);
    reply = whole;
    reply.state_id = TEXT("a \"b\"");
    cr_assert_null(noted(reply).ptr);
    request.store = false;
    cr_assert_null(noted(whole).ptr);
}

Test(native_state, what_the_provider_wants_back_stays_beside_the_note)
{
    struct chat_reply reply = {.arena = &arena,
                               .text = TEXT("So."),
                               .finish = CHAT_FINISH_STOP,
                               .state_id = TEXT("resp_2")};

    cr_assert(opaque_state_make(&target, TEXT("[1]"), &arena, &reply.opaque_state));
    cr_assert_eq(known(), 4);
    cr_assert(native_state_note(&state, &request, &reply));
    cr_assert(text_is(opaque_state_for(&target, reply.opaque_state), "[1]"));
    cr_assert(opaque_state_kept(&target, reply.opaque_state).ptr);
}

Test(native_state, refusals_of_what_was_kept_are_no_failures)
{
    struct provider_failure_info failure = {.failure = PROVIDER_BAD_REQUEST, .status = 400};

    cr_assert_eq(known(), 4);
    cr_assert(native_state_is_refused(&request, &failure));
    failure = (struct provider_failure_info){.failure = PROVIDER_OVERLOADED, .status = 404};
    cr_assert(native_state_is_refused(&request, &failure));
    failure = (struct provider_failure_info){
        .failure = PROVIDER_OVERLOADED, .status = 409, .code = "previous_response_not_ended"};
    cr_assert(native_state_is_refused(&request, &failure));
    failure = (struct provider_failure_info){.failure = PROVIDER_OVERLOADED, .status = 503};
    cr_assert_not(native_state_is_refused(&request, &failure));
    failure = (struct provider_failure_info){.failure = PROVIDER_BAD_REQUEST, .status = 400};
    native_state_drop(&request);
    cr_assert_not(native_state_is_refused(&request, &failure), "it was whole");
}
