/* cron-vectors.json: times around changes of clocks on which croner and an independent program
 * agreed, and expressions to refuse. */

#include "cron_support.h"

#include <stdio.h>

#include "shared/json/json.h"
#include "shared/time/cron_parse.h"
#include "shared/time/cron_times.h"

static struct json_object *read_vectors(void)
{
    FILE *file = fopen(SOURCE_DIR "/tests/unit/shared_time/cron-vectors.json", "rb");
    struct json_object *vectors = NULL;
    struct error err = {0};
    struct buf bytes;

    cr_assert(file);
    buf_init(&bytes, 0);
    bytes.len = fread(buf_reserve(&bytes, 65536), 1, 65536, file);
    fclose(file);
    cr_assert_eq(json_decode(buf_text(&bytes), 8, &vectors, &err), 0, "%s", err.text);
    buf_deinit(&bytes);
    return vectors;
}

static void check_times(struct json_object *vector)
{
    const char *expression = json_get_string(vector, "expression");
    const struct zone *zone = zone_of(json_get_string(vector, "timezone"));
    struct json_object *utc = json_get(vector, "next_utc");
    struct json_object *local = json_get(vector, "next_local");
    struct cron cron = cron_of(expression);
    int64_t from_s = instant_of(json_get_string(vector, "from")), at_s = from_s, last_s;

    cr_assert_eq(cron.fixed, json_object_get_boolean(json_get(vector, "fixed_time")), "%s",
                 expression);
    cr_assert_eq(json_object_array_length(utc), 5);
    for (size_t i = 0; i < 5; i++) {
        const char *want = json_object_get_string(json_object_array_get_idx(utc, i));
        int64_t before_s = at_s;

        cr_assert_eq(cron_next(&cron, zone, at_s, &at_s), 0);
        cr_assert_eq(at_s, instant_of(want), "%s: %s, expected %s", expression, shown(zone, at_s),
                     want);
        cr_assert_str_eq(shown(zone, at_s),
                         json_object_get_string(json_object_array_get_idx(local, i)));
        cr_assert_eq(cron_last(&cron, zone, at_s, &last_s), 0);
        cr_assert_eq(last_s, at_s, "%s", expression);
        cr_assert_eq(cron_last(&cron, zone, at_s - 1, &last_s), 0);
        cr_assert(i == 0 ? last_s <= from_s : last_s == before_s, "%s: before %s there is %ld",
                  expression, want, (long)last_s);
    }
}

Test(cron_vectors, come_out_to_the_second)
{
    struct json_object *file = read_vectors();
    struct json_object *vectors = json_get(file, "vectors");

    cr_assert_eq(json_object_array_length(vectors), 30);
    for (size_t i = 0; i < 30; i++)
        check_times(json_object_array_get_idx(vectors, i));
    json_free(file);
}

Test(cron_vectors, of_extensions_come_out_but_for_seconds)
{
    struct json_object *file = read_vectors();
    struct json_object *vectors = json_get(file, "extensions");
    struct error err = {0};
    struct cron cron;

    cr_assert_eq(json_object_array_length(vectors), 5);
    for (size_t i = 0; i < 4; i++)
        check_times(json_object_array_get_idx(vectors, i));
    cr_assert_eq(
        cron_parse(json_get_text(json_object_array_get_idx(vectors, 4), "expression"), &cron, &err),
        -E_INVALID);
    cr_assert_str_eq(err.text, "a cron expression has five fields (minute, hour, day of month, "
                               "month, day of week), not 6: there are no seconds and no years");
    json_free(file);
}

Test(cron_vectors, to_refuse_are_refused)
{
    struct json_object *file = read_vectors();
    struct json_object *wrong = json_get(file, "must_reject");

    cr_assert_eq(json_object_array_length(wrong), 25);
    for (size_t i = 0; i < 25; i++) {
        struct text text = json_get_text(json_object_array_get_idx(wrong, i), "expression");
        struct error err = {0};
        struct cron cron;

        cr_assert_eq(cron_parse(text, &cron, &err), -E_INVALID, "%.*s", TEXT_ARGS(text));
        cr_assert(err.text[0]);
    }
    json_free(file);
}
