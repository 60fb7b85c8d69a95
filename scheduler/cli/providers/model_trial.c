/* Trying a model. */

#include "scheduler/cli/providers/model_trial.h"

#include <stdio.h>

#include "providers/call.h"
#include "providers/chat_event.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"

#define ARENA_BYTES   ((size_t)4 << 20)
#define ANSWER_BYTES  65536
#define OUTPUT_TOKENS 2000 /* those that think do so before the first word */
#define PROBLEM_WIDTH 200

#define WORD "penstock"

static const struct chat_tool echo = {
    .name = TEXT("echo"),
    .description = TEXT("Says a word."),
    .parameters = TEXT("{\"type\":\"object\",\"properties\":{\"word\":{\"type\":\"string\"}},"
                       "\"required\":[\"word\"],\"additionalProperties\":false}"),
};

static const struct chat_message count_message = {
    .role = CHAT_USER,
    .text = TEXT("Count from one to ten in words, separated by commas, and say nothing else."),
};

static const struct chat_message tool_message = {
    .role = CHAT_USER,
    .text = TEXT("Call the tool \"echo\" with the word \"" WORD "\"."),
};

/* What is seen of a stream. */
struct watch {
    int64_t start_ms;
    int64_t first_ms; /* -1: no text so far */
    size_t pieces;    /* of text */
};

static void see(void *arg, const struct chat_event *event)
{
    struct watch *watch = arg;

    if (event->kind != CHAT_EVENT_TEXT || event->text.len == 0)
        return;
    if (watch->first_ms < 0)
        watch->first_ms = clock_ms() - watch->start_ms;
    watch->pieces++;
}

static void add_problem(struct model_trial *trial, const char *what, const char *problem)
{
    size_t used = strlen(trial->problem);

    (void)snprintf(trial->problem + used, sizeof(trial->problem) - used, "%s%s: %s",
                   used ? "; " : "", what, problem);
}

/* Each call of the trial must tell its usage. */
static void judge_usage(struct model_trial *trial, const char *what, const struct chat_usage *usage)
{
    bool told = usage->input_tokens > 0 && usage->output_tokens > 0;

    trial->cost_micros += usage->cost_micros;
    if (!told)
        add_problem(trial, what, "no usage is told");
    if (trial->usage != TRIAL_FAILS)
        trial->usage = told ? TRIAL_WORKS : TRIAL_FAILS;
}

/* Returns 0, PROVIDER_FAILED after noting the problem, or -E_CANCELED. */
SUSPENDS static int call(struct http_client *http, const struct provider_target *target,
                         struct chat_request *request, const char *what, struct chat_reply *reply,
                         struct model_trial *trial, struct error *err)
{
    struct provider_failure_info failure;
    struct error own = {0};
    int r;

    request->max_completion_tokens = OUTPUT_TOKENS;
    if (target->output_tokens_max > 0 && target->output_tokens_max < OUTPUT_TOKENS)
        request->max_completion_tokens = target->output_tokens_max;
    request->answer_bytes_max = ANSWER_BYTES;
    r = provider_call(http, target, request, reply, &failure, &own);
    if (r == 0)
        return 0;
    if (r == -E_CANCELED) {
        if (err)
            *err = own;
        return r;
    }
    if (r == PROVIDER_FAILED) {
        char words[240];

        (void)snprintf(words, sizeof(words), "%s, %.200s", provider_failure_name(failure.failure),
                       failure.message);
        add_problem(trial, what, words);
    } else {
        add_problem(trial, what, own.text);
    }
    return PROVIDER_FAILED;
}

SUSPENDS static int try_stream(struct http_client *http, const struct provider_target *target,
                               int64_t timeout_ms, struct arena *arena, struct model_trial *trial,
                               struct error *err)
{
    struct watch watch = {.start_ms = clock_ms(), .first_ms = -1};
    const struct chat_sink sink = {see, &watch};
    struct chat_request request = {
        .messages = &count_message,
        .messages_count = 1,
        .stream = true,
        .sink = &sink,
        .deadline_ms = watch.start_ms + timeout_ms,
    };
    struct chat_reply reply = {.arena = arena};
    int r = call(http, target, &request, "text", &reply, trial, err);

    trial->first_ms = watch.first_ms;
    trial->total_ms = clock_ms() - watch.start_ms;
    if (r < 0)
        return r;
    trial->text = r == 0 && reply.text.len > 0 ? TRIAL_WORKS : TRIAL_FAILS;
    if (r != 0)
        return 0;
    trial->stream = watch.pieces > 1 ? TRIAL_WORKS : TRIAL_FAILS;
    if (trial->stream == TRIAL_FAILS)
        add_problem(trial, "stream", "the text came in one piece");
    judge_usage(trial, "stream", &reply.usage);
    return 0;
}

