/* `penstock threads chat`: a person says a line, a run answers it, and so on. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/line_reader.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/runs/run_follow.h"
#include "scheduler/cli/runs/run_live.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

enum { EARLIER_MESSAGES = 6 };

struct chat {
    struct client *client;
    const struct arguments *args;
    struct line_reader *reader;
    char *agent_id;
    struct json_object *variables;
    char thread[64]; /* empty: a new one, which the first line makes */
    struct buf said;
};

/* A run that answers, in a fiber of its own so that Ctrl-C stops it and not the chat. */
struct turn {
    struct chat *chat;
    struct run_live live;
    struct run_followed followed;
    int signal; /* that stopped it; 0: none */
    int r;
    struct error err;
};

static void help(void)
{
    (void)fputs("A line is said to the agent; one that ends with \\ goes on in the next line.\n"
                "Ctrl-C stops an answer, or takes a line back. Ctrl-D or /quit ends the chat.\n",
                stderr);
}

static void tell(void *arg, struct text name, struct json_object *data)
{
    struct turn *turn = arg;

    run_live_tell(&turn->live, name, data);
}

static struct json_object *make_body(const struct chat *chat)
{
    const char *user = arguments_get(chat->args, "user");
    struct json_object *body = *chat->thread
                                   ? run_continuation(chat->agent_id, buf_string(&chat->said))
                                   : run_submission(chat->agent_id, buf_string(&chat->said));

    if (*chat->thread) /* somebody else may be at it: the line waits for its turn */
        json_object_object_add(body, "multitask_strategy", json_object_new_string("enqueue"));
    if (user)
        json_object_object_add(body, "user", json_object_new_string(user));
    run_add_variables(body, chat->variables);
    return body;
}

static int ask(struct turn *turn, struct error *err)
{
    struct chat *chat = turn->chat;
    CLEANUP(json_freep) struct json_object *body = make_body(chat);
    CLEANUP(freep)
    char *path = *chat->thread ? xasprintf("/v1/threads/%s/runs", chat->thread) : NULL;
    const struct run_follow follow = {
        .path = path ? path : "/v1/threads/runs",
        .body = body,
        .tell = tell,
        .wait = run_live_wait,
        .arg = turn,
    };
    int r = run_follow(chat->client, &follow, &turn->followed, err);

    run_live_end(&turn->live);
    return r < 0 ? r : run_live_conclude(&turn->live, chat->client, &turn->followed, err);
}

static void turn_main(void *arg)
{
    struct turn *turn = arg;
    struct interrupt interrupt;

    interrupt_start(&interrupt);
    turn->r = ask(turn, &turn->err);
    interrupt_stop(&interrupt);
    turn->signal = interrupt.signal;
}

/* The run that was under way. What is said next waits until it has stopped. */
static int stop_run(struct chat *chat, const char *run, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/runs/%s/cancel", run);
    struct client_reply reply = {0};
    int r = client_post(chat->client, path, NULL, &reply, err);

    client_reply_deinit(&reply);
    if (r == -E_REJECTED) /* it has ended meanwhile */
        return 0;
    if (r == 0)
        (void)fputs("(stopped)\n", stderr);
    return r;
}

/* A failure that another line may do without. */
static bool may_go_on(const struct chat *chat, const struct error *err)
{
    return line_reader_has_person(chat->reader) && err->code != E_CANCELED && err->code != E_DENIED;
}

static int take_turn(struct chat *chat, struct error *err)
{
    struct turn turn = {.chat = chat};
    int r;

    line_reader_remember(chat->reader, buf_string(&chat->said));
    run_live_begin(&turn.live);
    fiber_join(fiber_start("turn", turn_main, &turn));
    if (*turn.followed.thread)
        memcpy(chat->thread, turn.followed.thread, sizeof(chat->thread));
    json_free(turn.followed.run);
    r = turn.r;
    if (r < 0)
        *err = turn.err;
    if (turn.signal && *turn.followed.id)
        r = stop_run(chat, turn.followed.id, err);
    else if (turn.signal)
        r = 0;
    if (turn.signal == SIGTERM)
        return error_set(err, E_CANCELED, "stopped");
    if (r < 0 && may_go_on(chat, err)) {
        terminal_complain("%s", err->text);
        return 0;
    }
    return r;
}

/* Lines of which each but the last ends with a backslash. Returns as line_reader_next does. */
static int read_said(struct chat *chat, struct error *err)
{
    CLEANUP(buf_deinit) struct buf line;
    const char *prompt = "> ";
    int r;

    buf_init(&line, 0);
    buf_reset(&chat->said);
    for (;;) {
        r = line_reader_next(chat->reader, prompt, &line, err);
        if (r != 0)
            return r;
        if (!text_ends(buf_text(&line), "\\"))
            break;
        buf_add_text(&chat->said, (struct text){line.ptr, line.len - 1});
        buf_add_char(&chat->said, '\n');
        prompt = ". ";
    }
    buf_add_text(&chat->said, buf_text(&line));
    return 0;
}

