/* Each class of failure from what servers really reply, waiting times, and messages without
 * secrets. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/wire/failure.h"
#include "providers/wire/headers.h"
#include "support.h"

static struct provider_failure_info failure;

static enum provider_failure class_of(int status, const char *body)
{
    cr_assert_eq(support_decode_status(status, NULL, body, &failure), PROVIDER_FAILED);
    cr_assert(failure.message[0], "a failure always has a message");
    cr_assert_eq(failure.status, status);
    return failure.failure;
}

Test(failures, rate_limits_and_quotas_are_told_apart)
{
    cr_assert_eq(class_of(429, "{\"error\":{\"message\":\"Rate limit reached for gpt-4o\",\"type\":"
                               "\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"),
                 PROVIDER_RATE_LIMITED);
    cr_assert_str_eq(failure.code, "rate_limit_exceeded");
    cr_assert_eq(class_of(429, "{\"error\":{\"message\":\"You exceeded your current quota, please "
                               "check your plan\",\"type\":\"insufficient_quota\",\"param\":null,"
                               "\"code\":\"insufficient_quota\"}}"),
                 PROVIDER_QUOTA);
    cr_assert_eq(class_of(429, ""), PROVIDER_RATE_LIMITED);
    cr_assert_eq(class_of(402,
                          "{\"error\":{\"message\":\"Insufficient Balance\",\"type\":"
                          "\"unknown_error\",\"param\":null,\"code\":\"invalid_request_error\"}}"),
                 PROVIDER_QUOTA);
}

Test(failures, a_quota_that_is_there_again_soon_is_a_rate_limit)
{
    cr_assert_eq(
        class_of(429,
                 "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota. Please "
                 "retry in 22.5s.\",\"status\":\"RESOURCE_EXHAUSTED\"}}"),
        PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 22500);
    cr_assert_eq(
        class_of(
            429,
            "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota\",\"details\":"
            "[{\"violations\":[{\"quotaId\":\"RequestsPerMinute\"}]},{\"retryDelay\":\"7s\"}]}}"),
        PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 7000);
    cr_assert_eq(
        class_of(
            429,
            "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota\",\"details\":"
            "[{\"violations\":[{\"quotaId\":\"RequestsPerDay\"}]},{\"retryDelay\":\"7s\"}]}}"),
        PROVIDER_QUOTA);
    cr_assert_eq(support_decode_status(429, "retry-after: 3\n",
                                       "{\"error\":{\"code\":\"insufficient_quota\"}}", &failure),
                 PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 3000);
    cr_assert_eq(support_decode_status(429, "retry-after: 86400\n",
                                       "{\"error\":{\"code\":\"insufficient_quota\"}}", &failure),
                 PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_QUOTA, "tomorrow is not soon");
    cr_assert_eq(class_of(402, "{\"error\":{\"message\":\"Insufficient Balance, retry in 5s\"}}"),
                 PROVIDER_QUOTA, "what must be paid for does not pass");
}

Test(failures, a_request_over_the_minutes_limit_by_itself_is_too_long)
{
    cr_assert_eq(
        class_of(429,
                 "{\"error\":{\"message\":\"Request too large for gpt-4o in organization org-x on "
                 "tokens per min (TPM): Limit 30000, Requested 40000. The input or output "
                 "tokens must be reduced in order to run successfully.\",\"type\":\"tokens\","
                 "\"code\":\"rate_limit_exceeded\"}}"),
        PROVIDER_CONTEXT_OVERFLOW);
}

Test(failures, errors_are_read_whatever_they_are_made_of)
{
    cr_assert_eq(
        class_of(400, "{\"error\":{\"message\":\"a\\u0000b\\ud800\",\"code\":7.5,\"type\":[]}}"),
        PROVIDER_BAD_REQUEST);
    cr_assert(text_is_utf8(text_of(failure.message)));
    cr_assert_eq(class_of(500, "\xEF\xBB\xBF{\"error\":\"down \xFF\"}"), PROVIDER_OVERLOADED);
    cr_assert(text_starts(text_of(failure.message), "down "));
    cr_assert_eq(class_of(503, "[]"), PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(503, "[[]]"), PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(400, "{\"error\":null,\"detail\":{\"a\":1}}"), PROVIDER_BAD_REQUEST);
}

Test(failures, anthropic_names_what_is_wrong_by_type)
{
    static const struct {
        int status;
        const char *type;
        enum provider_failure expected;
    } rows[] = {
        {400, "invalid_request_error", PROVIDER_BAD_REQUEST},
        {401, "authentication_error", PROVIDER_AUTH},
        {402, "billing_error", PROVIDER_QUOTA},
        {403, "permission_error", PROVIDER_AUTH},
        {404, "not_found_error", PROVIDER_BAD_REQUEST},
        {413, "request_too_large", PROVIDER_CONTEXT_OVERFLOW},
        {429, "rate_limit_error", PROVIDER_RATE_LIMITED},
        {500, "api_error", PROVIDER_OVERLOADED},
        {504, "timeout_error", PROVIDER_OVERLOADED},
        {529, "overloaded_error", PROVIDER_OVERLOADED},
    };
    char body[256];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        snprintf(body, sizeof(body),
                 "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"No.\"},"
                 "\"request_id\":\"req_1\"}",
                 rows[i].type);
        cr_assert_eq(class_of(rows[i].status, body), rows[i].expected, "%s", rows[i].type);
        cr_assert_str_eq(failure.code, rows[i].type);
        cr_assert_str_eq(failure.message, "No.");
        cr_assert_eq(class_of(200, body), rows[i].expected, "%s in a stream", rows[i].type);
    }
}

Test(failures, anthropic_says_in_words_that_credit_is_used_up_or_the_context_full)
{
#define ANTHROPIC(type, message, more)                                                             \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"" more "}}"
    cr_assert_eq(class_of(400, ANTHROPIC("invalid_request_error",
                                         "Your credit balance is too low to access the Anthropic "
                                         "API. Please go to Plans & Billing.",
                                         "")),
                 PROVIDER_QUOTA);
    cr_assert_eq(class_of(400, ANTHROPIC("invalid_request_error",
                                         "You have reached your specified API usage limits. You "
                                         "will regain access on 2026-11-01 at 00:00 UTC.",
                                         "")),
                 PROVIDER_QUOTA);
    cr_assert_eq(class_of(429, ANTHROPIC("rate_limit_error", "No.",
                                         ",\"details\":{\"error_code\":"
                                         "\"enforced_spend_limit_reached\"}")),
                 PROVIDER_QUOTA);
    cr_assert_str_eq(failure.code, "enforced_spend_limit_reached");
    cr_assert_eq(class_of(429, ANTHROPIC("rate_limit_error", "No.",
                                         ",\"details\":{\"error_code\":\"ramp_limit_exceeded\"}")),
                 PROVIDER_RATE_LIMITED);
    cr_assert_eq(class_of(400, ANTHROPIC("invalid_request_error",
                                         "prompt is too long: 208310 tokens > 200000 maximum", "")),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(400, ANTHROPIC("invalid_request_error",
                                         "input length and `max_tokens` exceed context limit: "
                                         "190000 + 20000 > 200000",
                                         "")),
                 PROVIDER_CONTEXT_OVERFLOW);
}

Test(failures, a_response_that_failed_says_why_by_code)
{
    static const struct {
        const char *code;
        enum provider_failure expected;
    } rows[] = {
        {"server_error", PROVIDER_OVERLOADED},
        {"vector_store_timeout", PROVIDER_OVERLOADED},
        {"rate_limit_exceeded", PROVIDER_RATE_LIMITED},
        {"insufficient_quota", PROVIDER_QUOTA},
        {"context_length_exceeded", PROVIDER_CONTEXT_OVERFLOW},
        {"invalid_prompt", PROVIDER_BAD_REQUEST},
        {"bio_policy", PROVIDER_BAD_REQUEST},
        {"misalignment_policy_violation", PROVIDER_BAD_REQUEST},
        {"image_too_large", PROVIDER_BAD_REQUEST},
        {"failed_to_download_image", PROVIDER_BAD_REQUEST},
        {"data_residency_mismatch", PROVIDER_BAD_REQUEST},
    };
    char body[256];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        snprintf(body, sizeof(body),
                 "{\"status\":\"failed\",\"error\":{\"code\":\"%s\",\"message\":\"No.\"}}",
                 rows[i].code);
        cr_assert_eq(class_of(200, body), rows[i].expected, "%s", rows[i].code);
    }
}

Test(failures, servers_in_trouble_are_overloaded)
{
    static const int statuses[] = {408, 409, 425, 498, 500, 502, 503, 504, 520, 529};

    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        cr_assert_eq(class_of(statuses[i], "<html><body>Bad gateway</body></html>"),
                     PROVIDER_OVERLOADED, "%d", statuses[i]);
    cr_assert_null(strchr(failure.message, '<'), "markup does not reach people");
    cr_assert_eq(class_of(503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":"
                               "\"unavailable_error\"}}"),
                 PROVIDER_OVERLOADED);
    cr_assert_str_eq(failure.message, "Loading model");
}

Test(failures, a_context_that_is_too_long_is_recognised_in_each_dialect)
{
    cr_assert_eq(class_of(400, "{\"error\":{\"message\":\"This model's maximum context length is "
                               "128000 tokens. However, your messages resulted in 130001 tokens.\","
                               "\"type\":\"invalid_request_error\",\"param\":\"messages\",\"code\":"
                               "\"context_length_exceeded\"}}"),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(400,
                          "{\"object\":\"error\",\"message\":\"This model's maximum context "
                          "length is 4096 tokens.\",\"type\":\"BadRequestError\",\"param\":null,"
                          "\"code\":400}"),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(400, "{\"error\":{\"code\":400,\"message\":\"the request exceeds the "
                               "available context size\",\"type\":\"exceed_context_size_error\"}}"),
                 PROVIDER_CONTEXT_OVERFLOW);
    cr_assert_eq(class_of(413,
                          "{\"error\":{\"message\":\"Request too large for model on tokens per "
                          "minute\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}"),
                 PROVIDER_CONTEXT_OVERFLOW);
}

Test(failures, what_is_wrong_with_the_request_is_not_retried)
{
    cr_assert_eq(class_of(400, "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens'\"}}"),
                 PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(404, "{\"error\":{\"message\":\"The model `x` does not exist\",\"code\":"
                               "\"model_not_found\"}}"),
                 PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}"),
                 PROVIDER_BAD_REQUEST);
    cr_assert(strstr(failure.message, "field required"), "%s", failure.message);
    cr_assert_eq(class_of(501, ""), PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(301, ""), PROVIDER_BAD_REQUEST);
    cr_assert(strstr(failure.message, "base_url"));
}

Test(failures, keys_that_do_not_work_are_auth)
{
    cr_assert_eq(class_of(401,
                          "{\"error\":{\"message\":\"Incorrect API key provided: "
                          "sk-abcdefghijklmnop1234. You can find your API key at x.\",\"type\":"
                          "\"invalid_request_error\",\"code\":\"invalid_api_key\"}}"),
                 PROVIDER_AUTH);
    cr_assert(strstr(failure.message, "sk-abc***"), "%s", failure.message);
    cr_assert_null(strstr(failure.message, "sk-abcd"), "%s", failure.message);
    cr_assert_eq(class_of(403, "Forbidden"), PROVIDER_AUTH);
    cr_assert_str_eq(failure.message, "Forbidden");
}

Test(failures, a_tool_call_that_groq_cannot_read_is_worth_a_retry)
{
    cr_assert_eq(class_of(400, "{\"error\":{\"message\":\"Failed to call a function.\",\"type\":"
                               "\"invalid_request_error\",\"code\":\"tool_use_failed\","
                               "\"failed_generation\":\"<function=\"}}"),
                 PROVIDER_MALFORMED_REPLY);
}

Test(failures, an_error_inside_a_200_is_a_failure_of_its_own_class)
{
    cr_assert_eq(class_of(200, "{\"error\":{\"message\":\"busy\",\"code\":429}}"),
                 PROVIDER_RATE_LIMITED);
    cr_assert_eq(class_of(200, "{\"error\":{\"message\":\"busy\",\"code\":502}}"),
                 PROVIDER_OVERLOADED);
    cr_assert_eq(class_of(200, "{\"error\":\"out of memory\"}"), PROVIDER_OVERLOADED);
    cr_assert_eq(
        class_of(200, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no\"}}"),
        PROVIDER_BAD_REQUEST);
    cr_assert_eq(class_of(200, "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"no\"}}"),
                 PROVIDER_AUTH);
    cr_assert_eq(class_of(200, "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"no\"}}"),
                 PROVIDER_RATE_LIMITED);
    cr_assert_eq(
        class_of(200, "[{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no\"}}]"),
        PROVIDER_QUOTA);
}

Test(failures, a_reply_broken_off_by_the_provider_is_overloaded)
{
    cr_assert_eq(class_of(200, "{\"choices\":[{\"message\":{\"content\":\"I\"},\"finish_reason\":"
                               "\"insufficient_system_resource\"}]}"),
                 PROVIDER_OVERLOADED);
}

Test(failures, each_class_has_a_name)
{
    for (int f = PROVIDER_OK; f <= PROVIDER_AUTH; f++)
        cr_assert_str_neq(provider_failure_name((enum provider_failure)f), "unknown");
}

/* ---- waiting ---- */

