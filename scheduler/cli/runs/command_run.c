/* `penstock run`: one prompt, its steps as they happen, and the answer. */

#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define PROMPT_BYTES_MAX ((size_t)1 << 20)
#define WATCH_RETRY_MS   60000

struct prompt_run {
    const struct arguments *args;
    struct client client;
    char *prompt;
    char *agent_id;
    struct json_object *variables;
    char thread[64];
    char run[64];
};

static int read_prompt(const char *given, char **out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    int r;

    if (strcmp(given, "-") != 0) {
        *out = xstrdup(given);
        return 0;
    }
    buf_init(&text, PROMPT_BYTES_MAX);
    r = file_read("-", &text, err);
    if (r < 0)
        return r;
    if (strlen(buf_string(&text)) < text.len)
        return error_set(err, E_INVALID, "the prompt has a NUL character, at byte %zu",
                         strlen(buf_string(&text)) + 1);
    *out = buf_take(&text);
    for (size_t len = strlen(*out); len > 0 && (*out)[len - 1] == '\n'; len--)
        (*out)[len - 1] = '\0'; /* which the shell added */
    return 0;
}

/* In the thread, or in a new one (NULL). The prompt and the run are one request: neither is there
 * without the other. */
static int submit(struct prompt_run *prompt_run, const char *thread, struct client_reply *out,
                  struct error *err)
{
    CLEANUP(freep) char *path = thread ? xasprintf("/v1/threads/%s/runs", thread) : NULL;
    CLEANUP(json_freep)
    struct json_object *body = thread ? run_continuation(prompt_run->agent_id, prompt_run->prompt)
                                      : run_submission(prompt_run->agent_id, prompt_run->prompt);
    const char *busy = arguments_get(prompt_run->args, "when-busy");
    const char *user = arguments_get(prompt_run->args, "user");

    if (thread && !client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    if (busy && !thread)
        return error_set(err, E_INVALID, "--when-busy is about --thread, which is not there");
    if (busy)
        json_object_object_add(body, "multitask_strategy", json_object_new_string(busy));
    run_add_variables(body, prompt_run->variables);
    if (user)
        json_object_object_add(body, "user", json_object_new_string(user));
    return client_post_once(&prompt_run->client, path ? path : "/v1/threads/runs", body, out, err);
}

static int start(struct prompt_run *prompt_run, struct error *err)
{
    const char *thread = arguments_get(prompt_run->args, "thread");
    struct client_reply reply = {0};
    int r = run_variables(prompt_run->args, &prompt_run->variables, err);

    if (r == 0)
        r = client_open(&prompt_run->client, err);
    if (r == 0)
        r = read_prompt(prompt_run->args->positional[1], &prompt_run->prompt, err);
    if (r == 0 && !text_is_utf8(text_of(prompt_run->prompt)))
        r = error_set(err, E_INVALID, "the prompt is not UTF-8");
    if (r == 0)
        r = find_agent(&prompt_run->client, prompt_run->args->positional[0], &prompt_run->agent_id,
                       err);
    if (r == 0)
        r = submit(prompt_run, thread, &reply, err);
    if (r < 0)
        return r;
    (void)snprintf(prompt_run->thread, sizeof(prompt_run->thread), "%.*s",
                   TEXT_ARGS(json_get_text(reply.json, "thread_id")));
    (void)snprintf(prompt_run->run, sizeof(prompt_run->run), "%.*s",
                   TEXT_ARGS(json_get_text(reply.json, "id")));
    client_reply_deinit(&reply);
    if (!client_is_plain(prompt_run->thread) || !client_is_plain(prompt_run->run))
        return error_set(err, E_PROTOCOL, "the server's reply has no ids: is it Penstock?");
    return 0;
}

static void on_step(void *arg, struct json_object *step)
{
    (void)arg;
    run_print_step(stderr, step);
}

static void on_wait(void *arg, struct text why)
{
    (void)arg;
    (void)fprintf(stderr, "penstock: the run is queued: ");
    terminal_print_line(stderr, why, 400);
    (void)fprintf(stderr, "\n");
}

static void print_json(const struct prompt_run *prompt_run, struct json_object *run,
                       struct text answer)
{
    CLEANUP(json_freep) struct json_object *out = json_object_new_object();

