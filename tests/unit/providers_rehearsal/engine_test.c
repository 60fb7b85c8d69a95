/* What scripts can say, and what the engine does about it. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "support.h"

static struct play play;

static void begin(void)
{
    play_begin(&play, "Please add 1,200 apples at 3:30 pm in OSLO");
}

static void end(void)
{
    play_end(&play);
}

TestSuite(engine, .init = begin, .fini = end);

/* The reply's text to the present conversation, by a script of these rules. */
static const char *text_by(const char *yaml)
{
    struct script *script = play_script(yaml);
    const char *text;

    cr_assert(play_ask(&play, script), "%s", play.problem.message);
    text = play.decision.text.ptr; /* in the play's arena */
    script_free(script);
    return text ? text : "";
}

static const char *chosen(struct script *script)
{
    cr_assert(play_ask(&play, script), "%s", play.problem.message);
    return play.decision.rule ? play.decision.rule->name : "none";
}

Test(engine, the_first_rule_that_matches_wins)
{
    cr_assert_str_eq(text_by("rules:\n"
                             "  - {when: {user: pears}, then: {text: a}}\n"
                             "  - {when: {user: apples}, then: {text: b}}\n"
                             "  - {then: {text: c}}\n"),
                     "b");
}

Test(engine, without_a_match_the_reply_says_so)
{
    cr_assert(strstr(text_by("rules: [{when: {user: pears}, then: {text: a}}]"), "No rule"));
}

Test(engine, models_match_by_glob)
{
    cr_assert_str_eq(text_by("rules:\n"
                             "  - {when: {model: 'llama*'}, then: {text: a}}\n"
                             "  - {when: {model: 'gpt-4?-*'}, then: {text: '{{model}}'}}\n"),
                     "gpt-4o-mini");
}

Test(engine, templates_fill_captures_through_filters_and_tables)
{
    cr_assert_str_eq(
        text_by("tables: {zone: {oslo: Europe/Oslo}}\n"
                "rules:\n"
                "  - when: {user: '([0-9,]+) ([a-z]+) at ([0-9:]+ pm) in ([a-z]+)'}\n"
                "    then: {text: '{{1|number}} {{2}} {{3|clock}} {{4|zone}} {{4|lower}}'}\n"),
        "1200 apples 15:30 Europe/Oslo oslo");
    cr_assert_eq(play.decision.unfilled, 0);
}

Test(engine, clocks_and_small_numbers)
{
    cr_assert_str_eq(text_by("rules: [{when: {user: '(1)'}, then: {text: '{{1|pad}} {{1|money}} "
                             "{{1|clock}} {{2}}'}}]"),
                     "01 1.00 01:00 ");
    cr_assert_eq(play.decision.unfilled, 1, "a group that is not there");
}

Test(engine, results_are_rounded_for_people)
{
    play_add(&play,
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
             "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}");
    play_add(&play, "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"[1]\"}");
    cr_assert_str_eq(text_by("rules: [{when: {user: '(1,200)'}, then: {text: '{{tool|round}}'}}]"),
                     "[1]");
    play_end(&play);
    play_begin(&play, "50.70632 and 7.50 and 300 and 0.001");
    cr_assert_str_eq(
        text_by("rules:\n"
                "  - when: {user: '([0-9.]+) and ([0-9.]+) and ([0-9]+) and ([0-9.]+)'}\n"
                "    then: {text: '{{1|round}} {{2|round}} {{3|round}} {{4|round}}'}\n"),
        "50.71 7.5 300 0");
}

Test(engine, a_value_that_a_table_lacks_makes_the_rule_not_match)
{
    cr_assert_str_eq(text_by("tables: {zone: {rome: Europe/Rome}}\n"
                             "rules:\n"
                             "  - {when: {user: 'in ([a-z]+)'}, then: {text: '{{1|zone}}'}}\n"
                             "  - {then: {text: other}}\n"),
                     "other");
}

