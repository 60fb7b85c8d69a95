#include "worker/tools/mcp/mcp_trial.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_write.h"
#include "worker/tools/mcp/mcp_internal.h"
#include "worker/tools/tool.h"

#define TRIAL_MS 10000 /* for one server */

int mcp_trial_open(void *self, const struct config *config, struct error *err)
{
    struct mcp_trial *trial = self;
    struct mcp_options options = {
        .guard = {(const char *const *)config->worker.private_addresses,
                  config->worker.private_addresses_count},
        .configured = config->mcp_servers,
        .configured_count = config->mcp_servers_count,
        .first_uid = config->code_interpreter.first_uid,
    };
    int r = http_client_open(NULL, &trial->http, err);

    if (r < 0)
        return r;
    trial->config = config;
    options.http = trial->http;
    trial->mcp = mcp_open(&options);
    return 0;
}

struct asked {
    struct mcp_trial *trial;
    const char *label;
    struct fiber *fiber;
};

static int list(const struct asked *asked, size_t *out, struct error *err)
{
    static const struct uuid nobody = {{0}};
    const struct tool_services services = {.mcp = asked->trial->mcp};
    const struct mcp_member member = {.label = text_of(asked->label)};
    const struct mcp_tools *tools;
    uint8_t key[SHA256_BYTES];
    struct mcp_server *server;
    struct mcp_reach reach;
    int r = mcp_reach_open(&services, nobody, &member, NULL, 0, &reach, err);

    if (r == 0) {
        mcp_reach_key(&reach, nobody, member.label, key);
        server = mcp_server_enter(asked->trial->mcp, key);
        r = mcp_list(server, &reach, nobody, deadline_in(TRIAL_MS), &tools, err);
        if (r == 0)
            *out = tools->count;
        mcp_server_leave(server);
    }
    mcp_reach_close(&reach);
    return r;
}

static void ask(void *arg)
{
    const struct asked *asked = arg;
    CLEANUP(buf_deinit) struct buf line = {0};
    struct json_write w;
    struct error err;
    size_t tools = 0;
    int r = list(asked, &tools, &err);

    buf_init(&line, 0);
    json_write_init(&w, &line);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "label", asked->label);
    if (r == 0)
        json_write_int(&w, "tools", (int64_t)tools);
    else
        json_write_string(&w, "error", err.text);
    json_write_close(&w);
    printf("%s\n", buf_string(&line));
    (void)fflush(stdout);
}

void mcp_trial_serve(void *self)
{
    struct mcp_trial *trial = self;
    unsigned count = trial->config->mcp_servers_count;
    struct asked *asked = xcalloc(count + 1, sizeof(*asked));

    for (unsigned i = 0; i < count; i++) {
        asked[i] = (struct asked){.trial = trial, .label = trial->config->mcp_servers[i].label};
        asked[i].fiber = fiber_start("try-mcp", ask, &asked[i]);
    }
    for (unsigned i = 0; i < count; i++)
        fiber_join(asked[i].fiber);
    free(asked);
}

void mcp_trial_close(void *self)
{
    struct mcp_trial *trial = self;

    mcp_close(trial->mcp);
    http_client_close(trial->http);
}
