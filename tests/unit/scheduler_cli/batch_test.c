#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

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

Test(batch_results, are_written_in_the_order_of_the_file)
{
    struct batch_item list[4] = {0};
    const struct batch_items some = {list, 4, 0};

    list[1].done = list[2].done = true;
    cr_assert_eq(batch_writable(&some, 0), 0);
    list[0].done = true;
    cr_assert_eq(batch_writable(&some, 0), 3);
    list[3].done = true;
    cr_assert_eq(batch_writable(&some, 3), 4);
    cr_assert_eq(batch_writable(&some, 4), 4);
}

Test(batch_results, are_a_line_of_json)
{
    CLEANUP(buf_deinit) struct buf out = {0};
    struct batch_item item = {.custom_id = (char *)"x\"y",
                              .run_id = (char *)"run_1",
                              .status = (char *)"completed",
                              .answer = (char *)"two\nlines"};

    buf_init(&out, 0);
    batch_format_result(&item, &out);
    cr_assert_str_eq(buf_string(&out),
                     "{\"custom_id\":\"x\\\"y\",\"run_id\":\"run_1\",\"thread_id\":null,\"status\":"
                     "\"completed\",\"answer\":\"two\\nlines\",\"usage\":null,\"cost_micros\":0,"
                     "\"error\":null}\n");
}

Test(batch_progress, fits_the_terminal)
{
    const struct batch_progress progress = {.total = 100,
                                            .submitted = 100,
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
    cr_assert_str_eq(buf_string(&out), "0/3  0.0/s  0 submitted  0 tokens");
}

Test(batch_summary, tells_what_is_not_finished)
{
    struct batch_progress progress = {.total = 10,
                                      .done = 8,
                                      .failed = 3,
                                      .tool_calls = 4,
                                      .input_tokens = 5,
                                      .output_tokens = 6,
                                      .elapsed_ms = 2000};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_summary(&progress, &out);
    cr_assert_str_eq(buf_string(&out), "runs        10 (5 completed, 3 failed, 2 not finished)\n"
                                       "tool calls  4\n"
                                       "tokens      5 in, 6 out\n"
                                       "time        2.0 s, 4.0 runs a second\n");
}

Test(batch_summary, counts_what_waits_for_tool_outputs_by_itself)
{
    struct batch_progress progress = {.total = 3, .done = 3, .waiting = 2};
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    batch_format_summary(&progress, &out);
    cr_assert(strstr(buf_string(&out),
                     "runs        3 (1 completed, 0 failed, 2 wait for tool outputs)\n"));
    buf_reset(&out);
    batch_format_progress(&progress, 0, &out);
    cr_assert(strstr(buf_string(&out), "2 waiting"));
}

Test(batch_key, is_the_same_for_the_same_line_and_differs_otherwise)
{
    char a[80];
    char b[80];

    batch_key("x", 1, a);
    batch_key("x", 1, b);
    cr_assert_str_eq(a, b);
    batch_key("x", 2, b);
    cr_assert_str_neq(a, b);
    batch_key("y", 1, b);
    cr_assert_str_neq(a, b);
}

Test(batch_poll, grows_to_a_cap_and_honours_the_server)
{
    cr_assert_eq(batch_poll_ms(0, 0), 250);
    cr_assert_gt(batch_poll_ms(3, 0), batch_poll_ms(2, 0));
    cr_assert_eq(batch_poll_ms(100, 0), 5000);
    cr_assert_eq(batch_poll_ms(0, 2000), 2000);
    cr_assert_eq(batch_poll_ms(0, 999999), 30000);
}
