#pragma once
/* Where a request goes whose url a model or a user chose: strict reading of the url, and an
 * allow-list. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define HTTP_TARGET_HOST_SIZE 256
#define HTTP_TARGET_URL_BYTES 8192

struct http_target {
    char *url;                        /* as libcurl understood it; free with http_target_deinit */
    char host[HTTP_TARGET_HOST_SIZE]; /* lower case, no final dot, IPv6 without brackets */
    int port;
};

/* Accepts http and https with a host; refuses credentials, zone ids, blanks, backslashes and
 * whatever libcurl's URL API refuses. Numeric IPv4 spellings become dotted ones. Returns 0 or
 * -E_INVALID, with a sentence for whoever chose it. */
MUSTCHECK int http_target_parse(const char *url, struct http_target *out, struct error *err);
void http_target_deinit(struct http_target *target);

/* Entries are those of shared/net/host_entry.h; malformed ones allow nothing. Pure. Returns 0 or
 * -E_DENIED, with a sentence for the model. */
MUSTCHECK int http_target_check(const struct http_target *target, const char *const *allow,
                                size_t allow_count, struct error *err);
