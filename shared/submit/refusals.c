/* Sentences of refusals. */

#include "shared/submit/refusals.h"

#include <inttypes.h>

int refuse_too_large(const struct thread_limits *limits, struct failure *failure)
{
    return failure_param(failure, 400, NULL, "thread_too_large",
                         "The thread would hold more than %" PRId64
                         " bytes of messages. Go on in a "
                         "new thread, or delete messages of this one.",
                         limits ? limits->thread_bytes : 0);
}

int refuse_over_quota(const struct thread_limits *limits, struct failure *failure)
{
    return failure_param(failure, 400, NULL, "user_quota_exceeded",
                         "The threads of this user would hold more than %" PRId64 " bytes of "
                         "messages. Delete threads that are not needed any more.",
                         limits ? limits->user_bytes : 0);
}

int refuse_taken(struct uuid other, struct failure *failure)
{
    char thread[ID_TEXT_SIZE];
    int r;

    id_format(ID_THREAD, other, thread);
    r = failure_param(failure, 409, "active", "thread_active_exists",
                      "The assistant and the user have an active thread already: %s. Use that "
                      "one, or make it inactive or archive it first.",
                      thread);
    failure->retry = RETRY_NO; /* else SDKs try a 409 again */
    return r;
}