Test(engine, steps_follow_the_rounds_of_tool_calls)
{
    struct script *script =
        play_script("rules:\n"
                    "  - steps:\n"
                    "      - calls:\n"
                    "          - {name: calculator, arguments: {expression: '6*7'}}\n"
                    "          - {name: current_time, arguments: {timezone: Asia/Tokyo}}\n"
                    "      - calls: [{name: calculator, arguments: {expression: '{{tool.1}}+1'}}]\n"
                    "      - text: '{{tool}} {{tool.1}} {{tool.2.timezone}} {{tool.2.unix}}'\n");

    cr_assert(play_ask(&play, script));
    cr_assert_eq(play.decision.calls_count, 2);
    cr_assert(play_run_tools(&play));
    cr_assert(play_ask(&play, script));
    cr_assert(text_is(play.decision.calls[0].arguments, "{\"expression\":\"42+1\"}"));
    cr_assert(play_run_tools(&play));
    cr_assert(play_ask(&play, script));
    cr_assert_str_eq(play.decision.text.ptr, "43 42 Asia/Tokyo 1772000000");
    script_free(script);
}

Test(engine, a_member_that_a_result_lacks_shows_the_result)
{
    play_add(&play,
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
             "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}");
    play_add(&play, "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"no such zone\"}");
    cr_assert_str_eq(text_by("rules: [{then: {text: 'It said: {{tool.time}}'}}]"),
                     "It said: no such zone");
    cr_assert_eq(play.decision.unfilled, 1);
}

Test(engine, results_are_numbered_by_their_calls_not_by_their_order)
{
    play_add(&play,
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
             "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
             "\"{}\"}},{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"f\","
             "\"arguments\":\"{}\"}}]}");
    play_add(&play, "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"second\"}");
    play_add(&play, "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"first\"}");
    cr_assert_str_eq(text_by("rules: [{then: {text: '{{tool.1}} {{tool.2}}'}}]"), "first second");
}

Test(engine, conditions_on_tool_results)
{
    static const char yaml[] = "rules:\n"
                               "  - {when: {after_tool: false}, then: {text: none yet}}\n"
                               "  - {when: {tool_results: 2}, then: {text: two}}\n"
                               "  - {when: {tool: '^error'}, then: {text: an error}}\n"
                               "  - {when: {after_tool: true}, then: {text: fine}}\n";

    cr_assert_str_eq(text_by(yaml), "none yet");
    play_add(&play,
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
             "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}");
    play_add(&play, "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"Error: no\"}");
    cr_assert_str_eq(text_by(yaml), "an error");
}

Test(engine, instructions_and_any_message_are_conditions)
{
    static const char yaml[] = "rules:\n"
                               "  - {when: {system: '^be brief'}, then: {text: brief}}\n"
                               "  - {when: {any: 'pears'}, then: {text: pears}}\n"
                               "  - {then: {text: other}}\n";

    cr_assert_str_eq(text_by(yaml), "other");
    play_add(&play, "{\"role\":\"assistant\",\"content\":\"Pears?\"}");
    play_add(&play, "{\"role\":\"user\",\"content\":\"no\"}");
    cr_assert_str_eq(text_by(yaml), "pears");
    play_add(&play, "{\"role\":\"developer\",\"content\":\"Be brief.\"}");
    cr_assert_str_eq(text_by(yaml), "brief");
}

Test(engine, arithmetic_is_a_condition_and_fills_templates)
{
    static const char yaml[] =
        "rules:\n"
        "  - when: {arithmetic: true}\n"
        "    then: {text: '{{expression}} is {{value}}', reasoning: 'Let me see: {{expression}}'}\n"
        "  - {when: {arithmetic: false}, then: {text: no question}}\n";

    cr_assert_str_eq(text_by(yaml), "no question");
    play_end(&play);
    play_begin(&play, "What is two times (3 + 4)?");
    cr_assert_str_eq(text_by(yaml), "2 * (3 + 4) is 14");
    cr_assert(text_is(play.decision.reasoning, "Let me see: 2 * (3 + 4)"));
    cr_assert_eq(play.decision.unfilled, 0);
}

