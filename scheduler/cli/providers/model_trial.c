/* Trying a model. */

#include "scheduler/cli/providers/model_trial.h"

#include <stdio.h>

#include "providers/call.h"
#include "providers/chat_event.h"
#include "providers/wire/failure.h"
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

/* What the calls of a trial share. */
struct attempt {
    struct http_client *http;
    const struct provider_target *target;
    int64_t timeout_ms;
    struct arena *arena;
    struct model_trial *trial;
    bool hopeless; /* a call ended in a way in which the next one would, too */
};

/* Workers need the usage of the calls that they make. That of others is told, but counts for
 * nothing. */
static void judge_usage(struct attempt *attempt, const char *what, bool counts,
                        const struct chat_usage *usage)
{
    struct model_trial *trial = attempt->trial;
    bool told = usage->input_tokens > 0 && usage->output_tokens > 0;

    trial->cost_micros += usage->cost_micros;
    if (!told)
        add_problem(trial, what, "no usage is told");
    if (counts && trial->usage != TRIAL_FAILS)
        trial->usage = told ? TRIAL_WORKS : TRIAL_FAILS;
}

/* A key that is refused, money that is used up, a server that is not there: once is enough. */
static bool is_hopeless(enum provider_failure failure)
{
    return failure == PROVIDER_AUTH || failure == PROVIDER_QUOTA || failure == PROVIDER_TIMED_OUT ||
           failure == PROVIDER_OVERLOADED || failure == PROVIDER_RATE_LIMITED;
}

static void note_failure(struct attempt *attempt, const char *what,
                         const struct provider_failure_info *failure)
{
    char words[460];

    attempt->hopeless = is_hopeless(failure->failure);
    attempt->trial->cost_micros += failure->usage.cost_micros;
    (void)snprintf(words, sizeof(words), "%s, %.200s%s%s", provider_failure_name(failure->failure),
                   failure->message, failure->detail[0] ? ": " : "", failure->detail);
    add_problem(attempt->trial, what, words);
}

/* Returns 0, PROVIDER_FAILED after noting the problem, or -E_CANCELED. */
SUSPENDS static int call(struct attempt *attempt, struct chat_request *request, const char *what,
                         struct chat_reply *reply, struct error *err)
{
    const struct provider_target *target = attempt->target;
    struct provider_failure_info failure = {.retry_after_ms = -1};
    struct error own = {0};
    int r;

    request->max_completion_tokens = OUTPUT_TOKENS;
    if (target->output_tokens_max > 0 && target->output_tokens_max < OUTPUT_TOKENS)
        request->max_completion_tokens = target->output_tokens_max;
    request->answer_bytes_max = ANSWER_BYTES;
    request->deadline_ms = clock_ms() + attempt->timeout_ms;
    *reply = (struct chat_reply){.arena = attempt->arena};
    r = provider_call(attempt->http, target, request, reply, &failure, &own);
    if (r == 0)
        return 0;
    if (r == -E_CANCELED) {
        if (err)
            *err = own;
        return r;
    }
    if (r == PROVIDER_FAILED) {
        note_failure(attempt, what, &failure);
    } else {
        attempt->hopeless = true;
        add_problem(attempt->trial, what, own.text);
    }
    return PROVIDER_FAILED;
}

static enum trial_mark mark_of(bool works)
{
    return works ? TRIAL_WORKS : TRIAL_FAILS;
}

SUSPENDS static int try_stream(struct attempt *attempt, struct error *err)
{
    struct model_trial *trial = attempt->trial;
    struct watch watch = {.start_ms = clock_ms(), .first_ms = -1};
    const struct chat_sink sink = {see, &watch};
    struct chat_request request = {
        .messages = &count_message, .messages_count = 1, .stream = true, .sink = &sink};
    struct chat_reply reply;
    int r = call(attempt, &request, trial->stream_is_on ? "text" : "stream", &reply, err);

    trial->first_ms = watch.first_ms;
    trial->total_ms = clock_ms() - watch.start_ms;
    if (r < 0)
        return r;
    trial->text = mark_of(r == 0 && reply.text.len > 0);
    if (r == 0)
        trial->stream = mark_of(watch.pieces > 1);
    else if (!attempt->hopeless)
        trial->stream = TRIAL_FAILS;
    if (r == 0 && trial->stream == TRIAL_FAILS)
        add_problem(trial, "stream", "the text came in one piece");
    if (r == 0)
        judge_usage(attempt, "stream", trial->stream_is_on, &reply.usage);
    return 0;
}

