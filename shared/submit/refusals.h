#pragma once
/* Sentences for what is refused to several kinds of requests. Pure. Each returns -E_INVALID with
 * *failure. */

#include "shared/base/id.h"
#include "shared/check/failure.h"
#include "shared/store/threads/counts.h"

/* 400 thread_too_large. */
int refuse_too_large(const struct thread_limits *limits, struct failure *failure);

/* 400 user_quota_exceeded. */
int refuse_over_quota(const struct thread_limits *limits, struct failure *failure);

/* 409 thread_active_exists: another thread is the active one. */
int refuse_taken(struct uuid other, struct failure *failure);
