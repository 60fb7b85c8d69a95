/* Playing the worker's part. The tools are stand-ins that check their arguments as the real ones
 * do. */

#include "support.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shared/base/error.h"

void play_begin(struct play *play, const char *user)
{
    memset(play, 0, sizeof(*play));
    arena_init(&play->arena, 0);
    buf_init(&play->messages, 0);
    buf_add_string(&play->messages, "{\"role\":\"user\",\"content\":");
    buf_add_json_string(&play->messages, user);
    buf_add_char(&play->messages, '}');
}

void play_end(struct play *play)
{
    buf_deinit(&play->messages);
    arena_deinit(&play->arena);
}

void play_add(struct play *play, const char *message)
{
    buf_add_char(&play->messages, ',');
    buf_add_string(&play->messages, message);
}

int play_read(const struct dialect *dialect, struct json_object *body, struct arena *arena,
              struct conversation *out, struct problem *problem)
{
    struct request request = {.body = body, .arena = arena, .keep_texts = true};

    return dialect->read(&request, out, problem);
}

bool play_ask(struct play *play, struct script *script)
{
    static const char tools[] =
        "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"calculator\"}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"current_time\",\"parameters\":{}}}]}";
    struct decide_input input = {.conversation = &play->conversation};
    CLEANUP(json_freep) struct json_object *request = NULL;
    CLEANUP(buf_deinit) struct buf text = {0};
    struct error err = {0};

    buf_init(&text, 0);
    buf_add_string(&text, "{\"model\":\"gpt-4o-mini\",\"messages\":[");
    buf_add_text(&text, buf_text(&play->messages));
    buf_add_string(&text, tools);
    if (json_decode(buf_text(&text), 64, &request, &err) < 0) {
        fprintf(stderr, "%s\n%s\n", err.text, buf_string(&text));
        return false;
    }
    if (play_read(&dialect_openai_chat, request, &play->arena, &play->conversation,
                  &play->problem) != 0)
        return false;
    return decide(script, &input, &play->arena, &play->decision, &err) == 0;
}

/* ---- a calculator: + - * / ( ) and numbers ---- */

struct calculation {
    const char *at;
    int depth;
    bool wrong;
};

static double sum(struct calculation *c);

static double factor(struct calculation *c)
{
    double value;
    char *end;

    while (*c->at == ' ')
        c->at++;
    if (*c->at == '-') {
        c->at++;
        return -factor(c);
    }
    if (*c->at == '(' && c->depth++ < 20) {
        c->at++;
        value = sum(c);
        c->wrong |= *c->at != ')';
        c->at += *c->at == ')';
    } else {
        value = strtod(c->at, &end);
        c->wrong |= end == c->at || !isdigit((unsigned char)*c->at);
        c->at = end;
    }
    while (*c->at == ' ')
        c->at++;
    return value;
}

static double product(struct calculation *c)
{
    double value = factor(c);

    while (!c->wrong && (*c->at == '*' || *c->at == '/')) {
        bool times = *c->at++ == '*';
        double right = factor(c);

        value = times ? value * right : value / right;
    }
    return value;
}

static double sum(struct calculation *c)
{
    double value = product(c);

    while (!c->wrong && (*c->at == '+' || *c->at == '-')) {
        bool plus = *c->at++ == '+';
        double right = product(c);

        value = plus ? value + right : value - right;
    }
    return value;
}

bool play_calculate(const char *expression, double *out)
{
    struct calculation c = {.at = expression};

    *out = sum(&c);
    return !c.wrong && !*c.at && isfinite(*out);
}

/* ---- the clock ---- */

static bool is_like(const char *pattern, const char *text)
{
    regex_t regex;
    bool yes;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        abort();
    yes = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return yes;
}

static bool run_clock(struct json_object *arguments, char *out, size_t size)
{
    const char *zone = json_get_string(arguments, "timezone");
    const char *at = json_get_string(arguments, "at");
    struct tm tm = {0};
    long long unix_time = 1772000000;

    if (!zone || !is_like("^(UTC|[A-Z][a-z]+(/[A-Z][A-Za-z_]+)+)$", zone))
        return false;
    if (at &&
        !is_like("^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:00Z$", at))
        return false;
    if (at && !strptime(at, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return false;
    if (at)
        unix_time = (long long)timegm(&tm);
    snprintf(
        out, size,
        "{\"timezone\":\"%s\",\"iso8601\":\"2026-03-14T16:30:00+01:00\",\"date\":\"2026-03-14\","
        "\"time\":\"16:30:00\",\"weekday\":\"Saturday\",\"utc_offset\":\"+01:00\",\"unix\":%lld}",
        zone, unix_time);
    return true;
}

static bool run_tool(const struct decision_call *call, char *out, size_t size)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    const char *expression;
    double value;

    if (json_decode(call->arguments, 64, &arguments, NULL) < 0)
        return false;
    if (text_is(call->name, "current_time"))
        return run_clock(arguments, out, size);
    expression = json_get_string(arguments, "expression");
    if (!text_is(call->name, "calculator") || !expression || !play_calculate(expression, &value))
        return false;
    snprintf(out, size, "%.15g", value);
    return true;
}

bool play_run_tools(struct play *play)
{
    CLEANUP(buf_deinit) struct buf results = {0};
    struct buf *messages = &play->messages;

    buf_init(&results, 0);
    buf_add_string(messages, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[");
    for (size_t i = 0; i < play->decision.calls_count; i++) {
        const struct decision_call *call = &play->decision.calls[i];
        char result[512];

        if (!run_tool(call, result, sizeof(result))) {
            fprintf(stderr, "refused call: %.*s %.*s\n", TEXT_ARGS(call->name),
                    TEXT_ARGS(call->arguments));
            return false;
        }
        buf_printf(messages, "%s{\"id\":\"call_%d\",\"type\":\"function\",\"function\":{\"name\":",
                   i ? "," : "", play->calls);
        buf_add_json(messages, call->name);
        buf_add_string(messages, ",\"arguments\":");
        buf_add_json(messages, call->arguments);
        buf_add_string(messages, "}}");
        buf_printf(&results,
                   ",{\"role\":\"tool\",\"tool_call_id\":\"call_%d\",\"content\":", play->calls++);
        buf_add_json_string(&results, result);
        buf_add_char(&results, '}');
    }
    buf_add_string(messages, "]}");
    buf_add_text(messages, buf_text(&results));
    return true;
}

struct script *play_script(const char *yaml)
{
    struct script *script = NULL;
    struct error err;

    if (script_parse("test.yaml", text_of(yaml), &script, &err) == 0)
        return script;
    fprintf(stderr, "%s\n", err.text);
    abort();
}
