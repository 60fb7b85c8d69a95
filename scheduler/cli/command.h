#pragma once
/* A command of `penstock`, and what commands share: exit codes, and how one that waits runs on the
 * loop. commands.c has the table of them.
 */

#include "scheduler/cli/options.h"
#include "shared/base/compiler.h"

struct config;
struct error;

enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,      /* it was done, and the outcome is bad */
    COMMAND_USAGE = 2,       /* wrong arguments or a wrong file: nothing was done */
    COMMAND_UNREACHABLE = 3, /* no server, database or key that lets us in */
    COMMAND_WAITS = 4,       /* a run waits for tool outputs, which somebody else gives */
};

struct command {
    const char *name;      /* "run", "runs list" */
    const char *arguments; /* for the help: "AGENT PROMPT" */
    const char *summary;   /* one line */
    const char *details;   /* more lines for its own help; may be NULL */
    const struct option_spec *options;
    size_t options_count;
    size_t positional_min;
    size_t positional_max;
    const char *instead; /* where somebody says too many arguments, what would be right; NULL */
    int (*run)(const struct arguments *args); /* returns the exit code */
};

extern const struct command command_apply;
extern const struct command command_run;
extern const struct command command_runs_list;
extern const struct command command_runs_show;
extern const struct command command_runs_cancel;
extern const struct command command_runs_redrive;
extern const struct command command_runs_approve;
extern const struct command command_runs_deny;
extern const struct command command_threads_list;
extern const struct command command_threads_show;
extern const struct command command_threads_compact;
extern const struct command command_threads_context;
extern const struct command command_threads_chat;
extern const struct command command_threads_fork;
extern const struct command command_threads_archive;
extern const struct command command_threads_search;
extern const struct command command_schedules_list;
extern const struct command command_schedules_show;
extern const struct command command_schedules_create;
extern const struct command command_schedules_update;
extern const struct command command_schedules_pause;
extern const struct command command_schedules_resume;
extern const struct command command_schedules_run;
extern const struct command command_schedules_backfill;
extern const struct command command_schedules_firings;
extern const struct command command_schedules_delete;
extern const struct command command_schedules_next;
extern const struct command command_usage;
extern const struct command command_budgets_list;
extern const struct command command_budgets_show;
extern const struct command command_budgets_set;
extern const struct command command_budgets_delete;
extern const struct command command_retention_show;
extern const struct command command_retention_set;
extern const struct command command_retention_unset;
extern const struct command command_retention_preview;
extern const struct command command_tools_list;
extern const struct command command_tools_show;
extern const struct command command_tools_stats;
extern const struct command command_tools_test;
extern const struct command command_tools_delete;
extern const struct command command_secrets_list;
extern const struct command command_secrets_set;
extern const struct command command_secrets_delete;
extern const struct command command_secrets_rotate;
extern const struct command command_users_delete;
extern const struct command command_users_memory_list;
extern const struct command command_users_memory_get;
extern const struct command command_users_memory_set;
extern const struct command command_users_memory_delete;
extern const struct command command_users_memories_list;
extern const struct command command_users_memories_add;
extern const struct command command_users_memories_search;
extern const struct command command_users_memories_show;
extern const struct command command_users_memories_update;
extern const struct command command_users_memories_delete;
extern const struct command command_batch_run;
extern const struct command command_batches_list;
extern const struct command command_batches_show;
extern const struct command command_batches_cancel;
extern const struct command command_batches_wait;
extern const struct command command_files_list;
extern const struct command command_files_upload;
extern const struct command command_files_show;
extern const struct command command_files_content;
extern const struct command command_files_delete;
extern const struct command command_webhooks_list;
extern const struct command command_webhooks_create;
extern const struct command command_webhooks_show;
extern const struct command command_webhooks_enable;
extern const struct command command_webhooks_delete;
extern const struct command command_webhooks_rotate;
extern const struct command command_webhooks_test;
extern const struct command command_webhooks_deliveries;
extern const struct command command_webhooks_redeliver;
extern const struct command command_webhooks_listen;
extern const struct command command_migrate;
extern const struct command command_tenants_create;
extern const struct command command_tenants_set;
extern const struct command command_tenants_list;
extern const struct command command_keys_create;
extern const struct command command_keys_list;
extern const struct command command_keys_revoke;
extern const struct command command_providers_list;
extern const struct command command_providers_test;
extern const struct command command_doctor;
extern const struct command command_top;
extern const struct command command_dev;
extern const struct command command_env;

/* Print "penstock: TEXT" to standard error and return the exit code that fits the error's code. */
int command_fail(const struct error *err);

/* Run fn(arg) as a fiber on the loop and return what it returned. */
int command_on_loop(int (*fn)(void *arg), void *arg);

/* Loads the configuration from `file` (NULL: PENSTOCK_CONFIG) and the environment; without a file,
 * DATABASE_URL and REDIS_URL may come from ./.penstock/dev.env. Returns 0 with *out (the
 * caller's), or the exit code after printing what is wrong. */
MUSTCHECK int command_load_config(const char *file, struct config **out);