static int64_t wait_of(const char *headers, const char *body)
{
    cr_assert_eq(support_decode_status(429, headers, body, &failure), PROVIDER_FAILED);
    return failure.retry_after_ms;
}

Test(waiting, headers_say_how_long)
{
    cr_assert_eq(wait_of("retry-after-ms: 250\nretry-after: 9\n", ""), 250);
    cr_assert_eq(wait_of("Retry-After: 7\n", ""), 7000);
    cr_assert_eq(wait_of("retry-after: 0.5\n", ""), 500);
    cr_assert_eq(wait_of("retry-after: 0\n", ""), 0);
    cr_assert_eq(wait_of("retry-after: 99999999999999\n", ""), PROVIDER_WAIT_MAX_MS);
    cr_assert_eq(wait_of("retry-after: -3\n", ""), -1);
    cr_assert_eq(wait_of("retry-after: soon\n", ""), -1);
    cr_assert_eq(wait_of(NULL, ""), -1);
}

Test(waiting, the_message_and_reset_times_are_the_fallbacks)
{
    cr_assert_eq(wait_of(NULL, "{\"error\":{\"message\":\"Limit 3, Used 3. Please try again in "
                               "1m2.5s. Visit x\"}}"),
                 62500);
    cr_assert_eq(wait_of("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 12ms\n"
                         "x-ratelimit-remaining-tokens: 9\nx-ratelimit-reset-tokens: 1h\n",
                         ""),
                 12);
    cr_assert_eq(wait_of("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 2s\n"
                         "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6s\n",
                         ""),
                 6000);
    cr_assert_eq(wait_of("x-ratelimit-reset-requests: 8s\nx-ratelimit-reset-tokens: 3s\n", ""),
                 3000);
    cr_assert_eq(wait_of("x-ratelimit-reset-tokens: 3s\n", ""), 3000);
}

