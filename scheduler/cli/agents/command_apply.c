/* `penstock apply`: agents and their schedules as code. Creates and updates them by name; deletes
 * only schedules, and these where --prune says so. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/cli/agents/agents_diff.h"
#include "scheduler/cli/agents/agents_file.h"
#include "scheduler/cli/agents/apply_notes.h"
#include "scheduler/cli/agents/apply_schedules.h"
#include "scheduler/cli/agents/apply_tools.h"
#include "scheduler/cli/agents/show_change.h"
#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define LISTED_MAX 100000

#define COMPLAINTS_MAX 20

struct apply {
    const struct arguments *args;
    const char *path;
    struct client client;
    struct agents_file file;
    struct json_object *wanted; /* file.agents */
    struct json_object *have;   /* name -> agent, of the wanted names */
    unsigned counts[4];         /* by enum agents_change */
    struct apply_schedules schedules;
    struct apply_tools tools;
};

static int read_wanted(struct apply *apply, struct error *err)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    int r;

    apply->path = arguments_get(apply->args, "file");
    if (!apply->path)
        return error_set(err, E_INVALID, "apply needs a file: penstock apply -f agents.yaml");
    buf_init(&text, AGENTS_FILE_BYTES_MAX);
    r = file_read_named(apply->path, &text, err);
    if (r == 0)
        r = agents_file_parse(apply->path, buf_text(&text), &apply->file, err);
    apply->wanted = apply->file.agents;
    return r;
}

static bool is_wanted(const struct apply *apply, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(apply->wanted); i++)
        if (strcmp(json_get_string(json_object_array_get_idx(apply->wanted, i), "name"), name) == 0)
            return true;
    return false;
}

static int note_agent(void *arg, struct json_object *item, struct error *err)
{
    struct apply *apply = arg;
    const char *name = json_get_string(item, "name");

    if (!name || !is_wanted(apply, name))
        return 0;
    if (json_has(apply->have, name))
        return error_set(
            err, E_CONFLICT,
            "there are two agents with the name \"%.60s\" (%s and %s): apply can't know "
            "which is meant; delete or rename one",
            name, json_get_string(json_get(apply->have, name), "id"), json_get_string(item, "id"));
    json_object_object_add(apply->have, name, json_object_get(item));
    return 0;
}

static void show(struct apply *apply, struct json_object *wanted)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct json_object *have = json_get(apply->have, json_get_string(wanted, "name"));
    enum agents_change change = agents_diff(wanted, have, &body);

    apply->counts[change]++;
    show_change(change, "", json_get_text(wanted, "name"), have, body);
}

/* Asks the server whether it would take an agent. Returns 0 or 1 (it would not: the reason is in
 * *err), or what made asking fail. */
static int check_one(struct apply *apply, size_t index, struct error *err)
{
    struct json_object *wanted = json_object_array_get_idx(apply->wanted, index);
    const struct agents_place *place = &apply->file.places[index];
    CLEANUP(json_freep) struct json_object *rest = NULL;
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct client_reply reply = {0};
    int r = apply_tools_check_agent(&apply->tools, wanted, &rest, err);

    if (r == 0 && agents_diff(wanted, json_get(apply->have, json_get_string(wanted, "name")),
                              &body) == AGENTS_SAME)
        return 0;
    json_free(body);
    body = NULL;
    if (r == 0) {
        (void)agents_diff(rest, NULL, &body);
        r = client_post(&apply->client, "/v1/assistants/check", body, &reply, err);
    } else {
        r = -E_REJECTED;
    }
    client_reply_deinit(&reply);
    if (r == -E_NOT_FOUND)
        return error_set(err, E_PROTOCOL,
                         "the server can't check agents: it is older than this program (%s), so "
                         "nothing was changed",
                         PENSTOCK_VERSION);
    if (r != -E_REJECTED)
        return r;
    (void)error_wrap(err, "%s:%zu:%zu: agent \"%.60s\"", apply->path, place->line, place->column,
                     json_get_string(wanted, "name"));
    return 1;
}