static bool is_asked_for(const struct chat_tool_call *asked)
{
    struct json_object *arguments = NULL;
    bool right;

    if (json_decode(asked->arguments, JSON_DEPTH_DEFAULT, &arguments, NULL) < 0)
        return false;
    right = text_is(asked->name, "echo") && text_is(json_get_text(arguments, "word"), WORD);
    json_free(arguments);
    return right;
}

SUSPENDS static int try_tool(struct http_client *http, const struct provider_target *target,
                             int64_t timeout_ms, struct arena *arena, struct model_trial *trial,
                             struct error *err)
{
    struct chat_request request = {
        .messages = &tool_message,
        .messages_count = 1,
        .tools = &echo,
        .tools_count = 1,
        .deadline_ms = clock_ms() + timeout_ms,
    };
    struct chat_reply reply = {.arena = arena};
    int r = call(http, target, &request, "tools", &reply, trial, err);

    if (r < 0)
        return r;
    trial->tools = TRIAL_FAILS;
    if (r != 0)
        return 0;
    if (reply.tool_calls_count == 0)
        add_problem(trial, "tools", "the model did not call the tool that it was asked to call");
    else if (!is_asked_for(&reply.tool_calls[0]))
        add_problem(trial, "tools", "the call is not the one that was asked for");
    else
        trial->tools = target->abilities.tools ? TRIAL_WORKS : TRIAL_IN_WORDS;
    judge_usage(trial, "tools", &reply.usage);
    return 0;
}

int model_trial_run(struct http_client *http, const struct provider_target *target,
                    int64_t timeout_ms, struct model_trial *out, struct error *err)
{
    struct arena arena;
    int r;

    *out = (struct model_trial){.first_ms = -1};
    arena_init(&arena, ARENA_BYTES);
    r = try_stream(http, target, timeout_ms, &arena, out, err);
    if (r == 0)
        r = try_tool(http, target, timeout_ms, &arena, out, err);
    arena_deinit(&arena);
    return r;
}

bool model_trial_passed(const struct model_trial *trial)
{
    return trial->text == TRIAL_WORKS && trial->stream == TRIAL_WORKS &&
           trial->usage == TRIAL_WORKS &&
           (trial->tools == TRIAL_WORKS || trial->tools == TRIAL_IN_WORDS);
}

static const char *word_of(enum trial_mark mark)
{
    static const char *const words[] = {
        [TRIAL_UNKNOWN] = "-",
        [TRIAL_WORKS] = "yes",
        [TRIAL_FAILS] = "NO",
        [TRIAL_IN_WORDS] = "in words",
    };

    return words[mark];
}

void model_trial_head(size_t name_width, struct buf *out)
{
    buf_printf(out, "%-*s  %-4s  %-8s  %-6s  %-5s  %8s  %8s  %10s", (int)name_width, "MODEL",
               "TEXT", "TOOLS", "STREAM", "USAGE", "FIRST", "TOTAL", "COST");
}

static void add_ms(int64_t ms, struct buf *out)
{
    char shown[24] = "-";

    if (ms >= 0)
        (void)snprintf(shown, sizeof(shown), "%lld ms", (long long)ms);
    buf_printf(out, "  %8s", shown);
}

void model_trial_format(const char *name, size_t name_width, const struct model_trial *trial,
                        struct buf *out)
{
    char cost[MONEY_SIZE];

    money_format(trial->cost_micros, cost);
    buf_printf(out, "%-*s  %-4s  %-8s  %-6s  %-5s", (int)name_width, name, word_of(trial->text),
               word_of(trial->tools), word_of(trial->stream), word_of(trial->usage));
    add_ms(trial->first_ms, out);
    add_ms(trial->total_ms, out);
    buf_printf(out, "  %10s", cost);
    if (!trial->problem[0])
        return;
    buf_add_string(out, "  ");
    terminal_shorten(text_of(trial->problem), PROBLEM_WIDTH, out);
}

static struct json_object *mark_json(enum trial_mark mark)
{
    if (mark == TRIAL_UNKNOWN)
        return NULL;
    if (mark == TRIAL_IN_WORDS)
        return json_object_new_string("in words");
    return json_object_new_boolean(mark == TRIAL_WORKS);
}

struct json_object *model_trial_json(const char *name, const struct model_trial *trial)
{
    struct json_object *out = json_object_new_object();
    struct json_object *first = trial->first_ms < 0 ? NULL : json_object_new_int64(trial->first_ms);

    json_object_object_add(out, "model", json_object_new_string(name));
    json_object_object_add(out, "text", mark_json(trial->text));
    json_object_object_add(out, "tools", mark_json(trial->tools));
    json_object_object_add(out, "stream", mark_json(trial->stream));
    json_object_object_add(out, "usage", mark_json(trial->usage));
    json_object_object_add(out, "first_token_ms", first);
    json_object_object_add(out, "total_ms", json_object_new_int64(trial->total_ms));
    json_object_object_add(out, "cost_micros", json_object_new_int64(trial->cost_micros));
    json_object_object_add(out, "problem",
                           trial->problem[0] ? json_object_new_string(trial->problem) : NULL);
    return out;
}
