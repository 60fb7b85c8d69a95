/* From events to lines. */

#include "scheduler/cli/runs/run_live.h"

#include <stdio.h>
#include <unistd.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"

void run_live_begin(struct run_live *live)
{
    *live = (struct run_live){.speaks = isatty(STDOUT_FILENO) == 1};
}

void run_live_end(struct run_live *live)
{
    if (live->in_thought)
        (void)fputs(terminal_colour(stdout, TERMINAL_PLAIN), stdout);
    if (live->in_line)
        (void)fputc('\n', stdout);
    live->in_line = live->in_thought = false;
    output_flush();
}

static void print_words(struct run_live *live, struct text words)
{
    if (words.len == 0)
        return;
    terminal_print(stdout, words);
    live->in_line = words.ptr[words.len - 1] != '\n';
    output_flush();
}

static void say(struct run_live *live, struct json_object *delta)
{
    struct json_object *content = json_path(delta, "delta", "content", NULL);
    size_t count =
        json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

    if (live->in_thought)
        run_live_end(live);
    for (size_t i = 0; i < count; i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        struct text words = json_string(json_path(part, "text", "value", NULL));

        print_words(live, words.ptr ? words : json_get_text(part, "refusal"));
    }
}

static void think(struct run_live *live, struct json_object *delta)
{
    if (!live->in_thought) {
        run_live_end(live);
        (void)fputs(terminal_colour(stdout, TERMINAL_DIM), stdout);
    }
    live->in_thought = true;
    print_words(live, json_string(json_path(delta, "delta", "text", NULL)));
}

static void break_off(struct run_live *live)
{
    run_live_end(live);
    (void)fprintf(stderr, "%s(this text broke off)%s\n", terminal_colour(stderr, TERMINAL_DIM),
                  terminal_colour(stderr, TERMINAL_PLAIN));
}

static void show_step(struct run_live *live, struct json_object *step)
{
    run_live_end(live);
    run_print_step(stderr, step, false);
}

static bool ends_step(struct text name)
{
    return text_is(name, "thread.run.step.completed") || text_is(name, "thread.run.step.failed") ||
           text_is(name, "thread.run.step.cancelled") || text_is(name, "thread.run.step.expired");
}

static bool is_run(struct json_object *data)
{
    return text_is(json_get_text(data, "object"), "thread.run");
}

/* Once: they do not change. */
static void tell_problems(struct run_live *live, struct json_object *run)
{
    if (live->problems)
        return;
    if (live->in_line)
        run_live_end(live);
    live->problems = run_print_problems(stderr, run);
}

void run_live_tell(void *run_live, struct text name, struct json_object *data)
{
    struct run_live *live = run_live;

    if (is_run(data))
        tell_problems(live, data);
    else if (ends_step(name))
        show_step(live, data);
    else if (!live->speaks)
        return;
    else if (text_is(name, "thread.message.delta"))
        say(live, data);
    else if (text_is(name, "thread.run.reasoning.delta"))
        think(live, data);
    else if (text_is(name, "thread.message.completed"))
        run_live_end(live);
    else if (text_is(name, "thread.message.incomplete"))
        break_off(live);
}

void run_live_wait(void *arg, struct text why)
{
    (void)arg;
    (void)fprintf(stderr, "penstock: the run is queued: ");
    terminal_print_line(stderr, why, 400);
    (void)fprintf(stderr, "\n");
}

void run_live_explain(const struct run_followed *followed)
{
    const char *status = json_get_string(followed->run, "status");
    CLEANUP(buf_deinit) struct buf why;
    struct text call;

    buf_init(&why, 0);
    run_explain(followed->run, &why);
    output_flush();
    if (why.len > 0)
        terminal_complain("%s", buf_string(&why));
    if (run_exit_code(status) == COMMAND_WAITS && !run_approval_at(followed->run, 0, &call))
        terminal_complain("the outputs go to POST /v1/threads/%s/runs/%s/submit_tool_outputs",
                          followed->thread, followed->id);
}

int run_live_conclude(const struct run_live *live, struct client *client,
                      const struct run_followed *followed, struct error *err)
{
    CLEANUP(buf_deinit) struct buf answer;
    int r = 0;

    buf_init(&answer, 0);
    if (!live->speaks)
        r = run_answer(client, followed->thread, followed->id, &answer, err);
    if (r < 0)
        return r;
    if (answer.len > 0) {
        terminal_print(stdout, buf_text(&answer));
        printf("\n");
    }
    run_live_explain(followed);
    return 0;
}
