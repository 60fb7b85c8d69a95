/* Calls that need an approval, as they are planned, asked about, and taken up again. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/run/record/shapes.h"
#include "worker/run/task/ledger.h"

static struct arena arena;
static struct toolbox tools;
static struct ledger ledger;
static const struct uuid run = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};

#define SPEC                                                                                       \
    "{\"tools\":[{\"type\":\"calculator\",\"require_approval\":\"always\","                        \
    "\"approval_timeout\":60},"                                                                    \
    "{\"type\":\"http_request\",\"require_approval\":{\"never\":{\"arguments\":[{\"path\":"        \
    "\"/method\",\"one_of\":[\"GET\"]}]}}},{\"type\":\"current_time\"}]}"

static void begin(void)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(TEXT(SPEC), JSON_DEPTH_DEFAULT, &spec, &err), 0);
    arena_init(&arena, 0);
    cr_assert_eq(toolbox_read(spec, TEXT(SPEC), &arena, &tools, &err), 0, "%s", err.text);
    ledger_begin(&ledger, run, &arena);
}

static void end(void)
{
    arena_deinit(&arena);
}

static const struct chat_tool_call asked[] = {
    {.id = TEXT("a"), .name = TEXT("calculator"), .arguments = TEXT("{\"expression\":\"1\"}")},
    {.id = TEXT("b"),
     .name = TEXT("http_request"),
     .arguments = TEXT("{\"method\":\"POST\",\"url\":\"https://a.example/\"}")},
    {.id = TEXT("c"),
     .name = TEXT("http_request"),
     .arguments = TEXT("{\"method\":\"GET\",\"url\":\"https://a.example/\"}")},
    {.id = TEXT("d"), .name = TEXT("current_time"), .arguments = TEXT("{}")},
    {.id = TEXT("e"), .name = TEXT("calculator"), .arguments = TEXT("{\"expr\":\"1\"}")},
    {.id = TEXT("f"),
     .name = TEXT("http_request"),
     .arguments = TEXT("{\"method\":\"POST\",\"url\":\"https://a.example/\",\"body\":null}")},
};

static void plan(void)
{
    struct chat_reply reply = {.tool_calls = (struct chat_tool_call *)asked,
                               .tool_calls_count = ARRAY_LENGTH(asked)};
    struct error err = {0};

    cr_assert_eq(ledger_plan(&ledger, &reply, &tools, &err), 0, "%s", err.text);
}

Test(ledger_approvals, are_waited_for_from_the_plan_on, .init = begin, .fini = end)
{
    static const enum call_state states[] = {CALL_OPEN,   CALL_OPEN, CALL_INTENT,
                                             CALL_INTENT, CALL_DONE, CALL_OPEN};

    plan();
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        cr_assert_eq(ledger.calls[i].state, states[i], "%zu", i);
    cr_assert_eq(ledger.calls[0].kind, WAIT_APPROVAL);
    cr_assert_eq(ledger.calls[0].due_in_ms, 60000);
    cr_assert_eq(ledger.calls[1].due_in_ms, 43200000, "half a day, where nobody says how long");
    cr_assert_eq(ledger.calls[1].class, CALL_ONCE, "of the class that it has");
    cr_assert(text_starts(ledger.calls[4].result, "Error: "), "nobody is asked about it");
    cr_assert(ledger.calls[4].is_error);
    cr_assert(ledger_waits(&ledger));
}

Test(ledger_approvals, have_no_intent_before_they_are_given, .init = begin, .fini = end)
{
    plan();
    ledger.calls[2].state = CALL_DONE; /* what is due beside them has an effect */
    cr_assert_not(ledger_has_effects(&ledger), "so nothing is to be recorded first");
}