static struct provider_limits limits_of(const char *headers)
{
    cr_assert_eq(support_decode_status(429, headers, "", &failure), PROVIDER_FAILED);
    return failure.limits;
}

Test(waiting, anthropic_limits_requests_and_tokens_in_and_out)
{
    struct provider_limits limits = limits_of("anthropic-ratelimit-requests-limit: 50\n"
                                              "anthropic-ratelimit-requests-remaining: 49\n"
                                              "anthropic-ratelimit-requests-reset: "
                                              "1970-01-01T00:00:01Z\n"
                                              "anthropic-ratelimit-tokens-limit: 48000\n"
                                              "anthropic-ratelimit-tokens-remaining: 47000\n"
                                              "anthropic-ratelimit-tokens-reset: "
                                              "1970-01-01T00:00:02Z\n"
                                              "anthropic-ratelimit-input-tokens-limit: 40000\n"
                                              "anthropic-ratelimit-input-tokens-remaining: 0\n"
                                              "anthropic-ratelimit-input-tokens-reset: "
                                              "1970-01-01T01:00:03+01:00\n"
                                              "anthropic-ratelimit-output-tokens-limit: 8000\n"
                                              "anthropic-ratelimit-output-tokens-remaining: 7000\n"
                                              "anthropic-ratelimit-output-tokens-reset: "
                                              "1970-01-01T00:00:04.5Z\n");

    cr_assert_eq(limits.requests_limit, 50);
    cr_assert_eq(limits.requests_remaining, 49);
    cr_assert_eq(limits.requests_reset_ms, 1000);
    cr_assert_eq(limits.tokens_limit, 48000);
    cr_assert_eq(limits.tokens_remaining, 47000);
    cr_assert_eq(limits.tokens_reset_ms, 2000);
    cr_assert_eq(limits.input_tokens_limit, 40000);
    cr_assert_eq(limits.input_tokens_remaining, 0);
    cr_assert_eq(limits.input_tokens_reset_ms, 3000);
    cr_assert_eq(limits.output_tokens_limit, 8000);
    cr_assert_eq(limits.output_tokens_remaining, 7000);
    cr_assert_eq(limits.output_tokens_reset_ms, 4000);
    cr_assert_eq(failure.retry_after_ms, 3000, "until what is used up is there again");
}

