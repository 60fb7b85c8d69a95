/* From a conversation to what to do: the rules in order, the first that matches and can be filled.
 *
 * A rule with steps plays a small dialogue: the step is the number of rounds of tool calls since
 * the user's last message. A rule's counter moves when all its other conditions hold, also when
 * `times`, `skip`, `every` or `probability` then say no; so "times: 2" means the first two such
 * requests.
 */

#include "providers/rehearsal/decide.h"

#include <fnmatch.h>

#include "providers/rehearsal/script/arithmetic.h"
#include "providers/rehearsal/script/template.h"
#include "shared/base/error.h"

#define SUBJECT_MAX     4096 /* bytes that a pattern sees */
#define REPLY_MAX_BYTES ((size_t)4 << 20)

struct deciding {
    struct script *script;
    const struct decide_input *input;
    struct arena *arena;
    struct text subject;    /* the user's message, as far as patterns see it; ended by a zero */
    struct text expression; /* that the user asks for; TEXT_NONE: none, or not looked for yet */
    bool looked;            /* for that */
    regmatch_t captures[SCRIPT_CAPTURES];
    struct decision *out;
    bool too_large;
};

/* A copy of a text that patterns can see, ended by a zero. */
static struct text subject_of(struct arena *arena, struct text text)
{
    const char *copy;

    if (text.len > SUBJECT_MAX)
        text.len = SUBJECT_MAX;
    copy = arena_copy(arena, text);
    return copy ? (struct text){copy, strlen(copy)} : TEXT("");
}

static bool tool_matches(const struct deciding *d, const struct script_rule *rule)
{
    const struct conversation *conversation = d->input->conversation;
    struct text last;

    if (rule->after_tool >= 0 && conversation->after_tool != (rule->after_tool == 1))
        return false;
    if (rule->tool_results >= 0 && conversation->tools_count != (size_t)rule->tool_results)
        return false;
    if (!rule->tool)
        return true;
    if (!conversation->tools_count)
        return false;
    last = subject_of(d->arena, conversation->tools[conversation->tools_count - 1]);
    return regexec(rule->tool, last.ptr, 0, NULL, 0) == 0;
}

static bool header_matches(const struct deciding *d, const struct script_rule *rule)
{
    struct text value = TEXT_NONE;

    if (!rule->header_name)
        return true;
    if (d->input->header)
        value = d->input->header(d->input->header_arg, rule->header_name);
    if (!value.ptr)
        return false;
    return !rule->header || regexec(rule->header, subject_of(d->arena, value).ptr, 0, NULL, 0) == 0;
}

/* Whether a pattern is found in the beginning of a text, which need not be ended by a zero. */
static bool is_found(const regex_t *pattern, struct text text)
{
    regmatch_t where = {0, (regoff_t)(text.len > SUBJECT_MAX ? SUBJECT_MAX : text.len)};

    return regexec(pattern, text.len ? text.ptr : "", 0, &where, REG_STARTEND) == 0;
}

static bool texts_match(const struct deciding *d, const struct script_rule *rule)
{
    const struct conversation *conversation = d->input->conversation;

    if (rule->system && !is_found(rule->system, conversation->system))
        return false;
    if (!rule->any)
        return true;
    for (size_t i = 0; i < conversation->texts_count; i++)
        if (is_found(rule->any, conversation->texts[i]))
            return true;
    return false;
}

static bool asks_arithmetic(struct deciding *d)
{
    CLEANUP(buf_deinit) struct buf expression = {0};

    if (d->looked)
        return d->expression.ptr != NULL;
    d->looked = true;
    buf_init(&expression, 0);
    if (!arithmetic_read(d->input->conversation->user, &expression))
        return false;
    d->expression = (struct text){arena_copy(d->arena, buf_text(&expression)), expression.len};
    return d->expression.ptr != NULL;
}

static bool calls_are_offered(const struct deciding *d, const struct script_action *action)
{
    const struct conversation *conversation = d->input->conversation;

    for (size_t i = 0; i < action->calls_count; i++) {
        bool found = false;

        for (size_t n = 0; n < conversation->offered_count && !found; n++)
            found = text_is(conversation->offered[n], action->calls[i].name);
        if (!found)
            return false;
    }
    return true;
}

static const struct script_action *step_of(const struct deciding *d, const struct script_rule *rule)
{
    size_t rounds = d->input->conversation->rounds;

    return &rule->steps[rounds < rule->steps_count ? rounds : rule->steps_count - 1];
}

