/* Submission without HTTP, as a clock or a batch would do it. */

#include "fixture.h"
#include "shared/store/threads/tips.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/submit.h"

static const struct uuid none = {{0}};
static int told;

static void on_ready(struct uuid run, struct uuid tenant, int shard, int priority, void *arg)
{
    (void)run;
    (void)tenant;
    (void)arg;
    cr_assert(shard == 0 && priority == 1);
    told++;
}

static struct json_object *request_of(const char *assistant, const char *more)
{
    struct json_object *request;
    struct error err;

    cr_assert_eq(json_decode(text_of(show("{\"assistant_id\":\"%s\"%s}", assistant, more)), 20,
                             &request, &err),
                 0);
    return request;
}

static void without_http(struct fixture *fixture)
{
    const struct submit_options options = {.events = {.run_ready = on_ready}};
    struct submitter *submitter = submitter_new(&options);
    const char *assistant = new_assistant(fixture);
    struct arena arena;
    struct store store = {.pg = fixture->pg, .tenant = fixture->tenant, .arena = &arena};
    struct submission submission = {.id = uuid_new()};
    struct submitted first;
    struct submitted again;
    struct failure failure;

    arena_init(&arena, 0);
    submission.request =
        request_of(assistant, ",\"thread\":{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    cr_assert_eq(submission_check(submission.request, true, &failure), 0);
    cr_assert_eq(submit(submitter, &store, &submission, &first, &failure), 0);
    cr_assert(!first.found && uuid_equal(first.run.id, submission.id));
    cr_assert_eq(told, 1);

    /* The same id again makes nothing, whether or not it is known to be a repetition. */
    for (int i = 0; i < 2; i++) {
        submission.replaying = i == 0;
        cr_assert_eq(submit(submitter, &store, &submission, &again, &failure), 0);
        cr_assert(again.found && uuid_equal(again.run.thread_id, first.run.thread_id));
    }
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), 1);
    json_free(submission.request);

    /* A later run is stored, due later, and nobody is told yet. */
    submission = (struct submission){
        .id = uuid_new(), .request = request_of(assistant, ""), .delay_ms = 60000};
    told = 0;
    cr_assert_eq(submit(submitter, &store, &submission, &first, &failure), 0);
    cr_assert_eq(told, 0);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs WHERE due_at > now()"), 1);
    json_free(submission.request);

    /* What is wrong is a value. */
    submission = (struct submission){.id = uuid_new(), .request = request_of("asst_x", "")};
    cr_assert_lt(submit(submitter, &store, &submission, &first, &failure), 0);
    cr_assert_eq(failure.status, 404);
    cr_assert_str_eq(failure.message, "No assistant found with id 'asst_x'.");
    json_free(submission.request);
    submission.request = request_of(assistant, ",\"thraed\":{}");
    cr_assert_lt(submission_check(submission.request, true, &failure), 0);
    cr_assert_str_eq(failure.param, "thraed");
    cr_assert_str_eq(failure.code, "unknown_parameter");
    json_free(submission.request);
    submitter_free(submitter);
    arena_deinit(&arena);
}

Test(submission, needs_no_http_and_makes_each_id_once)
{
    with_api(without_http);
}

