/* Google's errors: google.rpc.Status as JSON. https://ai.google.dev/gemini-api/docs/troubleshooting */

#include <criterion/criterion.h>

#include "providers/wire/headers.h"
#include "support.h"

static struct provider_failure_info failure;

static enum provider_failure class_of(int status, const char *body)
{
    cr_assert_eq(support_decode_status(status, NULL, body, &failure), PROVIDER_FAILED);
    return failure.failure;
}

#define ERROR(code, status, message, details)                                                      \
    "{\"error\":{\"code\":" code ",\"message\":\"" message "\",\"status\":\"" status               \
    "\",\"details\":[" details "]}}"
#define RETRY(delay)                                                                               \
    "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" delay "\"}"
#define QUOTA(id)                                                                                  \
    "{\"@type\":\"type.googleapis.com/"                                                            \
    "google.rpc.QuotaFailure\",\"violations\":[{\"quotaId\":\"" id "\"}]}"
#define SPENT "You exceeded your current quota, please check your plan and billing details."

Test(gemini_failures, a_quota_of_the_minute_is_waited_for)
{
    cr_assert_eq(
        class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", SPENT,
                            QUOTA("GenerateRequestsPerMinutePerProjectPerModel-FreeTier") "," RETRY(
                                "34.4s"))),
        PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 34400);
    cr_assert_str_eq(failure.code, "RESOURCE_EXHAUSTED");
    cr_assert_eq(class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", SPENT,
                                     QUOTA("GenerateContentInputTokensPerModelPerMinute"))),
                 PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, -1);
    cr_assert_eq(class_of(429, ERROR("429", "RESOURCE_EXHAUSTED",
                                     "Resource has been exhausted (e.g. check quota).", "")),
                 PROVIDER_RATE_LIMITED);
}

Test(gemini_failures, a_quota_of_the_day_is_used_up)
{
    cr_assert_eq(
        class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", SPENT,
                            QUOTA("GenerateRequestsPerDayPerProjectPerModel-FreeTier") "," RETRY(
                                "22s"))),
        PROVIDER_QUOTA);
    cr_assert_eq(class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", SPENT,
                                     QUOTA("GenerateRequestsPerMinute") "," QUOTA(
                                         "GenerateRequestsPerDay"))),
                 PROVIDER_QUOTA);
    cr_assert_eq(class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", SPENT, "")), PROVIDER_QUOTA);
    cr_assert_eq(class_of(429, ERROR("429", "RESOURCE_EXHAUSTED", "Quota exceeded for requests.",
                                     QUOTA("GenerateRequestsPerDay"))),
                 PROVIDER_QUOTA);
    cr_assert_eq(class_of(200, ERROR("429", "RESOURCE_EXHAUSTED", SPENT, RETRY("22s"))),
                 PROVIDER_RATE_LIMITED);
}

Test(gemini_failures, a_key_that_is_wrong_comes_as_a_bad_request)
{
    cr_assert_eq(
        class_of(400,
                 ERROR("400", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
                       "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
                       "\"API_KEY_INVALID\",\"domain\":\"googleapis.com\"}")),
        PROVIDER_AUTH);
    cr_assert_eq(class_of(400, ERROR("400", "INVALID_ARGUMENT", "API key expired. Renew it.",
                                     "{\"reason\":\"API_KEY_INVALID\"}")),
                 PROVIDER_AUTH);
    cr_assert_eq(class_of(403, ERROR("403", "PERMISSION_DENIED", "No.", "")), PROVIDER_AUTH);
    cr_assert_eq(class_of(401, ERROR("401", "UNAUTHENTICATED", "No.", "")), PROVIDER_AUTH);
    cr_assert_eq(
        class_of(400, ERROR("400", "INVALID_ARGUMENT", "No.", "{\"reason\":\"SOMETHING_ELSE\"}")),
        PROVIDER_BAD_REQUEST);
}

Test(gemini_failures, what_is_too_long_is_told_from_what_is_wrong)
{
    cr_assert_eq(class_of(400, ERROR("400", "INVALID_ARGUMENT",
                                     "The input token count (1200000) exceeds the maximum number "
                                     "of tokens allowed (1048576).",
                                     "")),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(
        class_of(400, ERROR("400", "INVALID_ARGUMENT",
                            "Request payload size exceeds the limit: 20971520 bytes.", "")),
        PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(400, ERROR("400", "INVALID_ARGUMENT",
                                     "Function call is missing a thought_signature.", "")),
                 PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(404, ERROR("404", "NOT_FOUND", "models/x is not found.", "")),
                 PROVIDER_BAD_REQUEST);
}

Test(gemini_failures, servers_in_trouble_are_overloaded)
{
    cr_assert_eq(class_of(503, ERROR("503", "UNAVAILABLE", "The model is overloaded.", "")),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(504, ERROR("504", "DEADLINE_EXCEEDED", "Too slow.", "")),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(499, ERROR("499", "CANCELLED", "The operation was cancelled.", "")),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(200, "[" ERROR("503", "UNAVAILABLE", "Overloaded.", "") "]"),
                 PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "Overloaded.");
}
