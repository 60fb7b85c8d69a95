#include "shared/tools/reply_text.h"

#include <string.h>

bool reply_is_readable(struct text body)
{
    for (size_t i = 0; i < body.len; i++) {
        unsigned char c = (unsigned char)body.ptr[i];

        if (c < ' ' && (c == '\0' || !strchr("\t\n\r\f\x1b", c)))
            return false;
    }
    return text_is_utf8(body);
}
