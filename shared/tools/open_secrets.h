#pragma once
/* Secrets while a call uses them: read, opened, and wiped when it is over. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/secrets/redactor.h"
#include "shared/tools/http_tool.h"

struct error;
struct key_ring;
struct pg;

struct open_secrets_options {
    struct pg *pg;
    struct key_ring *ring;
    struct uuid tenant;
};

struct open_secrets {
    struct known_secret items[HTTP_TOOL_SECRETS_MAX]; /* names are those that were asked for */
    size_t count;
    struct buf values[HTTP_TOOL_SECRETS_MAX];
};

/* At most HTTP_TOOL_SECRETS_MAX; asks nothing for none. Returns 0; -E_NOT_FOUND: one is not there,
 * or its master key is not; -E_CONTENT: it is not as it was sealed; or what the store failed with.
 * Texts are for the model. *out is to be wiped in any case. */
SUSPENDS MUSTCHECK int open_secrets_read(const struct open_secrets_options *options,
                                         const struct text *names, size_t count,
                                         struct open_secrets *out, struct error *err);
void open_secrets_wipe(struct open_secrets *secrets);
