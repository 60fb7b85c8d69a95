/* What the tests of cron share. */

#include "cron_support.h"

#include "shared/time/cron_parse.h"

struct cron cron_of(const char *text)
{
    struct error err = {0};
    struct cron cron;

    cr_assert_eq(cron_parse(text_of(text), &cron, &err), 0, "%s: %s", text, err.text);
    return cron;
}
