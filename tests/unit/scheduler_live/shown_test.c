/* Tests of the ids of events. */

#include <criterion/criterion.h>

#include "scheduler/live/shown.h"

static void same(const struct shown *shown, const char *as)
{
    CLEANUP(buf_deinit) struct buf text;
    struct shown read;

    buf_init(&text, 0);
    shown_write(shown, &text);
    cr_assert_str_eq(buf_string(&text), as);
    cr_assert(shown_parse(buf_text(&text), &read));
    buf_reset(&text);
    shown_write(&read, &text);
    cr_assert_str_eq(buf_string(&text), as);
    cr_assert_eq(read.run, shown->run);
    cr_assert_eq(read.seq, shown->seq);
    cr_assert_eq(read.open, shown->open);
    cr_assert(uuid_equal(read.step, shown->step));
    cr_assert_eq(read.phase, shown->phase);
    cr_assert_eq(read.text, shown->text);
    cr_assert_eq(read.calls, shown->calls);
    cr_assert_eq(read.arguments, shown->arguments);
    cr_assert_eq(read.output, shown->output);
    cr_assert_eq(read.of, shown->of);
}

#define STEP                                                                                       \
    {                                                                                              \
        {                                                                                          \
            0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15                                \
        }                                                                                          \
    }
#define HEX "ab0102030405060708090a0b0c0d0e0f"

Test(shown, is_said_and_read)
{
    same(&(struct shown){.run = SHOWN_NOTHING}, "n.0");
    same(&(struct shown){.run = SHOWN_ENDED, .seq = 12}, "e.12");
    same(&(struct shown){.run = SHOWN_CANCELLING, .seq = 1}, "x.1");
    same(&(struct shown){.run = SHOWN_IN_PROGRESS,
                         .seq = 3,
                         .open = SHOWN_MESSAGE,
                         .step = STEP,
                         .phase = 4,
                         .text = 120},
         "i.3." HEX ".m.4.120");
    same(&(struct shown){.run = SHOWN_IN_PROGRESS, .open = SHOWN_THINKING, .step = STEP, .text = 7},
         "i.0." HEX ".t.7");
    same(&(struct shown){.run = SHOWN_IN_PROGRESS, .seq = 2, .open = SHOWN_BEHIND, .step = STEP},
         "i.2." HEX ".b");
    same(&(struct shown){.run = SHOWN_REQUIRES_ACTION,
                         .open = SHOWN_CALLS,
                         .step = STEP,
                         .phase = 2,
                         .calls = SHOWN_ALL,
                         .arguments = SHOWN_ALL,
                         .output = true},
         "a.0." HEX ".c.2.1099511627776.1099511627776.1");
    same(&(struct shown){.run = SHOWN_ENDED, .seq = 12, .of = shown_of((struct uuid)STEP)},
         "e.12.r0e0f");
    same(&(struct shown){.run = SHOWN_IN_PROGRESS,
                         .seq = 2,
                         .open = SHOWN_BEHIND,
                         .step = STEP,
                         .of = shown_of((struct uuid){{0}})},
         "i.2." HEX ".b.r0000");
}

Test(shown, what_is_no_id_of_ours_is_none)
{
    static const char *const texts[] = {
        "",
        "i",
        "i.",
        ".0",
        "z.0",
        "i.x",
        "i.-1",
        "i.99999999999999999999",
        "i.0.",
        "i.0.abc.m.1.1",
        "i.0." HEX,
        "i.0." HEX ".m",
        "i.0." HEX ".m.1",
        "i.0." HEX ".m.77.1",
        "i.0." HEX ".q.1.1",
        "i.0." HEX ".m.1.1.1",
        "i.0." HEX ".c.1.1.1",
        "i.0." HEX ".c.1.1.1.2",
        "i.0." HEX ".t.1.1",
        "i.0." HEX ".b.1",
        ".r0000",
        "i.r0000",
        "i.0.r000",
        "i.0.r00000",
        "i.0.r000G",
        "i.0.r000A",
        "i.0.r0000.r0000",
        "run_01a2287e0f147023b7df3be87088b225",
    };
    struct shown out;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert_not(shown_parse(text_of(texts[i]), &out), "%s", texts[i]);
}
