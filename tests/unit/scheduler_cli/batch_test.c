#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/cli/batch/batch.h"
#include "shared/base/memory.h"

static struct batch_items items;
static struct error err;

static char told[64][240];
static size_t told_count;

static void tell(void *arg, const char *complaint)
{
    (void)arg;
    (void)snprintf(told[told_count++], sizeof(told[0]), "%s", complaint);
}

static int parse(const char *text, bool skip_bad)
{
    const struct batch_reading how = {"b.jsonl", skip_bad, tell, NULL};

    told_count = 0;
    return batch_file_parse(&how, text_of(text), &items, &err);
}

static void check_refused(const char *text, const char *message)
{
    const char *said;

    cr_assert_eq(parse(text, false), -E_INVALID);
    cr_assert_eq(items.count, 0);
    said = told_count > 0 ? told[0] : err.text;
    cr_assert(strncmp(said, message, strlen(message)) == 0, "got: %s", said);
}

Test(batch_file, gives_an_item_for_each_line)
{
    cr_assert_eq(parse("{\"prompt\":\"a\",\"custom_id\":\"x\",\"metadata\":{\"k\":\"v\"},"
                       "\"variables\":{\"n\":1}}\r\n"
                       "\n"
                       "{\"prompt\":\"b\"}",
                       false),
                 0, "%s", err.text);
    cr_assert_eq(items.count, 2);
    cr_assert_str_eq(items.items[0].custom_id, "x");
    cr_assert_str_eq(items.items[0].prompt, "a");
    cr_assert(items.items[0].metadata != NULL);
    cr_assert_eq(json_get_int(items.items[0].variables, "n", 0), 1);
    cr_assert_eq(items.items[1].line, 3);
    cr_assert_str_eq(items.items[1].custom_id, "line-3");
    cr_assert(items.items[1].metadata == NULL);
    batch_items_deinit(&items);
}

Test(batch_file, is_refused_with_the_line)
{
    check_refused("{\"prompt\":\"a\"}\n{\"prompt\"\n", "b.jsonl:2: ");
    check_refused("[]", "b.jsonl:1: a line must be a JSON object");
    check_refused("{\"prompt\":\"\"}", "b.jsonl:1: \"prompt\" must be text");
    check_refused("{\"prompt\":\"a\",\"variables\":[]}", "b.jsonl:1: \"variables\" must be an");
    check_refused("{\"promt\":\"a\"}", "b.jsonl:1: there is no \"promt\"");
    check_refused("{\"prompt\":\"a\",\"custom_id\":1}", "b.jsonl:1: \"custom_id\" must be text");
    check_refused("{\"prompt\":\"a\",\"metadata\":[]}", "b.jsonl:1: \"metadata\" must be");
    check_refused("{\"prompt\":\"a\",\"custom_id\":\"x\"}\n{\"prompt\":\"b\",\"custom_id\":\"x\"}",
                  "b.jsonl:2: the custom_id \"x\" is that of line 1 too");
    check_refused("{\"prompt\":\"a\",\"custom_id\":\"line-2\"}\n{\"prompt\":\"b\"}",
                  "b.jsonl:2: the custom_id \"line-2\" is that of line 1 too");
    check_refused("\n\n", "b.jsonl has no prompts");
}

Test(batch_file, tells_of_all_bad_lines_up_to_a_number)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    cr_assert_eq(parse("bad\n{\"prompt\":\"a\"}\n{\"promt\":1}\n", false), -E_INVALID);
    cr_assert_eq(told_count, 2);
    cr_assert(strncmp(told[1], "b.jsonl:3: there is no", 22) == 0);
    cr_assert(strstr(err.text, "2 bad lines of 3"));
    buf_init(&text, 0);
    for (int i = 0; i < 100; i++)
        buf_add_string(&text, "bad\n");
    cr_assert_eq(parse(buf_string(&text), false), -E_INVALID);
    cr_assert_eq(told_count, BATCH_COMPLAINTS_MAX + 1);
    cr_assert_str_eq(told[BATCH_COMPLAINTS_MAX], "and 80 more");
}

