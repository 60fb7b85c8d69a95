#pragma once
/* What `penstock apply` would change of schedules: the wanted ones against those that are there.
 * Pure. */

#include "scheduler/cli/agents/agents_diff.h"

/* Compares a wanted schedule, whose agent has this id (NULL: it is not there yet), with the one
 * there is (NULL: none). *out_body is what to POST, but for an agent that is not there yet: what
 * the file says no more is null. The caller's; NULL when nothing changes. */
enum agents_change schedules_diff(struct json_object *wanted, const char *agent_id,
                                  struct json_object *have, struct json_object **out_body);
