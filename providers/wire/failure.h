#pragma once
/* From an HTTP response that is no reply to the class of failure that it means. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Whether a document of a reply, which may have come with status 200, is an error: it holds one at
 * "error", or is an array whose first value does. A value of json_raw.h. */
bool provider_failure_is_in(struct text json);

/* Reads status, headers and the error in the body, in any of the shapes that servers use:
 * {"error": {...}}, {"error": "..."}, {"code": ..., "message": ...}, {"detail": ...}, a list of
 * such, plain text. The body may be any bytes. */
void provider_failure_read(const struct provider_target *target,
                           const struct provider_response *response,
                           struct provider_failure_info *out);

/* A failure of our own finding, with the status and headers of the response (which may be NULL). */
PRINTF(4, 5)
void provider_failure_set(struct provider_failure_info *out, enum provider_failure failure,
                          const struct provider_response *response, const char *format, ...);

/* Copies a message for people into `out`: one line, at most size - 1 bytes of UTF-8, with the
 * target's keys (those of its headers, too) and whatever looks like a key masked ("sk-abc***"). */
void provider_message_copy(const struct provider_target *target, struct text message, char *out,
                           size_t size);
