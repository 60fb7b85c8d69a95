/* The walls are those of programs of models (worker/tools/sandbox/confinement.c), with holes that
 * the operator makes. Its environment is handed over as one: as arguments everybody on the machine
 * could read it. */

#include "worker/tools/mcp/mcp_confinement.h"

#include "shared/base/error.h"
#include "shared/config/config.h"
#include "worker/tools/sandbox/confinement.h"

/* clang-format off */
static const char *const own[] = {"--size", "67108864", "--tmpfs", "/tmp"};
static const char *const network[] = {
    "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf",
    "--ro-bind-try", "/etc/hosts", "/etc/hosts",
    "--ro-bind-try", "/etc/nsswitch.conf", "/etc/nsswitch.conf",
    "--ro-bind-try", "/etc/ssl", "/etc/ssl",
    "--ro-bind-try", "/etc/ca-certificates", "/etc/ca-certificates",
};
static const char *const behind[] = {
    "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--seccomp", "9", "--",
};
static const char *const environment[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
};
/* clang-format on */

_Static_assert(MCP_FILTER_FD == 9, "as the arguments name it");

static void add(const char **list, size_t *count, const char *const *from, size_t many)
{
    for (size_t i = 0; i < many; i++) {
        if (*count < MCP_ARGUMENTS_MAX - 1)
            list[*count] = from[i];
        (*count)++;
    }
}

static void add_one(struct mcp_command *to, const char *argument)
{
    add(to->argv, &to->argc, &argument, 1);
}

static void add_folders(struct mcp_command *to, const char *how, char *const *folders,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add_one(to, how);
        add_one(to, folders[i]);
        add_one(to, folders[i]);
    }
}

static void add_walls(const struct config_mcp_server *server, const char *bwrap,
                      struct mcp_command *to)
{
    add_one(to, bwrap);
    add(to->argv, &to->argc, confinement_walls, confinement_walls_count);
    add(to->argv, &to->argc, own, ARRAY_LENGTH(own));
    if (server->network)
        add(to->argv, &to->argc, network, ARRAY_LENGTH(network));
    else
        add_one(to, "--unshare-net");
    add_folders(to, "--ro-bind", server->read, server->read_count);
    add_folders(to, "--bind", server->write, server->write_count);
    add(to->argv, &to->argc, behind, ARRAY_LENGTH(behind));
}

int mcp_command(const struct config_mcp_server *server, const char *bwrap, struct mcp_command *out,
                struct error *err)
{
    *out = (struct mcp_command){.argc = 0};
    if (bwrap)
        add_walls(server, bwrap, out);
    add_one(out, server->command);
    add(out->argv, &out->argc, (const char *const *)server->args, server->args_count);
    add(out->envp, &out->envc, environment, ARRAY_LENGTH(environment));
    add(out->envp, &out->envc, (const char *const *)server->env, server->env_count);
    if (out->argc >= MCP_ARGUMENTS_MAX || out->envc >= MCP_ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the server is configured with too many arguments");
    return 0;
}