    json_object_object_add(out, "id", json_object_new_string(prompt_run->run));
    json_object_object_add(out, "thread_id", json_object_new_string(prompt_run->thread));
    json_object_object_add(out, "status", json_object_get(json_get(run, "status")));
    json_object_object_add(out, "answer", json_object_new_string_len(answer.ptr, (int)answer.len));
    json_object_object_add(out, "usage", json_object_get(json_get(run, "usage")));
    json_object_object_add(out, "cost_micros", json_object_get(json_get(run, "cost_micros")));
    json_object_object_add(out, "error", json_object_get(json_get(run, "last_error")));
    json_object_object_add(out, "incomplete_details",
                           json_object_get(json_get(run, "incomplete_details")));
    json_object_object_add(out, "required_action",
                           json_object_get(json_get(run, "required_action")));
    printf("%.*s\n", TEXT_ARGS(json_text(out)));
}

static int finish(struct prompt_run *prompt_run, struct json_object *run, struct error *err)
{
    CLEANUP(buf_deinit) struct buf answer = {0};
    CLEANUP(buf_deinit) struct buf why = {0};
    int r;

    buf_init(&answer, 0);
    buf_init(&why, 0);
    r = run_answer(&prompt_run->client, prompt_run->thread, prompt_run->run, &answer, err);
    if (r < 0)
        return r;
    if (arguments_has(prompt_run->args, "json")) {
        print_json(prompt_run, run, buf_text(&answer));
    } else if (answer.len > 0) {
        terminal_print(stdout, buf_text(&answer));
        printf("\n");
    }
    run_explain(run, &why);
    if (why.len > 0) {
        output_flush();
        terminal_complain("%s", buf_string(&why));
    }
    if (run_exit_code(json_get_string(run, "status")) == COMMAND_WAITS)
        terminal_complain("the outputs go to POST /v1/threads/%s/runs/%s/submit_tool_outputs",
                          prompt_run->thread, prompt_run->run);
    return run_exit_code(json_get_string(run, "status"));
}

static int watch(struct prompt_run *prompt_run, struct error *err)
{
    CLEANUP(json_freep) struct json_object *run = NULL;
    struct run_watch watch = {.thread = prompt_run->thread, .run = prompt_run->run};
    int r;

    if (!arguments_has(prompt_run->args, "json"))
        watch.on_step = on_step;
    watch.on_wait = on_wait;
    prompt_run->client.retry_for_ms = WATCH_RETRY_MS;
    r = run_watch(&prompt_run->client, &watch, &run, err);
    return r < 0 ? r : finish(prompt_run, run, err);
}

static int run_on_loop(void *arg)
{
    struct prompt_run *prompt_run = arg;
    struct interrupt interrupt;
    struct error err;
    int r;

    interrupt_start(&interrupt);
    r = start(prompt_run, &err);
    if (r == 0 && arguments_has(prompt_run->args, "no-wait"))
        printf("%s\n", prompt_run->run);
    else if (r == 0)
        r = watch(prompt_run, &err);
    interrupt_stop(&interrupt);
    client_close(&prompt_run->client);
    if (interrupt.signal && *prompt_run->run) {
        (void)fprintf(stderr,
                      "\nThe run goes on. Look at it:  penstock runs show %s\n"
                      "Stop it:                      penstock runs cancel %s\n",
                      prompt_run->run, prompt_run->run);
        return 128 + interrupt.signal;
    }
    return r < 0 ? command_fail(&err) : r;
}

static int run(const struct arguments *args)
{
    struct prompt_run prompt_run = {.args = args};
    int result = command_on_loop(run_on_loop, &prompt_run);

    free(prompt_run.prompt);
    free(prompt_run.agent_id);
    json_free(prompt_run.variables);
    return result;
}

static const struct option_spec options[] = {
    {"thread", 't', "THREAD", "go on in this thread instead of a new one", 0, 0},
    {"user", 'u', "USER", "who asks; a new thread is this user's", 0, 0},
    {"when-busy", 0, "STRATEGY",
     "where a run of the thread is active: reject (the default), enqueue, interrupt, rollback", 0,
     0},
    OPTION_VARIABLES,
    {"json", 0, NULL,
     "print one JSON object: id, thread_id, status, answer, usage, cost_micros, error", 0, 0},
    {"no-wait", 0, NULL, "print the run's id and don't wait for it", 0, 0},
};

const struct command command_run = {
    .name = "run",
    .arguments = "AGENT PROMPT",
    .summary = "Run an agent on a prompt and print its answer",
    .details =
        "AGENT is a name, a slug or an id. A PROMPT of - is read from standard input. Tool\n"
        "calls are shown on standard error as they happen.\n"
        "Exit code: 0 completed; 1 failed, incomplete, cancelled or expired; 2 wrong usage;\n"
        "3 the server can't be reached or refuses the key; 4 it waits for tool outputs.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run,
};
