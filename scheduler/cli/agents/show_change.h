#pragma once
/* One change as `penstock apply` shows it. */

#include "scheduler/cli/agents/agents_diff.h"

/* `what` stands before the name: "" or "schedule ". `have` and `body` as agents_diff has them. */
void show_change(enum agents_change change, const char *what, struct text name,
                 struct json_object *have, struct json_object *body);
