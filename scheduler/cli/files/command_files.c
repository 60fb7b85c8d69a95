/* `penstock files list`, `upload`, `show`, `content` and `delete`. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/files/file_transfer.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define NAME_WIDTH 60

/* ---- list ---- */

static void print_head(void)
{
    printf("%-37s  %12s  %-22s  %-10s  %s\n", "FILE", "BYTES", "CREATED", "PURPOSE", "NAME");
}

static void print_file(struct json_object *file, struct text agent)
{
    char created[WHEN_SIZE];

    (void)agent;
    when_format(json_get_int(file, "created_at", 0), false, created);
    printf("%-37.*s  %12" PRId64 "  %-22s  %-10.*s  ", TEXT_ARGS(json_get_text(file, "id")),
           json_get_int(file, "bytes", 0), created, TEXT_ARGS(json_get_text(file, "purpose")));
    terminal_print_line(stdout, json_get_text(file, "filename"), NAME_WIDTH);
    printf("\n");
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_file, .without_agents = true};
    CLEANUP(freep)
    char *purpose =
        client_encode(arguments_has(args, "purpose") ? arguments_get(args, "purpose") : "");
    CLEANUP(freep) char *path = xasprintf("/v1/files?purpose=%s", purpose);

    return print_list(client, &printed, path, (size_t)arguments_number(args, "limit", 20), err);
}

/* ---- one ---- */

static int check_id(const char *id, struct error *err)
{
    return client_is_plain(id) ? 0 : error_set(err, E_INVALID, "\"%.60s\" is no id of a file", id);
}

static void print_time(const char *name, int64_t at)
{
    char when[WHEN_SIZE];

    if (at <= 0)
        return;
    when_format(at, true, when);
    printf("%-10s %s\n", name, when);
}

static void print_details(struct json_object *file)
{
    printf("%-10s %.*s\n", "file", TEXT_ARGS(json_get_text(file, "id")));
    printf("%-10s ", "name");
    terminal_print_line(stdout, json_get_text(file, "filename"), 300);
    printf("\n%-10s %" PRId64 "\n", "bytes", json_get_int(file, "bytes", 0));
    printf("%-10s %.*s\n", "purpose", TEXT_ARGS(json_get_text(file, "purpose")));
    print_time("created", json_get_int(file, "created_at", 0));
    print_time("expires", json_get_int(file, "expires_at", 0));
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/files/%s", args->positional[0]);
    struct client_reply reply = {0};
    int r = check_id(args->positional[0], err);

    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else
        print_details(reply.json);
    client_reply_deinit(&reply);
    return 0;
}

/* One whose deletion was asked for again, since the reply was lost, may be gone by then. */
static int delete (struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/files/%s", args->positional[0]);
    struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};
    struct client_reply reply = {0};
    int r = check_id(args->positional[0], err);

    if (r == 0)
        r = client_send(client, &call, &reply, err);
    client_reply_deinit(&reply);
    if (r < 0 && !(r == -E_NOT_FOUND && client->retries > 0))
        return r;
    printf("%s is deleted\n", args->positional[0]);
    return 0;
}

/* ---- upload ---- */

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int upload(struct client *client, const struct arguments *args, struct error *err)
{
    const char *path = args->positional[0];
    const char *name = arguments_get(args, "name");
    const char *purpose = arguments_get(args, "purpose");
    struct file_sending sending = {.path = path, .name = name ? name : last_of(path)};
    struct client_reply reply = {0};
    int r;

    if (!text_is_utf8(text_of(sending.name)))
        return error_set(err, E_INVALID, "the name of the file is not UTF-8: give one by --name");
    sending.purpose = purpose                                      ? purpose
                      : text_ends(text_of(sending.name), ".jsonl") ? "batch"
                                                                   : "user_data";
    sending.seconds = arguments_number(args, "expires-after", 0);
    r = file_send(client, &sending, &reply, err);
    if (r < 0)
        return r;
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else
        printf("%.*s\n", TEXT_ARGS(json_get_text(reply.json, "id")));
    client_reply_deinit(&reply);
    return 0;
}

/* ---- content ---- */

static int print_bytes(void *arg, struct text bytes, struct error *err)
{
    (void)arg;
    terminal_print(stdout, bytes);
    return output_check(err);
}

static int write_bytes(void *arg, struct text bytes, struct error *err)
{
    if (fwrite(bytes.ptr, 1, bytes.len, arg) == bytes.len)
        return 0;
    return error_set_errno(err, errno, "the file can't be written");
}

/* Beside its place until all of it is there. */
static int fetch_to(struct client *client, const char *id, const char *path, struct error *err)
{
    CLEANUP(freep) char *beside = xasprintf("%s.part.%ld", path, (long)getpid());
    FILE *stream = fopen(beside, "wxe");
    struct file_fetching fetching = {id, write_bytes, stream};
    int r;

    if (!stream)
        return error_set_errno(err, errno, "create %s", beside);
    r = file_fetch(client, &fetching, err);
    if (fclose(stream) != 0 && r == 0)
        r = error_set_errno(err, errno, "write %s", beside);
    if (r == 0 && rename(beside, path) < 0)
        r = error_set_errno(err, errno, "rename %s to %s", beside, path);
    if (r < 0)
        (void)unlink(beside);
    return r;
}

static int content(struct client *client, const struct arguments *args, struct error *err)
{
    const char *id = args->positional[0];
    const char *path = arguments_get(args, "output");
    struct file_fetching printing = {id, print_bytes, NULL};
    int r = check_id(id, err);

    if (r < 0)
        return r;
    return path ? fetch_to(client, id, path, err) : file_fetch(client, &printing, err);
}

/* ---- commands ---- */

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static int run_upload(const struct arguments *args)
{
    return client_command(args, upload);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_content(const struct arguments *args)
{
    return client_command(args, content);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete);
}

static const struct option_spec list_options[] = {
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, 100000},
    {"purpose", 0, "PURPOSE", "only those of this purpose", 0, 0},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec upload_options[] = {
    {"purpose", 0, "PURPOSE", "what it is for (default batch for .jsonl, else user_data)", 0, 0},
    {"name", 0, "NAME", "the name that it is to have (default its own)", 0, 0},
    {"expires-after", 0, "SECONDS", "when it is deleted: an hour to 30 days", 3600, 2592000},
    {"json", 0, NULL, "the file as the API shows it", 0, 0},
};

static const struct option_spec show_options[] = {
    {"json", 0, NULL, "the file as the API shows it", 0, 0},
};

static const struct option_spec content_options[] = {
    {"output", 'o', "PATH", "write it there, when all of it has come", 0, 0},
};

const struct command command_files_list = {
    .name = "files list",
    .arguments = "",
    .summary = "List files, the newest first",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_files_upload = {
    .name = "files upload",
    .arguments = "PATH",
    .summary = "Send a file, in parts where it is large, and print its id",
    .options = upload_options,
    .options_count = ARRAY_LENGTH(upload_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_upload,
};

const struct command command_files_show = {
    .name = "files show",
    .arguments = "FILE",
    .summary = "Show what is known of a file",
    .options = show_options,
    .options_count = ARRAY_LENGTH(show_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_show,
};

const struct command command_files_content = {
    .name = "files content",
    .arguments = "FILE",
    .summary = "Print or save what is in a file",
    .details =
        "What comes is compared with the digest of what was stored: where that is another the\n"
        "command fails, and nothing is saved.",
    .options = content_options,
    .options_count = ARRAY_LENGTH(content_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_content,
};

const struct command command_files_delete = {
    .name = "files delete",
    .arguments = "FILE",
    .summary = "Delete a file",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_delete,
};
