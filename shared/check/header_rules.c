#include "shared/check/header_rules.h"

#include <string.h>

#define NAME_BYTES 128

bool header_name_fits(struct text name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return name.len > 0 && name.len <= NAME_BYTES;
}

bool header_value_fits(struct text value)
{
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
            return false;
    return value.len <= TOOL_HEADER_VALUE_BYTES;
}

bool header_is_reserved(struct text name)
{
    static const char *const reserved[] = {"host",
                                           "content-length",
                                           "transfer-encoding",
                                           "connection",
                                           "keep-alive",
                                           "te",
                                           "trailer",
                                           "upgrade",
                                           "expect",
                                           "cookie",
                                           "cookie2",
                                           "http2-settings",
                                           "accept-encoding",
                                           "via",
                                           "proxy-connection",
                                           "set-cookie",
                                           "proxy-authorization",
                                           "proxy-authenticate"};

    for (size_t i = 0; i < ARRAY_LENGTH(reserved); i++)
        if (text_is_nocase(name, reserved[i]))
            return true;
    return false;
}
