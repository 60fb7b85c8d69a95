/* "data:" urls. */

#include "providers/wire/data_url.h"

static bool is_base64(struct text data)
{
    size_t pad = 0;

    while (pad < 2 && pad < data.len && data.ptr[data.len - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < data.len - pad; i++) {
        char c = data.ptr[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return data.len > 0 && data.len % 4 == 0;
}

static bool starts_nocase(struct text text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && text_is_nocase((struct text){text.ptr, len}, prefix);
}

bool data_url_split(struct text url, struct text *out_type, struct text *out_base64)
{
    static const char scheme[] = "data:";
    static const char encoding[] = ";base64";
    struct text type;
    struct text data;
    struct text parameters;

    if (!starts_nocase(url, scheme) || !text_cut(url, ',', &type, &data))
        return false;
    type.ptr += strlen(scheme);
    type.len -= strlen(scheme);
    if (type.len < strlen(encoding) ||
        !text_is_nocase((struct text){type.ptr + type.len - strlen(encoding), strlen(encoding)},
                        encoding) ||
        !is_base64(data))
        return false;
    type.len -= strlen(encoding);
    (void)!text_cut(type, ';', &type, &parameters);
    *out_type = type.len > 0 ? type : TEXT("application/octet-stream");
    *out_base64 = data;
    return true;
}
