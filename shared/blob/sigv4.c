#include "shared/blob/sigv4.h"

#include <stdio.h>
#include <time.h>

#define SIGNED_HEADERS "host;x-amz-content-sha256;x-amz-date"

static struct text bytes_of(const uint8_t *bytes, size_t len)
{
    return (struct text){(const char *)bytes, len};
}

/* The key of a day, a region and a service, from the secret one. */
static void make_key(const struct sigv4_request *request, const char *day,
                     uint8_t key[SHA256_BYTES])
{
    CLEANUP(buf_deinit) struct buf secret;

    buf_init(&secret, 0);
    buf_printf(&secret, "AWS4%s", request->secret_key);
    hmac_sha256(buf_text(&secret), text_of(day), key);
    hmac_sha256(bytes_of(key, SHA256_BYTES), text_of(request->region), key);
    hmac_sha256(bytes_of(key, SHA256_BYTES), TEXT("s3"), key);
    hmac_sha256(bytes_of(key, SHA256_BYTES), TEXT("aws4_request"), key);
}

void sigv4_sign(const struct sigv4_request *request, char date[SIGV4_DATE_SIZE],
                char authorization[SIGV4_AUTH_SIZE])
{
    CLEANUP(buf_deinit) struct buf text;
    char hash[SHA256_TEXT_SIZE];
    uint8_t key[SHA256_BYTES];
    uint8_t signature[SHA256_BYTES];
    char signature_hex[SHA256_TEXT_SIZE];
    char day[9];
    time_t seconds = (time_t)request->wall_s;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    (void)strftime(date, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
    (void)strftime(day, sizeof(day), "%Y%m%d", &tm);
    buf_init(&text, 0);
    buf_printf(&text,
               "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n" SIGNED_HEADERS
               "\n%s",
               request->method, request->path, request->query, request->host,
               request->payload_sha256, date, request->payload_sha256);
    sha256_hex(buf_text(&text), hash);
    buf_reset(&text);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", date, day, request->region,
               hash);
    make_key(request, day, key);
    hmac_sha256(bytes_of(key, sizeof(key)), buf_text(&text), signature);
    *text_put_hex(signature_hex, signature, sizeof(signature)) = '\0';
    (void)snprintf(authorization, SIGV4_AUTH_SIZE,
                   "AWS4-HMAC-SHA256 Credential=%.128s/%s/%.64s/s3/aws4_request, "
                   "SignedHeaders=" SIGNED_HEADERS ", Signature=%s",
                   request->access_key, day, request->region, signature_hex);
}
