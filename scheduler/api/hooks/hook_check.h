#pragma once
/* What is wrong with where somebody wants to be told, found when he says it. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct failure;
struct guard_options;
struct json_object;
struct store;

/* A URL that webhooks can be sent to: its form, and that its host has public addresses; one whose
 * host can't be found out now may be all right. `param` names it. Returns 0, or -E_INVALID with
 * *failure. */
SUSPENDS MUSTCHECK int hook_check_url(const struct guard_options *guard, struct text url,
                                      const char *param, struct failure *failure);

/* The same of an endpoint, whose path and query may refer to secrets of the tenant. */
SUSPENDS MUSTCHECK int hook_check_endpoint(const struct guard_options *guard, struct text url,
                                           const char *param, struct failure *failure);

/* As submit_options.check_webhook; `arg` is the guard's options. */
SUSPENDS MUSTCHECK int hook_check_of_run(void *arg, const struct store *store,
                                         struct json_object *webhook, struct failure *failure);
