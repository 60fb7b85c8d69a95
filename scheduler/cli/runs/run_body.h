#pragma once
/* The bodies from which commands make runs. Pure. */

#include "scheduler/cli/options.h"
#include "shared/json/json.h"

/* Bodies with one prompt of a person, the caller's: for POST /v1/threads/runs, and for POST
 * /v1/threads/THREAD/runs. */
struct json_object *run_submission(const char *agent_id, const char *prompt);
struct json_object *run_continuation(const char *agent_id, const char *prompt);

/* A row of a command's table, with which an agent that is a template is told its variables. */
/* clang-format off */
#define OPTION_VARIABLES \
    {"variables", 0, "NAME=VALUE", \
     "for an agent that is a template, as often as needed; or one JSON object", OPTION_REPEATS, 0}
/* clang-format on */

/* What these options say: an object, the caller's to json_free; NULL: nothing. Returns 0 or
 * -E_INVALID. */
MUSTCHECK int run_variables(const struct arguments *args, struct json_object **out,
                            struct error *err);

/* Adds them to a body; one that is there already stays. NULL adds nothing. */
void run_add_variables(struct json_object *body, struct json_object *variables);
