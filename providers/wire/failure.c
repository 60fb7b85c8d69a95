/* The class of a failed call.
 *
 * Providers agree on the status more than on the words, so the status decides, and words only split
 * what one status mixes: 429 is a rate limit or a quota, 400 a bad request or a context that is too
 * long. An error inside a 200 is classed by its words alone. Unknown words fall to the class of the
 * status; an unknown status to "overloaded" when it may pass, else to "bad request".
 *
 * Messages come from outside and end in logs and API replies: they are cut, stripped of control
 * characters and of keys (OpenAI repeats a wrong key in its message).
 */

#include "providers/wire/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "providers/wire/headers.h"
#include "shared/base/utf8.h"
#include "shared/json/json_raw.h"

#define BODY_MAX_BYTES    ((size_t)256 << 10) /* of an error that is looked into */
#define WORDS_ARENA_BYTES ((size_t)2 << 20)   /* texts take three times their bytes at most */
#define SOON_MS           ((int64_t)3600 * 1000)

struct words {
    struct text code;
    struct text type;
    struct text message;
    struct text delay;     /* until it may be tried again, as a duration */
    int64_t number;        /* a numeric code; 0: none */
    bool is_of_the_day;    /* what is used up is a day's */
    bool is_of_the_minute; /* what is used up is a minute's */
    bool key_is_wrong;
};

static bool contains(struct text text, const char *needle)
{
    return text.len && memmem(text.ptr, text.len, needle, strlen(needle)) != NULL;
}

static bool contains_one_of(struct text text, const char *const *needles)
{
    for (; *needles; needles++)
        if (contains(text, *needles))
            return true;
    return false;
}

static bool is_quota(const struct words *words)
{
    static const char *const codes[] = {"insufficient_quota",   "billing_hard_limit_reached",
                                        "insufficient_balance", "billing_not_active",
                                        "billing_error",        "billing_unavailable",
                                        "spend_limit_reached",  NULL};
    static const char *const phrases[] = {"Insufficient Balance", "exceeded your current quota",
                                          "credit balance is too low",
                                          "reached your specified API usage limits", NULL};

    return words->is_of_the_day || contains_one_of(words->code, codes) ||
           contains_one_of(words->type, codes) || contains_one_of(words->message, phrases);
}

static bool is_context_overflow(const struct words *words)
{
    static const char *const codes[] = {"context_length_exceeded", "exceed_context_size",
                                        "context_window_exceeded", "request_too_large", NULL};
    static const char *const phrases[] = {"maximum context length",
                                          "maximum model length",
                                          "exceeds the available context size",
                                          "context length exceeded",
                                          "reduce the length of the messages",
                                          "prompt is too long",
                                          "exceed context limit",
                                          "exceeds the context window",
                                          "exceeds the context length",
                                          "exceeds the maximum number of tokens allowed",
                                          "payload size exceeds the limit",
                                          NULL};

    return contains_one_of(words->code, codes) || contains_one_of(words->type, codes) ||
           contains_one_of(words->message, phrases);
}

/* A limit of tokens a minute that this one request is over by itself: it never fits. */
static bool is_too_large(const struct words *words)
{
    static const char *const phrases[] = {"Request too large", "tokens must be reduced",
                                          "reduce your message size", NULL};

    return contains_one_of(words->message, phrases);
}

/* A request that is refused for what it says, by words that need no status. */
static bool is_bad_request(const struct words *words)
{
    static const char *const types[] = {"invalid_request", "BadRequest", "not_found_error", NULL};
    static const char *const codes[] = {"invalid_", "policy", "image", "data_residency", NULL};

    return contains_one_of(words->type, types) || contains_one_of(words->code, codes);
}

/* For errors that carry no status of their own. */
static enum provider_failure class_of_words(const struct words *words)
{
    if (is_quota(words))
        return PROVIDER_QUOTA;
    if (is_context_overflow(words))
        return PROVIDER_CONTEXT_OVERFLOW;
    if (contains(words->code, "rate_limit") || contains(words->type, "rate_limit"))
        return PROVIDER_RATE_LIMITED;
    if (contains(words->code, "api_key") || contains(words->type, "authentication") ||
        contains(words->type, "permission"))
        return PROVIDER_AUTH;
    return is_bad_request(words) ? PROVIDER_BAD_REQUEST : PROVIDER_OVERLOADED;
}

/* The status that an error means; one that came with 200 may say it itself. 2xx: it does not. */
static int status_of(int status, const struct words *words)
{
    bool says_itself = status >= 200 && status < 300 && words->number >= 400 && words->number < 600;

    return says_itself ? (int)words->number : status;
}

