/* What runs did, in words. */

#include "scheduler/cli/runs/run_view.h"

#include <stdlib.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/store/runs/run_state.h"

#define LIST_MAX      10000
#define LINE_WIDTH    160
#define PROBLEM_WIDTH 800

bool run_is_over(const char *name)
{
    enum run_status status;

    return name && run_status_parse(text_of(name), &status) &&
           (run_status_terminal(status) || status == RUN_REQUIRES_ACTION);
}

int run_path(const char *id, const char *suffix, char **out, struct error *err)
{
    if (!client_is_plain(id))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a run", id);
    *out = xasprintf("/v1/runs/%s%s", id, suffix);
    return 0;
}

int64_t run_took_seconds(struct json_object *run)
{
    static const char *const ends[] = {"completed_at", "failed_at", "cancelled_at"};
    int64_t started = json_get_int(run, "started_at", 0);

    for (size_t i = 0; started > 0 && i < ARRAY_LENGTH(ends); i++) {
        int64_t ended = json_get_int(run, ends[i], 0);

        if (ended >= started)
            return ended - started;
    }
    return -1;
}

int run_exit_code(const char *status)
{
    if (status && strcmp(status, "requires_action") == 0)
        return COMMAND_WAITS;
    return status && strcmp(status, "completed") == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static struct json_object *asked_calls(struct json_object *run)
{
    struct json_object *calls =
        json_path(run, "required_action", "submit_tool_outputs", "tool_calls", NULL);

    return json_object_is_type(calls, json_type_array) ? calls : NULL;
}

bool run_approval_at(struct json_object *run, size_t place, struct text *out_id)
{
    struct json_object *calls = asked_calls(run);

    for (size_t i = 0; calls && i < json_object_array_length(calls); i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);

        if (!json_get(call, "approval") || place-- > 0)
            continue;
        *out_id = json_get_text(call, "id");
        return true;
    }
    return false;
}

/* "it waits for tool outputs (…) of get_weather {"city":"Rome"} (call_1), …", or for approvals;
 * both where it does. */
static void explain_calls(struct json_object *calls, bool approvals, const char *words,
                          struct buf *out)
{
    bool any = false;

    for (size_t i = 0; calls && i < json_object_array_length(calls); i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);
        struct json_object *function = json_get(call, "function");
        struct json_object *approval = json_get(call, "approval");

        if ((approval != NULL) != approvals)
            continue;
        if (any)
            buf_add_char(out, ',');
        else
            buf_printf(out, "%s of", words);
        any = true;
        buf_printf(
            out, " %.*s %.*s (%.*s)",
            TEXT_ARGS(approval ? json_get_text(approval, "tool") : json_get_text(function, "name")),
            TEXT_ARGS(json_get_text(approval ? approval : function, "arguments")),
            TEXT_ARGS(json_get_text(call, "id")));
    }
}

static void explain_waiting(struct json_object *run, struct buf *out)
{
    struct json_object *calls = asked_calls(run);

    explain_calls(calls, false, ": it waits for tool outputs (submit_tool_outputs)", out);
    explain_calls(calls, true, ": it waits for an approval (penstock runs approve, runs deny)",
                  out);
}