Test(batch_file, leaves_bad_lines_out_when_asked_to)
{
    cr_assert_eq(parse("{\"prompt\":\"a\"}\nbad\n{\"prompt\":\"c\"}\n", true), 0);
    cr_assert_eq(items.count, 2);
    cr_assert_eq(items.skipped, 1);
    cr_assert_eq(items.items[1].line, 3);
    batch_items_deinit(&items);
}

static struct buf line;

static void free_line(void)
{
    buf_deinit(&line);
}

TestSuite(batch_results, .fini = free_line);

static const char *result_of(const char *answer_line)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    struct batch_answer answer;

    if (answer_line)
        cr_assert_eq(json_decode(text_of(answer_line), JSON_DEPTH_DEFAULT, &json, &err), 0);
    buf_deinit(&line);
    buf_init(&line, 0);
    batch_answer_read(json, &answer);
    batch_format_result("x\"y", &answer, &line);
    return buf_string(&line);
}

#define RUN(status, more)                                                                          \
    "{\"id\":\"run_1\",\"thread_id\":\"thread_1\",\"status\":\"" status                            \
    "\",\"cost_micros\":7," more "}"
#define ANSWER(body) "{\"custom_id\":\"x\",\"response\":{\"body\":" body "},\"error\":null}"
#define RESULT(run, status, answer, cost, error)                                                   \
    "{\"custom_id\":\"x\\\"y\"," run "\"status\":\"" status "\",\"answer\":" answer                \
    ",\"usage\":null,\"cost_micros\":" cost ",\"error\":" error "}\n"
#define ITS_RUN "\"run_id\":\"run_1\",\"thread_id\":\"thread_1\","
#define NO_RUN  "\"run_id\":null,\"thread_id\":null,"

Test(batch_results, say_what_came_of_a_run)
{
    cr_assert_str_eq(result_of(ANSWER(RUN("completed", "\"messages\":[{}],\"output_text\":"
                                                       "\"two\\nlines\""))),
                     RESULT(ITS_RUN, "completed", "\"two\\nlines\"", "7", "null"));
    cr_assert_str_eq(
        result_of(ANSWER(RUN("incomplete", "\"messages\":[],\"output_text\":\"\","
                                           "\"incomplete_details\":{\"reason\":\"max\"}"))),
        RESULT(ITS_RUN, "incomplete", "null", "7",
               "{\"code\":\"incomplete\",\"message\":\"max\"}"));
    cr_assert_str_eq(
        result_of(ANSWER("{\"error\":{\"code\":\"server_error\",\"message\":\"of the line\"},"
                         "\"run\":" RUN("failed", "\"last_error\":{\"code\":\"server_error\","
                                                  "\"message\":\"of the run\"}") "}")),
        RESULT(ITS_RUN, "failed", "null", "7",
               "{\"code\":\"server_error\",\"message\":\"of the run\"}"));
}

Test(batch_results, say_why_there_was_no_run)
{
    cr_assert_str_eq(
        result_of(ANSWER("{\"error\":{\"code\":null,\"type\":\"t\",\"message\":"
                         "\"no\"}}")),
        RESULT(NO_RUN, "rejected", "null", "0", "{\"code\":\"t\",\"message\":\"no\"}"));
    cr_assert_str_eq(result_of("{\"response\":null,\"error\":{\"code\":\"batch_cancelled\","
                               "\"message\":\"late\"}}"),
                     RESULT(NO_RUN, "unanswered", "null", "0",
                            "{\"code\":\"batch_cancelled\",\"message\":\"late\"}"));
    cr_assert(strstr(result_of(NULL), "\"unanswered\""));
}

Test(batch_results, tell_calls_of_functions_from_failures)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    struct batch_answer answer;

    cr_assert_eq(json_decode(TEXT(ANSWER("{\"error\":{\"code\":\"client_tool_in_batch\","
                                         "\"message\":\"m\"},\"run\":" RUN("completed",
                                                                           "\"messages\":[]") "}")),
                             JSON_DEPTH_DEFAULT, &json, &err),
                 0);
    batch_answer_read(json, &answer);
    cr_assert(answer.calls && text_is(answer.error_code, "client_tool_in_batch"));
    cr_assert_str_eq(answer.run_id, "run_1");
}