Test(waiting, a_reset_is_within_a_day_and_never_in_the_past)
{
    cr_assert_eq(
        limits_of("anthropic-ratelimit-tokens-reset: 2026-10-21T12:00:00Z\n").tokens_reset_ms,
        PROVIDER_WAIT_MAX_MS);
    cr_assert_eq(
        limits_of("anthropic-ratelimit-tokens-reset: 1969-12-31T23:59:59Z\n").tokens_reset_ms, 0);
    cr_assert_eq(limits_of("anthropic-ratelimit-tokens-reset: tomorrow\n").tokens_reset_ms, -1);
    cr_assert_eq(limits_of("anthropic-ratelimit-input-tokens-reset: 2026-13-01T00:00:00Z\n")
                     .input_tokens_reset_ms,
                 -1);
    cr_assert_eq(limits_of(NULL).output_tokens_remaining, -1);
}

Test(waiting, what_is_used_up_counts_and_of_what_is_not_the_soonest)
{
    cr_assert_eq(wait_of("anthropic-ratelimit-requests-reset: 1970-01-01T00:00:09Z\n"
                         "anthropic-ratelimit-output-tokens-remaining: 0\n"
                         "anthropic-ratelimit-output-tokens-reset: 1970-01-01T00:00:07Z\n",
                         ""),
                 7000);
    cr_assert_eq(wait_of("anthropic-ratelimit-requests-reset: 1970-01-01T00:00:09Z\n"
                         "anthropic-ratelimit-input-tokens-reset: 1970-01-01T00:00:08Z\n"
                         "anthropic-ratelimit-output-tokens-reset: 1970-01-01T00:00:07Z\n",
                         ""),
                 7000);
}

