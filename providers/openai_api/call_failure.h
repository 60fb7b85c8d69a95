#pragma once
/* From the class of a failed call of a model to what its client is told. Pure.
 *
 *   class                             status  code                     clients try again
 *   rate_limited                      429     rate_limit_exceeded      after the wait
 *   quota                             429     insufficient_quota       no
 *   overloaded, no_room               503     overloaded               after the wait
 *   timed_out                         504     timed_out                yes
 *   stream_cut, malformed_reply,      502     the class                yes
 *     empty_reply
 *   reply_too_large                   502     reply_too_large          no
 *   auth: our key's fault             502     provider_auth            no
 *   context_overflow                  400     context_length_exceeded  no
 *   bad_request                       400     null                     no
 *     no such model                   404     model_not_found          no
 */

#include "providers/provider.h"
#include "shared/check/failure.h"

/* Fills *out and returns -E_INVALID. The failure must not be PROVIDER_OK. */
int call_failure(const struct provider_failure_info *info, struct failure *out);