Test(engine, rules_of_embeddings_play_those_alone)
{
    struct script *script = play_script("rules:\n"
                                        "  - {name: e, when: {embeddings: true}, then: {delay_ms: "
                                        "5}}\n"
                                        "  - {name: c, then: {text: a}}\n");
    struct decide_input input = {.conversation = &play.conversation, .embeddings = true};

    cr_assert_str_eq(chosen(script), "c");
    cr_assert_eq(decide(script, &input, &play.arena, &play.decision, NULL), 0);
    cr_assert_str_eq(play.decision.rule->name, "e");
    cr_assert_eq(play.decision.delay_ms, 5);
    script_free(script);
}

Test(engine, streams_have_a_pace_and_a_fault)
{
    struct script *script = play_script("stream: {chunk_ms: 7, chunk_tokens: 3}\n"
                                        "rules:\n"
                                        "  - {when: {times: 1}, then: {text: a, chunk_ms: [2, 4], "
                                        "error_after: {events: 5, status: 529}}}\n"
                                        "  - {then: {text: a, cut_after: 2}}\n");

    cr_assert(play_ask(&play, script));
    cr_assert(play.decision.chunk_ms >= 2 && play.decision.chunk_ms <= 4);
    cr_assert_eq(play.decision.action->fault, SCRIPT_FAULT_ERROR_AFTER);
    cr_assert_eq(play.decision.action->fault_events, 5);
    cr_assert_eq(play.decision.action->error_status, 529);
    cr_assert(play_ask(&play, script));
    cr_assert_eq(play.decision.chunk_ms, 7);
    cr_assert_eq(play.decision.action->fault, SCRIPT_FAULT_CUT_AFTER);
    cr_assert_eq(script->chunk_tokens, 3);
    script_free(script);
}

Test(engine, limits_and_contexts_are_found_by_glob)
{
    struct script *script = play_script("context_tokens: {'gpt-4*': 100, '*': 50}\n"
                                        "limits:\n"
                                        "  - {model: 'gpt-*', key: 'a*', concurrent: 2}\n"
                                        "  - {model: 'gpt-*', requests_per_day: 9}\n"
                                        "rules: [{then: {text: a}}]\n");

    cr_assert_eq(script_context_tokens(script, "gpt-4o"), 100);
    cr_assert_eq(script_context_tokens(script, "llama"), 50);
    cr_assert_eq(script_find_limit(script, "abc", "gpt-4o")->allowed[LIMIT_CONCURRENT], 2);
    cr_assert_eq(script_find_limit(script, "b", "gpt-4o")->allowed[LIMIT_REQUESTS_DAY], 9);
    cr_assert_null(script_find_limit(script, "b", "llama"));
    script_free(script);
}

Test(engine, times_skip_and_every_count_matches)
{
    struct script *script =
        play_script("rules:\n"
                    "  - {name: first two, when: {times: 2}, then: {status: 500}}\n"
                    "  - {name: third, when: {every: 3}, then: {status: 503}}\n"
                    "  - {name: late, when: {skip: 4, times: 1}, then: {text: b}}\n"
                    "  - {name: rest, then: {text: a}}\n");
    static const char *const expected[] = {"first two", "first two", "rest",  "rest",
                                           "third",     "rest",      "rest",  "third",
                                           "late",      "rest",      "third", "rest"};

    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
        cr_assert_str_eq(chosen(script), expected[i], "call %zu", i);
    script_free(script);
}

