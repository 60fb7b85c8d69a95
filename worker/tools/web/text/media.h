#pragma once
/* What a reply is, by what its header says and by what it begins with: servers lie about types, and
 * a few kinds say themselves what they are. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum media {
    MEDIA_HTML,
    MEDIA_XHTML,
    MEDIA_TEXT, /* is shown as it is: also JSON and XML */
    MEDIA_PDF,
    MEDIA_OTHER, /* has no text */
};

enum media media_of(struct text content_type, struct text body);

/* The type without its parameters, for people: lower case, "" where it is none. */
#define MEDIA_NAME_SIZE 64
void media_name(struct text content_type, char out[MEDIA_NAME_SIZE]);