/* What a reason of incomplete_details means to who has not read of budgets; NULL: none of those. */
static const char *reason_words(const char *reason)
{
    static const char *const words[][2] = {
        {"run_budget", "what the run may spend is spent"},
        {"thread_budget", "what its thread may spend is spent: penstock budgets list"},
        {"user_budget", "what its user may spend is spent: penstock budgets list"},
        {"agent_budget", "what its agent may spend is spent: penstock budgets list"},
        {"tenant_budget", "what the tenant may spend is spent: penstock budgets list"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(reason, words[i][0]) == 0)
            return words[i][1];
    return NULL;
}

void run_explain(struct json_object *run, struct buf *out)
{
    const char *status = json_get_string(run, "status");
    struct json_object *last_error = json_get(run, "last_error");
    const char *reason = json_get_string(json_get(run, "incomplete_details"), "reason");

    if (!status || strcmp(status, "completed") == 0)
        return;
    buf_printf(out, "the run is %s", status);
    if (strcmp(status, "requires_action") == 0)
        explain_waiting(run, out);
    if (last_error)
        buf_printf(out, ": %.*s (%.*s)", TEXT_ARGS(json_get_text(last_error, "message")),
                   TEXT_ARGS(json_get_text(last_error, "code")));
    if (reason)
        buf_printf(out, ": %s", reason);
    if (reason && reason_words(reason))
        buf_printf(out, " (%s)", reason_words(reason));
}

/* "it waits for …, not before 2026-11-29 16:23:34+00:00". Returns false: for none of these. */
static bool explain_pause(struct json_object *run, struct buf *out)
{
    static const struct {
        const char *waits_for;
        const char *words;
    } reasons[] = {
        {"rate_limit", "it waits for its turn in the limits of its model, provider or tenant"},
        {"backoff", "it waits after a try that failed (the workers' logs say why)"},
        {"time", "it waits for the time that it gave to the tool wait"},
        {"start", "it is to begin later"},
        {"budget", "it waits for a budget to begin anew (penstock budgets list)"},
    };
    const char *waits_for = json_get_string(run, "waits_for");
    char time[WHEN_SIZE];

    for (size_t i = 0; waits_for && i < ARRAY_LENGTH(reasons); i++) {
        if (strcmp(waits_for, reasons[i].waits_for) != 0)
            continue;
        when_format(json_get_int(run, "waits_until", 0), true, time);
        buf_printf(out, "%s, not before %s", reasons[i].words, time);
        return true;
    }
    return false;
}

/* What the run itself says, or else what /readyz says is degraded: "workers: no worker is up" and
 * others. */
void run_explain_wait(struct client *client, struct json_object *run, struct buf *out)
{
    const char *status = json_get_string(run, "status");
    struct client_reply reply = {0};
    struct json_object *degraded;

    if (!status || strcmp(status, "queued") != 0)
        return;
    if (json_get_bool(run, "held", false)) {
        buf_add_string(out, "another run of its thread comes first");
        return;
    }
    if (explain_pause(run, out))
        return;
    if (client_get(client, "/readyz", &reply, NULL) < 0)
        return;
    degraded = json_get(reply.json, "degraded");
    for (size_t i = 0; json_object_is_type(degraded, json_type_array) &&
                       i < json_object_array_length(degraded) && i < 8;
         i++) {
        struct text reason = json_string(json_object_array_get_idx(degraded, i));
        struct text name = TEXT_NONE;
        struct text words = reason;

        if (text_cut(reason, ':', &name, &words) && text_is(name, "workers"))
            reason = text_trim(words);
        buf_printf(out, "%s%.*s", out->len > 0 ? "; " : "", TEXT_ARGS(reason));
    }
    client_reply_deinit(&reply);
}

void run_message_text(struct json_object *message, struct buf *out)
{
    struct json_object *content = json_get(message, "content");
    size_t count =
        json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        struct text text = json_string(json_path(part, "text", "value", NULL));

        if (!text.ptr)
            text = json_get_text(part, "refusal");
        if (out->len > 0 && i > 0)
            buf_add_char(out, '\n');
        if (text.ptr)
            buf_add_text(out, text);
        else
            buf_printf(out, "[%.*s]", TEXT_ARGS(json_get_text(part, "type")));
    }
}

static struct json_object *calls_of(struct json_object *step)
{
    struct json_object *calls = json_path(step, "step_details", "tool_calls", NULL);

    return json_object_is_type(calls, json_type_array) ? calls : NULL;
}

static unsigned step_calls(struct json_object *step)
{
    struct json_object *calls = calls_of(step);

    return calls ? (unsigned)json_object_array_length(calls) : 0;
}

/* "! approval: approved, by ann, by key_…: fine"; of one that waits its id. */
static void print_approval(FILE *out, struct json_object *call)
{
    struct json_object *approval = json_get(call, "approval");
    static const char *const members[] = {"user", "by", "note"};
    CLEANUP(buf_deinit) struct buf line = {0};

    buf_init(&line, 0);
    if (!approval)
        return;
    buf_printf(&line, "! approval: %.*s", TEXT_ARGS(json_get_text(approval, "decision")));
    if (text_is(json_get_text(approval, "decision"), "waiting"))
        buf_printf(&line, " (%.*s)", TEXT_ARGS(json_get_text(call, "id")));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        if (json_get(approval, members[i]))
            buf_printf(&line, "%s%.*s", i < 2 ? ", by " : ": ",
                       TEXT_ARGS(json_get_text(approval, members[i])));
    terminal_print_line(out, buf_text(&line), LINE_WIDTH);
    (void)fputc('\n', out);
}

/* "12 ms, 3 tries, 5 results, cut, of 70123 bytes". Nothing where the step does not tell. */
static void describe_report(struct json_object *call, bool in_full, struct buf *out)
{
    int64_t took_ms = json_get_int(call, "duration_ms", -1);
    int64_t tries = json_get_int(call, "tries", 1);
    int64_t results = json_get_int(call, "results", -1);
    bool is_cut = json_get_bool(call, "is_cut", false);

    if (took_ms < 0 || (!in_full && tries == 1 && !is_cut))
        return;
    buf_printf(out, "%lld ms", (long long)took_ms);
    if (tries != 1)
        buf_printf(out, ", %lld tries", (long long)tries);
    if (results >= 0)
        buf_printf(out, ", %lld results", (long long)results);
    if (is_cut)
        buf_printf(out, ", cut, of %lld bytes", (long long)json_get_int(call, "bytes", 0));
}

