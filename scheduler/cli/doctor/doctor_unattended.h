#pragma once
/* What `penstock doctor` says of what goes on with nobody there: webhooks that are told nothing any
 * more, schedules that do not fire. */

#include "scheduler/cli/doctor/doctor_judge.h"

struct error;
struct pg;

#define DOCTOR_NAMED_MAX 3

/* What is disabled or paused, but not because a person wanted it so. */
struct doctor_unattended {
    int64_t webhooks; /* all of them */
    int64_t disabled;
    char disabled_names[160]; /* of the first DOCTOR_NAMED_MAX, with commas between */
    int64_t schedules;        /* all that have not ended */
    int64_t paused;
    char paused_names[160];
};

SUSPENDS MUSTCHECK int doctor_unattended_look(struct pg *pg, struct doctor_unattended *out,
                                              struct error *err);

/* Pure. */
struct doctor_finding doctor_judge_webhooks(const struct doctor_unattended *found);
struct doctor_finding doctor_judge_schedules(const struct doctor_unattended *found);
