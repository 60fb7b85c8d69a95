#pragma once
/* Following a run: from the request that makes it to its end, by its events (docs/streams.md), over
 * as many connections as that takes. */

#include "scheduler/cli/client.h"

/* How a run is made: a POST of `body` to `path`, where each creates one. */
struct run_follow {
    const char *path;
    struct json_object *body; /* gets "stream": true */
    /* Told each event, as OpenAI names them. Must not wait. */
    void (*tell)(void *arg, struct text name, struct json_object *data);
    /* Told what the run waits for, when it has been queued for a while; NULL: not wanted. */
    void (*wait)(void *arg, struct text why);
    void *arg;
};

/* What is known of the run, from when it is made on. The caller's, and to be given zeroed. */
struct run_followed {
    char id[64];
    char thread[64];
    struct json_object *run; /* as it was told last; to be put with json_free */
};

/* Returns 0 when the run is over, or waits for its client: out->run says which. Otherwise what
 * client_follow returns, also where the run was made and goes on: then out->id is not empty. */
SUSPENDS MUSTCHECK int run_follow(struct client *client, const struct run_follow *follow,
                                  struct run_followed *out, struct error *err);
