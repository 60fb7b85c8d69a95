/* `penstock tools list|show|test|delete`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/secrets/secrets_there.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 100000, NAME_WIDTH = 32 };

static void print_head(void)
{
    printf("%-32s  %7s  %-6s  %s\n", "TOOL", "VERSION", "METHOD", "URL");
}

static void print_tool(struct json_object *tool, struct text agent)
{
    struct text method = json_get_text(tool, "method");

    (void)agent;
    print_column(json_get_text(tool, "name"), NAME_WIDTH);
    printf("  %7lld  %-6.*s  ", (long long)json_get_int(tool, "version", 0),
           TEXT_ARGS(method.ptr ? method : TEXT("GET")));
    terminal_print(stdout, json_get_text(tool, "url"));
    printf("\n");
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_tool, .without_agents = true};

    return print_list(client, &printed, "/v1/tools?order=asc",
                      (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

/* The path of the tool that is named, and what is behind it; the caller's. */
static char *path_of(const struct arguments *args, const char *behind)
{
    CLEANUP(freep) char *name = client_encode(args->positional[0]);

    return xasprintf("/v1/tools/%s%s", name, behind);
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = path_of(args, "");
    struct client_reply reply = {0};
    int r = client_get(client, path, &reply, err);

    if (r < 0)
        return r;
    printf("%s\n", json_object_to_json_string_ext(reply.json, JSON_C_TO_STRING_PRETTY |
                                                                  JSON_C_TO_STRING_SPACED |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    client_reply_deinit(&reply);
    return output_check(err);
}

static void print_trial(struct json_object *trial)
{
    struct json_object *request = json_get(trial, "request");

    (void)fprintf(stderr, "%s ",
                  json_get_string(request, "method") ? json_get_string(request, "method")
                                                     : "nothing was sent");
    terminal_print(stderr, json_get_text(request, "url"));
    if (json_get_int(trial, "status", 0) > 0)
        (void)fprintf(stderr, "\n%lld, %lld bytes, %lld ms, %lld %s",
                      (long long)json_get_int(trial, "status", 0),
                      (long long)json_get_int(trial, "bytes", 0),
                      (long long)json_get_int(trial, "took_ms", 0),
                      (long long)json_get_int(trial, "tries", 0),
                      json_get_int(trial, "tries", 0) == 1 ? "try" : "tries");
    (void)fprintf(stderr, "\n");
    terminal_print(stdout, json_get_text(trial, "output"));
    printf("\n");
}

/* What the tool refers to and has no value, where a call came to nothing. */
static int note_secrets(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *names = json_object_new_object();
    CLEANUP(freep) char *path = path_of(args, "");
    struct client_reply reply = {0};
    struct json_object *secrets;
    int r = client_get(client, path, &reply, err);

    if (r < 0)
        return r == -E_CANCELED ? r : 0;
    secrets = json_get(reply.json, "secrets");
    for (size_t i = 0;
         json_object_is_type(secrets, json_type_array) && i < json_object_array_length(secrets);
         i++)
        json_object_object_add(names, json_object_get_string(json_object_array_get_idx(secrets, i)),
                               NULL);
    client_reply_deinit(&reply);
    return secrets_note_missing(client, names, err);
}

static int test(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = path_of(args, "/test");
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    const char *said = args->positional_count > 1 ? args->positional[1] : "{}";
    struct json_object *arguments = NULL;
    struct client_reply reply = {0};
    struct client_call call = {.method = "POST", .path = path};
    bool is_error;
    int r = json_decode(text_of(said), JSON_DEPTH_DEFAULT, &arguments, err);

    if (r < 0)
        return error_wrap(err, "the arguments are no JSON");
    json_object_object_add(body, "arguments", arguments);
    call.body = json_text(body);
    r = client_send(client, &call, &reply, err);
    if (r < 0)
        return r;
    is_error = json_get_bool(reply.json, "is_error", false);
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else
        print_trial(reply.json);
    client_reply_deinit(&reply);
    r = output_check(err);
    if (r == 0 && is_error)
        r = note_secrets(client, args, err);
    return r < 0 ? r : is_error ? COMMAND_FAILED : COMMAND_OK;
}

static int delete (struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = path_of(args, "");
    struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};
    struct client_reply reply = {0};
    int r = client_send(client, &call, &reply, err);

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

static int run_test(const struct arguments *args)
{
    return client_command(args, test);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete);
}

static const struct option_spec list_options[] = {
    {"limit", 'n', "N", "at most N (default 1000)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec test_options[] = {
    {"json", 0, NULL, "as JSON, with all of the request", 0, 0},
};

const struct command command_tools_list = {
    .name = "tools list",
    .arguments = "",
    .summary = "List tools that were declared",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_tools_show = {
    .name = "tools show",
    .arguments = "TOOL",
    .summary = "Show a tool, as JSON",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_show,
};

const struct command command_tools_test = {
    .name = "tools test",
    .arguments = "TOOL [ARGUMENTS]",
    .summary = "Call a tool, and print what a model would be told",
    .details =
        "ARGUMENTS are JSON, as a model would write them:\n\n"
        "  penstock tools test order_lookup '{\"id\": \"7\"}'\n\n"
        "The call is made as in a run, with all that it does. Exits with 1 where a model\n"
        "would be told of an error. To standard error goes what was sent, with [secret NAME]\n"
        "in place of secrets.",
    .options = test_options,
    .options_count = ARRAY_LENGTH(test_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_test,
};

const struct command command_tools_delete = {
    .name = "tools delete",
    .arguments = "TOOL",
    .summary = "Delete a tool that no agent names",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_delete,
};
