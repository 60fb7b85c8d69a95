#pragma once
/* What `penstock doctor` says of the model that makes vectors (memory.embedding_model). */

#include "scheduler/cli/doctor/doctor_judge.h"

struct provider_registry;

/* Whether it is another one than the one that is built in, of which there is nothing to say. */
bool doctor_vectors_are_said(const struct provider_registry *registry);

/* Pure. */
struct doctor_finding doctor_judge_vectors(const struct provider_registry *registry);