Test(engine, probability_follows_the_seed)
{
    static const char yaml[] = "seed: 5\nrules:\n"
                               "  - {name: bad, when: {probability: 0.3}, then: {status: 500}}\n"
                               "  - {name: good, then: {text: a}}\n";
    struct script *one = play_script(yaml);
    struct script *two = play_script(yaml);
    int bad = 0;

    for (int i = 0; i < 400; i++) {
        const char *name = chosen(one);

        cr_assert_str_eq(name, chosen(two));
        bad += strcmp(name, "bad") == 0;
    }
    cr_assert(bad > 80 && bad < 160, "%d of 400", bad);
    script_free(one);
    script_free(two);
}

static struct text one_header(void *arg, const char *name)
{
    return text_is_nocase(text_of(name), "x-tier") ? text_of(arg) : TEXT_NONE;
}

Test(engine, headers_of_the_request_are_a_condition)
{
    struct script *script = play_script(
        "rules:\n"
        "  - {name: free, when: {header: {name: X-Tier, matches: ^free}}, then: {text: a}}\n"
        "  - {name: any, when: {header: {name: x-tier}}, then: {text: b}}\n"
        "  - {name: none, then: {text: c}}\n");
    struct decide_input input = {.conversation = &play.conversation, .header = one_header};

    cr_assert_str_eq(chosen(script), "none");
    input.header_arg = "free-1";
    cr_assert_eq(decide(script, &input, &play.arena, &play.decision, NULL), 0);
    cr_assert_str_eq(play.decision.rule->name, "free");
    input.header_arg = "paid";
    cr_assert_eq(decide(script, &input, &play.arena, &play.decision, NULL), 0);
    cr_assert_str_eq(play.decision.rule->name, "any");
    script_free(script);
}

Test(engine, arguments_are_json_whatever_is_filled_in)
{
    struct script *script = play_script("rules:\n"
                                        "  - then:\n"
                                        "      calls: [{name: f, arguments: {text: '{{user}}', n: "
                                        "3, on: true, x: '3', list: [1, a]}}]\n");

    play_end(&play);
    play_begin(&play, "say \"hi\"\n\\o/");
    cr_assert(play_ask(&play, script));
    cr_assert(text_is(play.decision.calls[0].arguments,
                      "{\"text\":\"say \\\"hi\\\"\\n\\\\o/\",\"n\":3,\"on\":true,\"x\":\"3\","
                      "\"list\":[1,\"a\"]}"));
    script_free(script);
}

Test(engine, arguments_given_as_text_go_out_as_they_are)
{
    struct script *script =
        play_script("rules: [{then: {calls: [{name: f, arguments: '{broken'}]}}]");

    cr_assert(play_ask(&play, script));
    cr_assert(text_is(play.decision.calls[0].arguments, "{broken"));
    script_free(script);
}

Test(engine, delays_stay_in_their_range)
{
    struct script *script = play_script("rules: [{then: {text: a, delay_ms: [10, 12]}}]");
    bool seen[13] = {false};

    for (int i = 0; i < 100; i++) {
        cr_assert(play_ask(&play, script));
        cr_assert(play.decision.delay_ms >= 10 && play.decision.delay_ms <= 12);
        seen[play.decision.delay_ms] = true;
    }
    cr_assert(seen[10] && seen[11] && seen[12]);
    script_free(script);
}

Test(engine, patterns_see_only_the_beginning_of_a_long_message)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 0);
    for (int i = 0; i < 5000; i++)
        buf_add_char(&text, 'x');
    buf_add_string(&text, "apples");
    play_end(&play);
    play_begin(&play, buf_string(&text));
    cr_assert(strstr(text_by("rules: [{when: {user: apples}, then: {text: a}}]"), "No rule"));
}

/* ---- errors ---- */

static const char *error_of(const char *yaml)
{
    static struct error err;
    struct script *script = NULL;

    err.text[0] = '\0';
    cr_assert_eq(script_parse("s.yaml", text_of(yaml), &script, &err), -E_INVALID, "%s", yaml);
    cr_assert_null(script);
    return err.text;
}

#define ERROR_BEGINS(yaml, expected)                                                               \
    cr_assert(text_starts(text_of(error_of(yaml)), expected), "%s", error_of(yaml))

