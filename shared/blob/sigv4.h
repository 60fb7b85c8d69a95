#pragma once
/* AWS Signature Version 4, as S3 has it: a request's Authorization. Pure.
 *
 * Made here and not by libcurl, whose versions differ in what they sign: 7.88, that of Debian 12,
 * leaves out the "=" of a query member without a value, such as ?uploads, and no server takes
 * that. */

#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/text.h"

struct sigv4_request {
    const char *method;
    const char *host;  /* with its port where the URL has one */
    const char *path;  /* escaped as it is sent */
    const char *query; /* as it is sent: escaped, its members in order, each with "="; "" */
    const char *payload_sha256; /* in hex */
    const char *access_key;
    const char *secret_key;
    const char *region;
    int64_t wall_s;
};

#define SIGV4_DATE_SIZE 17 /* "20130524T000000Z" */
#define SIGV4_AUTH_SIZE 512

/* Writes the values of the headers x-amz-date and Authorization. Signed are host,
 * x-amz-content-sha256 and x-amz-date. */
void sigv4_sign(const struct sigv4_request *request, char date[SIGV4_DATE_SIZE],
                char authorization[SIGV4_AUTH_SIZE]);
