/* Failures of calls. What the provider's message says is passed on: keys in it are masked
 * already. */

#include "providers/openai_api/call_failure.h"

#include <string.h>

#include "shared/base/error.h"

#define BUSY_RETRY_MS 1000

static const struct {
    int status;
    const char *code;
    const char *param;
    enum failure_retry retry;
    const char *before; /* the message */
} told[] = {
    [PROVIDER_OK] = {0},
    [PROVIDER_RATE_LIMITED] = {429, "rate_limit_exceeded", NULL, RETRY_UNSAID, ""},
    [PROVIDER_OVERLOADED] = {503, "overloaded", NULL, RETRY_UNSAID, ""},
    [PROVIDER_TIMED_OUT] = {504, "timed_out", NULL, RETRY_UNSAID, ""},
    [PROVIDER_STREAM_CUT] = {502, "stream_cut", NULL, RETRY_UNSAID, ""},
    [PROVIDER_MALFORMED_REPLY] = {502, "malformed_reply", NULL, RETRY_UNSAID, ""},
    [PROVIDER_EMPTY_REPLY] = {502, "empty_reply", NULL, RETRY_UNSAID, ""},
    [PROVIDER_REPLY_TOO_LARGE] = {502, "reply_too_large", NULL, RETRY_NO, ""},
    [PROVIDER_NO_ROOM] = {503, "overloaded", NULL, RETRY_UNSAID, ""},
    [PROVIDER_QUOTA] = {429, "insufficient_quota", NULL, RETRY_NO, ""},
    [PROVIDER_CONTEXT_OVERFLOW] = {400, "context_length_exceeded", "messages", RETRY_NO, ""},
    [PROVIDER_BAD_REQUEST] = {400, NULL, NULL, RETRY_NO, ""},
    [PROVIDER_AUTH] = {502, "provider_auth", NULL, RETRY_NO,
                       "The provider does not take the key that this server has for it, which is "
                       "not yours: "},
};

static bool may_wait(enum provider_failure failure)
{
    return failure == PROVIDER_RATE_LIMITED || failure == PROVIDER_OVERLOADED ||
           failure == PROVIDER_NO_ROOM;
}

int call_failure(const struct provider_failure_info *info, struct failure *out)
{
    enum provider_failure class = info->failure;
    bool unknown = class == PROVIDER_BAD_REQUEST && strcmp(info->code, "model_not_found") == 0;
    int64_t wait_ms = info->retry_after_ms > 0 ? info->retry_after_ms : BUSY_RETRY_MS;

    ASSERT(class != PROVIDER_OK);
    if (unknown)
        return failure_param(out, 404, "model", "model_not_found", "%s.", info->message);
    failure_param(out, told[class].status, told[class].param, told[class].code, "%s%s",
                  told[class].before, info->message);
    out->retry = told[class].retry;
    if (class == PROVIDER_QUOTA)
        out->type = "insufficient_quota";
    if (may_wait(class)) {
        out->retry_after_ms = wait_ms;
        out->retry_after_s = (int)((wait_ms + 999) / 1000);
    }
    if (out->status >= 500)
        text_excerpt(text_of(info->message), out->cause, sizeof(out->cause));
    return -E_INVALID;
}
