/* The servers that are known, and what goes on beside calls. */

#include "worker/tools/mcp/mcp.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/process/spawner.h"
#include "worker/tools/mcp/mcp_internal.h"

#define SERVERS_MAX     256
#define SWEEP_MS        5000
#define PROCESS_IDLE_MS 300000
#define SESSION_IDLE_MS 600000

static bool matches(const struct lru_entry *entry, const void *key)
{
    const struct mcp_server *server = CONTAINER_OF(entry, const struct mcp_server, entry);

    return memcmp(server->key, key, SHA256_BYTES) == 0;
}

static void free_server(struct mcp_server *server)
{
    ASSERT(!server->process);
    mcp_sessions_sweep(server, 0);
    mcp_list_forget(server);
    mcp_token_forget(&server->token);
    server->mcp->stats.servers--;
    free(server);
}

static void drop(struct lru_entry *entry)
{
    struct mcp_server *server = CONTAINER_OF(entry, struct mcp_server, entry);

    server->dropped = true;
    if (server->users == 0)
        free_server(server);
}

static void sweep(void *arg)
{
    struct mcp *mcp = arg;
    struct error err;

    while (fiber_sleep(SWEEP_MS, &err) == 0) {
        mcp_processes_sweep(mcp, PROCESS_IDLE_MS);
        list_for_each (item, &mcp->servers.uses)
            mcp_sessions_sweep(
                CONTAINER_OF(CONTAINER_OF(item, struct lru_entry, use), struct mcp_server, entry),
                SESSION_IDLE_MS);
    }
}

struct mcp *mcp_open(const struct mcp_options *options)
{
    struct mcp *mcp = xcalloc(1, sizeof(*mcp));

    mcp->options = *options;
    lru_init(&mcp->servers, SERVERS_MAX, matches, drop);
    list_init(&mcp->processes);
    cond_init(&mcp->errands_done);
    buf_init(&mcp->filter, 0);
    mcp->sweeper = fiber_start("mcp-sweep", sweep, mcp);
    return mcp;
}

void mcp_close(struct mcp *mcp)
{
    if (!mcp)
        return;
    mcp->closing = true;
    fiber_cancel(mcp->sweeper);
    fiber_join(mcp->sweeper);
    mcp_processes_sweep(mcp, 0);
    fiber_shield_enter();
    while (mcp->errands > 0)
        IGNORE(cond_wait(&mcp->errands_done, DEADLINE_NONE, NULL));
    fiber_shield_leave();
    lru_deinit(&mcp->servers);
    spawner_close(mcp->spawner);
    buf_deinit(&mcp->filter);
    free(mcp->bwrap);
    free(mcp);
}

void mcp_stats_get(const struct mcp *mcp, struct mcp_stats *out)
{
    *out = mcp->stats;
}

struct mcp_server *mcp_server_enter(struct mcp *mcp, const uint8_t key[SHA256_BYTES])
{
    uint64_t hash = lru_hash_bytes(key, SHA256_BYTES);
    struct lru_entry *found = lru_find(&mcp->servers, hash, key);
    struct mcp_server *server;

    if (found) {
        server = CONTAINER_OF(found, struct mcp_server, entry);
        server->users++;
        return server;
    }
    server = xcalloc(1, sizeof(*server));
    server->mcp = mcp;
    memcpy(server->key, key, SHA256_BYTES);
    list_init(&server->sessions);
    cond_init(&server->changed);
    server->users = 1;
    mcp->stats.servers++;
    lru_add(&mcp->servers, hash, &server->entry);
    return server;
}

void mcp_server_leave(struct mcp_server *server)
{
    ASSERT(server->users > 0);
    server->users--;
    if (server->users == 0 && server->dropped)
        free_server(server);
}

/* They end by themselves, within MCP_ERRAND_MS. */
bool mcp_errand(struct mcp *mcp, void (*fn)(void *arg), void *arg)
{
    if (mcp->closing || mcp->errands >= MCP_ERRANDS_MAX)
        return false;
    mcp->errands++;
    fiber_spawn("mcp-errand", fn, arg);
    return true;
}

void mcp_errand_end(struct mcp *mcp)
{
    mcp->errands--;
    cond_broadcast(&mcp->errands_done);
}