static bool conditions_hold(struct deciding *d, const struct script_rule *rule)
{
    const struct conversation *conversation = d->input->conversation;

    if (rule->embeddings != d->input->embeddings)
        return false;
    if (rule->model && fnmatch(rule->model, conversation->model.ptr, 0) != 0)
        return false;
    if (!tool_matches(d, rule) || !header_matches(d, rule) || !texts_match(d, rule))
        return false;
    if (rule->arithmetic >= 0 && asks_arithmetic(d) != (rule->arithmetic == 1))
        return false;
    for (size_t i = 0; i < SCRIPT_CAPTURES; i++)
        d->captures[i] = (regmatch_t){-1, -1};
    if (rule->user && regexec(rule->user, d->subject.ptr, SCRIPT_CAPTURES, d->captures, 0) != 0)
        return false;
    return !d->script->offered_tools_only || calls_are_offered(d, step_of(d, rule));
}

/* Counts the rule, and says whether it is its turn. */
static bool is_due(struct script *script, struct script_rule *rule)
{
    int64_t nth = rule->seen++ - rule->skip;

    if (nth < 0 || (rule->times >= 0 && nth >= rule->times))
        return false;
    if (rule->every > 0 && (nth + 1) % rule->every != 0)
        return false;
    return rule->probability < 0 ||
           (double)script_random(script, 0, 999999) < rule->probability * 1e6;
}

/* Fills one template into the arena. Returns 0 or TEMPLATE_NO_MATCH. */
static int fill(struct deciding *d, const char *template, bool escape_json, struct text *out)
{
    const struct conversation *conversation = d->input->conversation;
    struct template_values values = {
        .script = d->script,
        .user = d->subject,
        .model = conversation->model,
        .captures = d->captures,
        .tools = conversation->tools,
        .tools_count = conversation->tools_count,
        .expression = d->expression,
        .escape_json = escape_json,
    };
    CLEANUP(buf_deinit) struct buf filled = {0};
    int r;

    if (!template)
        return 0;
    buf_init(&filled, REPLY_MAX_BYTES);
    r = template_fill(template, &values, &filled, &d->out->unfilled);
    if (r != 0)
        return r;
    *out = (struct text){arena_copy(d->arena, buf_text(&filled)), filled.len};
    d->too_large |= filled.failed || !out->ptr;
    return 0;
}

/* Returns 0, or TEMPLATE_NO_MATCH. */
static int fill_action(struct deciding *d, const struct script_action *action)
{
    struct decision *out = d->out;
    int r;

    *out = (struct decision){.action = action, .calls_count = action->calls_count};
    r = fill(d, action->text, false, &out->text);
    if (r == 0)
        r = fill(d, action->reasoning, false, &out->reasoning);
    if (r == 0)
        r = fill(d, action->body, false, &out->body);
    out->calls = arena_calloc(d->arena, action->calls_count + 1, sizeof(*out->calls));
    if (!out->calls) {
        out->calls_count = 0;
        d->too_large = true;
    }
    for (size_t i = 0; r == 0 && i < out->calls_count; i++) {
        const struct script_call *call = &action->calls[i];

        out->calls[i].name = text_of(call->name);
        r = fill(d, call->arguments, !call->raw, &out->calls[i].arguments);
    }
    return r;
}

static const struct script_action nothing_said = {
    .status = 200,
    .delay_from_ms = -1,
    .chunk_from_ms = -1,
    .prompt_tokens = -1,
    .completion_tokens = -1,
    .reasoning_tokens = -1,
};

static void none_matched(const struct deciding *d)
{
    *d->out = (struct decision){
        .action = &nothing_said,
        .text = TEXT("No rule of the rehearsal script matches this conversation."),
        .delay_ms = -1,
        .chunk_ms = d->script->chunk_ms,
    };
}

/* A number of the action's range, or `otherwise` where it has none. */
static int64_t pick(struct script *script, int64_t from, int64_t to, int64_t otherwise)
{
    return from >= 0 ? script_random(script, from, to) : otherwise;
}

int decide(struct script *script, const struct decide_input *input, struct arena *arena,
           struct decision *out, struct error *err)
{
    struct deciding d = {
        .script = script,
        .input = input,
        .arena = arena,
        .subject = subject_of(arena, input->conversation->user),
        .out = out,
    };

    for (size_t i = 0; i < script->rules_count; i++) {
        struct script_rule *rule = &script->rules[i];

        if (!conditions_hold(&d, rule) || !is_due(script, rule))
            continue;
        if (fill_action(&d, step_of(&d, rule)) != 0)
            continue;
        if (d.too_large)
            return error_set(err, E_LIMIT, "the reply of rule '%s' is over 4 MiB", rule->name);
        rule->used++;
        out->rule = rule;
        out->delay_ms = pick(script, out->action->delay_from_ms, out->action->delay_to_ms, -1);
        out->chunk_ms =
            pick(script, out->action->chunk_from_ms, out->action->chunk_to_ms, script->chunk_ms);
        return 0;
    }
    none_matched(&d);
    return 0;
}