static void print_report(FILE *out, struct json_object *call, bool in_full)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 0);
    describe_report(call, in_full, &text);
    if (text.len > 0)
        (void)fprintf(out, " (%s)", buf_string(&text));
}

/* A text of many lines, each behind a mark; where it is not to be in full as one line. */
static void print_lines(FILE *out, const char *mark, struct text text, bool in_full)
{
    struct text line;
    bool more = true;

    if (!in_full) {
        (void)fprintf(out, "%s ", mark);
        terminal_print_line(out, text, LINE_WIDTH);
        return;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    while (more) {
        more = text_cut(text, '\n', &line, &text);
        (void)fprintf(out, "%s ", mark);
        terminal_print(out, more ? line : text);
        if (more)
            (void)fputc('\n', out);
        mark = " ";
    }
}

/* What a program printed, and the images that it made. */
static void print_code_output(FILE *out, struct json_object *output, bool in_full)
{
    struct text logs = json_get_text(output, "logs");
    struct text image = json_string(json_path(output, "image", "file_id", NULL));

    (void)fprintf(out, "\n%s", terminal_colour(out, TERMINAL_DIM));
    if (logs.ptr)
        print_lines(out, "\xE2\x86\x90", logs, in_full);
    else
        (void)fprintf(out, "\xE2\x86\x90 [image %.*s]", TEXT_ARGS(image));
}

/* Its program, and what came of it. */
static void print_code(FILE *out, struct json_object *call, bool in_full)
{
    struct json_object *code = json_get(call, "code_interpreter");
    struct json_object *outputs = json_get(code, "outputs");
    size_t count =
        json_object_is_type(outputs, json_type_array) ? json_object_array_length(outputs) : 0;

    (void)fprintf(out, "%s\xE2\x86\x92 code_interpreter%s%s", terminal_colour(out, TERMINAL_CYAN),
                  terminal_colour(out, TERMINAL_PLAIN), in_full ? "\n" : "");
    print_lines(out, in_full ? " " : "", json_get_text(code, "input"), in_full);
    for (size_t i = 0; i < count; i++)
        print_code_output(out, json_object_array_get_idx(outputs, i), in_full);
    if (count > 0)
        print_report(out, call, in_full);
    (void)fprintf(out, "%s\n", terminal_colour(out, TERMINAL_PLAIN));
    print_approval(out, call);
}

static void print_call(FILE *out, struct json_object *call, bool in_full)
{
    struct json_object *function = json_get(call, "function");
    struct text name = json_get_text(function, "name");
    struct text output = json_get_text(function, "output");

    if (json_get(call, "code_interpreter")) {
        print_code(out, call, in_full);
        return;
    }

    (void)fprintf(out, "%s\xE2\x86\x92 ", terminal_colour(out, TERMINAL_CYAN));
    terminal_print_line(out, name.ptr ? name : json_get_text(call, "type"), LINE_WIDTH);
    (void)fprintf(out, "%s ", terminal_colour(out, TERMINAL_PLAIN));
    terminal_print_line(out, json_get_text(function, "arguments"), LINE_WIDTH);
    if (output.ptr) {
        (void)fprintf(out, "\n%s\xE2\x86\x90 %s", terminal_colour(out, TERMINAL_DIM),
                      text_is(json_get_text(call, "status"), "unknown") ? "(unknown) " : "");
        terminal_print_line(out, output, LINE_WIDTH);
        print_report(out, call, in_full);
        (void)fprintf(out, "%s", terminal_colour(out, TERMINAL_PLAIN));
    }
    (void)fputc('\n', out);
    print_approval(out, call);
}

/* Models that could not answer, and the one that did; nothing where the first one did. */
static void print_tried(FILE *out, struct json_object *step)
{
    struct json_object *tried = json_get(step, "tried");
    size_t count =
        json_object_is_type(tried, json_type_array) ? json_object_array_length(tried) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *model = json_object_array_get_idx(tried, i);
        CLEANUP(buf_deinit) struct buf line = {0};

        buf_init(&line, 0);
        buf_printf(
            &line, "! %.*s could not answer: %.*s (%.*s)", TEXT_ARGS(json_get_text(model, "model")),
            TEXT_ARGS(json_get_text(model, "message")), TEXT_ARGS(json_get_text(model, "code")));
        terminal_print_line(out, buf_text(&line), LINE_WIDTH);
        (void)fputc('\n', out);
    }
    if (count > 0) {
        (void)fputs("! answered by ", out);
        terminal_print_line(out, json_get_text(step, "model"), LINE_WIDTH);
        (void)fputc('\n', out);
    }
}

