/* `penstock secrets list|set|delete`. A value never stands in the arguments, which every process
 * of the machine may read and shells keep. */

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/secrets/reference.h"

#define VALUE_BYTES_MAX ((size_t)16384)

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 100000, NAME_WIDTH = 40 };

static void print_head(void)
{
    printf("%-40s  %7s  %-22s  %s\n", "SECRET", "VERSION", "SET", "LAST USED");
}

static void print_secret(struct json_object *secret, struct text agent)
{
    char set[WHEN_SIZE];
    char used[WHEN_SIZE];

    (void)agent;
    when_format(json_get_int(secret, "updated_at", 0), false, set);
    when_format(json_get_int(secret, "last_used_at", 0), false, used);
    print_column(json_get_text(secret, "name"), NAME_WIDTH);
    printf("  %7lld  %-22s  %s\n", (long long)json_get_int(secret, "version", 0), set, used);
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_secret, .without_agents = true};

    return print_list(client, &printed, "/v1/secrets?order=asc",
                      (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

/* Unbuffered, so that nothing of it stays in stdin's own memory. */
static int read_value(char *value, size_t *out_bytes, struct error *err)
{
    size_t count = 0;
    ssize_t got;

    while (count <= VALUE_BYTES_MAX) {
        got = read(STDIN_FILENO, value + count, VALUE_BYTES_MAX + 1 - count);
        if (got < 0)
            return error_set(err, E_SYSTEM, "the value can't be read from standard input");
        if (got == 0)
            break;
        count += (size_t)got;
        if (isatty(STDIN_FILENO) == 1 && value[count - 1] == '\n')
            break;
    }
    if (count > VALUE_BYTES_MAX)
        return error_set(err, E_INVALID, "a secret has at most %zu bytes", VALUE_BYTES_MAX);
    if (count > 0 && value[count - 1] == '\n')
        count--;
    if (count > 0 && value[count - 1] == '\r')
        count--;
    *out_bytes = count;
    return 0;
}

/* As a person types it, without an echo; or all of standard input but for a line break at its
 * end. */
static int ask_value(const char *name, char *value, size_t *out_bytes, struct error *err)
{
    struct termios before;
    struct termios silent;
    bool is_terminal = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0;
    int r;

    if (is_terminal) {
        (void)fprintf(stderr, "Value of %s: ", name);
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    r = read_value(value, out_bytes, err);
    if (is_terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fprintf(stderr, "\n");
    }
    return r;
}

/* PUT and DELETE of NAME. */
static int call(struct client *client, const struct arguments *args, struct client_call call,
                struct client_reply *out, struct error *err)
{
    CLEANUP(freep) char *name = client_encode(args->positional[0]);
    CLEANUP(freep) char *path = xasprintf("/v1/secrets/%s", name);

    call.path = path;
    call.repeatable = true;
    return client_send(client, &call, out, err);
}

static int set(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *value = xcalloc(1, VALUE_BYTES_MAX + 2);
    struct client_reply reply = {0};
    struct buf body;
    size_t bytes = 0;
    int r = 0;

    if (!secret_name_fits(text_of(args->positional[0])))
        r = error_set(err, E_INVALID,
                      "\"%.70s\" can't be a secret's name: that has letters, digits and _, begins "
                      "with no digit, and has at most %d characters",
                      args->positional[0], SECRET_NAME_MAX);
    if (r == 0)
        r = ask_value(args->positional[0], value, &bytes, err);
    if (r == 0 && !text_is_utf8((struct text){value, bytes}))
        r = error_set(err, E_INVALID, "the value is no UTF-8 text: encode it, in base64 perhaps");
    buf_init(&body, 0);
    (void)buf_reserve(&body, 6 * VALUE_BYTES_MAX + 64); /* growing would leave copies behind */
    if (r == 0) {
        buf_add_string(&body, "{\"value\":");
        buf_add_json(&body, (struct text){value, bytes});
        buf_add_char(&body, '}');
        r = call(client, args, (struct client_call){.method = "PUT", .body = buf_text(&body)},
                 &reply, err);
    }
    explicit_bzero(value, VALUE_BYTES_MAX + 2);
    if (body.ptr)
        explicit_bzero(body.ptr, body.len);
    buf_deinit(&body);
    if (r < 0)
        return r;
    printf("%s has its value number %lld\n", args->positional[0],
           (long long)json_get_int(reply.json, "version", 0));
    client_reply_deinit(&reply);
    return output_check(err);
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

static int run_set(const struct arguments *args)
{
    return client_command(args, set);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete);
}

static const struct option_spec list_options[] = {
    {"limit", 'n', "N", "at most N (default 1000)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

const struct command command_secrets_list = {
    .name = "secrets list",
    .arguments = "",
    .summary = "List secrets, whose values nobody is shown",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_secrets_set = {
    .name = "secrets set",
    .arguments = "NAME",
    .summary = "Give a secret a value, from standard input or a prompt",
    .details =
        "NAME has letters, digits and _. At a terminal the value is asked for and not shown;\n"
        "else it is what standard input says, but for a line break at its end:\n\n"
        "  penstock secrets set SHOP_KEY < key.txt\n\n"
        "Who uses the secret has the new value from the next call on.",
    .positional_min = 1,
    .positional_max = 1,
    .instead = "the value comes from standard input or a prompt, and is no argument",
    .run = run_set,
};

const struct command command_secrets_delete = {
    .name = "secrets delete",
    .arguments = "NAME",
    .summary = "Delete a secret: what needs it fails from then on",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_delete,
};