static int talk(struct chat *chat, struct error *err)
{
    for (;;) {
        int r = read_said(chat, err);

        if (r == LINE_INTERRUPTED)
            continue;
        if (r == LINE_END || text_is(buf_text(&chat->said), "/quit"))
            return 0;
        if (r == 0 && text_is(buf_text(&chat->said), "/help"))
            help();
        else if (r == 0 && text_trim(buf_text(&chat->said)).len > 0)
            r = take_turn(chat, err);
        if (r == -E_INVALID && line_reader_has_person(chat->reader)) {
            terminal_complain("%s", err->text);
            r = 0;
        }
        if (r < 0)
            return r;
    }
}

static int show_earlier(struct chat *chat, struct error *err)
{
    CLEANUP(freep)
    char *path =
        xasprintf("/v1/threads/%s/messages?order=desc&limit=%d", chat->thread, EARLIER_MESSAGES);
    struct client_reply reply = {0};
    struct json_object *data;
    int r = client_get(chat->client, path, &reply, err);

    if (r < 0)
        return r;
    data = json_get(reply.json, "data");
    if (json_get_bool(reply.json, "has_more", false))
        (void)printf("(earlier: penstock threads show %s)\n", chat->thread);
    for (size_t i = json_object_is_type(data, json_type_array) ? json_object_array_length(data) : 0;
         i > 0; i--)
        run_print_message(stdout, json_object_array_get_idx(data, i - 1));
    client_reply_deinit(&reply);
    output_flush();
    return 0;
}

/* The agent that is said, or the thread's own. */
static int choose_agent(struct chat *chat, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s", chat->thread);
    struct client_reply reply = {0};
    const char *own;
    int r = find_agent_if(chat->client, arguments_get(chat->args, "agent"), &chat->agent_id, err);

    if (r < 0 || (chat->agent_id && !*chat->thread))
        return r;
    if (!*chat->thread)
        return error_set(err, E_INVALID, "say a THREAD to go on with, or --agent for a new one");
    r = client_get(chat->client, path, &reply, err);
    if (r < 0)
        return r;
    own = json_get_string(reply.json, "assistant_id");
    if (!chat->agent_id && own)
        chat->agent_id = xstrdup(own);
    client_reply_deinit(&reply);
    return chat->agent_id
               ? 0
               : error_set(err, E_INVALID, "the thread belongs to no agent: say --agent AGENT");
}

static int begin(struct chat *chat, struct error *err)
{
    const char *thread = chat->args->positional_count > 0 ? chat->args->positional[0] : "";
    int r;

    if (*thread && !client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    (void)snprintf(chat->thread, sizeof(chat->thread), "%s", thread);
    r = run_variables(chat->args, &chat->variables, err);
    if (r == 0)
        r = choose_agent(chat, err);
    if (r == 0 && *chat->thread && line_reader_has_person(chat->reader))
        r = show_earlier(chat, err);
    return r;
}

static int chat(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep)
    char *history = arguments_has(args, "no-history") ? NULL : line_reader_history("chat_history");
    struct chat chat = {.client = client, .args = args, .reader = line_reader_open(history)};
    int r;

    buf_init(&chat.said, 0);
    r = begin(&chat, err);
    if (r == 0)
        r = talk(&chat, err);
    if (*chat.thread && line_reader_has_person(chat.reader))
        (void)fprintf(stderr, "Go on with it:  penstock threads chat %s\n", chat.thread);
    line_reader_close(chat.reader);
    buf_deinit(&chat.said);
    json_free(chat.variables);
    free(chat.agent_id);
    return r < 0 ? r : output_check(err);
}

static int run_chat(const struct arguments *args)
{
    return client_command(args, chat);
}

static const struct option_spec options[] = {
    {"agent", 'a', "AGENT", "who answers (default: the thread's own agent)", 0, 0},
    {"user", 'u', "USER", "who asks; a new thread is this user's", 0, 0},
    OPTION_VARIABLES,
    {"no-history", 0, NULL, "neither read nor keep what was typed", 0, 0},
};

const struct command command_threads_chat = {
    .name = "threads chat",
    .arguments = "[THREAD]",
    .summary = "Talk to an agent, line by line",
    .details =
        "Goes on in THREAD, or begins a new one with --agent. Answers are shown as the model says\n"
        "them, tool calls between them on standard error. A line that ends with \\ goes on in the\n"
        "next one. Ctrl-C stops an answer, Ctrl-D or /quit ends the chat. What was typed is kept "
        "in\n"
        "~/.local/state/penstock/chat_history. Where standard input is no terminal each line of "
        "it\n"
        "is said in turn, and the first run that can't be made ends the command.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_max = 1,
    .run = run_chat,
};
