#pragma once
/* What of a server's reply a model can read. Pure. */

#include "shared/base/text.h"

/* Whether it is text: UTF-8 without control characters but those of white space and terminals. */
bool reply_is_readable(struct text body);
