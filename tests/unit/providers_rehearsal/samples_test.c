/* Every sample prompt is answered by the built-in script, through tools, and never by its fallback.
 * PENSTOCK_SHOW_SAMPLES=1 prints the answers. */

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "support.h"

static FILE *open_samples(void)
{
    char path[1024];
    const char *slash = strrchr(__FILE__, '/');

    snprintf(path, sizeof(path), "%.*s/../../../deploy/samples/prompts.jsonl",
             slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".");
    return fopen(path, "r");
}

/* Plays a prompt to its final answer. False, with a line that says why, when it is not a proper
 * one. */
static bool is_answered(struct script *script, const char *id, const char *prompt)
{
    struct play play;
    const char *why = "goes on for more than four rounds";
    bool done = false;

    play_begin(&play, prompt);
    for (int round = 0; round < 5 && !done; round++) {
        if (!play_ask(&play, script)) {
            why = play.problem.message;
            break;
        }
        if (!play.decision.rule || strcmp(play.decision.rule->name, "fallback") == 0) {
            why = "reaches the fallback";
            break;
        }
        if (play.decision.unfilled) {
            why = "has unfilled variables";
            break;
        }
        if (!play.decision.calls_count) {
            done = round > 0 && play.decision.text.len && !strstr(play.decision.text.ptr, "{{");
            why = "is answered without tools";
            break;
        }
        if (!play_run_tools(&play)) {
            why = "makes a call that the tools refuse";
            break;
        }
    }
    if (!done || getenv("PENSTOCK_SHOW_SAMPLES"))
        fprintf(stderr, "%s %s\n    [%s] %.*s%s\n", id, prompt,
                play.decision.rule ? play.decision.rule->name : "none",
                TEXT_ARGS(play.decision.text), done ? "" : why);
    play_end(&play);
    return done;
}

Test(samples, every_prompt_is_answered_through_tools)
{
    CLEANUP(script_freep) struct script *script = NULL;
    FILE *file = open_samples();
    struct error err;
    char line[2048];
    int count = 0;
    int bad = 0;

    cr_assert_not_null(file);
    cr_assert_eq(script_parse_builtin(&script, &err), 0, "%s", err.text);
    while (fgets(line, sizeof(line), file)) {
        struct json_object *sample = NULL;
        char id[32];

        count++;
        cr_assert_eq(json_decode(text_of(line), 4, &sample, &err), 0, "line %d: %s", count,
                     err.text);
        snprintf(id, sizeof(id), "sample-%03d", count);
        cr_assert_str_eq(json_get_string(sample, "custom_id"), id);
        bad += !is_answered(script, id, json_get_string(sample, "prompt"));
        json_free(sample);
    }
    fclose(file);
    cr_assert_eq(bad, 0, "%d prompts are not answered", bad);
    cr_assert_geq(count, 240);
    for (size_t i = 0; i < script->rules_count; i++)
        cr_assert(script->rules[i].used > 0 || strcmp(script->rules[i].name, "fallback") == 0 ||
                      strcmp(script->rules[i].name, "standard") == 0 ||
                      strcmp(script->rules[i].name, "trial") == 0 ||
                      text_starts(text_of(script->rules[i].name), "arithmetic"),
                  "no sample plays the rule '%s'", script->rules[i].name);
}

static const char *answer(struct script *script, const char *prompt)
{
    static struct play play;
    static bool begun;

    if (begun)
        play_end(&play);
    begun = true;
    play_begin(&play, prompt);
    while (play_ask(&play, script) && play.decision.calls_count)
        if (!play_run_tools(&play))
            return NULL;
    return play.decision.text.ptr;
}