Test(script, errors_name_file_line_and_column)
{
    ERROR_BEGINS("", "s.yaml:1:1: the script is empty");
    ERROR_BEGINS("rules: [", "s.yaml:2:1: did not find");
    ERROR_BEGINS("seed: 1\n", "s.yaml:1:1: a script needs rules");
    ERROR_BEGINS("rules: 3\n", "s.yaml:1:8: rules must be a list");
    ERROR_BEGINS("rules:\n  - {than: {text: a}}\n",
                 "s.yaml:2:6: a rule has no key 'than'; known are: name, when, then, steps");
    ERROR_BEGINS("rules:\n  - then: {text: a}\nrules:\n  - then: {text: b}\n",
                 "s.yaml:3:1: a script has the key 'rules' twice");
    ERROR_BEGINS("rules:\n  - {then: {text: a, text: b}}\n",
                 "s.yaml:2:22: an action has the key 'text' twice");
    ERROR_BEGINS("rules:\n  - name: a\n", "s.yaml:2:5: a rule needs then or steps");
    ERROR_BEGINS("rules:\n  - when: {user: '('}\n", "s.yaml:2:18: not a regular expression: ");
    ERROR_BEGINS("rules:\n  - {then: {text: '{{tol}}'}}\n", "s.yaml:2:19: {{tol}} is no value");
    ERROR_BEGINS("rules:\n  - {then: {text: '{{1'}}\n", "s.yaml:2:19: a {{ is not closed");
    ERROR_BEGINS("rules:\n  - {then: {text: '{{1|zone}}'}}\n",
                 "s.yaml:2:19: {{1|zone}} is no value");
    ERROR_BEGINS("rules:\n  - {then: {status: 99}}\n", "s.yaml:2:21: a status is");
    ERROR_BEGINS("rules:\n  - {then: {delay_ms: [5, 1], text: a}}\n",
                 "s.yaml:2:23: delay_ms must not");
    ERROR_BEGINS("rules:\n  - {then: {delay_ms: soon, text: a}}\n", "s.yaml:2:23: a whole number");
    ERROR_BEGINS("rules:\n  - {then: {}}\n", "s.yaml:2:12: an action needs");
    ERROR_BEGINS("rules:\n  - {then: {close: after}}\n", "s.yaml:2:20: close is");
    ERROR_BEGINS("rules:\n  - {then: {text: a, cut_after: soon}}\n", "s.yaml:2:33: a whole");
    ERROR_BEGINS("rules:\n  - {then: {text: a, error_after: {event: 1}}}\n",
                 "s.yaml:2:36: error_after has no key 'event'; known are: events, status");
    ERROR_BEGINS("rules:\n  - steps: [{text: a}, {delay_ms: 1}]\n", "s.yaml:2:24: an action needs");
    ERROR_BEGINS("context_tokens: 5\nrules: []\n", "s.yaml:1:17: context_tokens must be");
    ERROR_BEGINS("context_tokens: {a: 0}\nrules: []\n", "s.yaml:1:21: a limit is a number");
    ERROR_BEGINS("limits: [{requests_per_hour: 1}]\nrules: []\n",
                 "s.yaml:1:11: a limit has no key 'requests_per_hour'");
    ERROR_BEGINS("stream: {chunk_ms: -1}\nrules: []\n", "s.yaml:1:20: a whole number");
    ERROR_BEGINS("rules:\n  - {then: {calls: [{arguments: {}}]}}\n",
                 "s.yaml:2:21: a call needs a name");
    ERROR_BEGINS("rules:\n  - {steps: []}\n", "s.yaml:2:13: steps must not be empty");
    ERROR_BEGINS("rules:\n  - {when: {every: 0}, then: {text: a}}\n", "s.yaml:2:20: every is");
    ERROR_BEGINS("rules:\n  - {when: {probability: 2}, then: {text: a}}\n",
                 "s.yaml:2:26: a probab");
    ERROR_BEGINS("rules:\n  - {when: {header: {matches: a}}, then: {text: a}}\n",
                 "s.yaml:2:21: header needs a name");
    ERROR_BEGINS("rules:\n  - {when: {after_tool: maybe}, then: {text: a}}\n",
                 "s.yaml:2:25: true or");
    ERROR_BEGINS("rules:\n  - {then: {text: a, headers: {'a b': c}}}\n", "s.yaml:2:31: a header");
    ERROR_BEGINS("rules:\n  - when: {user: '()()()()()()()()()()'}\n", "s.yaml:2:18: a regular");
}

