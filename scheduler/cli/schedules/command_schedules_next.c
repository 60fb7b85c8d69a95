/* `penstock schedules next`: when a cron expression or an interval fires. It asks no server. */

#include <stdio.h>
#include <time.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/time/cron.h"
#include "shared/time/cron_parse.h"
#include "shared/time/cron_times.h"
#include "shared/time/interval.h"
#include "shared/time/rfc3339.h"
#include "shared/time/run_at.h"
#include "shared/time/zone.h"

enum { COUNT_DEFAULT = 5, COUNT_MAX = 1000000 };

struct firing {
    const struct zone *zone;
    bool is_interval;
    struct cron cron;
    struct interval interval;
    int64_t after_s;
    int64_t to_s; /* the last one that is shown */
    int64_t count;
};

/* One word that begins with a digit is an interval. */
static bool looks_like_interval(struct text text)
{
    return text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9' &&
           !memchr(text.ptr, ' ', text.len) && !memchr(text.ptr, '\t', text.len);
}

static int read_time(const struct arguments *args, const char *option, const struct zone *zone,
                     int64_t *out_s, struct error *err)
{
    const char *said = arguments_get(args, option);

    if (!said)
        return 0;
    if (run_at_parse(text_of(said), zone, out_s, err) < 0)
        return error_wrap(err, "--%s", option);
    return 0;
}

static int read_firing(const struct arguments *args, struct firing *out, struct error *err)
{
    struct text expression = text_trim(text_of(args->positional[0]));
    const char *zone = arguments_get(args, "zone");
    int r;

    *out = (struct firing){
        .is_interval = looks_like_interval(expression),
        .after_s = (int64_t)time(NULL),
        .to_s = INT64_MAX,
        .count = arguments_number(args, "count", COUNT_DEFAULT),
    };
    r = zone_get(zone ? text_of(zone) : TEXT("UTC"), &out->zone, err);
    if (r == 0)
        r = read_time(args, "from", out->zone, &out->after_s, err);
    if (r == 0)
        r = read_time(args, "to", out->zone, &out->to_s, err);
    if (r < 0)
        return r;
    out->interval.start_s = out->after_s;
    if (out->is_interval)
        return interval_parse(expression, &out->interval.every_s, err);
    return cron_parse(expression, &out->cron, err);
}

static int next_of(const struct firing *firing, int64_t after_s, int64_t *out_s)
{
    if (!firing->is_interval)
        return cron_next(&firing->cron, firing->zone, after_s, out_s);
    *out_s = interval_next(&firing->interval, after_s);
    return 0;
}

static void print_time(const struct zone *zone, int64_t at_s)
{
    static const char *const weekdays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    int32_t offset_s = zone_offset(zone, at_s);
    int64_t local_s = at_s + offset_s;
    int64_t days = local_s / 86400 - (local_s % 86400 < 0 ? 1 : 0);
    char shown[RFC3339_SIZE];

    rfc3339_format(at_s, offset_s, shown);
    printf("%s  %s\n", shown, weekdays[(days % 7 + 7) % 7]);
}

static int run_schedules_next(const struct arguments *args)
{
    struct error err = {0};
    struct firing firing;
    int64_t at_s;

    if (read_firing(args, &firing, &err) < 0)
        return command_fail(&err);
    at_s = firing.after_s;
    for (int64_t i = 0; i < firing.count; i++) {
        if (next_of(&firing, at_s, &at_s) == CRON_NEVER) {
            terminal_complain("there is no other time: this zone's clocks skip what it matches");
            return COMMAND_FAILED;
        }
        if (at_s > firing.to_s)
            break;
        print_time(firing.zone, at_s);
        if (output_check(&err) < 0)
            return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

static const struct option_spec options[] = {
    {"zone", 'z', "ZONE", "an IANA name such as Europe/Berlin (default UTC)", 0, 0},
    {"from", 'f', "TIME", "the first time after this one (default: now)", 0, 0},
    {"to", 't', "TIME", "none after this one", 0, 0},
    {"count", 'n', "N", "how many (default 5)", 1, COUNT_MAX},
};

const struct command command_schedules_next = {
    .name = "schedules next",
    .arguments = "EXPRESSION",
    .summary = "Tell when a cron expression or an interval fires",
    .details = "EXPRESSION is a cron expression of five fields (\"0 9 * * MON-FRI\", @daily) or\n"
               "an interval (15m, 1h30m, 2d), which counts from --from on. A TIME is as in\n"
               "RFC 3339; without an offset it is that of ZONE. Nothing is made, and no\n"
               "server is asked.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_schedules_next,
};