static enum provider_failure class_of(int status, const struct words *words)
{
    if (status >= 200 && status < 300)
        return class_of_words(words);
    switch (status) {
    case 401:
    case 403:
        return is_quota(words) ? PROVIDER_QUOTA : PROVIDER_AUTH;
    case 402:
        return PROVIDER_QUOTA;
    case 413:
        return PROVIDER_CONTEXT_OVERFLOW;
    case 429:
        if (is_too_large(words))
            return PROVIDER_CONTEXT_OVERFLOW;
        return is_quota(words) ? PROVIDER_QUOTA : PROVIDER_RATE_LIMITED;
    case 408:
    case 409:
    case 425:
    case 498: /* Groq: no capacity for the flex tier */
    case 499: /* Google: cancelled on their side */
        return PROVIDER_OVERLOADED;
    case 501:
    case 505:
        return PROVIDER_BAD_REQUEST;
    default:
        break;
    }
    if (is_context_overflow(words))
        return PROVIDER_CONTEXT_OVERFLOW;
    if (status >= 500)
        return PROVIDER_OVERLOADED;
    if (is_quota(words)) /* Anthropic says it with a 400 */
        return PROVIDER_QUOTA;
    if (words->key_is_wrong)
        return PROVIDER_AUTH;
    if (contains(words->code, "tool_use_failed")) /* Groq can't read a call that the model wrote */
        return PROVIDER_MALFORMED_REPLY;
    return PROVIDER_BAD_REQUEST;
}

/* The first value of an array; anything else itself. */
static struct text first_of(struct text json)
{
    struct json_raw_walk walk;
    struct text first = TEXT_NONE;

    if (json_raw_type(json) != JSON_RAW_ARRAY)
        return json;
    json_raw_begin(json, &walk);
    (void)!json_raw_next(&walk, &first);
    return first;
}

bool provider_failure_is_in(struct text json)
{
    struct text error = json_raw_get(first_of(json), "error");

    return (json_raw_type(error) == JSON_RAW_OBJECT || json_raw_type(error) == JSON_RAW_STRING) &&
           error.len > 2;
}

/* What a string says, in the arena; empty for anything else. */
static struct text string_at(struct text object, const char *name, struct arena *arena)
{
    CLEANUP(buf_deinit) struct buf buf;
    char *copy;

    buf_init(&buf, 0);
    if (!json_raw_add_string(json_raw_get(object, name), &buf))
        return TEXT_NONE;
    copy = arena_copy(arena, buf_text(&buf));
    return copy ? (struct text){copy, buf.len} : TEXT_NONE;
}

/* Google's errors have a list of details; of interest are a quota's period, when to try again, and
 * that a key is wrong, which comes with status 400. */
static void read_details(struct text details, struct arena *arena, struct words *out)
{
    struct json_raw_walk walk;
    struct text detail;

    json_raw_begin(details, &walk);
    while (json_raw_next(&walk, &detail)) {
        struct text violations = json_raw_get(detail, "violations");

        if (contains(violations, "PerDay"))
            out->is_of_the_day = true;
        if (contains(violations, "PerMinute"))
            out->is_of_the_minute = true;
        if (json_raw_is(json_raw_get(detail, "reason"), "API_KEY_INVALID"))
            out->key_is_wrong = true;
        if (json_raw_get(detail, "retryDelay").ptr)
            out->delay = string_at(detail, "retryDelay", arena);
    }
}

/* In any of the shapes that failure.h names. The texts live in the arena. */
static void read_words(struct text body, struct arena *arena, struct words *out)
{
    struct text error;
    struct text code;
    int64_t number;

    body = first_of(body);
    error = json_raw_get(body, "error");
    out->message = string_at(body, "error", arena);
    if (json_raw_type(error) != JSON_RAW_OBJECT)
        error = body;
    code = json_raw_get(error, "code");
    out->code = string_at(error, "code", arena);
    if (json_raw_type(code) == JSON_RAW_NUMBER && json_raw_int(code, &number))
        out->number = number;
    if (!out->code.len) /* Anthropic's */
        out->code = string_at(json_raw_get(error, "details"), "error_code", arena);
    out->type = string_at(error, "type", arena);
    if (!out->type.len)
        out->type = string_at(json_raw_get(body, "error"), "status", arena); /* Google's word */
    if (!out->message.len)
        out->message = string_at(error, "message", arena);
    if (!out->message.len)
        out->message = string_at(error, "detail", arena);
    if (!out->message.len)
        out->message = json_raw_get(error, "detail");
    read_details(json_raw_get(error, "details"), arena, out);
}