Test(waiting, dates_count_from_the_given_time)
{
    static const struct http_header header = {TEXT("retry-after"),
                                              TEXT("Sun, 06 Nov 1994 08:49:37 GMT")};
    struct provider_response response = {.headers = &header, .headers_count = 1};

    response.now_wall_ms = 784111767000;
    cr_assert_eq(provider_retry_after_ms(&response), 10000);
    response.now_wall_ms = 784111787000;
    cr_assert_eq(provider_retry_after_ms(&response), 0);
    response.now_wall_ms = 0;
    cr_assert_eq(provider_retry_after_ms(&response), PROVIDER_WAIT_MAX_MS);
}

Test(waiting, the_three_forms_of_a_date)
{
    int64_t ms = 0;

    cr_assert(provider_http_date_ms(TEXT("Sun, 06 Nov 1994 08:49:37 GMT"), &ms));
    cr_assert_eq(ms, 784111777000);
    cr_assert(provider_http_date_ms(TEXT("Sunday, 06-Nov-94 08:49:37 GMT"), &ms));
    cr_assert_eq(ms, 784111777000);
    cr_assert(provider_http_date_ms(TEXT("Sun Nov  6 08:49:37 1994"), &ms));
    cr_assert_eq(ms, 784111777000);
    cr_assert_not(provider_http_date_ms(TEXT("Sun, 06 Nov 1994 08:49:37 CET"), &ms));
    cr_assert_not(provider_http_date_ms(TEXT("Sun, 06 Foo 1994 08:49:37 GMT"), &ms));
    cr_assert_not(provider_http_date_ms(TEXT("Sun, 66 Nov 1994 08:49:37 GMT"), &ms));
    cr_assert_not(provider_http_date_ms(TEXT("Sun, 06 Nov 1994 28:49:37 GMT"), &ms));
    cr_assert_not(provider_http_date_ms(TEXT(""), &ms));
}

