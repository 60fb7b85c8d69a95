/* Signatures: the examples of "Authenticating Requests: Using the Authorization Header" of S3's API
 * reference that sign no further header; and what s3.c reads and writes. */

#include <criterion/criterion.h>

#include "shared/blob/s3.h"
#include "shared/blob/sigv4.h"

static void signs(const char *query, const char *signature)
{
    struct sigv4_request request = {
        .method = "GET",
        .host = "examplebucket.s3.amazonaws.com",
        .path = "/",
        .query = query,
        .payload_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .access_key = "AKIAIOSFODNN7EXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .wall_s = 1369353600,
    };
    char date[SIGV4_DATE_SIZE];
    char authorization[SIGV4_AUTH_SIZE];
    const char *at;

    sigv4_sign(&request, date, authorization);
    cr_assert_str_eq(date, "20130524T000000Z");
    at = strstr(authorization, "Signature=");
    cr_assert_not_null(at);
    cr_assert_str_eq(at + strlen("Signature="), signature);
    cr_assert(text_starts(text_of(authorization),
                          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                          "aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "));
}

Test(sigv4, the_examples_of_the_reference_are_signed_as_there)
{
    signs("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    signs("max-keys=2&prefix=J",
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

Test(s3, elements_are_found_and_values_escaped)
{
    struct text xml = TEXT("<?xml?><R><UploadId>a+/=b</UploadId><Key/></R>");
    CLEANUP(buf_deinit) struct buf escaped;

    cr_assert(text_is(s3_element(xml, "UploadId"), "a+/=b"));
    cr_assert_null(s3_element(xml, "Key").ptr);
    cr_assert_null(s3_element(TEXT("<UploadId>x"), "UploadId").ptr);
    cr_assert_null(s3_element(TEXT_NONE, "UploadId").ptr);
    buf_init(&escaped, 0);
    s3_escape(&escaped, TEXT("aZ0-._~+/= \xc3"));
    cr_assert_str_eq(buf_string(&escaped), "aZ0-._~%2B%2F%3D%20%C3");
}
