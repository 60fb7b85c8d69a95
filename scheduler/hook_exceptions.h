#pragma once
/* Private addresses that webhooks may go to (the setting webhooks.private_addresses). */

#include "shared/net/guard.h"

/* Entries with commas between. Owns: hook_exceptions_free. Returns 0, or -E_INVALID with which one
 * the guard would not understand: it would be no exception, and better is not to start. */
MUSTCHECK int hook_exceptions_read(const char *setting, struct guard_options *out,
                                   struct error *err);
void hook_exceptions_free(struct guard_options *options);