/* The same text as workers ask for it, of a model that can't stream and need not. */
SUSPENDS static int try_whole(struct attempt *attempt, struct error *err)
{
    struct chat_request request = {.messages = &count_message, .messages_count = 1};
    struct chat_reply reply;
    int64_t start_ms = clock_ms();
    int r = call(attempt, &request, "text", &reply, err);

    attempt->trial->first_ms = -1;
    attempt->trial->total_ms = clock_ms() - start_ms;
    if (r < 0)
        return r;
    attempt->trial->text = mark_of(r == 0 && reply.text.len > 0);
    if (r == 0)
        judge_usage(attempt, "text", true, &reply.usage);
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

/* What it did instead of the call that was asked for. Masked: a server may repeat a key. */
static void add_instead(struct attempt *attempt, const struct chat_reply *reply)
{
    CLEANUP(buf_deinit) struct buf words;
    char shown[160];

    buf_init(&words, 0);
    if (reply->tool_calls_count == 0)
        buf_printf(&words,
                   "the model did not call the tool that it was asked to call, and said: %.*s",
                   TEXT_ARGS(reply->text));
    else
        buf_printf(&words, "the call is not the one that was asked for: %.*s(%.*s)",
                   TEXT_ARGS(reply->tool_calls[0].name), TEXT_ARGS(reply->tool_calls[0].arguments));
    provider_message_copy(attempt->target, buf_text(&words), shown, sizeof(shown));
    add_problem(attempt->trial, "tools", shown);
}

/* In the way in which workers ask for it. */
SUSPENDS static int try_tool(struct attempt *attempt, struct error *err)
{
    struct model_trial *trial = attempt->trial;
    struct chat_request request = {
        .messages = &tool_message,
        .messages_count = 1,
        .tools = &echo,
        .tools_count = 1,
        .stream = trial->stream_is_on,
    };
    struct chat_reply reply;
    int r = call(attempt, &request, "tools", &reply, err);

    if (r < 0)
        return r;
    trial->tools = TRIAL_FAILS;
    if (r != 0)
        return 0;
    if (reply.tool_calls_count == 0 || !is_asked_for(&reply.tool_calls[0]))
        add_instead(attempt, &reply);
    else
        trial->tools = attempt->target->abilities.tools ? TRIAL_WORKS : TRIAL_IN_WORDS;
    judge_usage(attempt, "tools", true, &reply.usage);
    return 0;
}

int model_trial_run(struct http_client *http, const struct provider_target *target,
                    int64_t timeout_ms, struct model_trial *out, struct error *err)
{
    struct arena arena;
    struct attempt attempt = {http, target, timeout_ms, &arena, out, false};
    int r;

    *out = (struct model_trial){.first_ms = -1, .stream_is_on = target->stream};
    arena_init(&arena, ARENA_BYTES);
    r = try_stream(&attempt, err);
    if (r == 0 && out->text == TRIAL_FAILS && !out->stream_is_on && !attempt.hopeless)
        r = try_whole(&attempt, err);
    if (r == 0 && !attempt.hopeless)
        r = try_tool(&attempt, err);
    arena_deinit(&arena);
    return r;
}

void model_trial_missing(const char *provider, struct model_trial *out)
{
    *out = (struct model_trial){.text = TRIAL_FAILS, .first_ms = -1, .total_ms = -1};
    (void)snprintf(out->problem, sizeof(out->problem),
                   "no model of it is configured or known: name one, as in %.60s/NAME", provider);
}

bool model_trial_passed(const struct model_trial *trial)
{
    return trial->text == TRIAL_WORKS && trial->usage == TRIAL_WORKS &&
           (trial->stream == TRIAL_WORKS || !trial->stream_is_on) &&
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

/* Where it is off it fails nothing. */
static const char *stream_word(const struct model_trial *trial)
{
    if (trial->stream == TRIAL_FAILS && !trial->stream_is_on)
        return "no";
    return word_of(trial->stream);
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
               word_of(trial->tools), stream_word(trial), word_of(trial->usage));
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

static struct json_object *ms_json(int64_t ms)
{
    return ms < 0 ? NULL : json_object_new_int64(ms);
}

struct json_object *model_trial_json(const char *name, const struct model_trial *trial)
{
    struct json_object *out = json_object_new_object();

    json_object_object_add(out, "model", json_object_new_string(name));
    json_object_object_add(out, "works", json_object_new_boolean(model_trial_passed(trial)));
    json_object_object_add(out, "text", mark_json(trial->text));
    json_object_object_add(out, "tools", mark_json(trial->tools));
    json_object_object_add(out, "stream", mark_json(trial->stream));
    json_object_object_add(out, "stream_is_on", json_object_new_boolean(trial->stream_is_on));
    json_object_object_add(out, "usage", mark_json(trial->usage));
    json_object_object_add(out, "first_token_ms", ms_json(trial->first_ms));
    json_object_object_add(out, "total_ms", ms_json(trial->total_ms));
    json_object_object_add(out, "cost_micros", json_object_new_int64(trial->cost_micros));
    json_object_object_add(out, "problem",
                           trial->problem[0] ? json_object_new_string(trial->problem) : NULL);
    return out;
}
