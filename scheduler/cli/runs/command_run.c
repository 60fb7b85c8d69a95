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
#include "scheduler/cli/runs/run_follow.h"
#include "scheduler/cli/runs/run_live.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define PROMPT_BYTES_MAX ((size_t)1 << 20)

struct prompt_run {
    const struct arguments *args;
    struct client client;
    char *prompt;
    char *agent_id;
    struct json_object *variables;
    struct run_followed followed;
    struct run_live live;
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

/* The server judges it. */
static void add_time(struct json_object *body, const char *name, const char *said)
{
    if (said)
        json_object_object_add(body, name, json_object_new_string(said));
}

/* In the thread, or in a new one (NULL). The prompt and the run are one request: neither is there
 * without the other. */
static int make_body(struct prompt_run *prompt_run, const char *thread, struct json_object **out,
                     struct error *err)
{
    const char *busy = arguments_get(prompt_run->args, "when-busy");
    const char *user = arguments_get(prompt_run->args, "user");

    if (thread && !client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    if (busy && !thread)
        return error_set(err, E_INVALID, "--when-busy is about --thread, which is not there");
    *out = thread ? run_continuation(prompt_run->agent_id, prompt_run->prompt)
                  : run_submission(prompt_run->agent_id, prompt_run->prompt);
    if (busy)
        json_object_object_add(*out, "multitask_strategy", json_object_new_string(busy));
    run_add_variables(*out, prompt_run->variables);
    if (user)
        json_object_object_add(*out, "user", json_object_new_string(user));
    add_time(*out, "start_after", arguments_get(prompt_run->args, "start-after"));
    add_time(*out, "deadline", arguments_get(prompt_run->args, "deadline"));
    return 0;
}

static int prepare(struct prompt_run *prompt_run, struct error *err)
{
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
    return r;
}

static void tell(void *arg, struct text name, struct json_object *data)
{
    struct prompt_run *prompt_run = arg;

    if (!arguments_has(prompt_run->args, "json"))
        run_live_tell(&prompt_run->live, name, data);
}

static void print_json(const struct run_followed *followed, struct text answer)
{
    struct json_object *run = followed->run;
    CLEANUP(json_freep) struct json_object *out = json_object_new_object();

    json_object_object_add(out, "id", json_object_new_string(followed->id));
    json_object_object_add(out, "thread_id", json_object_new_string(followed->thread));
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

static int conclude_json(struct prompt_run *prompt_run, struct error *err)
{
    const struct run_followed *followed = &prompt_run->followed;
    CLEANUP(buf_deinit) struct buf answer;
    int r;

    buf_init(&answer, 0);
    r = run_answer(&prompt_run->client, followed->thread, followed->id, &answer, err);
    if (r < 0)
        return r;
    print_json(followed, buf_text(&answer));
    IGNORE(run_print_problems(stderr, followed->run));
    run_live_explain(followed);
    return 0;
}

static int finish(struct prompt_run *prompt_run, struct error *err)
{
    const struct run_followed *followed = &prompt_run->followed;
    int r = arguments_has(prompt_run->args, "json")
                ? conclude_json(prompt_run, err)
                : run_live_conclude(&prompt_run->live, &prompt_run->client, followed, err);

    return r < 0 ? r : run_exit_code(json_get_string(followed->run, "status"));
}

static int submit(struct prompt_run *prompt_run, const char *path, struct json_object *body,
                  struct error *err)
{
    struct client_reply reply = {0};
    int r = client_post_once(&prompt_run->client, path, body, &reply, err);

    if (r < 0)
        return r;
    printf("%.*s\n", TEXT_ARGS(json_get_text(reply.json, "id")));
    client_reply_deinit(&reply);
    return 0;
}

static int follow(struct prompt_run *prompt_run, const char *path, struct json_object *body,
                  struct error *err)
{
    const struct run_follow follow = {
        .path = path, .body = body, .tell = tell, .wait = run_live_wait, .arg = prompt_run};
    int r;

    run_live_begin(&prompt_run->live);
    r = run_follow(&prompt_run->client, &follow, &prompt_run->followed, err);
    run_live_end(&prompt_run->live);
    return r < 0 ? r : finish(prompt_run, err);
}

static int start(struct prompt_run *prompt_run, struct error *err)
{
    const char *thread = arguments_get(prompt_run->args, "thread");
    CLEANUP(freep) char *path = thread ? xasprintf("/v1/threads/%s/runs", thread) : NULL;
    CLEANUP(json_freep) struct json_object *body = NULL;
    int r = prepare(prompt_run, err);

    if (r == 0)
        r = make_body(prompt_run, thread, &body, err);
    if (r < 0)
        return r;
    if (arguments_has(prompt_run->args, "no-wait"))
        return submit(prompt_run, path ? path : "/v1/threads/runs", body, err);
    return follow(prompt_run, path ? path : "/v1/threads/runs", body, err);
}

static int run_on_loop(void *arg)
{
    struct prompt_run *prompt_run = arg;
    const char *id = prompt_run->followed.id;
    struct interrupt interrupt;
    struct error err;
    int r;

    interrupt_start(&interrupt);
    r = start(prompt_run, &err);
    interrupt_stop(&interrupt);
    client_close(&prompt_run->client);
    if (interrupt.signal && *id) {
        (void)fprintf(stderr,
                      "\nThe run goes on. Look at it:  penstock runs show %s\n"
                      "Stop it:                      penstock runs cancel %s\n",
                      id, id);
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
    json_free(prompt_run.followed.run);
    return result;
}

static const struct option_spec options[] = {
    {"thread", 't', "THREAD", "go on in this thread instead of a new one", 0, 0},
    {"user", 'u', "USER", "who asks; a new thread is this user's", 0, 0},
    {"when-busy", 0, "STRATEGY",
     "where a run of the thread is active: reject (the default), enqueue, interrupt, rollback", 0,
     0},
    OPTION_VARIABLES,
    {"start-after", 0, "TIME", "not before it: RFC 3339 with an offset", 0, 0},
    {"deadline", 0, "TIME", "expired by then, whatever it has done", 0, 0},
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
        "calls are shown on standard error as they happen, and on a terminal the words of the\n"
        "answer as the model says them.\n"
        "Exit code: 0 completed; 1 failed, incomplete, cancelled or expired; 2 wrong usage;\n"
        "3 the server can't be reached or refuses the key; 4 it waits for tool outputs.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run,
};