/* How many agents the server refuses, each of which was complained of; or what failed. */
static int check_agents(struct apply *apply, struct error *err)
{
    int wrong = 0;

    for (size_t i = 0; i < json_object_array_length(apply->wanted); i++) {
        int r = check_one(apply, i, err);

        if (r < 0)
            return r;
        if (r > 0 && ++wrong <= COMPLAINTS_MAX)
            terminal_complain("%s", err->text);
    }
    return wrong;
}

/* All of the file is right for the server, too, before any of it is done. */
static int check_all(struct apply *apply, struct error *err)
{
    static const char *const words[] = {"tool", "agent", "schedule"};
    int wrong[ARRAY_LENGTH(words)] = {apply_tools_check(&apply->tools, err)};

    if (wrong[0] >= 0)
        wrong[1] = check_agents(apply, err);
    if (wrong[0] >= 0 && wrong[1] >= 0)
        wrong[2] = apply_schedules_check(&apply->schedules, err);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (wrong[i] != 0)
            return wrong[i] < 0 ? wrong[i]
                                : error_set(err, E_INVALID,
                                            "the server refuses %d %s%s of this file; nothing was "
                                            "changed",
                                            wrong[i], words[i], wrong[i] == 1 ? "" : "s");
    return 0;
}

/* Asks a person. Where nobody can be asked, only -y says that changes are meant. Returns 1 for yes,
 * 0 for no. */
static int confirm(const struct apply *apply, struct error *err)
{
    char answer[16] = "";

    if (arguments_has(apply->args, "yes"))
        return 1;
    if (isatty(STDIN_FILENO) != 1)
        return error_set(err, E_INVALID,
                         "apply asks before it changes anything, and standard input is no "
                         "terminal: say -y to change without being asked, or --dry-run to look");
    output_flush();
    (void)fprintf(stderr, "Apply? [y/N] ");
    if (!fgets(answer, sizeof(answer), stdin))
        return 0;
    return answer[0] == 'y' || answer[0] == 'Y';
}

static int change_one(struct apply *apply, struct json_object *wanted, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    const char *name = json_get_string(wanted, "name");
    struct json_object *have = json_get(apply->have, name);
    struct client_reply reply = {0};
    int r;

    if (agents_diff(wanted, have, &body) == AGENTS_SAME)
        return 0;
    if (have) {
        CLEANUP(freep) char *path = xasprintf("/v1/assistants/%s", json_get_string(have, "id"));

        r = client_post(&apply->client, path, body, &reply, err);
    } else {
        r = client_post_once(&apply->client, "/v1/assistants", body, &reply, err);
    }
    if (r < 0)
        return error_wrap(err, "agent \"%.60s\"", name);
    printf("%s ", have ? "updated" : "created");
    terminal_print(stdout, text_of(name));
    printf(" (%s)\n", json_get_string(reply.json, "id"));
    client_reply_deinit(&reply);
    return 0;
}

static int change_all(struct apply *apply, struct error *err)
{
    size_t count = json_object_array_length(apply->wanted);

    for (size_t i = 0; i < count; i++) {
        int r = change_one(apply, json_object_array_get_idx(apply->wanted, i), err);

        if (r < 0) {
            terminal_complain("%zu of %zu agents are as the file says; the same command goes on", i,
                              count);
            return r;
        }
    }
    return COMMAND_OK;
}

/* How many of all that the file names. */
static unsigned count(const struct apply *apply, enum agents_change change)
{
    return apply->counts[change] + apply->schedules.counts[change] + apply->tools.counts[change];
}

static int show_all(struct apply *apply, struct error *err)
{
    int r;

    apply_tools_show(&apply->tools);
    for (size_t i = 0; i < json_object_array_length(apply->wanted); i++)
        show(apply, json_object_array_get_idx(apply->wanted, i));
    r = apply_schedules_show(&apply->schedules, err);
    if (r < 0)
        return r;
    printf("%u to create, %u to update, ", count(apply, AGENTS_CREATE),
           count(apply, AGENTS_UPDATE));
    if (apply->schedules.prunes)
        printf("%u to delete, ", count(apply, AGENTS_DELETE));
    printf("%u unchanged\n", count(apply, AGENTS_SAME));
    return 0;
}