Test(samples, answers_are_right)
{
    CLEANUP(script_freep) struct script *script = NULL;

    cr_assert_eq(script_parse_builtin(&script, NULL), 0);
    cr_assert_str_eq(answer(script, "standard"), "The answer is 42.");
    cr_assert_str_eq(answer(script, "What is 15% of 240?"), "15 percent of 240 is 36.");
    cr_assert_str_eq(answer(script, "Use the calculator: 12*(3+4)"), "12*(3+4) = 84.");
    cr_assert_str_eq(answer(script, "A jacket costs 120 euros and is now 25% off. What do I pay?"),
                     "The reduction is 30, which leaves a price of 90.");
    cr_assert_str_eq(answer(script, "How many days are there from 14 February 2026 to 9 May 2026?"),
                     "From 14 February 2026 to 9 May 2026 it is 84 days.");
    cr_assert_str_eq(answer(script, "What is 6*7?"), "6*7 = 42.");
    cr_assert_str_eq(answer(script, "what's 6 * 7"), "6 * 7 = 42.");
    cr_assert_str_eq(answer(script, "6*7"), "6*7 = 42.");
    cr_assert_str_eq(answer(script, "-5+3?"), "-5+3 = -2.");
    cr_assert_str_eq(answer(script, "2+2=?"), "2+2 = 4.");
    cr_assert_str_eq(answer(script, "Hello, how much is (1+2)*3?"), "(1+2)*3 = 9.");
    cr_assert_str_eq(answer(script, "What is 6 times 7?"), "6 times 7 is 42.");
    cr_assert_str_eq(answer(script, "6 \u00D7 7."), "6 \u00D7 7 is 42.");
    cr_assert_str_eq(answer(script, "6x7"), "6 x 7 is 42.");
    cr_assert_str_eq(answer(script, "Calculate 10 minus -2"), "10 minus -2 is 12.");
    cr_assert_str_eq(answer(script, "What is 1,000 divided by 8?"), "1000 divided by 8 is 125.");
    cr_assert_str_eq(answer(script, "how much is twelve plus 30"), "12 + 30 = 42.");
    cr_assert_str_eq(answer(script, "17 minus 5 times 2"), "17 - 5 * 2 = 7.");
    cr_assert_str_eq(answer(script, "Please subtract three from one hundred and five."),
                     "105 - 3 = 102.");
    cr_assert(strstr(answer(script, "What is 6?"), "rehearsal LLM"));
    cr_assert(strstr(answer(script, "Tell me a story"), "rehearsal LLM"));
}

/* What the assistant says where no tool is on offer; a text that the next call overwrites. */
static const char *answer_without_tools(struct script *script, const char *prompt)
{
    static char answer[200];
    CLEANUP(json_freep) struct json_object *request = NULL;
    CLEANUP(buf_deinit) struct buf body = {0};
    struct conversation conversation;
    struct problem problem;
    struct decide_input input = {.conversation = &conversation};
    struct decision decision;
    struct arena arena;

    arena_init(&arena, 0);
    buf_init(&body, 0);
    buf_add_string(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":");
    buf_add_json_string(&body, prompt);
    buf_add_string(&body, "}]}");
    cr_assert_eq(json_decode(buf_text(&body), 8, &request, NULL), 0);
    cr_assert_eq(play_read(&dialect_openai_chat, request, &arena, &conversation, &problem), 0);
    cr_assert_eq(decide(script, &input, &arena, &decision, NULL), 0);
    text_excerpt(decision.text, answer, sizeof(answer));
    arena_deinit(&arena);
    return answer;
}

Test(samples, without_tools_on_offer_arithmetic_is_done_by_itself_and_the_fallback_answers)
{
    CLEANUP(script_freep) struct script *script = NULL;

    cr_assert_eq(script_parse_builtin(&script, NULL), 0);
    cr_assert_str_eq(answer_without_tools(script, "What is 6*7?"), "6 * 7 = 42.");
    cr_assert_str_eq(answer_without_tools(script, "how much is twelve plus 30"), "12 + 30 = 42.");
    cr_assert_str_eq(answer_without_tools(script, "17 minus 5 times 2"), "17 - 5 * 2 = 7.");
    cr_assert_str_eq(answer_without_tools(script, "one divided by three"),
                     "1 / 3 = 0.333333333333.");
    cr_assert_str_eq(answer_without_tools(script, "What is 1/0?"), "1 / 0 = undefined.");
    cr_assert(strstr(answer_without_tools(script, "What is 15% of 240?"), "rehearsal LLM"));
    cr_assert(strstr(answer_without_tools(script, "Tell me a story"), "rehearsal LLM"));
}
