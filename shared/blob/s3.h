#pragma once
/* A bucket of S3, or of what speaks like it (MinIO, R2, Ceph): one signed request at a time.
 * Internal to shared/blob. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

struct error;
struct http_client;
struct http_response;
struct s3;

struct s3_options {
    struct http_client *http;
    const char *endpoint; /* "https://s3.eu-central-1.amazonaws.com" */
    const char *bucket;
    const char *region; /* default "us-east-1" */
    const char *access_key;
    const char *secret_key;
    bool host_style;    /* the bucket is a part of the host's name, not of the path */
    int64_t timeout_ms; /* for a request with all of its tries; default 60 000 */
};

MUSTCHECK int s3_open(const struct s3_options *options, struct s3 **out, struct error *err);
void s3_close(struct s3 *s3); /* accepts NULL */

struct s3_request {
    const char *method;
    struct uuid key;   /* the object's name */
    const char *query; /* "", or as struct sigv4_request has it */
    struct text body;
    int64_t at; /* of a range to get; -1: none */
    size_t size;
};

/* Makes a request, again where it fails for a reason that passes, until timeout_ms are over at the
 * latest. Returns 0 for what succeeded, and
 * for a 404 (response->status); *out is the caller's to http_response_deinit. -E_UNAVAILABLE: it
 * can't be reached, or has trouble of its own. -E_REJECTED: it refuses, and the text tells why. */
SUSPENDS MUSTCHECK int s3_call(struct s3 *s3, const struct s3_request *request,
                               struct http_response *out, struct error *err);

/* The text of the first element of this name, which has none within; TEXT_NONE: there is none.
 * Pure. */
struct text s3_element(struct text xml, const char *name);

/* Appends a value of a query, escaped as a signature wants it. Pure. */
void s3_escape(struct buf *out, struct text value);