void run_print_step(FILE *out, struct json_object *step, bool in_full)
{
    struct json_object *calls = calls_of(step);

    print_tried(out, step);
    for (size_t i = 0; calls && i < json_object_array_length(calls); i++)
        print_call(out, json_object_array_get_idx(calls, i), in_full);
    (void)fflush(out);
}

bool run_print_problems(FILE *out, struct json_object *run)
{
    struct json_object *problems = json_get(run, "mcp_problems");
    size_t count =
        json_object_is_type(problems, json_type_array) ? json_object_array_length(problems) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *problem = json_object_array_get_idx(problems, i);
        CLEANUP(buf_deinit) struct buf line = {0};

        buf_init(&line, 0);
        buf_printf(&line, "! mcp %.*s: %.*s (%.*s)",
                   TEXT_ARGS(json_get_text(problem, "server_label")),
                   TEXT_ARGS(json_get_text(problem, "message")),
                   TEXT_ARGS(json_get_text(problem, "code")));
        terminal_print_line(out, buf_text(&line), PROBLEM_WIDTH);
        (void)fputc('\n', out);
    }
    return count > 0;
}

static int take_answer(void *arg, struct json_object *message, struct error *err)
{
    struct buf *out = arg;
    const char *role = json_get_string(message, "role");

    (void)err;
    if (!role || strcmp(role, "assistant") != 0)
        return 0;
    run_message_text(message, out);
    return 1;
}

int run_answer(struct client *client, const char *thread, const char *run, struct buf *out,
               struct error *err)
{
    CLEANUP(freep)
    char *path = xasprintf("/v1/threads/%s/messages?order=desc&run_id=%s", thread, run);
    const struct client_walk walk = {path, 100, take_answer, out};

    return client_walk(client, &walk, err);
}

static int count_step(void *arg, struct json_object *step, struct error *err)
{
    (void)err;
    *(unsigned *)arg += step_calls(step);
    return 0;
}

int run_count_calls(struct client *client, const char *thread, const char *run, unsigned *out,
                    struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s/runs/%s/steps?order=asc", thread, run);
    const struct client_walk walk = {path, LIST_MAX, count_step, out};

    return client_walk(client, &walk, err);
}

void run_print_message(FILE *out, struct json_object *message)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    struct text role = json_get_text(message, "role");

    buf_init(&text, 0);
    run_message_text(message, &text);
    (void)fprintf(out, "%s%.*s%s: ",
                  terminal_colour(out, text_is(role, "user") ? TERMINAL_GREEN : TERMINAL_BOLD),
                  TEXT_ARGS(role), terminal_colour(out, TERMINAL_PLAIN));
    terminal_print(out, buf_text(&text));
    (void)fputc('\n', out);
}

/* What a run did lies between the messages before it and its own. */
struct transcript {
    FILE *out;
    const char *run;
    struct json_object *answers; /* messages of the run */
    struct json_object *prompt;  /* the last one before it */
};

static int sort_message(void *arg, struct json_object *message, struct error *err)
{
    struct transcript *transcript = arg;
    const char *run = json_get_string(message, "run_id");

    (void)err;
    if (run && strcmp(run, transcript->run) == 0) {
        json_object_array_add(transcript->answers, json_object_get(message));
    } else if (json_object_array_length(transcript->answers) == 0) {
        json_free(transcript->prompt);
        transcript->prompt = json_object_get(message);
    }
    return 0;
}

static int print_step(void *arg, struct json_object *step, struct error *err)
{
    struct transcript *transcript = arg;

    (void)err;
    run_print_step(transcript->out, step, true);
    return 0;
}

int run_print_transcript(struct client *client, const char *thread, const char *run, FILE *out,
                         struct error *err)
{
    CLEANUP(freep) char *messages = xasprintf("/v1/threads/%s/messages?order=asc", thread);
    CLEANUP(freep) char *steps = xasprintf("/v1/threads/%s/runs/%s/steps?order=asc", thread, run);
    struct transcript transcript = {out, run, json_object_new_array(), NULL};
    const struct client_walk walk_messages = {messages, LIST_MAX, sort_message, &transcript};
    const struct client_walk walk_steps = {steps, LIST_MAX, print_step, &transcript};
    int r = client_walk(client, &walk_messages, err);

    if (r == 0 && transcript.prompt)
        run_print_message(out, transcript.prompt);
    if (r == 0)
        r = client_walk(client, &walk_steps, err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(transcript.answers); i++)
        run_print_message(out, json_object_array_get_idx(transcript.answers, i));
    json_free(transcript.answers);
    json_free(transcript.prompt);
    return r;
}
