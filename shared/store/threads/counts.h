#pragma once
/* What messages amount to, and how much of them may be kept.
 *
 * A thread counts all its messages, and input that waits for it. A run counts those that it wrote,
 * as long as they are in the thread: the thread gets them when the run ends, with the same update
 * that releases it, so a run in work costs its thread nothing. */

#include "shared/base/compiler.h"

struct message_counts {
    int64_t messages;
    int64_t bytes;  /* of their texts, as they were written */
    int64_t tokens; /* of an answer as its provider counts, else an estimate */
};

/* For whoever adds messages: what would cross one of them is refused, and nothing is written. */
struct thread_limits {
    int64_t thread_bytes; /* of a thread */
    int64_t user_bytes;   /* of all threads of a person */
};
