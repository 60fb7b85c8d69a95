#pragma once
/* Which headers a request may have that a tool makes. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define TOOL_HEADERS_MAX        32
#define TOOL_HEADER_VALUE_BYTES ((size_t)8 << 10)

/* A name as RFC 9110 (5.1, 5.6.2) has it, of at most 128 bytes. */
bool header_name_fits(struct text name);

/* No control characters but tabs, and not over TOOL_HEADER_VALUE_BYTES. */
bool header_value_fits(struct text value);

/* Headers that frame the message, belong to one connection (RFC 9110, 7.6.1) or carry a state that
 * a tool has not. */
bool header_is_reserved(struct text name);
