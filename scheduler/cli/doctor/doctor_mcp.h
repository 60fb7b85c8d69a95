#pragma once
/* What `penstock doctor` says of the servers of the operator (mcp_servers): it has a worker's
 * program ask them, `penstock-worker --try-mcp`, which starts them as any worker would. */

#include "scheduler/cli/doctor/doctor_judge.h"
#include "shared/base/text.h"

struct config;
struct error;
struct json_object;

/* `file`: the configuration file, as it was named; NULL: as the environment has it. Appends to
 * `out` what the program said. Returns 0, or why it could not be asked. */
SUSPENDS MUSTCHECK int doctor_mcp_ask(const char *file, struct buf *out, struct error *err);

/* What is said of one of them by these lines. Pure. */
struct doctor_finding doctor_judge_mcp(struct text said, const char *label);