static int64_t duration(const char *text)
{
    int64_t ms = -1;

    return provider_duration_ms(text_of(text), &ms, NULL) ? ms : -1;
}

Test(waiting, durations)
{
    cr_assert_eq(duration("12ms"), 12);
    cr_assert_eq(duration("6m0s"), 360000);
    cr_assert_eq(duration("1h2m3s"), 3723000);
    cr_assert_eq(duration("7.66s"), 7660);
    cr_assert_eq(duration("2m59.56s"), 179560);
    cr_assert_eq(duration("1d"), 86400000);
    cr_assert_eq(duration("100us"), 1, "rounded up, never to nothing");
    cr_assert_eq(duration("30"), 30000);
    cr_assert_eq(duration("1000d"), PROVIDER_WAIT_MAX_MS);
    cr_assert_eq(duration("99999999999999999999999999h"), PROVIDER_WAIT_MAX_MS);
    cr_assert_eq(duration(""), -1);
    cr_assert_eq(duration("s"), -1);
    cr_assert_eq(duration("-5s"), -1);
    cr_assert_eq(duration("5 s"), -1);
    cr_assert_eq(duration("1h5"), -1);
    cr_assert_eq(duration("5x"), -1);
}

/* ---- messages ---- */

static const char *copied(const char *message, size_t size)
{
    static char out[256];
    struct provider_target target = support_target("openai");

    cr_assert(size <= sizeof(out));
    provider_message_copy(&target, text_of(message), out, size);
    return out;
}

Test(messages, keys_are_masked_wherever_they_stand)
{
    cr_assert_str_eq(copied("key sk-proj-abc_DEF123 is bad", 256), "key sk-pro*** is bad");
    cr_assert_str_eq(copied("sk-\\\xD1\x81", 256), "sk-\\\xD1\x81", "no key, no half characters");
    cr_assert_str_eq(copied("gsk_abcdefgh", 256), "gsk_abc***");
    cr_assert_str_eq(copied("Authorization: Bearer eyJhbGciOi.x", 256),
                     "Authorization: Bearer ***");
    cr_assert_str_eq(copied("?api_key=sk-abcdefgh", 256), "?api_key=sk-abc***");
    cr_assert_str_eq(copied("a task-based disk-usage", 256), "a task-based disk-usage");
}

Test(messages, the_targets_own_key_is_masked_whatever_it_looks_like)
{
    struct provider_target target = support_target("openai");
    char out[64];

    target.api_key = "hunter2hunter2";
    provider_message_copy(&target, TEXT("no hunter2hunter2 here"), out, sizeof(out));
    cr_assert_str_eq(out, "no *** here");
}

Test(messages, a_key_that_is_set_as_a_header_is_masked_too)
{
    char *headers[] = {"X-Title: penstock", "authorization:Bearer hunter2hunter2",
                       "api-key: correcthorse", "X-Api-Key:  batterystaple "};
    struct provider_target target = support_target("openai");
    char out[128];

    target.api_key = "";
    target.headers = headers;
    target.headers_count = ARRAY_LENGTH(headers);
    provider_message_copy(&target, TEXT("no hunter2hunter2 here, nor 'correcthorse'"), out,
                          sizeof(out));
    cr_assert_str_eq(out, "no *** here, nor '***'");
    provider_message_copy(&target, TEXT("batterystaple of penstock"), out, sizeof(out));
    cr_assert_str_eq(out, "*** of penstock", "what is no key is shown");
}

Test(messages, stay_one_line_of_whole_characters)
{
    cr_assert_str_eq(copied("  a\nb\tc\x01z ", 256), "a b c z");
    cr_assert_str_eq(copied("ab\xE2\x82\xAC", 5), "ab", "no half of a character");
    cr_assert_str_eq(copied("a\xFFz", 256), "a?z");
    cr_assert_str_eq(copied("", 256), "");
    cr_assert_eq(strlen(copied("abcdefgh", 4)), 3);
}