static void without_agent(struct fixture *fixture)
{
    struct submitter *submitter = submitter_new(&(struct submit_options){.pg = fixture->pg});
    struct arena arena;
    struct store store = {.pg = fixture->pg, .tenant = fixture->tenant, .arena = &arena};
    struct submission submission = {.id = uuid_new(), .agentless = true, .ends_at_calls = true};
    struct submitted made;
    struct failure failure;

    arena_init(&arena, 0);
    submission.request = request_of("", ",\"temperature\":0.5,\"input\":\"q\"");
    cr_assert_lt(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert_eq(failure.status, 400);
    cr_assert_str_eq(failure.param, "model");
    cr_assert_str_eq(failure.code, "missing_required_parameter");
    json_object_object_add(submission.request, "model", json_object_new_string("openai/m"));
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert(uuid_is_zero(made.run.agent_id));
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs WHERE agent_id IS NULL"
                                  " AND spec ->> 'model' = 'openai/m'"
                                  " AND (spec ->> 'temperature')::numeric = 0.5"
                                  " AND spec ->> 'instructions' = ''"
                                  " AND spec ->> 'client_calls' = 'end'"
                                  " AND (spec -> 'tools')::text = '[]'"),
                 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM run_results WHERE agent_id IS NULL"), 1);

    /* No agent permits it what the server would do. */
    json_object_object_add(submission.request, "tools", json_tokener_parse("[{\"type\":\"now\"}]"));
    submission.id = uuid_new();
    cr_assert_lt(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert_str_eq(failure.code, "tool_not_permitted");
    json_free(submission.request);
    submitter_free(submitter);
    arena_deinit(&arena);
}

Test(submission, needs_no_agent_where_it_says_so_and_names_a_model)
{
    with_api(without_agent);
}

static void brings_calls(struct fixture *fixture)
{
    struct submitter *submitter = submitter_new(&(struct submit_options){.pg = fixture->pg});
    struct arena arena;
    struct store store = {.pg = fixture->pg, .tenant = fixture->tenant, .arena = &arena};
    const struct new_call call = {TEXT("c\"1"), TEXT("f"), TEXT("{\"a\":1}")};
    struct message_draft drafts[2];
    const struct new_messages messages = {drafts, 2};
    struct submission submission = {
        .id = uuid_new(), .agentless = true, .messages = &messages, .title = TEXT("Calls")};
    struct submitted made;
    struct failure failure;
    struct error err;

    arena_init(&arena, 0);
    submission.request = request_of("", ",\"model\":\"openai/m\"");
    cr_assert_eq(new_message_calls(&call, 1, uuid_new(), &arena, &drafts[0], &err), 0);
    cr_assert_eq(new_message_result(&call, TEXT("\"4\"\n"), uuid_new(), &arena, &drafts[1], &err),
                 0);
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages WHERE hidden"
                                  " AND role = 'assistant' AND content = '[]'"
                                  " AND tool_calls #>> '{0,id}' = 'c\"1'"
                                  " AND tool_calls #>> '{0,name}' = 'f'"
                                  " AND tool_calls #>> '{0,arguments}' = '{\"a\":1}'"),
                 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages WHERE hidden AND role = 'tool'"
                                  " AND tool_call_id = 'c\"1' AND tool_name = 'f'"
                                  " AND penstock_text(content) = E'\"4\"\\n'"),
                 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads WHERE title = 'Calls'"), 1);
    json_free(submission.request);
    submitter_free(submitter);
    arena_deinit(&arena);
}

Test(submission, brings_calls_and_their_results)
{
    with_api(brings_calls);
}

/* On a new hidden thread, behind its end, and on copies when that has moved. */
static void goes_on(struct fixture *fixture)
{
    struct submitter *submitter = submitter_new(&(struct submit_options){.pg = fixture->pg});
    struct arena arena;
    struct store store = {.pg = fixture->pg, .tenant = fixture->tenant, .arena = &arena};
    struct submission submission = {.id = uuid_new(), .agentless = true, .hidden = true};
    struct submitted first;
    struct submitted made;
    struct thread thread;
    struct thread_tip tip;
    struct failure failure;
    struct error err;
    struct run run;

    arena_init(&arena, 0);
    submission.request = request_of("", ",\"model\":\"openai/m\",\"input\":\"q\"");
    cr_assert_eq(submit(submitter, &store, &submission, &first, &failure), 0);
    cr_assert_eq(threads_get(&store, first.run.thread_id, &thread, &err), 0);
    cr_assert(thread.hidden && !thread.erases);
    cr_assert_eq(threads_tip(&store, thread.id, first.run.id, &tip, &err), 0);

    submission.id = uuid_new();
    submission.thread = thread.id;
    submission.is_behind = true;
    submission.behind = tip.position;
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), THREAD_BUSY);
    cr_assert_eq(runs_cancel(&store, thread.id, first.run.id, &run, &err), 0);
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert(uuid_equal(made.run.thread_id, thread.id));
    cr_assert_eq(runs_cancel(&store, thread.id, made.run.id, &run, &err), 0);
    submission.id = uuid_new();
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), THREAD_MOVED);

    /* The same id again finds what was made, wherever. */
    submission.copy = SUBMIT_COPY_IF_MOVED;
    submission.erases = true;
    for (int i = 0; i < 3; i++) {
        submission.replaying = i == 2;
        cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), 0);
        cr_assert_eq(made.found, i > 0);
        cr_assert_not(uuid_equal(made.run.thread_id, thread.id));
    }
    cr_assert_eq(threads_get(&store, made.run.thread_id, &thread, &err), 0);
    cr_assert(thread.hidden && thread.erases && thread.counts.messages == 2);
    cr_assert(uuid_equal(thread.forked_from, first.run.thread_id));

    submission = (struct submission){.id = uuid_new(),
                                     .agentless = true,
                                     .request = submission.request,
                                     .thread = first.run.thread_id,
                                     .is_behind = true,
                                     .copy = SUBMIT_COPY};
    cr_assert_eq(threads_tip(&store, submission.thread, none, &tip, &err), 0);
    submission.behind = tip.position;
    cr_assert_eq(submit(submitter, &store, &submission, &made, &failure), 0);
    cr_assert_not(uuid_equal(made.run.thread_id, submission.thread));
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 3);
    json_free(submission.request);
    submitter_free(submitter);
    arena_deinit(&arena);
}

Test(submission, goes_on_behind_a_run_or_with_a_copy)
{
    with_api(goes_on);
}
