/* The system prompt of an agent, byte for byte. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/agent/prompt.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct arena arena;

static struct agent_spec spec_of(const char *json)
{
    struct agent_spec spec;
    struct error err;

    cr_assert_eq(agent_spec_parse(text_of(json), &arena, &spec, &err), 0, "%s", err.text);
    return spec;
}

static const char *preamble_of(const char *json)
{
    static char shown[4096];
    struct agent_spec spec = spec_of(json);
    struct buf out;

    buf_init(&out, 0);
    agent_preamble_write(&spec, &out);
    (void)snprintf(shown, sizeof(shown), "%s", buf_string(&out));
    buf_deinit(&out);
    return shown;
}

static void begin(void)
{
    arena_init(&arena, 0);
}

static void end(void)
{
    arena_deinit(&arena);
}

TestSuite(prompt, .init = begin, .fini = end);

static const char all_parts[] =
    "{\"model\":\"m\",\"role\":\"You are a clerk.\",\"goal\":\"Answer.\\nWell.\","
    "\"constraints\":[\"Never guess.\",\"Be \\\"brief\\\".\"],"
    "\"personality\":{\"tone\":\"calm\",\"style\":\"short sentences\"},"
    "\"examples\":[{\"user\":\"Hi\",\"assistant\":\"Hello.\"},{\"user\":\"Bye\","
    "\"assistant\":\"See you.\"}],\"instructions\":\"Use {braces}.\"}";

static const char all_sections[] = "# Role\n"
                                   "You are a clerk.\n"
                                   "\n"
                                   "# Goal\n"
                                   "Answer.\n"
                                   "Well.\n"
                                   "\n"
                                   "# Constraints\n"
                                   "- Never guess.\n"
                                   "- Be \"brief\".\n"
                                   "\n"
                                   "# Communication Style\n"
                                   "Tone: calm\n"
                                   "Style: short sentences\n"
                                   "\n"
                                   "# Example Interactions\n"
                                   "User: Hi\n"
                                   "Assistant: Hello.\n"
                                   "\n"
                                   "User: Bye\n"
                                   "Assistant: See you.";

Test(prompt, parts_are_sections_in_their_order)
{
    cr_assert_str_eq(preamble_of(all_parts), all_sections);
}

Test(prompt, a_part_that_says_nothing_has_no_section)
{
    cr_assert_str_eq(preamble_of("{\"model\":\"m\",\"instructions\":\"x\"}"), "");
    cr_assert_str_eq(preamble_of("{\"role\":\"\",\"goal\":\" \\n\",\"constraints\":[],"
                                 "\"personality\":{},\"examples\":[]}"),
                     "");
    cr_assert_str_eq(preamble_of("{\"role\":null,\"constraints\":[\" \",\"a\"],"
                                 "\"personality\":{\"tone\":\"\",\"style\":null}}"),
                     "# Constraints\n- a");
    cr_assert_str_eq(preamble_of("{\"goal\":\"a\",\"personality\":{\"style\":\"b\"}}"),
                     "# Goal\na\n\n# Communication Style\nStyle: b");
}

Test(prompt, instructions_follow_without_a_heading)
{
    struct buf out;

    buf_init(&out, 0);
    agent_prompt_write(TEXT("# Role\na"), TEXT("b"), TEXT_NONE, &out);
    cr_assert_str_eq(buf_string(&out), "# Role\na\n\nb");
    buf_reset(&out);
    agent_prompt_write(TEXT_NONE, TEXT("b"), TEXT_NONE, &out);
    cr_assert_str_eq(buf_string(&out), "b");
    buf_reset(&out);
    agent_prompt_write(TEXT("# Role\na"), TEXT(""), TEXT_NONE, &out);
    cr_assert_str_eq(buf_string(&out), "# Role\na");
    buf_deinit(&out);
}

Test(prompt, memory_stands_behind_all_else)
{
    struct buf out;

    buf_init(&out, 0);
    agent_prompt_write(TEXT("# Role\na"), TEXT("b"), TEXT("# User Memory\n- k: v"), &out);
    cr_assert_str_eq(buf_string(&out), "# Role\na\n\nb\n\n# User Memory\n- k: v");
    buf_reset(&out);
    agent_prompt_write(TEXT("# Role\na"), TEXT_NONE, TEXT("# User Memory\n- k: v"), &out);
    cr_assert_str_eq(buf_string(&out), "# Role\na\n\n# User Memory\n- k: v");
    buf_reset(&out);
    agent_prompt_write(TEXT_NONE, TEXT_NONE, TEXT("# User Memory\n- k: v"), &out);
    cr_assert_str_eq(buf_string(&out), "# User Memory\n- k: v");
    buf_deinit(&out);
}

static struct json_object *run_spec(const char *agent, const char *request,
                                    struct text instructions)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct agent_spec spec = spec_of(agent);
    struct json_object *run = NULL;
    struct run_prompt prompt = {text_of(preamble_of(agent)), instructions, TEXT_NONE, NULL};
    struct failure failure;
    struct error err;
    struct buf out;

    buf_init(&out, 0);
    cr_assert_eq(json_decode(text_of(request), 20, &body, &err), 0);
    cr_assert_eq(run_spec_write(&spec, body, &prompt, &out, &failure), 0, "%s", failure.message);
    cr_assert_eq(json_decode(buf_text(&out), 20, &run, &err), 0);
    buf_deinit(&out);
    return run;
}

Test(prompt, a_run_freezes_the_sections_beside_its_instructions)
{
    struct json_object *run = run_spec(all_parts, "{\"instructions\":\"Mine.\"}", TEXT_NONE);

    cr_assert_str_eq(json_get_string(run, "preamble"), all_sections);
    cr_assert_str_eq(json_get_string(run, "instructions"), "Mine.");
    cr_assert_not(json_has(run, "role"));
    cr_assert_not(json_has(run, "variables"));
    cr_assert_not(json_has(run, "max_output_tokens"));
    json_free(run);
    run = run_spec("{\"model\":\"m\",\"max_output_tokens\":7}", "{\"variables\":{\"a\":1}}",
                   TEXT("\"Filled.\""));
    cr_assert_not(json_has(run, "preamble"));
    cr_assert_str_eq(json_get_string(run, "instructions"), "Filled.");
    cr_assert_eq(json_get_int(json_get(run, "variables"), "a", 0), 1);
    cr_assert_eq(json_get_int(run, "max_output_tokens", 0), 7);
    json_free(run);
}
