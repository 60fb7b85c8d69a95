/* "data:" urls. */

#include <criterion/criterion.h>

#include "providers/wire/data_url.h"

static void gives(const char *url, const char *type, const char *data)
{
    struct text out_type;
    struct text out_data;

    cr_assert(data_url_split(text_of(url), &out_type, &out_data), "%s", url);
    cr_assert(text_is(out_type, type), "%s: %.*s", url, TEXT_ARGS(out_type));
    cr_assert(text_is(out_data, data), "%s: %.*s", url, TEXT_ARGS(out_data));
}

Test(data_url, is_split)
{
    gives("data:image/png;base64,aGVsbG8=", "image/png", "aGVsbG8=");
    gives("DATA:image/jpeg;BASE64,aGVs", "image/jpeg", "aGVs");
    gives("data:text/plain;charset=utf-8;base64,aA==", "text/plain", "aA==");
    gives("data:;base64,+/A=", "application/octet-stream", "+/A=");
}

Test(data_url, anything_else_is_refused)
{
    static const char *const urls[] = {
        "",
        "data:",
        "data:image/png,hello",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,abc",
        "data:image/png;base64,ab c",
        "data:image/png;base64,a===",
        "data:image/png;base64,aGVs\n",
        "https://example.com/data:image/png;base64,aGVs",
        "base64,aGVs",
        "data:,;base64,",
    };
    struct text type = TEXT("untouched");
    struct text data = TEXT("untouched");

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        cr_assert_not(data_url_split(text_of(urls[i]), &type, &data), "%s", urls[i]);
        cr_assert(text_is(type, "untouched") && text_is(data, "untouched"));
    }
}
