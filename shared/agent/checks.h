#pragma once
/* Checks of the members of an agent that have a shape of their own: tools, formats, lists of hosts.
 * Pure; each is a field_check_fn of fields.h and returns 0, or -E_INVALID with *failure. */

#include "shared/check/fields.h"

/* An array of tools: calculator, current_time, wait, http_request (run on the server), and
 * function. No two with one name. */
int check_tools(struct json_object *value, const struct path *path, struct failure *failure);

/* web_search and read_page, which have members of their own: {"type", "filters":
 * {"allowed_domains", "blocked_domains"}} and "search_context_size", or "robots". */
bool check_is_web(struct text type);
extern const char *const web_context_sizes[]; /* ended by NULL */
int check_web_filters(struct json_object *value, const struct path *path, struct failure *failure);
int check_web_tool(struct json_object *value, const struct path *path, struct failure *failure);

/* A tool's name: tool_name_fits. */
int check_tool_name(struct json_object *value, const struct path *path, struct failure *failure);

/* A JSON schema, of a function's arguments or of an answer. */
int check_schema(struct json_object *value, const struct path *path, struct failure *failure);

/* "none", "auto", "required", or {"type": …} naming one tool. */
int check_tool_choice(struct json_object *value, const struct path *path, struct failure *failure);

/* "auto", or an object of type text, json_object or json_schema. */
int check_response_format(struct json_object *value, const struct path *path,
                          struct failure *failure);

int check_truncation(struct json_object *value, const struct path *path, struct failure *failure);

/* An array of "host", "*.host" or "host:port". */
int check_http_allow(struct json_object *value, const struct path *path, struct failure *failure);

/* An array of names of secrets. */
int check_secrets(struct json_object *value, const struct path *path, struct failure *failure);

/* Files and vector stores are not offered: only empty resources pass. */
int check_tool_resources(struct json_object *value, const struct path *path,
                         struct failure *failure);

/* A model's name: not empty, no blanks. Whether it is served is the registry's to say. */
/* What an agent learns of users, and tells of them (memories/memories_settings.h). */
int check_memories(struct json_object *value, const struct path *path, struct failure *failure);

int check_model(struct json_object *value, const struct path *path, struct failure *failure);

/* ^[a-z0-9]+(-[a-z0-9]+)*$: what stands for an assistant's id can't be taken for one. New slugs are
 * no part of a path of the API either (check_slug). */
#define SLUG_MAX 64
bool slug_fits(struct text text);
int check_slug(struct json_object *value, const struct path *path, struct failure *failure);

/* An array of sentences. */
int check_constraints(struct json_object *value, const struct path *path, struct failure *failure);

/* {"tone", "style"}. */
int check_personality(struct json_object *value, const struct path *path, struct failure *failure);

/* An array of {"user", "assistant"}. */
int check_examples(struct json_object *value, const struct path *path, struct failure *failure);

/* Any JSON within AGENT_CONFIG_MAX: the client's own. */
int check_config(struct json_object *value, const struct path *path, struct failure *failure);

/* What a template is filled with: names (placeholders.h) and strings, numbers or booleans. */
int check_variables(struct json_object *value, const struct path *path, struct failure *failure);

/* {"max_tokens", "max_cost_micros", "at_limit", "fallback_model"} of an agent's runs, or of one. */
#define BUDGET_TOKENS_MAX INT64_C(1000000000000)
#define BUDGET_COST_MAX   INT64_C(1000000000000000)
int check_budget(struct json_object *value, const struct path *path, struct failure *failure);

/* What its members say together: it limits something, and names the model that it needs. */
int check_budget_whole(struct json_object *budget, const struct path *path,
                       struct failure *failure);

/* {"action", "after", "then_delete_after"}: how long threads are kept, in seconds since their last
 * use. */
#define RETENTION_MIN_S INT64_C(3600)
#define RETENTION_MAX_S INT64_C(3153600000) /* a hundred years */
int check_retention(struct json_object *value, const struct path *path, struct failure *failure);

/* The same as a body of its own: its members, and what they say together. */
extern const struct fields retention_fields;
int check_retention_whole(struct json_object *retention, const struct path *path,
                          struct failure *failure);

/* An array of such names, none of them twice. */
int check_fallbacks(struct json_object *value, const struct path *path, struct failure *failure);