static bool is_as_wanted(const struct apply *apply)
{
    return count(apply, AGENTS_CREATE) + count(apply, AGENTS_UPDATE) +
               count(apply, AGENTS_DELETE) ==
           0;
}

static int look(struct apply *apply, struct error *err)
{
    const struct client_walk walk = {"/v1/assistants?order=asc", LISTED_MAX, note_agent, apply};
    int r = read_wanted(apply, err);

    if (r == 0)
        r = client_open(&apply->client, err);
    if (r == 0)
        r = client_walk(&apply->client, &walk, err);
    apply->schedules = (struct apply_schedules){.path = apply->path,
                                                .file = &apply->file,
                                                .client = &apply->client,
                                                .agents = apply->have,
                                                .prunes = arguments_has(apply->args, "prune")};
    apply->tools =
        (struct apply_tools){.path = apply->path, .file = &apply->file, .client = &apply->client};
    if (r == 0)
        r = apply_tools_look(&apply->tools, err);
    if (r == 0)
        r = apply_schedules_look(&apply->schedules, err);
    if (r == 0)
        r = check_all(apply, err);
    return r == 0 ? apply_notes(&apply->tools, err) : r;
}

static int apply_all(struct apply *apply, struct error *err)
{
    int r = look(apply, err);

    if (r == 0)
        r = show_all(apply, err);
    if (r < 0)
        return r;
    if (arguments_has(apply->args, "dry-run") || is_as_wanted(apply))
        return COMMAND_OK;
    r = confirm(apply, err);
    if (r == 0) {
        printf("Nothing was changed.\n");
        return COMMAND_FAILED;
    }
    if (r > 0)
        r = apply_tools_change(&apply->tools, err);
    if (r == 0)
        r = change_all(apply, err);
    return r < 0 ? r : apply_schedules_change(&apply->schedules, err);
}

static int apply_on_loop(void *arg)
{
    struct apply *apply = arg;
    struct error err;
    int r = apply_all(apply, &err);

    client_close(&apply->client);
    return r < 0 ? command_fail(&err) : r;
}

static int run(const struct arguments *args)
{
    struct apply apply = {.args = args, .have = json_object_new_object()};
    int result = command_on_loop(apply_on_loop, &apply);

    agents_file_deinit(&apply.file);
    json_free(apply.have);
    json_free(apply.schedules.have);
    json_free(apply.schedules.gone);
    json_free(apply.tools.have);
    json_free(apply.tools.known);
    return result;
}

static const struct option_spec options[] = {
    {"file", 'f', "FILE", "agents, tools and schedules, in YAML; - reads standard input", 0, 0},
    {"dry-run", 0, NULL,
     "show what would change, after the server has checked it, and change nothing", 0, 0},
    {"prune", 0, NULL, "delete schedules of the file's agents that it does not name", 0, 0},
    {"yes", 'y', NULL, "don't ask; needed where standard input is no terminal", 0, 0},
};

const struct command command_apply = {
    .name = "apply",
    .arguments = "-f FILE",
    .summary = "Create and update agents, tools and schedules from a file",
    .details =
        "The server checks the whole file first: a mistake anywhere changes nothing. Agents are\n"
        "matched by name. What the file no longer says of an agent is reset; agents\n"
        "that the file does not name are left alone. So are schedules, which come behind the\n"
        "agents: each has a name, an agent (a name, a slug or an id), and what POST /v1/schedules\n"
        "takes. With --prune the agents' schedules that the file does not name are deleted, but\n"
        "for those without a name and those of a user. Tools come before the agents, as\n"
        "POST /v1/tools takes them. An example:\n\n"
        "  agents:\n"
        "    - name: assistant\n"
        "      model: openai/gpt-4o-mini\n"
        "      instructions: You answer briefly.\n"
        "      tools: [{type: calculator}]\n"
        "  schedules:\n"
        "    - name: morning\n"
        "      agent: assistant\n"
        "      cron: 0 9 * * MON-FRI\n"
        "      timezone: Europe/Berlin\n"
        "      input: What is new?",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
