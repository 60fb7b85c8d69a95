#pragma once
/* `penstock-worker --try-mcp`: asks the servers of the operator for their tools, as a run would,
 * and says what came of it on standard output, a JSON object a line:
 *
 *   {"label": "files", "tools": 11}
 *   {"label": "search", "error": "connect …"}
 *
 * `penstock doctor` reads that. Nothing else of a worker is opened. */

#include "shared/base/compiler.h"

struct config;
struct error;
struct http_client;
struct mcp;

struct mcp_trial {
    const struct config *config;
    struct http_client *http;
    struct mcp *mcp;
};

/* As struct program (shared/program/program.h) wants them. */
MUSTCHECK int mcp_trial_open(void *trial, const struct config *config, struct error *err);
SUSPENDS void mcp_trial_serve(void *trial);
SUSPENDS void mcp_trial_close(void *trial);
