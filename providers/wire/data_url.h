#pragma once
/* "data:" urls, RFC 2397, as far as clients send images in them. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Splits "data:TYPE;base64,DATA". Both are pieces of the url; a type that is left out is
 * "application/octet-stream". False, outputs untouched, for any other url, and for data that is no
 * base64. */
MUSTCHECK bool data_url_split(struct text url, struct text *out_type, struct text *out_base64);