Test(batch_lines, are_those_of_the_api)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    CLEANUP(json_freep) struct json_object *variables = json_object_new_object();
    CLEANUP(buf_deinit) struct buf out = {0};
    struct json_object *body;

    json_object_object_add(variables, "n", json_object_new_int(2));
    json_object_object_add(variables, "m", json_object_new_int(3));
    cr_assert_eq(
        parse("{\"prompt\":\"a\",\"metadata\":{\"k\":\"v\"},\"variables\":{\"n\":1}}", false), 0);
    buf_init(&out, 0);
    batch_line_write(&items.items[0], "asst_1", variables, &out);
    cr_assert_eq(json_decode(text_trim(buf_text(&out)), JSON_DEPTH_DEFAULT, &json, &err), 0);
    body = json_get(json, "body");
    cr_assert_str_eq(json_get_string(json, "custom_id"), "line-1");
    cr_assert_str_eq(json_get_string(json, "url"), "/v1/threads/runs");
    cr_assert_str_eq(json_get_string(body, "assistant_id"), "asst_1");
    cr_assert_str_eq(json_get_string(json_get(body, "metadata"), "k"), "v");
    cr_assert_eq(json_get_int(json_get(body, "variables"), "n", 0), 1, "the line's outrank");
    cr_assert_eq(json_get_int(json_get(body, "variables"), "m", 0), 3);
    batch_items_deinit(&items);
}

Test(batch_state, comes_back_as_it_was_kept)
{
    struct batch_state kept = {.lines = "abc", .key = "batch-1", .file = "file-1"};
    char path[] = "/tmp/penstock-state-XXXXXX";
    struct batch_state read;
    FILE *file;

    close(mkstemp(path));
    cr_assert_eq(batch_state_write(path, &kept, &err), 0);
    cr_assert_eq(batch_state_read(path, &read, &err), 0, "%s", err.text);
    cr_assert(strcmp(read.lines, "abc") == 0 && strcmp(read.key, "batch-1") == 0 &&
              strcmp(read.file, "file-1") == 0 && read.id[0] == '\0');
    file = fopen(path, "w");
    (void)fputs("{\"batch\":\"../x\"}", file);
    (void)fclose(file);
    cr_assert_eq(batch_state_read(path, &read, &err), -E_INVALID);
    (void)unlink(path);
    cr_assert_eq(batch_state_read(path, &read, &err), -E_NOT_FOUND);
}

Test(batch_progress, fits_the_terminal)
{
    const struct batch_progress progress = {.total = 100,
                                            .done = 40,
                                            .failed = 1,
                                            .input_tokens = 12000,
                                            .output_tokens = 500,
                                            .elapsed_ms = 5000};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_progress(&progress, 80, &out);
    cr_assert_str_eq(buf_string(&out), "[############------------------] 40/100  8.0/s  1 failed  "
                                       "12k tokens  0:07 left");
    for (size_t width = 60; width < 200; width++) {
        buf_reset(&out);
        batch_format_progress(&progress, width, &out);
        cr_assert_leq(out.len, width);
    }
    buf_reset(&out);
    batch_format_progress(&progress, 0, &out);
    cr_assert_str_eq(buf_string(&out), "40/100  8.0/s  1 failed  12k tokens  0:07 left");
}

Test(batch_progress, stands_a_beginning_without_anything)
{
    const struct batch_progress progress = {.total = 3};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_progress(&progress, 0, &out);
    cr_assert_str_eq(buf_string(&out), "0/3  0.0/s  0 tokens");
}

Test(batch_summary, tells_what_is_not_finished)
{
    struct batch_progress progress = {.total = 10,
                                      .done = 8,
                                      .failed = 3,
                                      .input_tokens = 5,
                                      .output_tokens = 6,
                                      .elapsed_ms = 2000};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_summary(&progress, &out);
    cr_assert_str_eq(buf_string(&out), "runs        10 (5 completed, 3 failed, 2 not finished)\n"
                                       "tokens      5 in, 6 out\n"
                                       "time        2.0 s, 4.0 runs a second\n");
}

Test(batch_summary, counts_calls_of_functions_by_themselves)
{
    struct batch_progress progress = {.total = 3, .done = 3, .calls = 2};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_summary(&progress, &out);
    cr_assert(
        strstr(buf_string(&out), "runs        3 (1 completed, 0 failed, 2 called functions)\n"));
}
