/* The calls of a step, as they are planned and as an earlier attempt left them. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/run/task/ledger.h"

static struct arena arena;
static struct toolbox tools;
static struct ledger ledger;
static const struct uuid run = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};

static void begin(void)
{
    static const char text[] = "{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"http_request\"},"
                               "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}";
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct error err = {0};

    cr_assert_eq(
        json_decode(TEXT("{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"http_request\"},"
                         "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}"),
                    JSON_DEPTH_DEFAULT, &spec, &err),
        0);
    arena_init(&arena, 0);
    cr_assert_eq(toolbox_read(spec, text_of(text), &arena, &tools, &err), 0, "%s", err.text);
    ledger_begin(&ledger, run, &arena);
}

static void end(void)
{
    arena_deinit(&arena);
}

static void plan(const struct chat_tool_call *calls, size_t count)
{
    struct chat_reply reply = {.tool_calls = (struct chat_tool_call *)calls,
                               .tool_calls_count = count};
    struct error err = {0};

    cr_assert_eq(ledger_plan(&ledger, &reply, &tools, &err), 0, "%s", err.text);
}

static const struct chat_tool_call one_of_each[] = {
    {.id = TEXT("a"), .name = TEXT("calculator"), .arguments = TEXT("{}")},
    {.id = TEXT("b"), .name = TEXT("http_request"), .arguments = TEXT("{\"method\":\"POST\"}")},
    {.id = TEXT("c"), .name = TEXT("f"), .arguments = TEXT("{}")},
    {.id = TEXT("d"), .name = TEXT("nowhere"), .arguments = TEXT("{}")},
};

Test(ledger, plans_what_a_model_asks_for, .init = begin, .fini = end)
{
    static const enum call_class classes[] = {CALL_PURE, CALL_ONCE, CALL_PURE, CALL_PURE};

    plan(one_of_each, 4);
    cr_assert_eq(ledger.count, 4);
    cr_assert_not(ledger.opened);
    cr_assert(ledger_has_effects(&ledger));
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(ledger.calls[i].class, classes[i]);
        cr_assert_eq(ledger.calls[i].call_no, (int64_t)i + 1);
        cr_assert_eq(ledger_is_due(&ledger.calls[i]), i < 3);
    }
    cr_assert_eq(ledger.calls[3].state, CALL_DONE);
    cr_assert(ledger.calls[3].is_error);
    cr_assert(text_is(ledger.calls[3].result, "Error: there is no tool named 'nowhere'; tools "
                                              "here: calculator, http_request, f."));
    ledger_close(&ledger);
    plan(one_of_each, 1);
    cr_assert_eq(ledger.calls[0].call_no, 5);
}

Test(ledger, gives_each_call_a_key_of_its_run_and_number, .init = begin, .fini = end)
{
    char id[ID_TEXT_SIZE];

    plan(one_of_each, 2);
    id_format(ID_RUN, run, id);
    cr_assert(text_starts(ledger.calls[1].key, id));
    cr_assert(text_ends(ledger.calls[1].key, ":2"));
}

static struct run_call stored(const char *name, enum call_class class, enum call_state state)
{
    return (struct run_call){
        .call_no = 3,
        .call_id = TEXT("x"),
        .name = text_of(name),
        .arguments = TEXT("{}"),
        .class = class,
        .state = state,
        .idempotency_key = TEXT("as it was stored"),
        .result = state == CALL_INTENT ? TEXT_NONE : TEXT("42"),
    };
}

static const struct ledger_call *recall(struct run_call call)
{
    struct run_progress progress = {
        .next_step_seq = 2, .next_call_no = 4, .calls = &call, .call_count = 1};
    struct error err = {0};

    cr_assert_eq(ledger_recall(&ledger, &progress, &tools, &err), 0, "%s", err.text);
    cr_assert(ledger.opened);
    cr_assert_eq(ledger.next_call_no, 4);
    return &ledger.calls[0];
}

Test(ledger, takes_a_call_that_is_done_as_it_is, .init = begin, .fini = end)
{
    const struct ledger_call *call = recall(stored("http_request", CALL_ONCE, CALL_DONE));

    cr_assert_not(ledger_is_due(call));
    cr_assert_not(ledger_is_unrecorded(call));
    cr_assert(text_is(call->result, "42"));
}

Test(ledger, makes_a_call_again_that_may_be_repeated_under_its_stored_key, .init = begin,
     .fini = end)
{
    const struct ledger_call *call = recall(stored("http_request", CALL_IDEMPOTENT, CALL_INTENT));

    cr_assert(ledger_is_due(call));
    cr_assert(text_is(call->key, "as it was stored"));
}

Test(ledger, never_makes_a_call_again_that_may_be_made_once, .init = begin, .fini = end)
{
    const struct ledger_call *call = recall(stored("http_request", CALL_ONCE, CALL_INTENT));

    cr_assert_not(ledger_is_due(call));
    cr_assert_eq(call->state, CALL_UNKNOWN);
    cr_assert(call->is_error);
    cr_assert(strstr(call->result.ptr, "not known"));
}

Test(ledger, refuses_a_call_of_a_tool_that_is_gone, .init = begin, .fini = end)
{
    const struct ledger_call *call = recall(stored("gone", CALL_PURE, CALL_INTENT));

    cr_assert_eq(call->state, CALL_DONE);
    cr_assert(text_starts(call->result, "Error: there is no tool named 'gone'"));
}

Test(ledger, makes_a_call_again_that_was_open_when_its_run_ended, .init = begin, .fini = end)
{
    struct run_call call = stored("f", CALL_PURE, CALL_CANCELLED);

    call.kind = WAIT_CLIENT;
    call.result = TEXT_NONE;
    cr_assert(ledger_is_due(recall(call)));
}

Test(ledger, counts_the_tries_of_a_call_that_an_earlier_attempt_may_have_made, .init = begin,
     .fini = end)
{
    static const struct call_report usual = {.made = true, .took_ms = 5};
    static const struct call_report thrice = {.made = true, .took_ms = 5, .tries = 3};
    struct run_call done = stored("http_request", CALL_IDEMPOTENT, CALL_DONE);
    struct ledger_call *call;

    plan(one_of_each, 1);
    ledger_report(&ledger.calls[0], &usual);
    cr_assert_eq(ledger.calls[0].report.tries, 1);
    ledger_close(&ledger);
    call = (struct ledger_call *)recall(stored("http_request", CALL_IDEMPOTENT, CALL_INTENT));
    ledger_report(call, &usual);
    cr_assert_eq(call->report.tries, 2);
    ledger_close(&ledger);
    call = (struct ledger_call *)recall(stored("http_request", CALL_IDEMPOTENT, CALL_INTENT));
    ledger_report(call, &thrice);
    cr_assert_eq(call->report.tries, 4);
    ledger_close(&ledger);
    done.report = thrice;
    cr_assert_eq(recall(done)->report.tries, 3, "as it is stored");
}

Test(ledger, leaves_to_the_next_attempt_what_that_may_make, .init = begin, .fini = end)
{
    plan(one_of_each, 1);
    cr_assert(ledger_may_be_left(&ledger));
    ledger_note(&ledger, &ledger.calls[0], TEXT("42"), false);
    cr_assert_not(ledger_may_be_left(&ledger), "there is nothing to do");
    ledger_close(&ledger);
    plan(one_of_each, 2);
    cr_assert_not(ledger_may_be_left(&ledger), "a POST would be taken for made");
}

Test(ledger, waits_for_what_is_parked_alone, .init = begin, .fini = end)
{
    plan(one_of_each, 3);
    cr_assert_not(ledger_waits(&ledger));
    ledger_park(&ledger.calls[2], WAIT_CLIENT, CALL_NEVER_DUE);
    cr_assert(ledger_waits(&ledger));
    cr_assert_not(ledger_is_due(&ledger.calls[2]));
    ledger_note(&ledger, &ledger.calls[1], TEXT("sent"), false);
    cr_assert(ledger_has_unrecorded(&ledger));
    ledger.calls[1].recorded = true;
    cr_assert_not(ledger_has_unrecorded(&ledger));
}
