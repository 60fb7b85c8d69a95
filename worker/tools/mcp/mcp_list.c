/* The list of a server's tools, kept for a while.
 *
 * Of those who want it at the same time one asks, and the others wait for that. A server that is
 * away is asked again for AWAY_PATIENCE_MS, which is long enough for a restart; then nobody is kept
 * waiting any more: who comes within AWAY_MS is told the same at once.
 */

#include <stdio.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_write.h"
#include "worker/tools/mcp/mcp_internal.h"

#define FRESH_MS         60000 /* where the server does not say how long */
#define FRESH_MIN_MS     1000
#define FRESH_MAX_MS     600000
#define AWAY_PATIENCE_MS 20000
#define AWAY_MS          5000
#define PAGE_MS          20000
#define RETRY_BASE_MS    500
#define RETRY_CAP_MS     8000

void mcp_list_forget(struct mcp_server *server)
{
    if (server->has_tools)
        mcp_tools_deinit(&server->tools);
    server->has_tools = false;
}

static int ask_page(struct mcp_server *server, struct mcp_reach *reach, struct uuid scope,
                    struct text cursor, int64_t deadline_ms, struct mcp_incoming *out,
                    struct error *err)
{
    CLEANUP(buf_deinit) struct buf members = {0};
    struct mcp_asking asking = {
        .server = server,
        .reach = reach,
        .scope = scope,
        .method = "tools/list",
        .may_repeat = true,
        .idle_ms = PAGE_MS,
        .deadline_ms = deadline_min(deadline_ms, deadline_in(PAGE_MS)),
    };
    int r;

    buf_init(&members, 0);
    if (cursor.ptr) {
        buf_add_string(&members, "\"cursor\":");
        buf_add_json(&members, cursor);
    }
    asking.members = buf_text(&members);
    r = mcp_ask(&asking, err);
    if (r < 0)
        return r;
    if (asking.answer.is_error) {
        r = error_set(err, E_PROTOCOL, "the server does not list its tools: %.120s",
                      asking.answer.said.ptr ? asking.answer.said.ptr : "no reason is given");
        mcp_incoming_deinit(&asking.answer);
        return r;
    }
    *out = asking.answer;
    return 0;
}

/* All pages, into *out. */
static int ask_all(struct mcp_server *server, struct mcp_reach *reach, struct uuid scope,
                   int64_t deadline_ms, struct mcp_tools *out, int64_t *fresh_ms, struct error *err)
{
    struct text cursor = TEXT_NONE;
    int r;

    *fresh_ms = FRESH_MS;
    do {
        struct mcp_incoming page;

        r = ask_page(server, reach, scope, cursor, deadline_ms, &page, err);
        if (r < 0)
            return r;
        *fresh_ms = json_get_int(page.result, "ttlMs", FRESH_MS);
        r = mcp_tools_add_page(out, page.result, &cursor, err);
        mcp_incoming_deinit(&page);
    } while (r == 0 && cursor.ptr);
    return r;
}

/* Whether trying again may help. */
static bool is_away(int r)
{
    return r == -E_UNAVAILABLE || r == -E_CLOSED || r == -E_TIMEOUT;
}

static int ask_patiently(struct mcp_server *server, struct mcp_reach *reach, struct uuid scope,
                         int64_t deadline_ms, struct mcp_tools *out, int64_t *fresh_ms,
                         struct error *err)
{
    struct backoff backoff = {.policy = {RETRY_BASE_MS, RETRY_CAP_MS}};
    int64_t until_ms = deadline_min(deadline_ms, deadline_in(AWAY_PATIENCE_MS));

    for (;;) {
        int64_t wait_ms = backoff_next_ms(&backoff);
        struct error slept;
        int r;

        mcp_tools_init(out);
        r = ask_all(server, reach, scope, deadline_ms, out, fresh_ms, err);
        if (r == 0)
            return 0;
        mcp_tools_deinit(out);
        if (!is_away(r) || clock_ms() + wait_ms >= until_ms)
            return r;
        if (fiber_sleep(wait_ms, &slept) < 0) {
            *err = slept;
            return -slept.code;
        }
    }
}

static void note_away(struct mcp_server *server, int r, const struct error *err)
{
    if (r == -E_CANCELED)
        return;
    server->mcp->stats.away++;
    server->away_code = err->code;
    server->away_until_ms = deadline_in(AWAY_MS);
    (void)snprintf(server->away, sizeof(server->away), "%.*s", (int)sizeof(server->away) - 1,
                   err->text);
}

static int list(struct mcp_server *server, struct mcp_reach *reach, struct uuid scope,
                int64_t deadline_ms, struct error *err)
{
    struct mcp_tools tools;
    int64_t fresh_ms;
    int r;

    server->listing = true;
    server->mcp->stats.lists++;
    r = ask_patiently(server, reach, scope, deadline_ms, &tools, &fresh_ms, err);
    server->listing = false;
    cond_broadcast(&server->changed);
    if (r < 0) {
        note_away(server, r, err);
        return r;
    }
    if (fresh_ms < FRESH_MIN_MS)
        fresh_ms = FRESH_MIN_MS;
    if (fresh_ms > FRESH_MAX_MS)
        fresh_ms = FRESH_MAX_MS;
    mcp_list_forget(server);
    server->tools = tools;
    server->has_tools = true;
    server->tools_until_ms = deadline_in(fresh_ms);
    return 0;
}

int mcp_list(struct mcp_server *server, struct mcp_reach *reach, struct uuid scope,
             int64_t deadline_ms, const struct mcp_tools **out, struct error *err)
{
    int r = 0;

    while (r == 0) {
        if (server->has_tools && clock_ms() < server->tools_until_ms) {
            *out = &server->tools;
            return 0;
        }
        if (clock_ms() < server->away_until_ms)
            return error_set(err, server->away_code, "%s", server->away);
        if (server->listing)
            r = cond_wait(&server->changed, deadline_ms, err);
        else
            r = list(server, reach, scope, deadline_ms, err);
    }
    return r;
}
