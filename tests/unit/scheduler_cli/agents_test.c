#include <criterion/criterion.h>
#include <string.h>

#include "scheduler/cli/agents/agents_diff.h"
#include "scheduler/cli/agents/agents_file.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"

static struct json_object *parse(const char *text)
{
    struct agents_file file = {0};
    struct json_object *agents;
    struct error err;
    int r = agents_file_parse("a.yaml", text_of(text), &file, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    agents = json_object_get(file.agents);
    agents_file_deinit(&file);
    return agents;
}

static void check_refused(const char *text, const char *message)
{
    struct agents_file file = {0};
    struct error err;

    cr_assert_eq(agents_file_parse("a.yaml", text_of(text), &file, &err), -E_INVALID);
    cr_assert(file.agents == NULL && file.places == NULL);
    cr_assert(strncmp(err.text, message, strlen(message)) == 0, "got: %s", err.text);
}

Test(agents_file, becomes_the_bodies_of_the_api)
{
    CLEANUP(json_freep)
    struct json_object *agents = parse("agents:\n"
                                       "  - name: 007\n"
                                       "    model: openai/gpt-4o-mini\n"
                                       "    instructions: |\n"
                                       "      One.\n"
                                       "      Two.\n"
                                       "    tools: [{type: calculator}, {type: function, function: "
                                       "{name: f, strict: true, parameters: {type: object}}}]\n"
                                       "    temperature: 0.5\n"
                                       "    metadata: {k: 1, l: true}\n"
                                       "    max_iterations: 16\n"
                                       "    http_allow: [api.example.com]\n"
                                       "    description: ~\n");

    cr_assert_str_eq(
        json_text(json_object_array_get_idx(agents, 0)).ptr,
        "{\"name\":\"007\",\"model\":\"openai/gpt-4o-mini\",\"instructions\":\"One.\\nTwo.\\n\","
        "\"tools\":[{\"type\":\"calculator\"},{\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"strict\":true,\"parameters\":{\"type\":\"object\"}}}],\"temperature\":0.5,"
        "\"metadata\":{\"k\":\"1\",\"l\":\"true\"},\"max_iterations\":16,"
        "\"http_allow\":[\"api.example.com\"],\"description\":null}");
}

Test(agents_file, is_refused_with_line_and_column)
{
    check_refused("agents: [", "a.yaml:2:1: ");
    check_refused("agents:\n - name: a\n   model: m\n   modle: x\n",
                  "a.yaml:4:4: an agent has no \"modle\"; did you mean \"model\"?");
    check_refused("agents:\n - name: a\n", "a.yaml:2:4: agent \"a\" has no model");
    check_refused("agents:\n - model: m\n", "a.yaml:2:4: this agent has no name");
    check_refused("agents:\n - {name: a, model: m, temperature: 3}\n",
                  "a.yaml:2:37: temperature must be a number from 0 to 2");
    check_refused("agents:\n - {name: a, model: m, max_iterations: 1.5}\n",
                  "a.yaml:2:40: max_iterations must be a whole number from 1 to 200");
    check_refused("agents:\n - {name: a, model: m, temperature: \"1\"}\n", "a.yaml:2:37:");
    check_refused("agents:\n - {name: a, model: m, max_iterations: 010}\n",
                  "a.yaml:2:40: max_iterations must be a whole number from 1 to 200");
    check_refused("agents:\n - {name: a, model: m, temperature: 01.5}\n",
                  "a.yaml:2:37: temperature must be a number from 0 to 2");
    check_refused("agents:\n - {name: a, model: m, response_format: {a: 010}}\n",
                  "a.yaml:2:45: 010: a number has no \"+\" and no leading zeros");
    check_refused("agents: []\n---\nagents: []\n", "a.yaml:2:1: there is a second document");
    check_refused("agents:\n - {name: \"\\e[31ma\", model: m}\n - {name: \"\\e[31ma\", model: m}\n",
                  "a.yaml:3:4: there are two agents with the name \"?[31ma\"");
    check_refused("agents:\n - {name: a, model: m}\n - {name: a, model: m}\n",
                  "a.yaml:3:4: there are two agents with the name \"a\"");
    check_refused("agents:\n - {name: a, name: b, model: m}\n", "a.yaml:2:14: \"name\" is there");
    check_refused("agents:\n - {name: a, model: m, tools: [{type: calculator, class: once}]}\n",
                  "a.yaml:2:32: class is 'idempotent' and 'once', and only http_request has one: "
                  "see docs/tools.md");
    check_refused("agents:\n - {name: a, model: m, tools: [{type: calculator!}]}\n",
                  "a.yaml:2:32: there is no tool \"calculator!\"; did you mean calculator?");
    check_refused("agents:\n - {name: a, model: m, tools: [calculator]}\n",
                  "a.yaml:2:32: a tool must be a mapping");
    check_refused("agents:\n - {name: a, model: m, tools: [{type: function}]}\n",
                  "a.yaml:2:32: a function tool must have");
    check_refused("agents:\n - {name: a, model: m, examples: [{user: x}]}\n",
                  "a.yaml:2:34: Missing required parameter: 'examples[0].assistant'.");
    check_refused("agents:\n - {name: a, model: m, constraints: [{a: b}]}\n",
                  "a.yaml:2:38: constraints must be text");
    check_refused("agents:\n - {name: a, model: m, slug: A}\n",
                  "a.yaml:2:30: Invalid 'slug': expected small letters");
    check_refused("agents:\n - {name: a, model: m, metadata: {k: [1]}}\n",
                  "a.yaml:2:38: a value of metadata must be text");
    check_refused("agents: 3\n", "a.yaml:1:9: agents must be a list");
    check_refused("agent: []\n",
                  "a.yaml:1:1: the file may hold \"agents:\", \"tools:\" and \"schedules:\" alone");
    check_refused("", "a.yaml:1:1: the file must begin with");
    check_refused("- 1\n", "a.yaml:1:1: the file must begin with");
}

Test(agents_file, does_not_follow_an_alias_into_itself)
{
    check_refused("agents:\n - name: a\n   model: m\n   response_format: &x {a: *x}\n",
                  "a.yaml:4:");
}

static struct json_object *decode(const char *text)
{
    struct json_object *json = NULL;