static bool is_key_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '*' || c == '.' || c == '+' || c == '/' || c == '=';
}

static size_t key_bytes(struct text rest)
{
    size_t len = 0;

    while (len < rest.len && is_key_byte(rest.ptr[len]))
        len++;
    return len;
}

static size_t find_this_key(struct text rest, struct text key)
{
    size_t len = key_bytes(rest);

    if (key.len < 4 || rest.len < key.len || memcmp(rest.ptr, key.ptr, key.len) != 0)
        return 0;
    return len > key.len ? len : key.len;
}

/* One of the target's own keys at the start of `rest`, whatever it looks like: its length, or 0. */
static size_t find_own_key(const struct provider_target *target, struct text rest)
{
    size_t len = find_this_key(rest, text_of(target->api_key));

    for (size_t i = 0; len == 0 && i < target->keys_count; i++)
        len = find_this_key(rest, text_of(target->keys[i].secret));
    for (size_t i = 0; len == 0 && i < target->headers_count; i++)
        len = find_this_key(rest, provider_header_key(target->headers[i]));
    return len;
}

/* A key at the start of `rest`: returns its length and how much of it may be shown. 0: there is
 * none. */
static size_t find_key(const struct provider_target *target, struct text rest, size_t *out_shown)
{
    static const char *const leads[] = {"sk-",  "gsk_", "sk_",    "AIza",
                                        "xai-", "hf_",  "nvapi-", "pplx-"};
    size_t own = target ? find_own_key(target, rest) : 0;
    size_t len = key_bytes(rest);
    struct text after;

    *out_shown = 0;
    if (own > 0)
        return own;
    for (size_t i = 0; i < ARRAY_LENGTH(leads); i++) {
        *out_shown = strlen(leads[i]) + 3;
        if (text_starts(rest, leads[i]) && len > *out_shown)
            return len;
    }
    if (!text_starts(rest, "Bearer "))
        return 0;
    *out_shown = strlen("Bearer ");
    after = (struct text){rest.ptr + *out_shown, rest.len - *out_shown};
    return key_bytes(after) > 3 ? *out_shown + key_bytes(after) : 0;
}

void provider_message_copy(const struct provider_target *target, struct text message, char *out,
                           size_t size)
{
    size_t used = 0;
    size_t at = 0;

    message = text_trim(message);
    while (at < message.len) {
        struct text rest = {message.ptr + at, message.len - at};
        bool word_starts = at == 0 || !is_key_byte(rest.ptr[-1]) || rest.ptr[-1] == '=';
        size_t shown = 0;
        size_t key = word_starts ? find_key(target, rest, &shown) : 0;
        size_t len = key ? shown : utf8_sequence(rest.ptr, rest.len);

        if (used + (key ? shown + 3 : len ? len : 1) >= size)
            break;
        if (key) {
            memcpy(out + used, rest.ptr, shown);
            memcpy(out + used + shown, "***", 3);
            used += shown + 3;
            at += key;
            continue;
        }
        if (len == 0)
            out[used] = '?';
        else if (len == 1 && ((unsigned char)rest.ptr[0] < 0x20 || rest.ptr[0] == 0x7F))
            out[used] = ' ';
        else
            memcpy(out + used, rest.ptr, len);
        used += len ? len : 1;
        at += len ? len : 1;
    }
    out[used] = '\0';
}

/* "Please try again in 1m2.5s." of a rate limit's message; -1 when it does not say. */
static int64_t wait_in_message(struct text message)
{
    static const char *const leads[] = {"try again in ", "retry in ", "retry after "};

    for (size_t i = 0; i < ARRAY_LENGTH(leads); i++) {
        size_t len = strlen(leads[i]);
        const char *at = message.len ? memmem(message.ptr, message.len, leads[i], len) : NULL;
        struct text rest;
        int64_t wait_ms;
        size_t used;

        if (!at)
            continue;
        rest.ptr = at + len;
        rest.len = message.len - (size_t)(rest.ptr - message.ptr);
        if (provider_duration_ms(rest, &wait_ms, &used))
            return wait_ms;
    }
    return -1;
}

