#pragma once
/* What response headers say about waiting and limits. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define PROVIDER_WAIT_MAX_MS ((int64_t)24 * 3600 * 1000)

/* retry-after-ms, else retry-after (seconds or an HTTP date); capped at 24 h; -1 when neither says
 * anything that can be understood. A date in the past is 0. */
int64_t provider_retry_after_ms(const struct provider_response *response);

/* x-ratelimit-{limit,remaining,reset}-KIND, or anthropic-ratelimit-KIND-{limit,remaining,reset}, of
 * the kinds requests, tokens, input-tokens and output-tokens. Negative and odd values are absent; a
 * reset in the past is 0. */
void provider_limits_read(const struct provider_response *response, struct provider_limits *out);

/* "12ms", "6m0s", "1h2m3s", "7.66s", "2d", or a bare number of seconds; capped at 24 h. False,
 * output untouched, for anything else. `used`, when not NULL, allows text to follow and gets the
 * length. */
MUSTCHECK bool provider_duration_ms(struct text text, int64_t *out_ms, size_t *used);

/* The three forms of RFC 9110, section 5.6.7, as ms since 1970. False, output untouched, for
 * anything else. */
MUSTCHECK bool provider_http_date_ms(struct text text, int64_t *out_ms);
