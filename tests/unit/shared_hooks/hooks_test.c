/* Signatures, filters and waits. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/hooks/hook_sign.h"
#include "shared/hooks/hook_tries.h"
#include "shared/hooks/hook_types.h"

static struct hook_secret secret_of(const char *text)
{
    struct hook_secret secret;

    cr_assert(hook_secret_parse(text_of(text), &secret), "%s", text);
    return secret;
}

static const struct hook_signed sample = {
    .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
    .timestamp = 1614265330,
    .body = {"{\"test\": 2432232314}", 20},
};
#define SAMPLE_SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SAMPLE_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

/* The vector of the specification's own libraries. */
Test(hook_sign, signs_as_the_specification_does)
{
    struct hook_secret secret = secret_of(SAMPLE_SECRET);
    char signature[HOOK_SIGNATURE_SIZE];
    char shown[HOOK_SECRET_SIZE];

    hook_sign(&secret, &sample, signature);
    cr_assert_str_eq(signature, SAMPLE_SIGNATURE);
    hook_secret_format(&secret, shown);
    cr_assert_str_eq(shown, SAMPLE_SECRET);
}

Test(hook_sign, verifies_any_of_several_signatures_and_no_other)
{
    struct hook_secret secret = secret_of(SAMPLE_SECRET);
    struct hook_signed other = sample;

    cr_assert(hook_verify(&secret, &sample, TEXT(SAMPLE_SIGNATURE)));
    cr_assert(hook_verify(&secret, &sample, TEXT("v1,AAAA v1a,x " SAMPLE_SIGNATURE)));
    cr_assert(hook_verify(&secret, &sample, TEXT(SAMPLE_SIGNATURE " v1,AAAA")));
    cr_assert(!hook_verify(&secret, &sample, TEXT("")));
    cr_assert(!hook_verify(&secret, &sample, TEXT("v1,")));
    cr_assert(!hook_verify(&secret, &sample, TEXT(SAMPLE_SIGNATURE "," SAMPLE_SIGNATURE)));
    other.timestamp++;
    cr_assert(!hook_verify(&secret, &other, TEXT(SAMPLE_SIGNATURE)));
    secret.bytes[0] ^= 1;
    cr_assert(!hook_verify(&secret, &sample, TEXT(SAMPLE_SIGNATURE)));
}

Test(hook_sign, refuses_what_is_no_secret)
{
    static const char *const bad[] = {
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAAA",
        "whsec_????AAAA????AAAA????AAAA????AAAA",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_"
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2"
        "LaLaSw",
    };
    struct hook_secret secret;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert(!hook_secret_parse(text_of(bad[i]), &secret), "%s", bad[i]);
}

Test(hook_types, filters_are_types_families_and_all)
{
    static const char *const good[] = {
        "*",        "run.*",      "run.completed",   "batch.expired",
        "budget.*", "schedule.*", "schedule.missed", "response.completed"};
    static const char *const bad[] = {
        "",      "run",     "run.",     "run.done",        "*.*",
        "**",    "x.*",     ".*",       "run.*.x",         "run.**",
        "RUN.*", "budget.", "budget.A", "eval.run.failed", "schedule.late"};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        cr_assert(hook_filter_fits(text_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert(!hook_filter_fits(text_of(bad[i])), "%s", bad[i]);
}

Test(hook_types, all_but_responses_are_wanted_by_a_star)
{
    cr_assert(hook_filter_wants(TEXT("*"), TEXT("run.failed")));
    cr_assert(!hook_filter_wants(TEXT("*"), TEXT("response.failed")));
    cr_assert(hook_filter_wants(TEXT("response.*"), TEXT("response.failed")));
    cr_assert(hook_filter_wants(TEXT("run.failed"), TEXT("run.failed")));
    cr_assert(!hook_filter_wants(TEXT("run.failed"), TEXT("run.completed")));
    cr_assert(!hook_filter_wants(TEXT("runs.*"), TEXT("run.completed")));
    cr_assert(!hook_filter_wants(TEXT("ru.*"), TEXT("run.completed")));
}

Test(hook_types, each_has_a_sample)
{
    for (size_t i = 0; i < hook_types_count; i++)
        cr_assert_not_null(hook_sample(text_of(hook_types[i].name)), "%s", hook_types[i].name);
    cr_assert_null(hook_sample(TEXT("run.*")));
    cr_assert_null(hook_sample(TEXT("run.done")));
}

Test(hook_tries, wait_longer_each_time_and_not_for_ever)
{
    int64_t before = 0;
    int64_t all = 0;

    for (int tries = 1; tries < HOOK_TRIES_MAX; tries++) {
        int64_t least = hook_wait_ms(tries, 0);
        int64_t most = hook_wait_ms(tries, UINT32_MAX);

        cr_assert_gt(least, before);
        cr_assert_eq(most, least + least / 5);
        before = least;
        all += least;
    }
    cr_assert_eq(hook_wait_ms(1, 0), 5000);
    cr_assert_eq(all, ((int64_t)75 * 3600 + 35 * 60 + 5) * 1000);
    cr_assert_eq(hook_wait_ms(HOOK_TRIES_MAX, 0), -1);
    cr_assert_eq(hook_retry_after_ms(0), 0);
    cr_assert_eq(hook_retry_after_ms(-5), 0);
    cr_assert_eq(hook_retry_after_ms(7), 7000);
    cr_assert_eq(hook_retry_after_ms(INT64_MAX), HOOK_RETRY_AFTER_MAX_MS);
}
