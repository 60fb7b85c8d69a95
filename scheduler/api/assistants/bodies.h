#pragma once
/* The bodies that the endpoints take, one table each. */

#include "shared/check/fields.h"

extern const struct fields body_create_assistant;
extern const struct fields body_update_assistant;
extern const struct fields body_create_thread;
extern const struct fields body_update_thread;
extern const struct fields body_create_message;
extern const struct fields body_update_message;
extern const struct fields body_create_run;
extern const struct fields body_create_thread_and_run;
extern const struct fields body_submit_outputs;
extern const struct fields body_update_run;
