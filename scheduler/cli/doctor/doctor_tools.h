#pragma once
/* What `penstock doctor` says of tools: the master key of their secrets, what holds programs of
 * models, and calls whose effect nobody knows. */

#include "scheduler/cli/doctor/doctor_judge.h"

struct config;
struct error;
struct pg;

#define DOCTOR_TOOLS_NAMED 3

/* The master key as this environment has it, and the secrets that are there. */
struct doctor_secrets {
    int64_t secrets; /* of all tenants */
    int64_t lost;    /* of them: sealed under a key that is not here */
    bool has_key;
    bool is_open; /* its file may be read or written by others than its owner */
    unsigned mode;
    char file[200];    /* "": the key is in the environment */
    char problem[160]; /* why there is no key although one is named; "": none */
};

/* Declared tools, and what their calls of the last day came to. */
struct doctor_tools {
    int64_t declared;
    int64_t once;    /* of them: whose calls may be made once only */
    int64_t unknown; /* calls of any tool, whose end nobody knows */
    char names[200]; /* of the first DOCTOR_TOOLS_NAMED that have such */
};

SUSPENDS MUSTCHECK int doctor_secrets_look(struct pg *pg, const struct config *config,
                                           struct doctor_secrets *out, struct error *err);
SUSPENDS MUSTCHECK int doctor_tools_look(struct pg *pg, struct doctor_tools *out,
                                         struct error *err);

/* The folders of control groups that are named, with commas between: the first one that this user
 * can't make any in; "": there is none. */
void doctor_groups_look(const char *groups, char out_bad[200]);

/* Pure. */
struct doctor_finding doctor_judge_secrets(const struct doctor_secrets *found);
struct doctor_finding doctor_judge_tools(const struct doctor_tools *found);
struct doctor_finding doctor_judge_groups(const char *groups, const char *bad);
