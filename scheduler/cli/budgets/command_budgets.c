/* `penstock budgets list|show|set|delete`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 100000, SUBJECT_WIDTH = 40, SUM_WIDTH = 64 };

static void print_head(void)
{
    printf("%-7s  %-40s  %-6s  %25s  %25s  %-9s  %s\n", "KIND", "OF", "PERIOD", "TOKENS", "COST",
           "AT LIMIT", "RESETS");
}

/* "120 of 10000". */
static void format_tokens(struct json_object *budget, char out[SUM_WIDTH])
{
    int64_t max = json_get_int(budget, "max_tokens", 0);
    int used = snprintf(out, SUM_WIDTH, "%lld", (long long)json_get_int(budget, "spent_tokens", 0));

    if (max > 0)
        (void)snprintf(out + used, (size_t)(SUM_WIDTH - used), " of %lld", (long long)max);
}

static void format_cost(struct json_object *budget, char out[SUM_WIDTH + MONEY_SIZE])
{
    int64_t max = json_get_int(budget, "max_cost_micros", 0);
    char spent[MONEY_SIZE];
    char most[MONEY_SIZE];

    money_format(json_get_int(budget, "spent_cost_micros", 0), spent);
    money_format(max, most);
    (void)snprintf(out, SUM_WIDTH + MONEY_SIZE, "%s%s%s", spent, max > 0 ? " of " : "",
                   max > 0 ? most : "");
}

static void print_budget(struct json_object *budget, struct text agent)
{
    char tokens[SUM_WIDTH];
    char cost[SUM_WIDTH + MONEY_SIZE];
    char resets[WHEN_SIZE];

    (void)agent;
    format_tokens(budget, tokens);
    format_cost(budget, cost);
    when_format(json_get_int(budget, "resets_at", 0), false, resets);
    printf("%-7s  ", json_get_string(budget, "kind"));
    print_column(json_get_text(budget, "subject"), SUBJECT_WIDTH);
    printf("  %-6s  %25s  %25s  %-9s  %s\n", json_get_string(budget, "period"), tokens, cost,
           json_get_string(budget, "at_limit"), resets);
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_budget, .without_agents = true};
    const char *kind = arguments_get(args, "kind");
    CLEANUP(freep) char *encoded = kind ? client_encode(kind) : NULL;
    CLEANUP(freep)
    char *path = xasprintf("/v1/budgets?order=asc%s%s", kind ? "&kind=" : "", kind ? encoded : "");

    return print_list(client, &printed, path,
                      (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

/* Of KIND and ID. */
static int call(struct client *client, const struct arguments *args, struct client_call call,
                struct client_reply *out, struct error *err)
{
    CLEANUP(freep) char *kind = client_encode(args->positional[0]);
    CLEANUP(freep) char *id = client_encode(args->positional[1]);
    CLEANUP(freep) char *path = xasprintf("/v1/budgets/%s/%s", kind, id);

    call.path = path;
    call.repeatable = true;
    return client_send(client, &call, out, err);
}

static int print_reply(const struct arguments *args, struct client_reply *reply, struct error *err)
{
    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(reply->json)));
    } else {
        print_head();
        print_budget(reply->json, TEXT_NONE);
    }
    client_reply_deinit(reply);
    return output_check(err);
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    struct client_reply reply = {0};
    int r = call(client, args, (struct client_call){.method = "GET"}, &reply, err);

    return r < 0 ? r : print_reply(args, &reply, err);
}

static void add_word(struct json_object *body, const char *name, const char *word)
{
    if (word)
        json_object_object_add(body, name, json_object_new_string(word));
}

static int set(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    const char *period = arguments_get(args, "period");
    struct client_reply reply = {0};
    int r;

    add_word(body, "period", period ? period : "month");
    add_word(body, "at_limit", arguments_get(args, "at-limit"));
    add_word(body, "fallback_model", arguments_get(args, "fallback-model"));
    if (arguments_has(args, "max-tokens"))
        json_object_object_add(body, "max_tokens",
                               json_object_new_int64(arguments_number(args, "max-tokens", 0)));
    if (arguments_has(args, "max-cost-micros"))
        json_object_object_add(body, "max_cost_micros",
                               json_object_new_int64(arguments_number(args, "max-cost-micros", 0)));
    r = call(client, args, (struct client_call){.method = "PUT", .body = json_text(body)}, &reply,
             err);
    return r < 0 ? r : print_reply(args, &reply, err);
}

static int delete (struct client *client, const struct arguments *args, struct error *err)
{
    struct client_reply reply = {0};
    int r = call(client, args, (struct client_call){.method = "DELETE"}, &reply, err);

    client_reply_deinit(&reply);
    return r;
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_set(const struct arguments *args)
{
    return client_command(args, set);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete);
}

#define WHOSE                                                                                      \
    "KIND is thread, user, agent or tenant. ID is the id of the thread; the slug or the id of\n"   \
    "the agent; the name of the user; of the tenant it is self."

static const struct option_spec list_options[] = {
    {"kind", 'k', "KIND", "only those of a thread, user, agent or tenant", 0, 0},
    {"limit", 'n', "N", "at most N (default 100)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec show_options[] = {
    {"json", 0, NULL, "as JSON", 0, 0},
};

static const struct option_spec set_options[] = {
    {"period", 'p', "PERIOD", "day, month (the default) or total: when it begins anew", 0, 0},
    {"max-tokens", 0, "N", "tokens that may be read and answered", 1, INT64_C(1000000000000)},
    {"max-cost-micros", 0, "N", "what it may cost, in millionths of a dollar", 1,
     INT64_C(1000000000000000)},
    {"at-limit", 0, "WHAT", "end (the default), fallback or park: what becomes of runs then", 0, 0},
    {"fallback-model", 0, "MODEL", "which is asked from the limit on, with --at-limit fallback", 0,
     0},
    {"json", 0, NULL, "as JSON", 0, 0},
};

const struct command command_budgets_list = {
    .name = "budgets list",
    .arguments = "",
    .summary = "List budgets, with what is spent of them",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_budgets_show = {
    .name = "budgets show",
    .arguments = "KIND ID",
    .summary = "Show a budget, with what is spent of it",
    .details = WHOSE,
    .options = show_options,
    .options_count = ARRAY_LENGTH(show_options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_show,
};

const struct command command_budgets_set = {
    .name = "budgets set",
    .arguments = "KIND ID",
    .summary = "Say what a thread, a user, an agent or the tenant may spend",
    .details = WHOSE "\nIt replaces what was said before; what is spent stays counted.",
    .options = set_options,
    .options_count = ARRAY_LENGTH(set_options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_set,
};

const struct command command_budgets_delete = {
    .name = "budgets delete",
    .arguments = "KIND ID",
    .summary = "Delete a budget, with what was counted",
    .details = WHOSE,
    .positional_min = 2,
    .positional_max = 2,
    .run = run_delete,
};
