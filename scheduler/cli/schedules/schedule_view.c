#include "scheduler/cli/schedules/schedule_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/terminal.h"

enum { NAME_WIDTH = 24, WHEN_WIDTH = 25, DETAIL_MAX = 200 };

static enum terminal_colour state_colour(struct text state)
{
    if (text_is(state, "active") || text_is(state, "completed"))
        return TERMINAL_GREEN;
    if (text_is(state, "failed") || text_is(state, "expired") || text_is(state, "paused"))
        return TERMINAL_RED;
    return text_is(state, "ended") || text_is(state, "skipped") || text_is(state, "missed")
               ? TERMINAL_DIM
               : TERMINAL_YELLOW;
}

static void print_state(struct text state, int width)
{
    printf("%s%-*.*s%s", terminal_colour(stdout, state_colour(state)), width, TEXT_ARGS(state),
           terminal_colour(stdout, TERMINAL_PLAIN));
}

/* "0 9 * * *", "every 1h", "once". */
static struct text when_of(struct json_object *schedule, char out[80])
{
    struct text cron = json_get_text(schedule, "cron");
    const char *every = json_get_string(schedule, "every");

    if (cron.ptr)
        return cron;
    if (!every)
        return TEXT("once");
    (void)snprintf(out, 80, "every %s", every);
    return text_of(out);
}

static struct text next_of(struct json_object *schedule)
{
    struct json_object *times = json_get(schedule, "next_fire_times");

    if (!times || json_object_array_length(times) == 0 ||
        !text_is(json_get_text(schedule, "state"), "active"))
        return TEXT("-");
    return json_string(json_object_array_get_idx(times, 0));
}

void schedule_print_head(void)
{
    printf("%-38s  %-8s  %-25s  %-24s  %-24s  %s\n", "SCHEDULE", "STATE", "NEXT", "WHEN", "NAME",
           "AGENT");
}

void schedule_print_row(struct json_object *schedule, struct text agent)
{
    struct text name = json_get_text(schedule, "name");
    char when[80];

    printf("%.*s  ", TEXT_ARGS(json_get_text(schedule, "id")));
    print_state(json_get_text(schedule, "state"), 8);
    printf("  %-25.*s  ", TEXT_ARGS(next_of(schedule)));
    print_column(when_of(schedule, when), NAME_WIDTH);
    printf("  ");
    print_column(name.ptr ? name : TEXT("-"), NAME_WIDTH);
    printf("  ");
    terminal_print_line(stdout, agent, NAME_WIDTH);
    printf("\n");
}

static void print_text(const char *name, struct text value)
{
    if (!value.ptr)
        return;
    printf("%-12s ", name);
    terminal_print_line(stdout, value, DETAIL_MAX);
    printf("\n");
}

static void print_times(struct json_object *schedule)
{
    struct json_object *times = json_get(schedule, "next_fire_times");
    size_t count = times ? json_object_array_length(times) : 0;

    for (size_t i = 0; i < count; i++)
        print_text(i == 0 ? "next" : "", json_string(json_object_array_get_idx(times, i)));
}

void schedule_print(const struct arguments *args, struct json_object *schedule)
{
    char when[80];

    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(schedule)));
        return;
    }
    print_text("schedule", json_get_text(schedule, "id"));
    print_text("name", json_get_text(schedule, "name"));
    print_text("agent", json_get_text(schedule, "assistant_id"));
    print_text("when", when_of(schedule, when));
    print_text("zone", json_get_text(schedule, "timezone"));
    print_text("state", json_get_text(schedule, "state"));
    print_text("paused", json_get_text(json_get(schedule, "paused_reason"), "message"));
    print_text("overlap", json_get_text(schedule, "overlap"));
    print_text("catch up", json_get_text(schedule, "catch_up"));
    print_text("thread", json_get_text(schedule, "thread"));
    print_text("", json_get_text(schedule, "thread_id"));
    print_text("input", json_get_text(schedule, "input"));
    print_text("last fire", json_get_text(schedule, "last_fire_time"));
    print_text("last run", json_get_text(schedule, "last_run_id"));
    print_text("", json_get_text(schedule, "last_outcome"));
    printf("%-12s %" PRId64 ", %" PRId64 " failures in a row\n", "fired",
           json_get_int(schedule, "fired", 0), json_get_int(schedule, "failures", 0));
    print_times(schedule);
}

void firing_print_head(void)
{
    printf("%-25s  %-8s  %-10s  %-36s  %s\n", "TIME", "CAUSE", "BECAME", "RUN", "DETAIL");
}

void firing_print_row(struct json_object *firing, struct text agent)
{
    struct text outcome = json_get_text(firing, "outcome");
    struct text run = json_get_text(firing, "run_id");
    struct text detail = json_get_text(firing, "detail");
    int64_t times = json_get_int(firing, "times", 1);

    (void)agent;
    printf("%-25.*s  %-8.*s  ", TEXT_ARGS(json_get_text(firing, "fire_time")),
           TEXT_ARGS(json_get_text(firing, "cause")));
    print_state(outcome.ptr ? outcome : json_get_text(firing, "state"), 10);
    printf("  %-36.*s", TEXT_ARGS(run.ptr ? run : TEXT("-")));
    if (times > 1)
        printf("  %" PRId64 " times: ", times);
    else if (detail.len > 0)
        printf("  ");
    terminal_print_line(stdout, detail, DETAIL_MAX);
    printf("\n");
}
