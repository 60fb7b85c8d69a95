#pragma once
/* The tools `wait` and `sleep_until`: the run goes on after so many seconds, or at a time. The call
 * is parked as an open call of the kind time (shared/store/runs/waits.h), so a run that waits holds
 * no worker. Pure: the times are parameters. */

#include <json-c/json.h>

#include "shared/base/compiler.h"

struct error;

#define WAIT_SECONDS_MAX 31536000 /* a year */

extern const char wait_description[];
extern const char wait_parameters[];

/* *out_due_in_ms: from now on; 0 or less: the time has come. `left_ms`: until the run expires.
 * Returns 0, or -E_INVALID with what the model is told. */
MUSTCHECK int wait_evaluate(struct json_object *arguments, int64_t now_wall_ms, int64_t left_ms,
                            int64_t *out_due_in_ms, struct error *err);

extern const char sleep_until_description[];
extern const char sleep_until_parameters[];

/* The same for `sleep_until`. */
MUSTCHECK int sleep_until_evaluate(struct json_object *arguments, int64_t now_wall_ms,
                                   int64_t left_ms, int64_t *out_due_in_ms, struct error *err);