    cr_assert_eq(json_decode(text_of(text), 64, &json, NULL), 0);
    return json;
}

static void check_same(const char *a, const char *b, bool expected)
{
    CLEANUP(json_freep) struct json_object *left = decode(a);
    CLEANUP(json_freep) struct json_object *right = decode(b);

    cr_assert_eq(agents_diff_same(left, right), expected, "%s %s", a, b);
    cr_assert_eq(agents_diff_same(right, left), expected, "%s %s", b, a);
}

Test(agents_diff, compares_by_value)
{
    check_same("{\"a\":1,\"b\":[1,\"x\"]}", "{\"b\":[1.0,\"x\"],\"a\":1}", true);
    check_same("{\"a\":1}", "{\"a\":1,\"b\":null}", true);
    check_same("{\"a\":1}", "{\"a\":1,\"b\":2}", false);
    check_same("[1,2]", "[2,1]", false);
    check_same("[1]", "[1,2]", false);
    check_same("\"1\"", "1", false);
    check_same("\"a\"", "\"a\\u0001\"", false);
}

static void check_diff(const char *wanted_text, const char *have_text, enum agents_change change,
                       const char *body_text)
{
    CLEANUP(json_freep) struct json_object *wanted = decode(wanted_text);
    CLEANUP(json_freep) struct json_object *have = have_text ? decode(have_text) : NULL;
    CLEANUP(json_freep) struct json_object *body = NULL;

    cr_assert_eq(agents_diff(wanted, have, &body), change);
    if (body_text)
        cr_assert_str_eq(json_text(body).ptr, body_text);
    else
        cr_assert(body == NULL);
}

Test(agents_diff, creates_what_is_not_there)
{
    check_diff("{\"name\":\"a\",\"model\":\"m\"}", NULL, AGENTS_CREATE,
               "{\"model\":\"m\",\"name\":\"a\"}");
}

/* A value for a member; what it is does not matter to the comparison. */
static void check_member(const char *name)
{
    CLEANUP(json_freep) struct json_object *wanted = json_object_new_object();
    CLEANUP(json_freep) struct json_object *have = json_object_new_object();
    CLEANUP(json_freep) struct json_object *created = NULL;
    CLEANUP(json_freep) struct json_object *changed = NULL;
    CLEANUP(json_freep) struct json_object *reset = NULL;

    json_object_object_add(wanted, name, json_object_new_string("x"));
    cr_assert_eq(agents_diff(wanted, NULL, &created), AGENTS_CREATE);
    cr_assert(json_get(created, name), "%s", name);
    cr_assert_eq(agents_diff(wanted, have, &changed), AGENTS_UPDATE, "%s", name);
    cr_assert(json_get(changed, name), "%s", name);
    cr_assert_eq(agents_diff(have, wanted, &reset), AGENTS_UPDATE, "%s", name);
    cr_assert(json_has(reset, name) && !json_get(reset, name), "%s", name);
}

Test(agents_diff, knows_every_member_that_an_agent_has)
{
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++)
        if (agent_members[i].field.flags & FIELD_OF_AGENT)
            check_member(agent_members[i].field.name);
}