/* Appends "text" so many times. */
static void add_times(struct buf *out, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_add_string(out, text);
}

static void check_too_large(struct buf *yaml)
{
    struct script *script = NULL;
    struct error err = {0};

    cr_assert_eq(script_parse("s.yaml", buf_text(yaml), &script, &err), -E_LIMIT, "%s", err.text);
    cr_assert(strstr(err.text, "more than there is room for"), "%s", err.text);
    cr_assert_null(script);
    buf_deinit(yaml);
}

Test(script, aliases_that_say_too_much_are_refused_soon)
{
    struct buf yaml;

    buf_init(&yaml, 0); /* aliases of aliases */
    buf_add_string(&yaml, "rules:\n  - then:\n      calls:\n        - name: x\n          arguments:"
                          "\n            a0: &a0 [b]\n");
    for (int i = 1; i < 13; i++) {
        buf_printf(&yaml, "            a%d: &a%d [*a%d", i, i, i - 1);
        for (int n = 0; n < 9; n++)
            buf_printf(&yaml, ", *a%d", i - 1);
        buf_add_string(&yaml, "]\n");
    }
    check_too_large(&yaml);

    buf_init(&yaml, 0); /* a long text, again and again */
    buf_add_string(&yaml, "rules:\n  - then: {text: &long ");
    add_times(&yaml, "0123456789", 10000);
    buf_add_string(&yaml, "}\n");
    add_times(&yaml, "  - then: {text: *long}\n", 1000);
    check_too_large(&yaml);
}

Test(script, patterns_that_grow_beyond_bounds_are_refused)
{
    static const char *const wrong[] = {
        "a{200}{200}{200}",   "((a{99}b){99}c){99}",       "a{,30000}",
        "[[:alpha:]]{30000}", "a++++++++++++++++++++++++", "(a|b{200}){200}",
    };
    static const char *const right[] = {
        "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "(a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+)+",
        "\\{9{200}",
        "[]{9}{9}{9}{9}{9}]{9}",
        "a{1,64}@b{1,255}",
        "x*?{3}",
    };
    char yaml[200];
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        snprintf(yaml, sizeof(yaml), "rules: [{when: {user: '%s'}, then: {text: x}}]", wrong[i]);
        cr_assert(strstr(error_of(yaml), "must not repeat that much"), "%s", wrong[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
        struct script *script = NULL;

        snprintf(yaml, sizeof(yaml), "rules: [{when: {user: '%s'}, then: {text: x}}]", right[i]);
        cr_assert_eq(script_parse("s", text_of(yaml), &script, &err), 0, "%s", right[i]);
        script_free(script);
    }
}

Test(script, values_of_placeholders_are_checked)
{
    static const char *const wrong[] = {"{{10}}", "{{tool.}}", "{{tool.0}}", "{{tool.1.}}",
                                        "{{}}",   "{{user|}}", "{{tool.2x}}"};
    char yaml[100];

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        snprintf(yaml, sizeof(yaml), "rules: [{then: {text: '%s'}}]", wrong[i]);
        cr_assert(strstr(error_of(yaml), "is no value"), "%s", wrong[i]);
    }
}

Test(script, a_missing_file_is_not_found)
{
    struct script *script = NULL;
    struct error err;

    cr_assert_eq(script_load("/nonexistent/x.yaml", &script, &err), -E_NOT_FOUND);
}
