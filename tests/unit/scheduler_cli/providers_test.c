/* What `penstock providers test` says of a model. */

#include <criterion/criterion.h>

#include "scheduler/cli/providers/model_trial.h"
#include "shared/base/text.h"

static const struct model_trial all_well = {.text = TRIAL_WORKS,
                                            .tools = TRIAL_WORKS,
                                            .stream = TRIAL_WORKS,
                                            .usage = TRIAL_WORKS,
                                            .stream_is_on = true,
                                            .first_ms = 120,
                                            .total_ms = 480,
                                            .cost_micros = 42};

Test(model_trial, passes_when_all_works_and_tools_may_be_in_words)
{
    static const size_t marks[] = {
        offsetof(struct model_trial, text), offsetof(struct model_trial, tools),
        offsetof(struct model_trial, stream), offsetof(struct model_trial, usage)};
    struct model_trial trial = all_well;

    cr_assert(model_trial_passed(&trial));
    trial.tools = TRIAL_IN_WORDS;
    cr_assert(model_trial_passed(&trial));
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        trial = all_well;
        *(enum trial_mark *)((char *)&trial + marks[i]) = TRIAL_FAILS;
        cr_assert_not(model_trial_passed(&trial), "%zu", i);
        *(enum trial_mark *)((char *)&trial + marks[i]) = TRIAL_UNKNOWN;
        cr_assert_not(model_trial_passed(&trial), "%zu", i);
    }
}

Test(model_trial, need_not_stream_where_workers_do_not_stream_it)
{
    struct model_trial trial = all_well;

    trial.stream_is_on = false;
    trial.stream = TRIAL_FAILS;
    cr_assert(model_trial_passed(&trial));
    trial.text = TRIAL_FAILS;
    cr_assert_not(model_trial_passed(&trial));
}

Test(model_trial, of_a_provider_without_a_known_model_fails_and_says_what_to_name)
{
    struct model_trial trial;
    struct buf out;

    model_trial_missing("inhouse", &trial);
    cr_assert_not(model_trial_passed(&trial));
    buf_init(&out, 0);
    model_trial_format("inhouse", 8, &trial, &out);
    cr_assert_str_eq(buf_string(&out),
                     "inhouse   NO    -         -       -             -         -   $0.000000  "
                     "no model of it is configured or known: name one, as in inhouse/NAME");
    buf_deinit(&out);
}

Test(model_trial, is_a_line_of_a_table)
{
    struct model_trial trial = all_well;
    struct buf out;

    buf_init(&out, 0);
    model_trial_head(8, &out);
    buf_add_char(&out, '\n');
    model_trial_format("m", 8, &trial, &out);
    buf_add_char(&out, '\n');
    trial = (struct model_trial){.text = TRIAL_FAILS, .first_ms = -1, .problem = "text: a\nb"};
    model_trial_format("other", 8, &trial, &out);
    cr_assert_str_eq(
        buf_string(&out),
        "MODEL     TEXT  TOOLS     STREAM  USAGE     FIRST     TOTAL        COST\n"
        "m         yes   yes       yes     yes      120 ms    480 ms   $0.000042\n"
        "other     NO    -         -       -             -      0 ms   $0.000000  text: a b");
    buf_deinit(&out);
}

Test(model_trial, is_an_object_for_programs)
{
    struct model_trial trial = all_well;
    struct json_object *object;

    trial.tools = TRIAL_IN_WORDS;
    object = model_trial_json("a/b", &trial);
    cr_assert_str_eq(json_get_string(object, "model"), "a/b");
    cr_assert_str_eq(json_get_string(object, "tools"), "in words");
    cr_assert(json_get_bool(object, "text", false));
    cr_assert_eq(json_get_int(object, "first_token_ms", 0), 120);
    cr_assert_eq(json_get_int(object, "cost_micros", 0), 42);
    cr_assert_null(json_get(object, "problem"));
    cr_assert(json_get_bool(object, "works", false));
    cr_assert(json_get_bool(object, "stream_is_on", false));
    json_free(object);
    trial.first_ms = -1;
    trial.stream = TRIAL_UNKNOWN;
    object = model_trial_json("a/b", &trial);
    cr_assert(json_has(object, "first_token_ms") && !json_get(object, "first_token_ms"));
    cr_assert(json_has(object, "stream") && !json_get(object, "stream"));
    json_free(object);
}
