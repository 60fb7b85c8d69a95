#pragma once
/* Servers of the Model Context Protocol, as the runs of a worker use them.
 *
 *   offer    what a run may call is asked when it begins, and frozen into it  (mcp_offer.h)
 *   source   the calls of its tools                                           (mcp_source.c)
 *   list     the tools of a server, kept for a while                          (mcp_list.c)
 *   ask      one request: the era, the session, and both made anew            (mcp_ask.c)
 *   post     one message over HTTP                                            (mcp_post.c)
 *   process  a server that is a program                                       (mcp_process.c)
 *
 * A server is known by its address, its tenant and the credentials that it is sent: nobody is given
 * what another one's credentials were shown. What a worker knows of servers is gone with it, and
 * nobody misses it.
 */

#include "shared/base/compiler.h"
#include "shared/net/guard.h"

struct config_mcp_server;
struct http_client;
struct mcp;

struct mcp_options {
    struct http_client *http;
    struct guard_options guard;
    const struct config_mcp_server *configured; /* borrowed */
    unsigned configured_count;
    int64_t first_uid; /* of programs, where the worker is root */
};

struct mcp_stats {
    uint64_t lists;    /* of tools, that were asked for */
    uint64_t away;     /* lists that could not be had */
    uint64_t calls;    /* of tools */
    uint64_t sessions; /* that were opened */
    uint64_t lost;     /* sessions that a server did not know any more */
    uint64_t starts;   /* of programs */
    size_t servers;    /* that are known */
    size_t programs;   /* that run */
};

struct mcp *mcp_open(const struct mcp_options *options);
SUSPENDS void mcp_close(struct mcp *mcp); /* accepts NULL; nobody may be using it */
void mcp_stats_get(const struct mcp *mcp, struct mcp_stats *out);