/* When an exhausted limit is there again: the latest of those at zero, else the soonest of all. */
static int64_t wait_for_reset(const struct provider_limits *limits)
{
    const struct {
        int64_t remaining;
        int64_t reset_ms;
    } kinds[] = {
        {limits->requests_remaining, limits->requests_reset_ms},
        {limits->tokens_remaining, limits->tokens_reset_ms},
        {limits->input_tokens_remaining, limits->input_tokens_reset_ms},
        {limits->output_tokens_remaining, limits->output_tokens_reset_ms},
    };
    int64_t spent = -1;
    int64_t soonest = -1;

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        int64_t reset_ms = kinds[i].reset_ms;

        if (kinds[i].remaining == 0 && reset_ms > spent)
            spent = reset_ms;
        if (reset_ms >= 0 && (soonest < 0 || reset_ms < soonest))
            soonest = reset_ms;
    }
    return spent >= 0 ? spent : soonest;
}

static void init_info(struct provider_failure_info *out, const struct provider_response *response)
{
    static const struct provider_response none = {.status = 0};

    memset(out, 0, sizeof(*out));
    out->status = response ? response->status : 0;
    out->retry_after_ms = response ? provider_retry_after_ms(response) : -1;
    provider_limits_read(response ? response : &none, &out->limits);
}

/* The message for a body without words: some servers and most proxies reply in text or HTML. */
static void describe_plain(const struct provider_target *target,
                           const struct provider_response *response,
                           struct provider_failure_info *out)
{
    struct text body = text_trim(response->body);

    if (response->status >= 300 && response->status < 400)
        snprintf(out->message, sizeof(out->message),
                 "%s redirects (HTTP %d): its base_url is probably not right",
                 target->provider_name, response->status);
    else if (body.len == 0 || body.ptr[0] == '<' || body.ptr[0] == '{' || body.ptr[0] == '[')
        snprintf(out->message, sizeof(out->message), "%s replied with HTTP %d and no message",
                 target->provider_name, response->status);
    else
        provider_message_copy(target, body, out->message, 200);
}

/* How long the words or the limits in the headers say to wait; -1: they do not. */
static int64_t wait_of(const struct words *words, const struct provider_limits *limits)
{
    int64_t wait_ms = wait_in_message(words->message);

    if (wait_ms < 0 && !provider_duration_ms(words->delay, &wait_ms, NULL))
        wait_ms = -1;
    return wait_ms >= 0 ? wait_ms : wait_for_reset(limits);
}

/* A 429 that names a quota and says to come back soon means a quota of the minute: some providers
 * have those, under the same words as credit that is used up. */
static bool passes_soon(const struct words *words, const struct provider_failure_info *info)
{
    int64_t wait_ms = info->retry_after_ms;

    if (info->failure != PROVIDER_QUOTA || status_of(info->status, words) != 429 ||
        words->is_of_the_day)
        return false;
    if (words->is_of_the_minute)
        return true;
    if (wait_ms < 0 && !provider_duration_ms(words->delay, &wait_ms, NULL))
        wait_ms = wait_in_message(words->message);
    return wait_ms >= 0 && wait_ms <= SOON_MS;
}

void provider_failure_read(const struct provider_target *target,
                           const struct provider_response *response,
                           struct provider_failure_info *out)
{
    struct words words = {.number = 0};
    struct text body = TEXT_NONE;
    struct arena arena;

    arena_init(&arena, WORDS_ARENA_BYTES);
    if (response->body.len > BODY_MAX_BYTES ||
        json_raw_check(response->body, JSON_RAW_DEPTH_MAX, &body, NULL) < 0)
        body = TEXT_NONE;
    init_info(out, response);
    read_words(body, &arena, &words);
    out->failure = class_of(status_of(response->status, &words), &words);
    if (passes_soon(&words, out))
        out->failure = PROVIDER_RATE_LIMITED;
    provider_message_copy(target, words.message, out->message, sizeof(out->message));
    provider_message_copy(target, words.code.len ? words.code : words.type, out->code,
                          sizeof(out->code));
    if (!out->message[0])
        describe_plain(target, response, out);
    if (out->failure == PROVIDER_RATE_LIMITED && out->retry_after_ms < 0)
        out->retry_after_ms = wait_of(&words, &out->limits);
    arena_deinit(&arena);
}

void provider_failure_set(struct provider_failure_info *out, enum provider_failure failure,
                          const struct provider_response *response, const char *format, ...)
{
    va_list args;
    int wanted;

    init_info(out, response);
    out->failure = failure;
    va_start(args, format);
    wanted = vsnprintf(out->message, sizeof(out->message), format, args);
    va_end(args);
    utf8_mark_cut(out->message, sizeof(out->message), wanted);
}
