#pragma once
/* Schedules and their firings as commands print them. */

#include "scheduler/cli/options.h"
#include "shared/json/json.h"

void schedule_print_head(void);
void schedule_print_row(struct json_object *schedule, struct text agent);

/* One, in full; with --json as the API has it. */
void schedule_print(const struct arguments *args, struct json_object *schedule);

void firing_print_head(void);
void firing_print_row(struct json_object *firing, struct text agent);
