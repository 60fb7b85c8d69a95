#pragma once
/* From the bytes of a page to UTF-8. Pure, but that the C library reads tables of its own.
 *
 * Which charset it is says, in this order: a byte order mark, the reply's header, the page itself
 * (<meta> or the declaration of XML, in its first kibibyte); else it is UTF-8 where it could be,
 * and windows-1252. A label that is not in the table below is as if nothing were said: no name
 * from outside comes to iconv.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* The name for charset_decode of a label such as "gb2312" or "latin1", in any case; NULL: it is not
 * known. */
const char *charset_of_label(struct text label);

/* The label in a Content-Type such as `text/html; charset="GBK"`; TEXT_NONE: there is none. */
struct text charset_label_of(struct text content_type);

/* Which it is, and in *out_skip how many bytes a byte order mark has. Never NULL. */
const char *charset_find(struct text content_type, struct text body, size_t *out_skip);

/* Appends the text as UTF-8. What the charset has no character for becomes U+FFFD. False: the
 * machine has no tables for it, and nothing was appended. */
MUSTCHECK bool charset_decode(const char *charset, struct text body, struct buf *out);