Test(ledger_approvals, are_asked_for_by_a_name_that_no_client_has, .init = begin, .fini = end)
{
    const struct shape_asking asking = {&tools, 1000};
    CLEANUP(json_freep) struct json_object *action = NULL;
    CLEANUP(json_freep) struct json_object *question = NULL;
    struct json_object *calls;
    struct json_object *approval;
    struct error err;
    struct buf out;

    plan();
    buf_init(&out, 0);
    cr_assert(shape_required_action(&out, ledger.calls, ledger.count, &asking));
    cr_assert_eq(json_decode(buf_text(&out), 20, &action, &err), 0, "%s", buf_string(&out));
    buf_deinit(&out);
    calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);
    cr_assert_eq(json_object_array_length(calls), 3);
    calls = json_object_array_get_idx(calls, 0);
    approval = json_get(calls, "approval");
    cr_assert(text_is(json_get_text(calls, "type"), "function"));
    cr_assert(text_is(json_get_text(json_get(calls, "function"), "name"), "approve_tool_call"));
    cr_assert_eq(
        json_decode(json_get_text(json_get(calls, "function"), "arguments"), 20, &question, &err),
        0);
    cr_assert(text_is(json_get_text(question, "tool"), "calculator"));
    cr_assert(text_is(json_get_text(json_get(question, "arguments"), "expression"), "1"));
    cr_assert(text_is(json_get_text(approval, "arguments"), "{\"expression\":\"1\"}"));
    cr_assert_eq(json_get_int(approval, "expires_at", 0), 1060);
    cr_assert(json_path(approval, "parameters", "properties", "expression", NULL));
}

static struct run_call stored(const char *id, const char *name, enum call_state state)
{
    return (struct run_call){
        .call_no = 1,
        .call_id = text_of(id),
        .name = text_of(name),
        .arguments = TEXT("{\"expression\":\"2\"}"),
        .class = CALL_ONCE,
        .state = state,
        .kind = WAIT_NONE,
        .due_in_ms = CALL_NEVER_DUE,
        .idempotency_key = TEXT("k"),
        .result = TEXT_NONE,
    };
}

static void recall(struct run_call *calls, size_t count)
{
    struct run_progress progress = {
        .next_step_seq = 2, .next_call_no = 7, .calls = calls, .call_count = count};
    struct error err = {0};

    cr_assert_eq(ledger_recall(&ledger, &progress, &tools, &err), 0, "%s", err.text);
}

Test(ledger_approvals, that_were_given_are_begun_once, .init = begin, .fini = end)
{
    struct run_call calls[3] = {stored("a", "calculator", CALL_APPROVED),
                                stored("b", "calculator", CALL_INTENT),
                                stored("c", "nowhere", CALL_APPROVED)};

    calls[0].approval = TEXT("{\"decision\":\"approved\",\"arguments_before\":\"{}\"}");
    recall(calls, 3);
    cr_assert_not(ledger_is_due(&ledger.calls[0]), "it was not begun");
    cr_assert_eq(ledger.calls[1].state, CALL_UNKNOWN, "one that was begun is not made again");
    cr_assert_eq(ledger.calls[2].state, CALL_DONE, "a tool that is not there any more");
    cr_assert(ledger_begin_approved(&ledger, &tools), "that it begins is to be recorded");
    cr_assert(ledger_is_due(&ledger.calls[0]));
    cr_assert_not(ledger_begin_approved(&ledger, &tools));
    ledger_note(&ledger, &ledger.calls[0], TEXT("2"), false);
    cr_assert(text_is(ledger.calls[0].result,
                      "A person changed the arguments of this call before allowing it. It was made "
                      "with {\"expression\":\"2\"}. The result:\n2"),
              "%.*s", TEXT_ARGS(ledger.calls[0].result));
}

Test(ledger_approvals, with_arguments_that_do_not_fit_are_refused, .init = begin, .fini = end)
{
    struct run_call call = stored("a", "calculator", CALL_APPROVED);

    call.arguments = TEXT("{\"expression\":2}");
    call.approval = TEXT("{\"decision\":\"approved\",\"arguments_before\":\"{}\"}");
    recall(&call, 1);
    cr_assert_not(ledger_begin_approved(&ledger, &tools));
    cr_assert_eq(ledger.calls[0].state, CALL_DONE);
    cr_assert(ledger.calls[0].is_error);
}

Test(ledger_approvals, are_asked_for_anew_when_a_run_is_redriven, .init = begin, .fini = end)
{
    struct run_call calls[2] = {stored("a", "calculator", CALL_CANCELLED),
                                stored("b", "calculator", CALL_OPEN)};

    calls[0].kind = calls[1].kind = WAIT_APPROVAL;
    calls[0].due_in_ms = -5000;
    calls[1].due_in_ms = 777;
    recall(calls, 2);
    cr_assert_eq(ledger.calls[0].state, CALL_OPEN);
    cr_assert_eq(ledger.calls[0].due_in_ms, 60000, "the time begins anew");
    cr_assert_eq(ledger.calls[1].state, CALL_OPEN, "its worker died before it was asked about");
    cr_assert_eq(ledger.calls[1].due_in_ms, 777);
    cr_assert_not(ledger_begin_approved(&ledger, &tools));
}