Test(agents_diff, leaves_what_is_the_same_for_all_that_the_server_fills_in)
{
    check_diff(
        "{\"name\":\"a\",\"model\":\"m\",\"temperature\":0}",
        "{\"id\":\"asst_1\",\"name\":\"a\",\"model\":\"m\",\"temperature\":0.0,\"top_p\":1.0,"
        "\"tools\":[],\"metadata\":{},\"response_format\":\"auto\",\"description\":null}",
        AGENTS_SAME, NULL);
}

Test(agents_diff, what_the_server_shows_of_members_that_nobody_said_is_no_difference)
{
    check_diff("{\"name\":\"a\",\"model\":\"m\"}",
               "{\"name\":\"a\",\"model\":\"m\",\"slug\":null,\"constraints\":[],\"examples\":[],"
               "\"template\":false,\"config\":null,\"is_active\":true,\"updated_at\":7}",
               AGENTS_SAME, NULL);
    check_diff("{\"name\":\"a\",\"model\":\"m\"}",
               "{\"name\":\"a\",\"model\":\"m\",\"template\":true,\"is_active\":false}",
               AGENTS_UPDATE, "{\"template\":null,\"is_active\":null}");
    check_diff("{\"name\":\"a\",\"model\":\"m\",\"is_active\":false,\"role\":\"r\"}",
               "{\"name\":\"a\",\"model\":\"m\",\"is_active\":true}", AGENTS_UPDATE,
               "{\"role\":\"r\",\"is_active\":false}");
}

Test(agents_diff, updates_what_differs_and_resets_what_the_file_no_longer_says)
{
    check_diff("{\"name\":\"a\",\"model\":\"n\"}",
               "{\"name\":\"a\",\"model\":\"m\",\"description\":\"d\",\"temperature\":0}",
               AGENTS_UPDATE, "{\"model\":\"n\",\"description\":null,\"temperature\":null}");
}

static struct buf shown;

static void note_line(void *arg, enum agents_line kind, struct text line)
{
    (void)arg;
    buf_add_char(&shown, " +-"[kind]);
    buf_add_text(&shown, line);
    buf_add_char(&shown, '\n');
}

Test(agents_diff, shows_only_the_lines_that_differ)
{
    CLEANUP(json_freep)
    struct json_object *have = decode("{\"model\":\"m\",\"instructions\":\"a\\nb\\nc\\n\"}");
    CLEANUP(json_freep)
    struct json_object *body = decode("{\"model\":\"n\",\"instructions\":\"a\\nB\\nc\\n\"}");

    buf_init(&shown, 0);
    agents_diff_show(have, body, note_line, NULL);
    cr_assert_str_eq(buf_string(&shown), "-model: m\n+model: n\n instructions:\n-  b\n+  B\n");
    buf_deinit(&shown);
}

Test(agents_diff, shows_a_line_that_was_added_at_the_end)
{
    CLEANUP(json_freep) struct json_object *have = decode("{\"instructions\":\"a\\n\"}");
    CLEANUP(json_freep) struct json_object *body = decode("{\"instructions\":\"a\\na\\n\"}");

    buf_init(&shown, 0);
    agents_diff_show(have, body, note_line, NULL);
    cr_assert_str_eq(buf_string(&shown), " instructions:\n+  a\n");
    buf_deinit(&shown);
}
